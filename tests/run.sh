#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs every test: the programs given (cmocka), the kept inputs of the fuzz targets, then what drives the real binary: HTTP, crashes,
# other people's packages, a real Kubernetes where one was built, dashboard, examples. Shows what failed; the last line is "N passed, N failed". TESTS: some of the suites below, by name.
cd "$(dirname "$0")/.." || exit 1
suites="unit fuzz http pipelines katib kubernetes python clients web examples"
TESTS=${TESTS:-$suites}
BUILD=$(realpath "${BUILD:-build}")
limit="timeout --foreground 1800" # seconds; only so that what hangs is told
for name in $TESTS; do
    case " $suites " in
    *" $name "*) ;;
    *) echo "TESTS: there is no suite '$name'; there are: $suites" >&2 && exit 2 ;;
    esac
done
wanted() { # SUITE
    case " $TESTS " in *" $1 "*) ;; *) return 1 ;; esac
}
if wanted unit && [ $# -eq 0 ]; then
    echo "unit: no test program was given" >&2 && exit 2
fi

passed=0 failed=0
add() { # NAME PASSED FAILED
    printf '%-44s %4d passed, %d failed  (%d s)\n' "$1" "$2" "$3" $(($(date +%s) - began))
    passed=$((passed + $2)) failed=$((failed + $3))
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

program() { # FILE: a test program
    began=$(date +%s)
    $limit "$1" > "$log" 2>&1
    rc=$?
    p=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s)\.$/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    f=$(sed -n 's/^\[  FAILED  \] .*: \([0-9]*\) test(s), listed below:$/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    # It may end badly after its last test, or well without having come to one.
    if [ "$rc" -ne 0 ] || ! grep -qE '^\[  (PASSED|SKIPPED) ' "$log"; then
        [ "$f" -eq 0 ] && f=1
        cat "$log"
        echo "${1#"$BUILD"/} ended with $rc"
    fi
    add "${1#"$BUILD"/}" "$p" "$f"
}

replay() { # NAME: the kept inputs of fuzz target NAME
    began=$(date +%s)
    : > "$log"
    count=$(find -L "tests/fuzz/corpus/$1" -type f | wc -l)
    if [ "$count" -gt 0 ] && $limit "$BUILD/tests/fuzz/fuzz_$1" "tests/fuzz/corpus/$1"/* > "$log" 2>&1; then
        add "fuzz/$1: $count kept inputs" 1 0
    else
        cat "$log"
        add "fuzz/$1: $count kept inputs" 0 1
    fi
}

suite() { # NAME COMMAND: drives the binary, ends with "N passed, N failed"
    began=$(date +%s)
    if HONE_BIN=$BUILD/hone $limit "$2" > "$log" 2>&1; then rc=0; else rc=$?; fi
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    p=${line%% *} f=${line#*, } f=${f% failed}
    if [ "$rc" -ne 0 ] || [ -z "$line" ]; then
        [ "${f:-0}" -eq 0 ] && f=1
        cat "$log"
        echo "$2 ended with $rc"
    else
        grep '^skip' "$log"
    fi
    add "$1" "${p:-0}" "$f"
}

if wanted unit; then
    for t in "$@"; do program "$t"; done
fi
if wanted fuzz; then
    for source in tests/fuzz/fuzz_*.c; do
        name=${source##*/fuzz_}
        replay "${name%.c}"
    done
fi
wanted http && suite http tests/http/run.sh
wanted pipelines && suite pipelines tests/pipelines/run.sh
wanted katib && suite katib tests/katib/run.sh
wanted kubernetes && suite kubernetes tests/kubernetes/run.sh
wanted python && suite python tests/python/run.sh
wanted clients && suite clients tests/clients/run.sh
wanted web && suite web tests/web/run.sh
wanted examples && suite examples tests/examples.sh
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
