# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of pipelines (examples/pipelines) as they are."""
import os
import shutil
import subprocess
import tempfile
import unittest

from hone import ROOT, Service, name, until

P = "/api/v1/projects/default"
EXAMPLES = os.path.join(ROOT, "examples", "pipelines")
SKLEARN = next((p for p in (shutil.which("python3"), "/usr/bin/python3") if p and subprocess.run([p, "-c", "import sklearn"], capture_output=True).returncode == 0), None)


def indented(text):
    return "".join("  " + line for line in text.splitlines(keepends=True))


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        path = os.path.dirname(SKLEARN or "/usr/bin/python3") + ":" + os.environ["PATH"]
        cls.tmp = tempfile.TemporaryDirectory(prefix="hone-test-examples-")
        cls.addClassCleanup(cls.tmp.cleanup)
        cls.s = Service(env={"PATH": path})
        cls.addClassCleanup(cls.s.close)

    def text(self, *parts):
        with open(os.path.join(EXAMPLES, *parts)) as f:
            return f.read()

    def ok(self, answer):
        self.assertLess(answer.status, 300, answer)
        return answer.json

    def end(self, uid):
        run = until(lambda: (r := self.s.get(f"{P}/runs/{uid}").json)["state"] in ("SUCCEEDED", "FAILED", "CANCELLED") and r, "the run to end")
        return run, {s["path"]: s for s in self.ok(self.s.get(f"{P}/runs/{uid}/steps"))["steps"]}

    def run_it(self, example, params):
        body = f"root: {os.path.join(EXAMPLES, example)}\nparams: {params}\npipeline:\n" + indented(self.text(example, example + ".yaml"))
        return self.end(self.ok(self.s.request("POST", P + "/runs", body.encode(), content_type="application/yaml"))["uid"])

    def test_typed(self):
        run, steps = self.run_it("typed", '{since: "2026-01-01T00:00:00Z"}')
        self.assertEqual(run["state"], "SUCCEEDED", run)
        self.assertEqual((run["outputs"]["word"], run["outputs"]["degree"]), ("good", 3))
        self.assertEqual(run["outputs"]["largest"], max(abs(c) for c in steps["best"]["outputs"]["coefficients"]))
        self.assertEqual([steps[f"fit[{i}]"]["state"] for i in range(4)], ["FAILED"] + ["SUCCEEDED"] * 3)  # three of four are enough
        self.assertEqual(steps["check.largest"]["state"], "SUCCEEDED")
        refused = self.s.request("POST", P + "/runs", f"root: /\nparams: {{since: yesterday}}\npipeline:\n{indented(self.text('typed', 'typed.yaml'))}".encode(),
                                 content_type="application/yaml")
        self.assertEqual(refused.status, 422)

    @unittest.skipUnless(SKLEARN, "no python3 with sklearn")
    def test_flow(self):
        crash = os.path.join(self.tmp.name, "crash")
        with open(crash, "w"):
            pass
        run, steps = self.run_it("flow", f"{{components: 12, crash: {crash}}}")
        self.assertEqual((run["state"], steps["choose"]["state"]), ("FAILED", "FAILED"), run)
        os.unlink(crash)
        self.ok(self.s.post(f"{P}/runs/{run['uid']}:resume", {}))
        run, steps = self.end(run["uid"])
        self.assertEqual(run["state"], "SUCCEEDED", run)
        self.assertEqual({path: s["attempt"] for path, s in steps.items()}, {"load": 1, "plain": 1, "pca": 1, "train-plain": 1, "train-pca": 1, "choose": 2})
        self.assertGreater(run["outputs"]["accuracy"], 0.9)

    @unittest.skipUnless(SKLEARN, "no python3 with sklearn")
    def test_shared_cache(self):
        e = name("shared")
        body = self.text("shared-cache", "tune.yaml").replace("name: shared-cache", f"name: {e}").replace("max: 30", "max: 4")
        body = body.replace("  backend: pipeline\n", f"  backend: pipeline\n  root: {os.path.join(EXAMPLES, 'shared-cache')}\n")
        self.ok(self.s.request("POST", P + "/experiments", body.encode(), content_type="application/yaml"))
        done = until(lambda: (x := self.s.get(f"{P}/experiments/{e}").json)["state"] in ("SUCCEEDED", "FAILED") and x, "the experiment to end")
        self.assertEqual(done["counts"], {"SUCCEEDED": 4}, done)
        self.assertGreater(done["best"]["value"], 0.5)
        states = {}
        for run in self.ok(self.s.get(P + "/runs?limit=100"))["runs"]:
            if run["origin"].get("experiment") != e:
                continue
            for s in self.ok(self.s.get(f"{P}/runs/{run['uid']}/steps"))["steps"]:
                states.setdefault(s["path"], []).append(s["state"])
        self.assertEqual({path: sorted(s) for path, s in states.items()}, {
            "load": ["CACHED"] * 3 + ["SUCCEEDED"], "prepare": ["CACHED"] * 3 + ["SUCCEEDED"], "train": ["SUCCEEDED"] * 4, "evaluate": ["SUCCEEDED"] * 4})
