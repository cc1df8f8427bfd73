#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Tunes a script without an experiment file.
set -eu
cd "$(dirname "$0")"
hone=${HONE_BIN:-$(command -v hone || echo ../../build/hone)}
"$hone" tune -p x=-5..5 -p y=-5..5 --minimize loss -n "${HONE_EXAMPLE_TRIALS:-25}" -j 2 -- bash quadratic.sh {x} {y}
