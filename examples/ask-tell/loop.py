# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker in plain Python: asks for trials, runs them, tells the result. Start as many as you like: HONE_URL, HONE_TOKEN, a name."""
import json
import os
import sys
import urllib.request

BASE = os.environ["HONE_URL"] + "/api/v1/projects/default/experiments/ask-tell"
WORKER = sys.argv[1] if len(sys.argv) > 1 else "worker-1"


def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(), method="POST", headers={
        "Authorization": "Bearer " + os.environ["HONE_TOKEN"], "Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


while True:
    asked = post("/trials:suggest", {"worker": WORKER, "wait_seconds": 20})
    for trial in asked["trials"]:
        x, y = trial["params"]["x"], trial["params"]["y"]
        for step in range(1, 4):  # a report renews the lease, and says when to stop early
            loss = (x - 1) ** 2 + (y + 2) ** 2 + 1 / step
            if post(f"/trials/{trial['number']}:report", {"measurements": [{"step": step, "metrics": {"loss": loss}}]})["should_stop"]:
                break
        done = post(f"/trials/{trial['number']}:complete", {})
        print(f"{WORKER}: trial {done['number']} {done['state']} {done['objective']:.4f}")
    if asked["done"]:
        break
