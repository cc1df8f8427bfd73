#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The dashboard in a real browser: Debian's chromium, driven by playwright-core from npm (without them: a line that says so, and no failure).
# HONE_BIN: the binary (default build/hone). Words are files of this folder, such as views.test.mjs; none: all. --screenshots DIR [NAME...] and
# --bench make pictures and measurements instead.
# Ends with "N passed, N failed".
for path in HONE_BIN BUILD; do # they are meant from where this was called
    eval "value=\${$path:-}"
    [ -z "$value" ] || export "$path=$(realpath "$value")"
done
cd "$(dirname "$0")" || exit 1
skip() {
    echo "skip tests/web: $1"
    echo "0 passed, 0 failed"
    exit 0
}
[ "${WITH_DASHBOARD:-1}" = 0 ] && skip "built without the dashboard"
for program in chromium node npm; do
    command -v "$program" > /dev/null || skip "there is no $program (.ci/install web)"
done
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --silent || skip "npm cannot get playwright-core"
    touch node_modules/.package-lock.json
fi
case ${1:-} in
--screenshots | --bench)
    what=${1#--}
    shift
    exec node "$what.mjs" "$@"
    ;;
esac
[ $# -gt 0 ] || set -- ./*.test.mjs
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0
if [ -d ../../api/web/node_modules/typescript ]; then # what the types say
    if (cd ../../api/web && npx --no-install tsc -p .); then passed=1; else failed=1; fi
fi
for file; do
    node --test --test-reporter=tap "$file" > "$log" 2>&1
    p=$(sed -n 's/^# pass \([0-9]*\)$/\1/p' "$log") f=$(sed -n 's/^# fail \([0-9]*\)$/\1/p' "$log") c=$(sed -n 's/^# cancelled \([0-9]*\)$/\1/p' "$log")
    f=$((${f:-1} + ${c:-0}))
    [ "$f" -eq 0 ] || cat "$log"
    grep -E '^ *(not )?ok [0-9]+ - ' "$log" | sed "s|^ *|  ${file##*/}: |"
    passed=$((passed + ${p:-0})) failed=$((failed + f))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
