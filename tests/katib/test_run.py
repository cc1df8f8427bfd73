# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of Katib whose jobs run on this machine, by the command line and over HTTP."""
import json
import os
import shutil
import tempfile
import unittest

from hone import Case, Experiment, name

# A training script as people have them: results go through logging, which writes to standard error.
TRAIN = """
import logging, sys
args = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:])
lr = float(args["lr"])
out = open(args["log-path"], "a") if "log-path" in args else None
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
for epoch in range(int(args.get("epochs", 3))):
    loss = (lr - 0.03) ** 2 + 1 / (epoch + 1)
    if out:
        print('{"epoch": %d, "loss": "%.9g", "accuracy": "%.9g"}' % (epoch, loss, 1 - loss), file=out, flush=True)
    else:
        logging.info("{metricName: x} epoch=%d loss=%.9g accuracy=%.9g", epoch, loss, 1 - loss)
"""


def parameter(name, kind="double", **space):
    return {"name": name, "parameterType": kind, "feasibleSpace": space}


def katib(experiment=None, command=("python3", "train.py"), args=("--lr=${trialParameters.learningRate}",), parameters=None, references=None, env=(), job=None, **spec):
    parameters = parameters or [parameter("lr", min="0.01", max="0.05")]
    return {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": experiment or name("katib"), "namespace": "kubeflow"},
            "spec": {"objective": {"type": "minimize", "objectiveMetricName": "loss", "additionalMetricNames": ["accuracy"]},
                     "algorithm": {"algorithmName": "random", "algorithmSettings": [{"name": "random_state", "value": "10"}]},
                     "parallelTrialCount": 2, "maxTrialCount": 4, "maxFailedTrialCount": 1, "parameters": parameters,
                     "trialTemplate": {
                         "primaryContainerName": "training-container",
                         "trialParameters": references or [{"name": "learningRate", "description": "of the model", "reference": "lr"}],
                         "trialSpec": {"apiVersion": "batch/v1", "kind": "Job", "spec": {**(job or {}), "template": {"spec": {"restartPolicy": "Never", "containers": [
                             {"name": "training-container", "image": "example/none:latest", "command": list(command), "args": list(args), "env": list(env)}]}}}}},
                     **spec}}


