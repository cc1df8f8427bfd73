#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The checks that need no running: licences, forbidden calls, cppcheck, clang-tidy (.clang-tidy says which checks). All are made, any finding
# fails. Formatting is not among them: .clang-format is there for editors, but tables and long calls were laid out by hand to be read, and a
# formatter would undo that.
cd "$(dirname "$0")/.." || exit 1
jobs=$(nproc)
files=$(git ls-files 'src/*.[ch]' 'api/*.[ch]' 'algorithms/*.[ch]' 'tests/*.[ch]')
sources=$(git ls-files 'src/*.c' 'api/*.c' 'algorithms/*.c')
log=$(mktemp)
trap 'rm -f "$log"' EXIT
bad=0
for program in cppcheck clang-tidy; do
    command -v "$program" > /dev/null || { echo "there is no $program: .ci/install check" >&2; exit 2; }
done

# shellcheck disable=SC2086
grep -nE '\b(strcpy|strcat|sprintf|gets|strtok|system|popen)\(' $sources && { echo "forbidden: the calls above have safer forms"; bad=1; }
for f in $files; do
    head -n 1 "$f" | grep -q 'SPDX-License-Identifier' || { echo "$f: its first line must name the licence (SPDX)"; bad=1; }
done

# Left out is what it takes for wrong here without cause: uninitialised variables are better seen by gcc and clang-tidy, log(0) is meant.
# shellcheck disable=SC2086
cppcheck -q -j "$jobs" --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -Isrc -Ialgorithms -Iapi \
    --library=tests/cppcheck.cfg --suppress=uninitvar --suppress=invalidFunctionArg --suppress=arrayIndexThenCheck --suppress=internalAstError \
    --suppress=preprocessorErrorDirective --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches $sources || bad=1

flags="-std=c11 -D_GNU_SOURCE -DHONE_VERSION='\"0\"' -Isrc -Ialgorithms -Iapi -I. $(pkg-config --cflags gsl libmicrohttpd jansson sqlite3 libcurl yaml-0.1 libsodium)"
echo "$sources" | xargs -P "$jobs" -I FILE sh -c "clang-tidy --quiet FILE -- $flags" > "$log" 2>&1
rc=$?
if grep -qE 'warning:|error:' "$log" || [ "$rc" -ne 0 ]; then
    grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -header-filter' "$log"
    bad=1
fi
[ "$bad" -eq 0 ] && echo "style: nothing to mend"
exit "$bad"
