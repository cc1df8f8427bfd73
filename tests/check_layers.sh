#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Fails on an include that tests/layers.txt does not allow, and on a foreign header away from its home.
cd "$(dirname "$0")/.." || exit 1
bad=0
while IFS=: read -r dir allowed; do
    case $dir in ''|'#'*) continue ;; esac
    own=${dir#src/}
    for f in $(find "$dir" -name '*.[ch]' 2>/dev/null); do
        for to in $(sed -n 's/^#include "\([a-z]*\)\/.*/\1/p' "$f" | sort -u); do
            case " base net model store core backends collectors libhone pipeline artifacts grpc worker cli " in *" $to "*) ;; *) continue ;; esac
            case " $own $allowed " in *" $to "*) ;; *) echo "$f: must not include $to/ (tests/layers.txt)"; bad=1 ;; esac
        done
    done
done < tests/layers.txt
home() { # HEADER FILE-PATTERN...
    header=$1
    shift
    for f in $(grep -rlE "#include <$header" src api algorithms libhone 2>/dev/null); do
        ok=0
        for pattern in "$@"; do
            # shellcheck disable=SC2254
            case $f in $pattern) ok=1 ;; esac
        done
        [ "$ok" = 1 ] || { echo "$f: <$header belongs in $*"; bad=1; }
    done
}
home pcre2.h 'src/collectors/*' 'src/pipeline/schema*.c'; home sqlite3.h 'src/store/*'; home microhttpd.h api/http.c; home curl/ 'src/net/curl_lib.h'
home gsl/ 'algorithms/*' src/model/space_map.c src/main.c; home sodium.h src/base/token.c src/base/sha256.c src/base/base64.c; home yaml.h src/model/yaml.c; home csv.h src/pipeline/type_table.c; home nghttp2/ src/grpc/server.c
exit $bad
