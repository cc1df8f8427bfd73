#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The real Kubernetes that the tests of this folder run on, built of its Go modules by the recipes in ../shared/engines.
#   engine.sh build     builds it, unless it is there (6 to 9 minutes of two cores); what was compiled is kept
#   engine.sh ready     can it be started? Says why not
#   engine.sh wait N    waits at most N seconds for a build that is under way
#   engine.sh controllers   builds those of JobSet, Kubeflow Trainer and Argo Workflows too (some minutes more)
#   engine.sh up DIR | down DIR
#   engine.sh trainer-up DIR | trainer-down DIR | argo-up DIR | argo-down DIR
# HONE_ENGINE: where it is built (default build/engine).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
engine=${HONE_ENGINE:-build/engine}
recipes=../shared/engines
packages="containerd runc iptables busybox openssl curl python3 gcc"

building() {
    [ -f "$engine/build.pid" ] && kill -0 "$(cat "$engine/build.pid")" 2> /dev/null
}

ready() {
    [ -x "$recipes/k8s-up.sh" ] || { echo "the recipes of the engine are not here"; return 1; }
    [ "$(id -u)" = 0 ] || { echo "it needs root"; return 1; }
    [ -x "$engine/bin/kubelet" ] || { echo "the engine is not built: tests/kubernetes/engine.sh build"; return 1; }
    for p in $packages; do
        command -v "$p" > /dev/null || { echo "$p is not installed: .ci/install kubernetes"; return 1; }
    done
    [ -d "${CNI_BIN:-/usr/lib/cni}" ] || { echo "containernetworking-plugins is not installed: .ci/install kubernetes"; return 1; }
}

build() {
    [ -x "$engine/bin/kubelet" ] && return 0
    [ -d "$recipes/k8s/hyper" ] || { echo "skip kubernetes: the recipes of the engine are not here"; return 0; }
    command -v go > /dev/null || { echo "skip kubernetes: there is no go to build it with"; return 0; }
    mkdir -p "$engine/tools" "$engine/tmp"
    echo $$ > "$engine/build.pid"
    cp -rn "$recipes/k8s/." "$engine/tools/"
    chmod -R u+w "$engine/tools"
    local to
    to=$(cd "$engine" && pwd)
    # in a folder of its own: a shared one may be cleaned while it is in use
    GOTMPDIR=$to/tmp GOCACHE=$to/cache GOFLAGS=-p=2 nice "$engine/tools/hyper/build.sh" "$to/bin.new"
    mv "$to/bin.new" "$to/bin"
}

# Controllers on a cluster that is up.
controller() { # SCRIPT DIR
    K8S_BIN=$(cd "$engine/bin" && pwd)
    K8S_TOOLS=$(cd "$recipes/k8s" && pwd)
    K8S_CTL_MOD=$(cd "$engine/tools/ctl" && pwd)
    ARGO_MOD=$(cd "$engine/tools/argo" && pwd)
    export K8S_BIN K8S_TOOLS K8S_CTL_MOD ARGO_MOD
    exec "$recipes/$1.sh" "$2"
}

controllers() {
    build
    [ -x "$engine/bin/kubelet" ] || return 0
    local to
    to=$(cd "$engine" && pwd)
    for c in ctl argo; do
        GOTMPDIR=$to/tmp GOCACHE=$to/cache GOFLAGS=-p=2 nice "$engine/tools/$c/build.sh" "$to/bin"
    done
}

case ${1:-} in
build) build ;;
controllers) controllers ;;
ready) ready ;;
wait)
    end=$(($(date +%s) + ${2:-0}))
    while building && [ "$(date +%s)" -lt "$end" ]; do sleep 2; done
    ready
    ;;
up)
    K8S_BIN=$(cd "$engine/bin" && pwd)
    K8S_TOOLS=$(cd "$recipes/k8s" && pwd)
    export K8S_BIN K8S_TOOLS
    exec "$recipes/k8s-up.sh" "$2"
    ;;
trainer-up | trainer-down | argo-up | argo-down) controller "$1" "$2" ;;
down) exec "$recipes/k8s-down.sh" "$2" ;;
*) sed -n '3,10s/^# //p' "$0" >&2 && exit 2 ;;
esac
