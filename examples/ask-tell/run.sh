#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Starts a service of its own, makes the experiment with curl, runs the first trial with curl and the rest with two Python workers.
set -eu
cd "$(dirname "$0")"
hone=${HONE_BIN:-$(command -v hone || echo ../../build/hone)}
data=$(mktemp -d)
"$hone" serve --data "$data" --listen 127.0.0.1:0 2> "$data/log" &
service=$!
trap 'kill $service; wait $service || true; rm -rf "$data"' EXIT
until grep -q '^dashboard: ' "$data/log"; do
    kill -0 $service || { cat "$data/log" >&2; exit 1; }
    sleep 0.1
done
HONE_URL=$(sed -n 's/.*"url": *"\([^"]*\)".*/\1/p' "$data/server.json")
HONE_TOKEN=$(cat "$data/token")
export HONE_URL HONE_TOKEN

base=$HONE_URL/api/v1/projects/default/experiments
api() { curl -sS --fail-with-body -H "Authorization: Bearer $HONE_TOKEN" "$@"; echo; }

api "$base" -H 'Content-Type: application/yaml' --data-binary @experiment.yaml > /dev/null
api "$base/ask-tell/trials:suggest" -H "Content-Type: application/json" -d '{"worker": "curl"}'
api "$base/ask-tell/trials/1:complete" -H "Content-Type: application/json" -d '{"metrics": {"loss": 12.5}}'
python3 loop.py worker-1 &
python3 loop.py worker-2
wait $!
echo "best:"
api "$base/ask-tell/leaderboard?limit=3"
