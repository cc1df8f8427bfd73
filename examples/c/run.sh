#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds minimise.c with an installed libhone and runs it: examples/c/run.sh [TRIALS]. PKG_CONFIG_PATH: where hone.pc is, if it is not where
# pkg-config looks; HONE_STATIC=1: with the static library.
set -eu
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags=$(pkg-config --cflags hone) libs=$(pkg-config --libs hone) dir=$(pkg-config --variable=libdir hone)
if [ "${HONE_STATIC:-0}" = 1 ]; then
    libs="$dir/libhone.a $(pkg-config --static --libs hone | sed 's/-lhone//')"
fi
# shellcheck disable=SC2086
${CC:-cc} -O2 -Wall -Wextra -Werror ${SAN:-} $flags minimise.c -o "$out/minimise" $libs -lm
LD_LIBRARY_PATH=$dir "$out/minimise" "${1:-40}"
