#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs the end-to-end tests: tests/http/run.sh [MODULE[.CLASS[.TEST]] ...]. HONE_BIN: the binary (default build/hone).
# Ends with "N passed, N failed" (single tests). What cannot be tried here is said on a line that begins with "skip".
cd "$(dirname "$0")" || exit 1
exec python3 -B run.py "$@"
