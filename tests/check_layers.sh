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
            case " base net model store core backends collectors cli " in *" $to "*) ;; *) continue ;; esac
            case " $own $allowed " in *" $to "*) ;; *) echo "$f: must not include $to/ (tests/layers.txt)"; bad=1 ;; esac
        done
    done
done < tests/layers.txt
home() {
    for f in $(grep -rlE "#include <$1" src api algorithms 2>/dev/null); do
        case $f in $2) ;; *) echo "$f: <$1 belongs in $2"; bad=1 ;; esac
    done
}
home sqlite3.h 'src/store/*'; home microhttpd.h api/http.c; home curl/ 'src/net/rest.c'
home gsl/ 'algorithms/*'; home sodium.h src/base/token.c; home yaml.h src/model/yaml.c
exit $bad
