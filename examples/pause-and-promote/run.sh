#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs the experiment, then says how many trials came to the end.
set -eu
cd "$(dirname "$0")"
hone=${HONE_BIN:-$(command -v hone || echo ../../build/hone)}
"$hone" run pause-and-promote.yaml -n "${HONE_EXAMPLE_TRIALS:-20}" -o json |
    python3 -c 'import json, sys; e = json.load(sys.stdin); print("best", e["best"], "counts", e["counts"])'
