#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs the tests of the Python client against the real binary: tests/python/run.sh [MODULE[.CLASS[.TEST]] ...]. HONE_BIN: the binary
# (default build/hone); PYTHON: which Python (default python3). Ends with "N passed, N failed"; what cannot be tried is on a line "skip".
cd "$(dirname "$0")" || exit 1
exec "${PYTHON:-python3}" -B run.py "$@"
