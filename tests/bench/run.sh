#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# `make bench`: what the service costs, beside the bare stand-in and the limits of the machine, in one run.
# The load generator and the stand-in come from ../shared/bench/service of a developer's checkout.
cd "$(dirname "$0")/../.." || exit 1
if [ $# -eq 0 ]; then # with flags some part of the service alone is meant
    python=${HONE_CLIENTS_VENV:-build/clients-venv}/bin/python
    [ -x "$python" ] || python=python3
    "$python" -W ignore tests/bench/python.py --hone "$BUILD/hone" || exit 1
    python3 tests/bench/pipelines.py --hone "$BUILD/hone" || exit 1
    HONE_BIN=$BUILD/hone tests/web/run.sh --bench || exit 1
    HONE_BIN=$BUILD/hone tests/kubernetes/run.sh test_cluster_load | grep -E '^(kubernetes|skip|FAIL)'
fi
shared=${HONE_BENCH_DIR:-../shared/bench/service}
if [ ! -e "$shared/loadgen.c" ]; then
    echo "skipped: the load generator is not here (HONE_BENCH_DIR names its directory)"
    exit 0
fi
tools=$BUILD/bench
mkdir -p "$tools"
cc -O2 -pthread -o "$tools/loadgen" "$shared/loadgen.c" || exit 1
cc -O2 -pthread -o "$tools/spawn_bench" "$shared/spawn_bench.c" || exit 1
cc -O2 -w -pthread -o "$tools/refserver" "$shared/refserver.c" -lmicrohttpd -ljansson -lsqlite3 -lm -pthread || exit 1
exec python3 tests/bench/bench.py --hone "$BUILD/hone" --tools "$tools" --api "$shared/api.conf" "$@"
