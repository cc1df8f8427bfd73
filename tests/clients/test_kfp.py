# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that the real compiler of kfp writes, run by the service: components by the kfp package's own executor, as KFP's SubprocessRunner has them."""
import os
import subprocess
import sys
import tempfile
import unittest

import hone
from packages import ROOT, needs

COMPILE = os.path.join(ROOT, "tests", "pipeline", "kfp", "compile.py")
PROJECT = "/api/v1/projects/default"


@needs("kfp")
class Compiled(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory(prefix="hone-test-kfp-")
        cls.addClassCleanup(cls.tmp.cleanup)
        subprocess.run([sys.executable, COMPILE, cls.tmp.name], check=True, capture_output=True, env=hone.clean_env(HOME=cls.tmp.name))
        # components run with the python3 that the service finds: that of the venv, where kfp is
        cls.s = hone.Service(env={"PATH": os.path.dirname(sys.executable) + ":" + os.environ["PATH"], "HOME": cls.tmp.name})
        cls.addClassCleanup(cls.s.close)

    def document(self, name):
        import yaml
        with open(os.path.join(self.tmp.name, name + ".yaml")) as file:
            return next(yaml.safe_load_all(file))

    def tune(self, pipeline, parameters, params):
        """The experiment when it is over, its trials, and how often each step of them had which state."""
        name = hone.name("kfp")
        answer = self.s.post(PROJECT + "/experiments", {
            "name": name, "objective": {"metric": "loss", "direction": "minimize"}, "parameters": parameters, "algorithm": "random", "seed": 7,
            "trials": {"max": 4, "parallel": 2}, "run": {"backend": "pipeline", "pipeline": self.document(pipeline), "params": params}})
        self.assertIn(answer.status, (200, 201), answer)
        place = f"{PROJECT}/experiments/{name}"
        e = hone.until(lambda: (e := self.s.get(place).json)["state"] in ("SUCCEEDED", "FAILED") and e, "the end of the experiment")
        self.assertEqual((e["state"], e["counts"]), ("SUCCEEDED", {"SUCCEEDED": 4}), e)
        states = {}
        for run in self.s.get(PROJECT + "/runs?limit=1000").json["runs"]:
            for s in self.s.get(f"{PROJECT}/runs/{run['uid']}/steps").json["steps"] if run["origin"].get("experiment") == name else []:
                states.setdefault(s["path"], []).append(s["state"])
        return e, self.s.get(place + "/trials").json["trials"], {path: sorted(s) for path, s in states.items()}

    def run_it(self, name, **params):
        """The run when it is over, and its steps by path."""
        answer = self.s.post(PROJECT + "/runs", {"pipeline": self.document(name), "params": params})
        self.assertIn(answer.status, (200, 201), answer)
        place = f"{PROJECT}/runs/{answer.json['uid']}"
        run = hone.until(lambda: (r := self.s.get(place).json)["state"] in ("SUCCEEDED", "FAILED", "CANCELLED") and r, f"the end of {name}")
        return run, {s["path"]: s for s in self.s.get(place + "/steps").json["steps"]}

    def test_artifacts_and_their_metadata_go_from_step_to_step(self):
        run, steps = self.run_it("train-pipeline", lr=0.25)
        self.assertEqual(run["state"], "SUCCEEDED", run)
        self.assertAlmostEqual(run["outputs"]["Output"], 0.05 ** 2 + 0.1)
        self.assertEqual(steps["prepare"]["outputs"]["data--metadata"], {"rows": 10})  # train asserts that it sees it
        self.assertEqual(steps["evaluate"]["outputs"]["note"], "lr=$0.25")
        again, steps = self.run_it("train-pipeline", lr=0.35)
        self.assertEqual((again["state"], steps["prepare"]["state"], steps["train"]["state"]), ("SUCCEEDED", "CACHED", "SUCCEEDED"))

    def test_one_branch_of_a_condition_runs(self):
        for seed, limit, word in ((2, 0.5, "heads!"), (1, 0.9, "high"), (1, 0.5, "low")):
            run, _ = self.run_it("conditions", seed=seed, limit=limit)
            self.assertEqual((run["state"], run["outputs"]), ("SUCCEEDED", {"Output": word}))
        run, steps = self.run_it("if-only", seed=4)
        self.assertEqual(steps["condition-1.condition-2.say"]["outputs"]["Output"], "seed 4 gave heads")

    def test_loops_are_collected(self):
        run, steps = self.run_it("loops", n=4)
        self.assertEqual(run["outputs"], {"Output": 0 + 1 + 4 + 9})
        self.assertEqual(steps["for-loop-3[2].square-2"]["outputs"]["Output"], 9)
        run, steps = self.run_it("loop-of-structs")
        self.assertEqual([steps[f"for-loop-2[{i}].square-2"]["outputs"]["Output"] for i in (0, 1)], [100, 400])

    def test_an_exit_handler_is_told_how_it_ended(self):
        where = os.path.join(self.tmp.name, "status")
        run, steps = self.run_it("exit-handler", where=where)
        self.assertEqual((run["state"], steps["tell"]["state"]), ("FAILED", "SUCCEEDED"))
        with open(where) as file:
            self.assertEqual(file.read(), "FAILED")

    def test_a_component_is_tried_again(self):
        run, steps = self.run_it("retries", where=os.path.join(self.tmp.name, "once"))
        self.assertEqual((run["state"], run["outputs"]), ("SUCCEEDED", {"Output": "second"}))

    def test_containers_nested_pipelines_and_types(self):
        for name, params, outputs in (("containers", {"text": "it's ${x}"}, {"Output": "IT'S ${X}!"}), ("nested", {"x": 2}, {"Output": 2 ** 16}), ("after", {}, {}),
                                      ("all-types", {}, {})):
            with self.subTest(name):
                run, _ = self.run_it(name, **params)
                self.assertEqual((run["state"], run["outputs"]), ("SUCCEEDED", outputs), run["message"])

    def test_what_would_be_fetched_is_refused(self):
        answer = self.s.post(PROJECT + "/runs", {"pipeline": self.document("importers")})
        self.assertEqual(answer.status, 422)
        self.assertIn("only files of this host can be imported", answer.text)

    def test_its_parameters_are_tuned_and_the_data_is_prepared_once(self):
        _, trials, states = self.tune("train-pipeline", {"lr": {"type": "float", "min": 0.01, "max": 1}}, {"lr": "{lr}", "rows": 21})
        for t in trials:  # the metric that the component logged into its Metrics artifact
            self.assertAlmostEqual(t["metrics"]["loss"], (t["params"]["lr"] - 0.3) ** 2 + 1 / 21)
        self.assertEqual((states["prepare"], states["train"]), (["CACHED"] * 3 + ["SUCCEEDED"], ["SUCCEEDED"] * 4))

    def test_the_example_is_run_and_tuned(self):
        train = os.path.join(ROOT, "examples", "pipelines", "kfp", "train.py")
        subprocess.run([sys.executable, train, os.path.join(self.tmp.name, "line.yaml")], check=True, capture_output=True, env=hone.clean_env(HOME=self.tmp.name))
        run, _ = self.run_it("line", lr=0.5)
        self.assertEqual(run["state"], "SUCCEEDED", run)
        self.assertLess(run["outputs"]["Output"], 0.02)
        parameters = {"lr": {"type": "float", "min": 0.01, "max": 1, "scale": "log"}, "epochs": {"type": "int", "min": 5, "max": 50}}
        e, _, states = self.tune("line", parameters, {"lr": "{lr}", "epochs": "{epochs}", "rows": 50})
        self.assertLess(e["best"]["value"], 1)
        self.assertEqual((states["prepare"], states["evaluate"]), (["CACHED"] * 3 + ["SUCCEEDED"], ["SUCCEEDED"] * 4))
