# SPDX-License-Identifier: GPL-3.0-or-later
"""Trials that log with stock MLflow, unchanged."""
import os
import sys
import tempfile
import unittest

import hone
from packages import needs

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}  # nothing is sent anywhere, nor written beside the trial
os.environ.update(QUIET)

LOGS = """
import mlflow, os
for step in range(1, 6):
    mlflow.log_metric("loss", 1 / step, step=step)
"""


@needs("mlflow")
class Mlflow(hone.Case):
    def run_trial(self, code, state="SUCCEEDED", **more):
        spec = hone.run_spec("", **more)
        spec["run"] = {"command": [sys.executable, "-B", "-c", code, "{x}"], "metrics": {"from": "mlflow"}, "env": QUIET}
        e = self.s.create(spec)
        e.wait()
        t = e.trial(1)
        self.assertEqual(t["state"], state, (t["message"], e.log(1, "?stream=stderr").text[-3000:]))
        return e

    def points(self, e, metric="loss"):
        return [(m["step"], m["value"]) for m in e.get(f"/trials/1/measurements?metric={metric}").json["measurements"]]

    def test_log_metric(self):
        e = self.run_trial(LOGS)
        self.assertEqual(self.points(e), [(s, 1 / s) for s in range(1, 6)])
        self.assertEqual(e.trial(1)["objective"], 0.2)

    def test_what_a_script_does_with_a_run(self):
        e = self.run_trial("""
import mlflow, os, sys
mlflow.set_experiment("whatever it is called")
with mlflow.start_run(run_name="mine") as run:
    mlflow.log_param("x", sys.argv[1])
    mlflow.log_params({"a": 1, "b": "two"})
    mlflow.set_tag("team", "vision")
    for v in (3, 2, float("nan"), 1):
        mlflow.log_metric("val loss", v)           # no step, and a blank
    mlflow.log_metrics({"loss": 0.5, "acc": 0.9}, step=0)
    mlflow.log_metrics({"loss": 0.25, "acc": 0.95}, step=1)
    mlflow.log_text("hello", "notes/hello.txt")    # files go to the trial's artifacts
    with mlflow.start_run(nested=True):
        mlflow.log_metric("inner", 7)
client = mlflow.MlflowClient()
again = client.get_run(run.info.run_id)
assert again.data.metrics["loss"] == 0.25 and again.data.params["x"] == sys.argv[1], again
assert [m.value for m in client.get_metric_history(run.info.run_id, "loss")] == [0.5, 0.25]
assert open(os.environ["HONE_ARTIFACT_DIR"] + "/notes/hello.txt").read() == "hello"
try:
    client.log_metric("someone-else", "loss", 1)
except mlflow.exceptions.MlflowException as error:
    assert error.error_code == "RESOURCE_DOES_NOT_EXIST", error.error_code
else:
    sys.exit("logged to a run that is not there")
""")
        self.assertEqual(self.points(e), [(0, 0.5), (1, 0.25)])
        self.assertEqual(self.points(e, "val_loss"), [(0, 3), (1, 2), (2, "NaN"), (3, 1)])
        self.assertEqual(self.points(e, "inner"), [(0, 7)])

    def test_a_status_does_not_outrank_the_exit_code(self):
        e = self.run_trial("import mlflow, sys\nwith mlflow.start_run():\n    mlflow.log_metric('loss', 1)\nsys.exit(3)", state="FAILED")
        self.assertEqual((e.trial(1)["reason"], self.points(e)), ("EXIT_CODE", [(0, 1)]))

    @needs("sklearn")
    def test_autolog_of_scikit_learn(self):
        e = self.run_trial("""
import mlflow, warnings
warnings.simplefilter("ignore")
mlflow.sklearn.autolog()
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
LogisticRegression(max_iter=200).fit(*load_iris(return_X_y=True))
""", objective={"metric": "training_accuracy_score", "direction": "maximize"})
        self.assertGreater(e.trial(1)["objective"], 0.9)

    @needs("xgboost")
    def test_autolog_of_xgboost(self):
        e = self.run_trial("""
import mlflow, numpy, xgboost
mlflow.xgboost.autolog()
rng = numpy.random.default_rng(0)
x = rng.normal(size=(200, 3))
d = xgboost.DMatrix(x, label=x[:, 0] * 2)
xgboost.train({"max_depth": 2}, d, 8, evals=[(d, "train")], verbose_eval=False)
""", objective={"metric": "train-rmse", "direction": "minimize"})
        self.assertEqual([s for s, _ in self.points(e, "train-rmse")][:3], [0, 1, 2])

    def test_a_trial_is_pruned_by_what_it_logs(self):
        self.run_trial("import mlflow, time\nfor i in range(1, 5000):\n    mlflow.log_metric('loss', 99, step=i); time.sleep(0.02)", state="PRUNED",
                       stopping={"name": "threshold", "settings": {"upper": 10}})

    def test_by_a_remote_worker(self):
        e = self.s.create(hone.ask_spec(trials={"max": 2}))
        with tempfile.TemporaryDirectory() as d:
            done = self.s.cli("worker", e.name, "--dir", d, "--metrics", "mlflow", "--", sys.executable, "-B", "-c", LOGS)
            self.assertEqual(done.returncode, 0, done)
        self.assertEqual([t["objective"] for t in e.trials()], [0.2, 0.2])
        self.assertEqual(self.points(e), [(s, 1 / s) for s in range(1, 6)])


