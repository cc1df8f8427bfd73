#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Opens the dashboard in a real browser (chromium and chromedriver; without them: a line that says so, and no failure).
# HONE_BIN: the binary (default build/hone). HONE_SCREENSHOT=FILE.png: keep a picture of a finished page.
# Ends with "N passed, N failed".
cd "$(dirname "$0")" || exit 1
for program in chromedriver chromium; do
    if ! command -v "$program" > /dev/null; then
        echo "skip tests/web: there is no $program"
        echo "0 passed, 0 failed"
        exit 0
    fi
done
# shellcheck disable=SC2086,SC2068
PYTHONPATH=. exec python3 -B ../http/run.py ${@:-test_dashboard test_frame}
