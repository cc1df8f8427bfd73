#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs every test: the programs given (cmocka), the kept inputs of the fuzz targets, then what drives the real binary: HTTP, crashes,
# dashboard, examples. Shows what failed; the last line is "N passed, N failed". TESTS=unit leaves the second half out.
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0
add() { # NAME PASSED FAILED
    printf '%-44s %4d passed, %d failed\n' "$1" "$2" "$3"
    passed=$((passed + $2)) failed=$((failed + $3))
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for t in "$@"; do
    "$t" > "$log" 2>&1
    rc=$?
    p=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s)\.$/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    f=$(sed -n 's/^\[  FAILED  \] .*: \([0-9]*\) test(s), listed below:$/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    if [ "$rc" -ne 0 ]; then
        [ "$f" -eq 0 ] && f=1
        cat "$log"
    fi
    add "${t#"$BUILD"/}" "$p" "$f"
done

for t in "$BUILD"/tests/fuzz/fuzz_*; do
    case $t in *.o | *.d | *'*') continue ;; esac
    name=$(basename "$t")
    name=${name#fuzz_}
    [ -d "tests/fuzz/corpus/$name" ] || continue
    if "$t" "tests/fuzz/corpus/$name"/* > "$log" 2>&1; then
        add "fuzz/$name: $(find "tests/fuzz/corpus/$name" -type f | wc -l) kept inputs" 1 0
    else
        cat "$log"
        add "fuzz/$name" 0 1
    fi
done

# A suite of its own that ends with "N passed, N failed".
suite() { # NAME COMMAND...
    name=$1
    shift
    if HONE_BIN=$PWD/$BUILD/hone "$@" > "$log" 2>&1; then rc=0; else rc=$?; fi
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
    grep -iE '^(skipped|not run):?' "$log" | sort -u
    if [ "$rc" -ne 0 ] || [ -z "$line" ]; then
        cat "$log"
    fi
    # shellcheck disable=SC2086
    set -- $line
    p=${1:-0} f=${3:-1}
    [ "$rc" -ne 0 ] && [ "$f" -eq 0 ] && f=1
    add "$name" "$p" "$f"
}
if [ "${TESTS:-all}" = all ]; then
    suite http tests/http/run.sh
    suite web tests/web/run.sh
    suite examples tests/examples.sh
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
