#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs experiments on a real Kubernetes: tests/kubernetes/run.sh [MODULE[.CLASS[.TEST]] ...]. HONE_BIN: the binary (default build/hone).
# HONE_ENGINE_WAIT: seconds to wait for an engine that is being built. Ends with "N passed, N failed" (single tests).
set -uo pipefail
cd "$(dirname "$0")" || exit 1
if ! why=$(./engine.sh wait "${HONE_ENGINE_WAIT:-0}"); then
    echo "skip kubernetes: $why"
    echo "0 passed, 0 failed"
    exit 0
fi
exec 9> "${TMPDIR:-/tmp}/hone-engine.lock"
flock 9 # one node a machine
dir=$(mktemp -d "${TMPDIR:-/tmp}/hone-k8s.XXXXXX")
export K8S_DIR=$dir K8S_PORT_BASE=$((20000 + RANDOM % 900 * 10))
down() {
    ./engine.sh down "$dir" 9>&- > /dev/null 2>&1
    rm -rf "$dir"
}
trap down EXIT
trap 'exit 1' INT TERM
if ! ./engine.sh up "$dir" 9>&- > "$dir/up.log" 2>&1 < /dev/null; then
    tail -n 40 "$dir/up.log"
    echo "0 passed, 1 failed"
    exit 1
fi
[ $# -gt 0 ] || set -- test_cluster_trials test_cluster_faults test_cluster_install test_cluster_controllers
PYTHONPATH=.:../http python3 -B ../http/run.py "$@" 9>&-
