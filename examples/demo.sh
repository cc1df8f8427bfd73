#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What `make demo` runs once all is built: tunes a real model, prints the leaderboard, leaves the service and its dashboard up.
# HONE_DATA: where the service keeps its data (default build/demo-data); HONE_EXAMPLE_TRIALS: how many trials (default 40).
set -eu
cd "$(dirname "$0")/.."
hone=$(realpath "${HONE_BIN:-build/hone}")
data=${HONE_DATA:-build/demo-data}
mkdir -p "$data"
data=$(realpath "$data")
log=$data/serve.log
unset HONE_URL HONE_TOKEN HONE_PROJECT HONE_DATA HONE_LISTEN HONE_CONFIG

# Trials run `python3`: the system's one has python3-sklearn when another comes first in PATH.
if ! python3 -c 'import sklearn' 2> /dev/null; then
    PATH=/usr/bin:$PATH
    python3 -c 'import sklearn' 2> /dev/null || { echo "demo: python3 has no sklearn; install python3-sklearn" >&2; exit 1; }
fi

field() { sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p" "$data/server.json" 2> /dev/null | head -n 1; }
running() { pid=$(field pid) && [ -n "$pid" ] && kill -0 "$pid" 2> /dev/null; }

# Starts the service at $1 and waits until it says its dashboard, or has ended.
start() {
    nohup "$hone" serve --data "$data" --listen "$1" < /dev/null > "$log" 2>&1 &
    started=$!
    tries=0
    until grep -q '^dashboard: ' "$log"; do
        kill -0 "$started" 2> /dev/null || return 1
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || return 1
        sleep 0.1
    done
}

if ! running; then
    start 127.0.0.1:8080 || start 127.0.0.1:0 || { cat "$log" >&2; exit 1; }
fi
url=$(field url) pid=$(field pid)
link=$("$hone" link --server "$url" --token-file "$data/token")
name=digits-$(date +%Y%m%d-%H%M%S)

echo "Tuning a neural network on handwritten digits. Watch it live:"
echo "    $link#/default/$name"
"$hone" run examples/digits/digits.yaml --server "$url" --token-file "$data/token" --name "$name" -n "${HONE_EXAMPLE_TRIALS:-40}"
link=$("$hone" link --server "$url" --token-file "$data/token") # the first one may be used by now
echo
echo "Dashboard:  $link#/default/$name"
echo "            (the link logs a browser in once; after that $url/ is enough)"
echo "Stop it:    kill $pid"
