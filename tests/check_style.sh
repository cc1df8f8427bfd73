#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The checks that need no running: formatting, clang-tidy, cppcheck, forbidden calls. Fails on the first kind that finds something.
cd "$(dirname "$0")/.." || exit 1
files=$(git ls-files 'src/*.[ch]' 'api/*.[ch]' 'algorithms/*.[ch]' 'tests/*.[ch]')
sources=$(git ls-files 'src/*.c' 'api/*.c' 'algorithms/*.c')
bad=0

# shellcheck disable=SC2086
grep -nE '\b(strcpy|strcat|sprintf|gets|strtok|system|popen)\(' $sources && { echo "forbidden: the calls above have safer forms"; bad=1; }
for f in $files; do
    head -n 1 "$f" | grep -q 'SPDX-License-Identifier' || { echo "$f: its first line must name the licence (SPDX)"; bad=1; }
done
# shellcheck disable=SC2086
cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -Isrc -Ialgorithms -Iapi \
    --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches $sources || bad=1
flags="-std=c11 -D_GNU_SOURCE -DHONE_VERSION=\"0\" -Isrc -Ialgorithms -Iapi -I. $(pkg-config --cflags gsl libmicrohttpd jansson sqlite3 libcurl yaml-0.1 libsodium)"
# shellcheck disable=SC2086
echo $sources | tr ' ' '\n' | xargs -P 2 -n 1 sh -c 'clang-tidy --quiet "$@" -- '"$flags"' 2>/dev/null' -- | grep -E 'warning:|error:' && bad=1
[ "$bad" -eq 0 ] && echo "style: nothing to mend"
exit "$bad"