@needs("mlflow", "sqlalchemy", "alembic")
class Forward(hone.Case):
    def test_trials_become_runs_of_a_tracking_store(self):
        import hone_client
        from hone_client.integrations.mlflow import forward
        from mlflow.tracking import MlflowClient
        c = hone_client.Client(self.s.url, self.s.token)
        e = c.create(hone.name("fw"), space={"x": hone_client.uniform(0, 1)}, objective=hone_client.minimize("loss"), max_trials=4)
        for _ in range(2):
            with e.ask() as t:
                for step in (1, 2, 3):
                    t.report(loss=t["x"] / step, step=step)
                t.tell()
        with tempfile.TemporaryDirectory() as d:
            uri = f"sqlite:///{d}/mlflow.db"
            self.assertEqual(forward(e, uri), 2)
            e.ask().fail("no")
            e.ask().tell(loss=9)
            self.assertEqual(forward(e, uri, follow=True), 2)
            self.assertEqual(forward(e, uri), 0)
            client = MlflowClient(uri)
            found = {int(r.data.tags["hone.trial"]): r for r in client.search_runs([client.get_experiment_by_name(e.name).experiment_id])}
            self.assertEqual({n: r.info.status for n, r in found.items()}, {1: "FINISHED", 2: "FINISHED", 3: "FAILED", 4: "FINISHED"})
            self.assertEqual(found[1].data.params, {"x": str(e.trial(1)["x"])})
            self.assertEqual([(m.step, m.value) for m in client.get_metric_history(found[1].info.run_id, "loss")],
                             [(m["step"], m["value"]) for m in e.trial(1).measurements("loss")])
            self.assertEqual(found[4].data.metrics, {"loss": 9})
            self.assertEqual(found[3].data.tags["hone.message"], "no")


@needs("transformers", "torch")
class Transformers(hone.Case):
    def test_the_trainer_reports_by_itself_as_to_kubeflow(self):
        spec = hone.run_spec("", objective={"metric": "eval_loss", "direction": "minimize"})
        spec["run"] = {"command": [sys.executable, "-B", os.path.join(os.path.dirname(os.path.abspath(__file__)), "hf_train.py")], "metrics": {"from": "kubeflow"},
                       "env": {"USE_TF": "0", "HF_HUB_OFFLINE": "1"}}
        e = self.s.create(spec)
        e.wait()
        t = e.trial(1)
        self.assertEqual(t["state"], "SUCCEEDED", (t["message"], e.log(1, "?stream=stderr").text[-3000:]))
        self.assertGreater(t["objective"], 0)
        self.assertEqual(t["progress"], 1)


if __name__ == "__main__":
    unittest.main()
