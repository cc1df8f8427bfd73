# SPDX-License-Identifier: GPL-3.0-or-later
"""Trials as TrainJobs under Kubeflow Trainer and JobSet, and as Workflows under Argo: their real controllers, on the real cluster."""
import os
import subprocess
import unittest

from cluster import DIR, IMAGE, ClusterCase, Experiment, items, name, pods, spec, until
from hone import ROOT

ENGINE = os.path.join(ROOT, "tests", "kubernetes", "engine.sh")
BIN = os.path.join(ROOT, os.environ.get("HONE_ENGINE", "build/engine"), "bin")


class WithController(ClusterCase):
    controller = binary = None

    @classmethod
    def setUpClass(cls):
        if not os.access(os.path.join(BIN, cls.binary), os.X_OK):
            raise unittest.SkipTest(f"{cls.binary} is not built: tests/kubernetes/engine.sh controllers")
        with open(os.path.join(DIR, "log", cls.controller + "-up.log"), "w") as log:
            up = subprocess.run([ENGINE, cls.controller + "-up", DIR], stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=600)
        if up.returncode:
            with open(log.name) as file:
                raise AssertionError(file.read()[-3000:])
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        subprocess.run([ENGINE, cls.controller + "-down", DIR], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)


class TrainJobs(WithController):
    controller, binary = "trainer", "trainer-controller-manager"

    def train_job(self, script):
        return {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob",
                "spec": {"runtimeRef": {"name": "plain"}, "trainer": {"command": ["sh", "-c", script, "sh", "${trialParameters.x}"], "numNodes": 1}}}

    def path(self):
        return f"/apis/trainer.kubeflow.org/v1alpha1/namespaces/{self.space}/trainjobs"

    def test_trial_by_trial(self):
        e, trials = self.run_spec(spec(self.train_job("echo step=1 loss=$1 trial=$HONE_TRIAL"), self.space, trials=2, parallel=2))
        for t in trials:
            self.assertAlmostEqual(t["objective"], t["params"]["x"], 9)
            self.assertIn(f"trial={t['number']}", e.log(t["number"]).text)
        until(lambda: not items(self.path()) and not pods(self.space), "the objects to be removed")

    def test_failures_and_stops(self):
        _, trials = self.run_spec(spec(self.train_job("exit 5"), self.space), "FAILED")
        self.assertEqual((trials[0]["reason"], "exit code 5" in trials[0]["message"]), ("EXIT_CODE", True))
        e = self.s.create(spec(self.train_job("echo loss=1; sleep 600"), self.space))
        e.wait_trial(1, "RUNNING")
        e.post(":stop", {"mode": "now"})
        self.assertEqual(e.wait_trial(1)["state"], "CANCELLED")
        until(lambda: not pods(self.space), "the pods to be gone")

    def test_a_runtime_that_is_not_there_is_refused_at_once(self):
        manifest = self.train_job("true")
        manifest["spec"]["runtimeRef"]["name"] = "nope"
        answer = self.s.post("/api/v1/projects/default/experiments", spec(manifest, self.space))
        self.assertEqual(answer.status, 422, answer)
        self.assertIn("nope", answer.text)

    def test_an_optimization_job_runs_its_template(self):
        document = {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "OptimizationJob", "metadata": {"name": name("optimization"), "namespace": self.space},
                    "spec": {"objectives": [{"metric": "loss", "direction": "minimize"}], "algorithm": {"name": "random"},
                             "parameters": [{"name": "lr", "searchSpace": {"type": "double", "min": 0.1, "max": 0.5}}], "trialConfig": {"numTrials": 2, "parallelTrials": 2},
                             "trainJobTemplate": {"spec": {"runtimeRef": {"name": "plain"}, "trainer": {"command": ["sh", "-c", "echo loss={{.lr}}"], "numNodes": 1}}}}}
        answer = self.s.post("/api/v1/projects/default/experiments", document)
        self.assertEqual(answer.status, 201, answer)
        e = Experiment(self.s, answer.json["name"])
        self.assertEqual(e.wait()["state"], "SUCCEEDED", e.trials())
        for t in e.trials():
            self.assertAlmostEqual(t["objective"], t["params"]["lr"], 9)


class Workflows(WithController):
    controller, binary = "argo", "workflow-controller"

    def setUp(self):
        self.space = "default"  # the one that the controller watches

    def workflow(self, script):
        box = {"image": IMAGE, "imagePullPolicy": "Never", "command": ["sh", "-c"]}
        return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": {
            "entrypoint": "main", "hostNetwork": True, "arguments": {"parameters": [{"name": "x", "value": "${trialParameters.x}"}]}, "templates": [
                {"name": "main", "dag": {"tasks": [
                    {"name": "train", "template": "train"},
                    {"name": "report", "template": "report", "dependencies": ["train"], "arguments": {"parameters": [{"name": "loss", "value": "{{tasks.train.outputs.parameters.loss}}"}]}}]}},
                {"name": "train", "container": {**box, "args": [script]}, "outputs": {"parameters": [{"name": "loss", "valueFrom": {"path": "/tmp/loss"}}]}},
                {"name": "report", "inputs": {"parameters": [{"name": "loss"}]}, "container": {**box, "args": ["echo loss={{inputs.parameters.loss}}"]}}]}}

    def test_a_trial_is_a_workflow_of_two_steps(self):
        e, trials = self.run_spec(spec(self.workflow("echo {{workflow.parameters.x}} > /tmp/loss"), "default", trials=2, parallel=2))
        for t in trials:
            self.assertAlmostEqual(t["objective"], t["params"]["x"], 9)
        until(lambda: not items("/apis/argoproj.io/v1alpha1/namespaces/default/workflows"), "the workflows to be removed")

    def test_a_failed_step_fails_the_trial(self):
        _, trials = self.run_spec(spec(self.workflow("exit 6"), "default"), "FAILED")
        self.assertEqual((trials[0]["state"], "6" in trials[0]["message"]), ("FAILED", True), trials)
