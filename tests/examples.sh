#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs every example with the built binary, each with few trials and data of its own. Ends with "N passed, N failed".
# HONE_BIN: the binary (default build/hone); HONE_EXAMPLE_TRIALS: how many trials (default 6).
set -u
cd "$(dirname "$0")/.." || exit 1
HONE_BIN=$(realpath "${HONE_BIN:-build/hone}")
HONE_EXAMPLE_TRIALS=${HONE_EXAMPLE_TRIALS:-6}
tmp=$(mktemp -d)
XDG_CONFIG_HOME=$tmp/config
export HONE_BIN HONE_EXAMPLE_TRIALS XDG_CONFIG_HOME
unset HONE_URL HONE_TOKEN HONE_PROJECT HONE_LISTEN HONE_CONFIG
# What a sanitizer reports in any process is a failure, also in a service that ends unseen.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:log_path=$tmp/sanitizer"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-}:log_path=$tmp/sanitizer"
export TSAN_OPTIONS="${TSAN_OPTIONS:-}:log_path=$tmp/sanitizer"
passed=0 failed=0

# Runs a command with a data directory of its own; its output must hold what $2 says (a regular expression).
example() {
    name=$1 pattern=$2
    shift 2
    if HONE_DATA=$tmp/$name "$@" > "$tmp/$name.log" 2>&1 && grep -qE "$pattern" "$tmp/$name.log"; then
        passed=$((passed + 1))
        echo "ok   $name"
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        sed 's/^/    /' "$tmp/$name.log"
    fi
}

example tune-a-script 'SUCCEEDED' examples/tune-a-script/run.sh
example early-stopping "best .*'number'" examples/early-stopping/run.sh
example pause-and-promote "best .*'number'" examples/pause-and-promote/run.sh
example population "best .*'number'" examples/population/run.sh
example pipeline-step '^error=0\.' examples/pipeline-step/run.sh "$tmp/out"
example python-tune '^best ' examples/python-tune/run.sh
example python-ask-tell '^best ' examples/python-ask-tell/run.sh
if command -v curl > /dev/null; then
    example ask-tell '"trials": ?\[\{"number"' examples/ask-tell/run.sh
else
    echo "skip ask-tell: there is no curl"
fi
if python3 -c 'import sklearn' 2> /dev/null || /usr/bin/python3 -c 'import sklearn' 2> /dev/null; then
    example digits 'Dashboard:  http://127' examples/demo.sh
    example digits 'Dashboard:  http://127' examples/demo.sh # again, on the service that the first left
    pid=$(sed -n 's/^Stop it: *kill //p' "$tmp/digits.log")
    [ -n "$pid" ] && kill "$pid"
    while [ -n "$pid" ] && kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
else
    echo "skip digits: no python3 with sklearn"
fi
# The library as a program elsewhere finds it: installed, by pkg-config alone.
export PKG_CONFIG_PATH="$tmp/prefix/lib/pkgconfig"
if make -s install-lib BUILD="$(dirname "$HONE_BIN")" PREFIX="$tmp/prefix" > "$tmp/install-lib.log" 2>&1; then
    example c "^best: trial" examples/c/run.sh 30
    example c-static "^best: trial" env HONE_STATIC=1 examples/c/run.sh 12
else
    failed=$((failed + 1))
    echo "FAIL install-lib"
    sed 's/^/    /' "$tmp/install-lib.log"
fi
for report in "$tmp"/sanitizer.*; do
    [ -e "$report" ] || continue
    failed=$((failed + 1))
    echo "FAIL a sanitizer reported:"
    cat "$report"
done
rm -rf "$tmp"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
