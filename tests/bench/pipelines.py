#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine of pipelines costs a step, beside a bare loop that spawns and commits, and beside the local runners of others.

    tests/bench/pipelines.py --hone BIN [--rounds N] [--peers PYTHON]

PYTHON: one that has metaflow, flytekit and kfp, or some of them (otherwise HONE_PEERS_PYTHON). Ours and the bare loop run in turns; the loop writes one
row and commits it durably (SQLite, WAL, synchronous FULL) for each /bin/true it has waited for. The table is Markdown, for docs/benchmarks.md."""
import argparse
import http.client
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

P = "/api/v1/projects/default"
rows = []


def row(what, ours, beside="", target="", ok=None):
    rows.append((what, ours, beside, target, "" if ok is None else "yes" if ok else "**no**"))
    print(f"  {what}: {ours} beside {beside or '-'}, target {target or '-'}", flush=True)


class Service:
    def __init__(self, binary, dir):
        self.data = tempfile.mkdtemp(prefix="hone-bench-", dir=dir)
        self.p = subprocess.Popen([binary, "serve", "--data", self.data, "--listen", "127.0.0.1:0", "--no-auth"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        info = os.path.join(self.data, "server.json")
        while not os.path.exists(info):
            time.sleep(0.01)
        self.url = json.load(open(info))["url"].split("//")[1]

    def call(self, method, path, body=None):
        c = http.client.HTTPConnection(self.url, timeout=120)
        c.request(method, P + path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        r = c.getresponse()
        got = json.loads(r.read())
        if r.status >= 400:
            raise SystemExit(f"{method} {path}: {r.status} {got}")
        return got

    def run(self, steps):
        began = time.monotonic()
        run = self.call("POST", "/runs", {"pipeline": {"name": "bench", "steps": steps}})
        while not run["end_time"]:
            run = self.call("GET", f"/runs/{run['uid']}?wait=60")
        if run["state"] != "SUCCEEDED":
            raise SystemExit(run)
        return time.monotonic() - began

    def close(self):
        self.p.terminate()
        self.p.wait()
        shutil.rmtree(self.data, ignore_errors=True)


def bare(n, parallel, dir):
    path = tempfile.mkdtemp(prefix="hone-bare-", dir=dir)
    db = sqlite3.connect(path + "/db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE t (i INTEGER)")
    began, left, live = time.monotonic(), n, 0
    while left or live:
        while live < parallel and left:
            os.posix_spawn("/bin/true", ["true"], os.environ)
            left, live = left - 1, live + 1
        os.wait()
        live -= 1
        db.execute("INSERT INTO t VALUES (1)")
    took = time.monotonic() - began
    db.close()
    shutil.rmtree(path)
    return took


def chain(n):
    return {f"s{i}": {"run": ["true"], **({"needs": [f"s{i - 1}"]} if i else {})} for i in range(n)}


def beside_bare(binary, rounds, dir):
    for what, steps, n, parallel in (("100 no-op steps in a chain", chain(100), 100, 1),
                                     ("a map of 1,000 no-op items, 2 at once", {"m": {"map": {"over": list(range(1000)), "max_parallel": 2}, "run": ["true"]}}, 1000, 2)):
        pairs = []
        s = Service(binary, dir)
        s.run({"warm": {"run": ["true"]}})
        for i in range(rounds):
            pair = [0, 0]
            for k in ((0, 1) if i % 2 else (1, 0)):
                pair[k] = bare(n, parallel, dir) if k else s.run(steps)
            pairs.append(pair)
        s.close()
        ours, loop = (statistics.median(p[k] for p in pairs) for k in (0, 1))
        ratio = statistics.median(a / b for a, b in pairs)
        row(f"{what}, ms each", f"{ours / n * 1000:.2f}", f"{loop / n * 1000:.2f} ({ratio:.2f}x)", "<= 2x", ratio <= 2)
        best[what] = ours / n


def shared_steps(binary, dir):
    """30 trials over load -> prepare -> train -> evaluate, of which the first two do not depend on what is tuned."""
    trials, parallel, t_load, t_prepare, t_train, t_evaluate = 30, 2, 1.0, 1.0, 0.5, 0.2
    def step(seconds, after, **more):
        return {"run": {"shell": f"sleep {seconds}; {after}"}, **more}
    doc = {"name": "four", "params": {"x": "double"}, "steps": {
        "load": step(t_load, "echo 1 > ${out.d}", outputs={"d": "file"}),
        "prepare": {"run": {"shell": f"sleep {t_prepare}; cp ${{steps.load.outputs.d}} ${{out.d}}"}, "outputs": {"d": "file"}},
        "train": {"run": {"shell": f"cat ${{steps.prepare.outputs.d}}; sleep {t_train}; echo ${{params.x}} > ${{out.m}}"}, "outputs": {"m": "file"}},
        "evaluate": {"run": {"shell": f"sleep {t_evaluate}; cat ${{steps.train.outputs.m}} > ${{out.loss}}"}, "outputs": {"loss": "double"}}},
        "outputs": {"loss": "${steps.evaluate.outputs.loss}"}}
    s = Service(binary, dir)
    began = time.monotonic()
    s.call("POST", "/experiments", {"name": "four", "objective": {"metric": "loss", "direction": "minimize"}, "algorithm": "random", "seed": 1,
                                    "parameters": {"x": {"type": "float", "min": 0, "max": 1}}, "trials": {"max": trials, "parallel": parallel},
                                    "run": {"backend": "pipeline", "pipeline": doc}})
    while s.call("GET", "/experiments/four?wait=60&wait_for=state%3DSUCCEEDED")["state"] == "RUNNING":
        pass
    took = time.monotonic() - began
    runs = s.call("GET", "/runs?page_size=100")["runs"]
    saved = sum(r["saved_seconds"] for r in runs)
    ideal = t_load + t_prepare + trials / parallel * (t_train + t_evaluate)
    row(f"{trials} trials over four steps, two of them shared, s", f"{took:.1f}", f"{ideal:.1f} ideal ({took / ideal:.3f}x), {saved:.0f} s saved by the cache", "<= 1.10x", took <= 1.1 * ideal)
    s.close()


METAFLOW = """
from metaflow import FlowSpec, step
class Chain(FlowSpec):
    @step
    def start(self):
        self.next(self.s0)
