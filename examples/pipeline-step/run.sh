#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A pipeline of two steps in plain shell: tune, then train once more with what was found. Ends with exit code 8 at the first step
# when no trial succeeded, so that the second never runs on nothing. Results go to the directory $1 (default: ./out).
set -eu
cd "$(dirname "$0")"
hone=${HONE_BIN:-$(command -v hone || echo ../../build/hone)}
out=${1:-out}
"$hone" run tune.yaml -n "${HONE_EXAMPLE_TRIALS:-20}" --best-params-out "$out/params.json" --best-value-out "$out/error.json"
python3 fit.py --params "$out/params.json" --model-out "$out/model.json"
