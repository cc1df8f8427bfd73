#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs the experiment, then says how good the best member became.
set -eu
cd "$(dirname "$0")"
hone=${HONE_BIN:-$(command -v hone || echo ../../build/hone)}
"$hone" run population.yaml -n "${HONE_EXAMPLE_TRIALS:-48}" -o json |
    python3 -c 'import json, sys; e = json.load(sys.stdin); print("best", e["best"], "counts", e["counts"])'