%s
    @step
    def end(self):
        pass
if __name__ == "__main__":
    Chain()
"""

FLYTE = """
import time
from flytekit import task, workflow
@task
def noop(i: int) -> int:
    return i
@workflow
def chain(i: int) -> int:
    for _ in range(100):
        i = noop(i=i)
    return i
chain(i=1)
began = time.monotonic()
chain(i=1)
print((time.monotonic() - began) / 100)
"""

KFP = """
import time
from kfp import dsl, local
local.init(runner=local.SubprocessRunner(use_venv=False), raise_on_error=True)
@dsl.component(packages_to_install=[], install_kfp_package=False)
def noop(i: int) -> int:
    return i
began = time.monotonic()
for i in range(5):
    noop(i=i)
print((time.monotonic() - began) / 5)
"""


def peers(python, dir):
    ours = best["100 no-op steps in a chain"]
    d = tempfile.mkdtemp(prefix="hone-peers-", dir=dir)
    n = 8
    body = "".join(f"    @step\n    def s{i}(self):\n        self.next(self.{'s%d' % (i + 1) if i + 1 < n else 'end'})\n" for i in range(n))
    for name, text, args in (("metaflow", METAFLOW % body, ["run"]), ("flytekit", FLYTE, []), ("kfp", KFP, [])):
        if not python or subprocess.run([python, "-c", f"import {name}"], capture_output=True).returncode:
            print(f"skip {name}: it is not installed (--peers PYTHON)", flush=True)
            continue
        file = f"{d}/{name}_chain.py"
        with open(file, "w") as f:
            f.write(text)
        began = time.monotonic()
        done = subprocess.run([python, "-W", "ignore", file, *args], cwd=d, capture_output=True, text=True, env={**os.environ, "USERNAME": "bench", "METAFLOW_HOME": d})
        took = (time.monotonic() - began) / (n + 2) if name == "metaflow" else float(done.stdout.split()[-1]) if not done.returncode else 0
        if done.returncode:
            print(f"skip {name}: it ended with {done.returncode}: {done.stderr[-300:]}", flush=True)
            continue
        where = " (tasks are calls in one process there)" if name == "flytekit" else ""
        row(f"a no-op step, ms, beside {name}'s local runner{where}", f"{ours * 1000:.2f}", f"{took * 1000:.1f} ({took / ours:.0f}x)", ">= 50x", took / ours >= 50)
    shutil.rmtree(d, ignore_errors=True)


best = {}
a = argparse.ArgumentParser()
a.add_argument("--hone", required=True)
a.add_argument("--rounds", type=int, default=5)
a.add_argument("--peers", default=os.environ.get("HONE_PEERS_PYTHON", ""))
a.add_argument("--dir", default=os.environ.get("TMPDIR", "/tmp"), help="where the data goes: a real disk, for the fsyncs")
opt = a.parse_args()
print("pipelines:", flush=True)
beside_bare(os.path.abspath(opt.hone), opt.rounds, opt.dir)
shared_steps(os.path.abspath(opt.hone), opt.dir)
peers(opt.peers, opt.dir)
print("\n| what | Hone | beside it | target | met |\n|---|---|---|---|---|")
for r in rows:
    print("| " + " | ".join(r) + " |")
sys.exit(0)