class KatibFiles(Case):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="hone-katib-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        with open(os.path.join(self.dir, "train.py"), "w") as file:
            file.write(TRAIN)

    def write(self, document, file="katib.yaml"):
        path = os.path.join(self.dir, file)
        with open(path, "w") as out:
            json.dump(document, out)  # JSON is YAML
        return path

    def run_file(self, document, *flags):
        """`hone run` to its end; gives the experiment and its trials."""
        done = self.s.cli("run", self.write(document), *flags, timeout=240)
        self.assertEqual(done.returncode, 0, done)
        e = Experiment(self.s, document["metadata"]["name"])
        return e.get().json, e.trials()

    def test_a_random_search_runs_beside_its_script(self):
        experiment, trials = self.run_file(katib())
        self.assertEqual(experiment["state"], "SUCCEEDED")
        self.assertEqual([t["state"] for t in trials], ["SUCCEEDED"] * 4)
        for t in trials:
            best = (t["params"]["lr"] - 0.03) ** 2 + 1 / 3
            self.assertAlmostEqual(t["objective"], best, 6)  # the least of three reports, as Katib's default strategy has it
            self.assertAlmostEqual(t["metrics"]["accuracy"], 1 - best, 6)
            self.assertTrue(0.01 <= t["params"]["lr"] <= 0.05)
        self.assertEqual(experiment["spec"]["source"]["kind"], "Experiment")
        self.assertEqual(experiment["spec"]["seed"], 10)

    def test_each_algorithm_of_katib_runs(self):
        two = [parameter("lr", min="0.01", max="0.05", step="0.01"), parameter("momentum", min="0.5", max="0.9", step="0.1")]
        references = [{"name": "lr", "reference": "lr"}, {"name": "momentum", "reference": "momentum"}]
        for algorithm in ("random", "grid", "sobol", "tpe", "multivariate-tpe", "cmaes", "bayesianoptimization"):
            with self.subTest(algorithm):
                _, trials = self.run_file(katib(parameters=two, references=references, args=["--lr=${trialParameters.lr}", "--momentum=${trialParameters.momentum}"],
                                                algorithm={"algorithmName": algorithm}))
                self.assertEqual([t["state"] for t in trials], ["SUCCEEDED"] * 4)

    def test_hyperband_gives_all_trials_the_whole_resource(self):
        _, trials = self.run_file(katib(
            parameters=[parameter("lr", min="0.01", max="0.05"), parameter("num-epochs", "int", min="1", max="1")],
            references=[{"name": "lr", "reference": "lr"}, {"name": "epochs", "reference": "num-epochs"}],
            args=["--lr=${trialParameters.lr}", "--epochs=${trialParameters.epochs}"],
            algorithm={"algorithmName": "hyperband", "algorithmSettings": [{"name": n, "value": v} for n, v in
                                                                           (("resource_name", "num-epochs"), ("eta", "2"), ("r_l", "4"))]}))
        self.assertEqual({t["params"]["num-epochs"] for t in trials}, {4})

    def test_a_file_of_results_is_each_trial_s_own(self):
        path = os.path.join(self.dir, "shared.json")
        experiment, trials = self.run_file(katib(
            args=["--lr=${trialParameters.learningRate}", f"--log-path={path}"],
            metricsCollectorSpec={"collector": {"kind": "File"}, "source": {"fileSystemPath": {"path": path, "kind": "File", "format": "JSON"}}}))
        self.assertEqual(experiment["state"], "SUCCEEDED")
        self.assertFalse(os.path.exists(path))
        for t in trials:
            self.assertAlmostEqual(t["objective"], (t["params"]["lr"] - 0.03) ** 2 + 1 / 3, 6)

    def test_placeholders_and_variables(self):
        document = katib(
            command=["sh", "-c", "echo loss=${trialParameters.learningRate} name=$NAME kind=$KIND all=$ALL json='{x}'"], args=[],
            references=[{"name": "learningRate", "reference": "lr"}, {"name": "n", "reference": "${trialSpec.Name}"}, {"name": "k", "reference": "${trialSpec.Kind}"}],
            env=[{"name": "NAME", "value": "${trialParameters.n}"}, {"name": "KIND", "value": "${trialParameters.k}"}, {"name": "ALL", "value": "$(KIND)-$(NAME)"}])
        _, trials = self.run_file(document)
        e = Experiment(self.s, document["metadata"]["name"])
        for t in trials:
            trial = f"{e.name}-{t['number']}"
            self.assertIn(f"name={trial} kind=Job all=Job-{trial} json={{x}}", e.log(t["number"]).text)
            self.assertAlmostEqual(t["objective"], t["params"]["lr"], 9)

    def test_a_metric_with_a_blank_in_its_name(self):
        _, trials = self.run_file(katib(command=["sh", "-c", "echo '[1] valid_1 auc : ${trialParameters.learningRate} training auc : 0.5'"], args=[],
                                        objective={"type": "maximize", "objectiveMetricName": "valid_1 auc", "additionalMetricNames": ["training auc"]},
                                        metricsCollectorSpec={"source": {"filter": {"metricsFormat": [r"(\w+\s\w+)\s:\s((-?\d+)(\.\d+)?)"]}}}))
        for t in trials:
            self.assertEqual(t["metrics"], {"valid_1 auc": t["objective"], "training auc": 0.5})

    def test_flags_of_run_change_the_file(self):
        experiment, trials = self.run_file(katib(), "-n", "3", "-j", "1", "--seed", "5")
        self.assertEqual((len(trials), experiment["spec"]["trials"]["parallel"]), (3, 1))
        self.assertEqual(experiment["spec"]["source"]["spec"]["maxTrialCount"], 3)

    def test_a_failed_trial_ends_it_where_katib_says_so(self):
        document = katib(command=["sh", "-c", "exit ${trialParameters.learningRate}"], args=[], parameters=[parameter("lr", "int", min="3", max="9")],
                         maxFailedTrialCount=0, parallelTrialCount=1)
        done = self.s.cli("run", self.write(document), timeout=120)
        e = Experiment(self.s, document["metadata"]["name"])
        self.assertEqual(done.returncode, 8, done)
        self.assertEqual((e.state(), len(e.trials())), ("FAILED", 1))

    def test_the_api_takes_it_and_tells_problems_at_katib_s_places(self):
        document = katib(command=["sh", "-c", "echo loss=${trialParameters.learningRate}"], args=[])
        e = self.s.create(document)
        self.assertEqual(e.wait()["state"], "SUCCEEDED")
        document["spec"]["parameters"][0]["feasibleSpace"]["max"] = "0.001"
        document["spec"]["trialTemplate"]["trialParameters"][0]["reference"] = "rate"
        answer = self.s.post("/api/v1/projects/default/experiments", document)
        self.problem(answer, 422 if answer.status == 422 else 400, "SPEC_INVALID", "/spec/parameters/0/feasibleSpace/min")
        self.problem(answer, answer.status, "SPEC_INVALID", "/spec/trialTemplate/trialParameters/0/reference")

    def test_what_only_a_look_at_the_machine_shows_has_katib_s_place_too(self):
        document = katib(command=["no-such-program-anywhere"], metricsCollectorSpec={"collector": {"kind": "Push"}})
        answer = self.s.post("/api/v1/projects/default/experiments", document)
        self.problem(answer, answer.status, "SPEC_INVALID", "/spec/trialTemplate/trialSpec/spec/template/spec/containers/0/command")

    def test_validate_and_convert(self):
        path = self.write(katib("both-ways"))
        done = self.s.cli("validate", "-f", path)
        self.assertEqual(done.returncode, 0, done)
        native = os.path.join(self.dir, "native.yaml")
        self.assertEqual(self.s.cli("convert", "-f", path, "-o", native).returncode, 0)
        with open(native) as file:
            text = file.read()
        self.assertIn("--lr=${trialParameters.lr} 2>&1", text)
        self.assertNotIn("apiVersion", text)
        self.assertEqual(self.s.cli("validate", "-f", native).returncode, 0)
        refused = self.s.cli("convert", "-f", native)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("--image IMAGE", refused.stderr)
        back = self.s.cli("convert", "-f", native, "--image", "python:3")
        self.assertEqual(back.returncode, 0, back)
        again = self.s.cli("validate", "-f", "-", input=back.stdout)
        self.assertEqual(again.returncode, 0, again)


if __name__ == "__main__":
    unittest.main()
