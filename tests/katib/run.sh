#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs files of Katib on the real binary: tests/katib/run.sh [MODULE[.CLASS[.TEST]] ...]. HONE_BIN: the binary (default build/hone).
# Ends with "N passed, N failed" (single tests). The files beside it (valid, invalid) are read by tests/model/test_katib.c.
cd "$(dirname "$0")" || exit 1
PYTHONPATH=. exec python3 -B ../http/run.py ${@:-test_run test_api}
