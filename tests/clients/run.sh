#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Drives the packages that people use beside Hone, the real ones: tests/clients/run.sh [MODULE[.CLASS[.TEST]] ...]. HONE_BIN: the binary.
# They are in a virtual environment that `make clients-venv` makes (`make clients-venv HEAVY=1`: those of gigabytes too); HONE_CLIENTS_VENV: another.
# What is not there is skipped, and said. Ends with "N passed, N failed".
cd "$(dirname "$0")" || exit 1
HONE_BIN=$(realpath "${HONE_BIN:-../../build/hone}")
export HONE_BIN
case $HONE_BIN in
*-asan/hone | *-tsan/hone)
    echo "skip: other people's packages are driven with the plain build alone"
    echo "0 passed, 0 failed"
    exit
    ;;
esac
venv=${HONE_CLIENTS_VENV:-../../build/clients-venv}
python=python3
if [ -x "$venv/bin/python" ]; then
    python=$(realpath -s "$venv/bin/python")
else
    echo "skip most of it: there is no virtual environment $venv; 'make clients-venv' makes it"
fi
exec "$python" -B run.py "$@"
