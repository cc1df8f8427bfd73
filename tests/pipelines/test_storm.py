# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of the service at random moments, over and over, while runs with parallel, map and dynamic steps are under way and trials share steps.

Afterwards every run has succeeded, every step was run once and no two at once, every artifact is whole, and the store is in order.
HONE_KILLS: how often (default 200); HONE_KILL_SEED: of the moments.
"""
import collections
import hashlib
import os
import random
import subprocess
import tempfile
import threading
import time
import unittest

from hone import BIN, Service, clean_env, name, until

KILLS = int(os.environ.get("HONE_KILLS", "200"))
SEED = int(os.environ.get("HONE_KILL_SEED", "1"))
P = "/api/v1/projects/default"


def flow(dir):
    """Each step writes a line when it begins and when it ends, so that what ran, and when, is known from outside."""
    def step(body="true", sleep=0.05, **more):
        return {"run": {"shell": f"echo \"begin $HONE_RUN $HONE_STEP\" >> {dir}/log; {body}; sleep {sleep}; echo \"end $HONE_RUN $HONE_STEP\" >> {dir}/log"}, "cache": False, **more}
    written = '{"steps": {"x": {"run": {"shell": "echo begin $HONE_RUN $HONE_STEP >> %s/log; sleep 0.05; echo 3 > ${out.v}; echo end $HONE_RUN $HONE_STEP >> %s/log"}, "outputs": {"v": "int"}, "cache": false}}}' % (dir, dir)
    if not os.path.exists(f"{dir}/steps.json"): # steps copy it: it is written once
        with open(f"{dir}/steps.json", "w") as f:
            f.write(written)
    return {"name": "storm", "params": {"n": "int"}, "steps": {
        "load": step("seq 1 20000 > ${out.data}; echo '[1,2,3,4,5,6]' > ${out.list}", outputs={"data": "file", "list": {"type": "list", "items": "int"}}),
        "left": step("wc -l < ${steps.load.outputs.data} > ${out.n}", outputs={"n": "int"}),
        "right": step("mkdir ${out.tree}; cp ${steps.load.outputs.data} ${out.tree}/copy; echo ${params.n} > ${out.tree}/n", outputs={"tree": "dir"}),
        "each": step("expr ${map.k} '*' 2 > ${out.z}", map={"over": "${steps.load.outputs.list}", "as": "k", "max_parallel": 3}, outputs={"z": "int"}),
        "plan": step(f"cp {dir}/steps.json $HONE_STEPS", expand=True, needs=["left"]),
        "join": step("ls ${steps.right.outputs.tree}/copy; echo ${steps.left.outputs.n} > ${out.all}", needs=["plan", "each"], outputs={"all": "int"})},
        "finally": {"tidy": step()},
        "outputs": {"all": "${steps.join.outputs.all}", "zs": "${steps.each.outputs.z}"}}


def shared(dir):
    return {"name": "shared", "params": {"x": "double"}, "steps": {
        "load": {"run": {"shell": f"echo x >> {dir}/loaded; sleep 0.3; echo 1 > ${{out.data}}"}, "outputs": {"data": "file"}},
        "train": {"run": {"shell": "cat ${steps.load.outputs.data}; echo loss=${params.x}; sleep 0.1; echo ${params.x} > ${out.loss}"}, "outputs": {"loss": "double"}}},
        "outputs": {"loss": "${steps.train.outputs.loss}"}}


class Storm(unittest.TestCase):
    def call(self, method, path, body=None):
        while True:
            try:
                answer = self.s.request(method, path, body)
                if answer.status < 500:
                    return answer
            except OSError:
                pass
            except Exception as error:  # noqa: BLE001 - the service was killed while it answered
                if type(error).__module__ != "http.client":
                    raise
            time.sleep(0.01)

    def feed(self):
        """Runs, a few at a time, until the storm is over."""
        i = 0
        while not self.over.is_set() or i < 4:
            i += 1
            key = f"storm-{i}"
            answer = self.call("POST", P + "/runs", {"pipeline": flow(self.dir), "params": {"n": i}, "key": key})
            assert answer.status == 201, answer
            self.runs.append(answer.json["uid"])
            while len([r for r in self.runs if r not in self.ended]) >= 3:
                for r in self.runs:
                    if r not in self.ended and self.call("GET", f"{P}/runs/{r}").json["end_time"]:
                        self.ended.add(r)
                time.sleep(0.02)

    def test_nothing_is_lost_or_done_twice(self):
        self.dir = tempfile.mkdtemp(prefix="hone-storm-")
        self.s = Service()
        self.runs, self.ended, self.over = [], set(), threading.Event()
        spec = {"name": name(), "objective": {"metric": "loss", "direction": "minimize"}, "algorithm": "random", "seed": 3,
                "parameters": {"x": {"type": "float", "min": 0, "max": 1}}, "trials": {"max": 40, "parallel": 3}, "run": {"backend": "pipeline", "pipeline": shared(self.dir)}}
        experiment = self.s.create(spec)
        feeder = threading.Thread(target=self.feed, daemon=True)
        feeder.start()
        draw = random.Random(SEED)
        for _ in range(KILLS):
            time.sleep(draw.choice((0, 0.02, 0.1, 0.3)) * draw.random())
            self.s.kill()
            self.s.start()
        self.over.set()
        feeder.join()
        for uid in self.runs:
            until(lambda u=uid: self.call("GET", f"{P}/runs/{u}?wait=20").json["end_time"], "a run to end")
        self.assertEqual(experiment.wait()["state"], "SUCCEEDED")
        for uid in self.runs:
            run = self.s.get(f"{P}/runs/{uid}").json
            self.assertEqual((run["state"], run["outputs"]), ("SUCCEEDED", {"all": 20000, "zs": [2, 4, 6, 8, 10, 12]}), run)
        self.check_log()
        self.check_artifacts()
        with open(os.path.join(self.dir, "loaded")) as f:
            self.assertEqual(len(f.readlines()), 1, "the shared step was made more than once")
        self.s.stop()
        checked = subprocess.run([BIN, "doctor", "--data", self.s.data], capture_output=True, text=True, env=clean_env())
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def check_log(self):
        begun, open_now, steps = collections.Counter(), set(), collections.defaultdict(set)
        with open(os.path.join(self.dir, "log")) as f:
            for line in f:
                what, run, step = line.split()
                if what == "begin":
                    begun[run, step] += 1
                    self.assertNotIn((run, step), open_now, "a step ran twice at once")
                    open_now.add((run, step))
                else:
                    open_now.discard((run, step))
                steps[run].add(step)
        twice = {k: n for k, n in begun.items() if n > 1}
        self.assertEqual(twice, {}, "steps that ran more than once")
        for uid in self.runs:
            self.assertEqual(len(steps[uid]), 4 + 6 + 2 + 1, steps[uid])

    def check_artifacts(self):
        objects = os.path.join(self.s.data, "artifacts", "objects")
        n = 0
        for folder, _, files in os.walk(objects):
            for file in files:
                with open(os.path.join(folder, file), "rb") as f:
                    self.assertEqual(hashlib.sha256(f.read()).hexdigest(), file)
                n += 1
        self.assertGreater(n, 0)
