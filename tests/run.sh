#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs test programs one after the other, shows what failed, ends with "N passed, N failed" (single tests, as cmocka counts them).
passed=0 failed=0
for t in "$@"; do
    out=$("$t" 2>&1); rc=$?
    p=$(printf '%s\n' "$out" | sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s)\.$/\1/p' | awk '{n += $1} END {print n + 0}')
    f=$(printf '%s\n' "$out" | sed -n 's/^\[  FAILED  \] .*: \([0-9]*\) test(s), listed below:$/\1/p' | awk '{n += $1} END {print n + 0}')
    [ "$rc" -ne 0 ] && [ "$f" -eq 0 ] && f=1
    if [ "$rc" -ne 0 ]; then printf '%s\n' "$out"; fi
    echo "$t: $p passed, $f failed"
    passed=$((passed + p)) failed=$((failed + f))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
