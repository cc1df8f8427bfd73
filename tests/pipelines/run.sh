#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Pipelines under fire: tests/pipelines/run.sh [MODULE[.CLASS[.TEST]] ...]. HONE_BIN: the binary (default build/hone).
# Ends with "N passed, N failed" (single tests).
cd "$(dirname "$0")" || exit 1
PYTHONPATH=. exec python3 -B ../http/run.py ${@:-test_storm test_big}
