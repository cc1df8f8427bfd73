#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs worker.py with the client of this clone.
set -eu
cd "$(dirname "$0")"
if [ -z "${HONE_BIN:-}" ] && ! command -v hone > /dev/null; then
    export HONE_BIN=../../build/hone
fi
PYTHONPATH=../../api/python${PYTHONPATH:+:$PYTHONPATH} exec python3 -B worker.py
