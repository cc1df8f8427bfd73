# SPDX-License-Identifier: GPL-3.0-or-later
"""What other tools' clients send, as they send it: MLflow's tracking REST, Kubeflow Trainer's status."""
import unittest

from hone import Case, ask_spec, run_spec


class Mlflow(Case):
    def setUp(self):
        self.e = self.s.create(ask_spec())
        self.t = self.e.ask()
        self.token = self.t["lease"]["token"]
        self.base = "/trials/1/mlflow/2f746d702f6120/api/2.0/mlflow/"  # /tmp/a and a blank
        self.run = f"{self.e.name}-1"

    def call(self, what, body=None, **more):
        path = self.base + what
        return self.e.post(path, body, token=self.token, **more) if body is not None else self.e.get(path, token=self.token, **more)

    def log(self, value, step=0, key="loss", run=None):
        return self.call("runs/log-metric", {"run_id": run or self.run, "run_uuid": run or self.run, "key": key, "value": value, "timestamp": 1732502400000, "step": step})

    def points(self, metric="loss"):
        return [(m["step"], m["value"]) for m in self.e.get(f"/trials/1/measurements?metric={metric}").json["measurements"]]

    def test_metrics_are_measurements(self):
        for step in (1, "2", 3):  # Java writes 64-bit numbers as strings
            self.ok(self.log(step and int(step) / 10, step))
        self.assertEqual(self.points(), [(1, 0.1), (2, 0.2), (3, 0.3)])
        self.ok(self.log("NaN", 4, "a b=c"))
        self.assertEqual(self.points("a_b_c"), [(4, "NaN")])

    def test_a_batch_is_one_report(self):
        metrics = [{"key": k, "value": v, "timestamp": 0, "step": s} for k, v, s in (("loss", 3, 0), ("acc", 0.1, 0), ("loss", 2, 1))]
        self.ok(self.call("runs/log-batch", {"run_id": self.run, "metrics": metrics, "params": [{"key": "a", "value": "b"}], "tags": []}))
        self.assertEqual((self.points(), self.points("acc")), ([(0, 3), (1, 2)], [(0, 0.1)]))

    def test_the_run_is_the_trial(self):
        self.ok(self.log(0.5, 2))
        for run in (self.ok(self.call("runs/create", {"experiment_id": "0"}))["run"], self.ok(self.call(f"runs/get?run_id={self.run}"))["run"],
                    self.ok(self.call("runs/search", {"experiment_ids": ["0"]}))["runs"][0]):
            self.assertEqual((run["info"]["run_id"], run["info"]["status"], run["info"]["artifact_uri"]), (self.run, "RUNNING", "file:///tmp/a%20"))
            self.assertEqual([(m["key"], m["value"], m["step"]) for m in run["data"]["metrics"]], [("loss", 0.5, 2)])
            self.assertEqual({p["key"] for p in run["data"]["params"]}, {"lr", "act"})
        history = self.ok(self.call(f"metrics/get-history?run_id={self.run}&metric_key=loss"))["metrics"]
        self.assertEqual([(m["key"], m["value"], m["step"]) for m in history], [("loss", 0.5, 2)])

    def test_experiments_have_the_name_that_was_asked_for(self):
        self.assertEqual(self.ok(self.call("experiments/get-by-name?experiment_name=mine"))["experiment"]["name"], "mine")
        self.assertEqual(self.ok(self.call("experiments/get?experiment_id=0"))["experiment"]["name"], self.e.name)
        self.assertEqual(self.ok(self.call("experiments/create", {"name": "x"})), {"experiment_id": "0"})
        self.assertEqual(len(self.ok(self.call("experiments/search", {}))["experiments"]), 1)

    def test_the_rest_is_heard_and_changes_nothing(self):
        for verb in ("update", "log-parameter", "set-tag", "log-inputs"):
            self.ok(self.call(f"runs/{verb}", {"run_id": self.run, "status": "FAILED", "key": "a", "value": "b"}))
        self.assertEqual(self.e.trial(1)["state"], "RUNNING")

    def test_models_are_files_of_the_trial(self):
        made = self.ok(self.call("logged-models", {"experiment_id": "0", "name": "my model"}))["model"]["info"]
        self.assertEqual((made["model_id"], made["artifact_uri"]), ("m-my_model", "file:///tmp/a%20/models/m-my_model/artifacts"))
        self.assertEqual(self.ok(self.call("logged-models/m-my_model"))["model"]["info"], made)
        patch = lambda rest: self.s.patch(self.e.path + self.base + "logged-models/m-my_model" + rest, {}, token=self.token)  # noqa: E731
        self.assertEqual(self.ok(patch(""))["model"]["info"]["status"], "LOGGED_MODEL_READY")
        self.assertEqual(self.ok(patch("/tags")), {})
        self.assertEqual(self.ok(self.call("logged-models/m-my_model/params", {"params": []})), {})

    def test_errors_are_in_its_words_too(self):
        for answer, status, code in ((self.log(1, run="other"), 404, "RESOURCE_DOES_NOT_EXIST"), (self.log("x"), 422, "INVALID_PARAMETER_VALUE"),
                                     (self.call("runs/nonsense", {}), 404, "ENDPOINT_NOT_FOUND"), (self.call("runs/get?run_id=other"), 404, "RESOURCE_DOES_NOT_EXIST"),
                                     (self.call("traces", {}), 404, "ENDPOINT_NOT_FOUND"),
                                     (self.call("metrics/get-history?run_id=" + self.run), 422, "INVALID_PARAMETER_VALUE")):
            body = self.problem(answer, status)
            self.assertEqual((body["error_code"], body["message"]), (code, body["detail"]))
        self.assertNotIn("error_code", self.problem(self.e.get("/trials/99"), 404))

    def test_a_token_is_good_for_its_own_trial(self):
        other = self.e.ask("another")
        path = f"/trials/{other['number']}/mlflow/-/api/2.0/mlflow/runs/"
        self.problem(self.e.post(path + "log-metric", {"key": "loss", "value": 1}, token=self.token), 403)
        self.problem(self.e.get(path + "get", token=None), 401)
        info = self.ok(self.e.get(path + "get"))["run"]["info"]
        self.assertEqual(info["artifact_uri"], "mlflow-artifacts:/")


class TrainerStatus(Case):
    def test_is_a_report(self):
        e = self.s.create(ask_spec())
        token = e.ask()["lease"]["token"]
        status = {"lastUpdatedTime": "2025-01-01T00:00:00+00:00", "progressPercentage": 40, "estimatedRemainingSeconds": 9,
                  "metrics": [{"name": "loss", "value": "0.5"}, {"name": "total_flos", "value": "12"}, {"name": "model", "value": "a/b"}, {"name": 3}]}
        for value in ("0.5", "0.25"):
            status["metrics"][0]["value"] = value
            self.ok(e.post("/trials/1/trainer-status", {"trainerStatus": status}, token=token))
        points = e.get("/trials/1/measurements").json["measurements"]
        self.assertEqual([(m["metric"], m["step"], m["value"]) for m in points if m["metric"] != "total_flos"], [("loss", 0, 0.5), ("loss", 1, 0.25)])
        self.assertEqual(e.trial(1)["progress"], 0.4)
        self.problem(e.post("/trials/1/trainer-status", {"trainerstatus": {}}, token=token), 422)
        self.problem(e.post("/trials/1/trainer-status", {}, token=None), 401)


class Environment(Case):
    def test_a_trial_is_told_where_to_log(self):
        show = 'env | grep -E "^(MLFLOW|KUBEFLOW_TRAINER)_" | sort; test "$(cat "$KUBEFLOW_TRAINER_SERVER_TOKEN")" = "$HONE_TOKEN" && echo same; true'
        for source, expected in (("mlflow", r"MLFLOW_TRACKING_TOKEN=(.+)\nMLFLOW_TRACKING_URI=http://127[^\n]*/trials/1/mlflow/[0-9a-f]+\n"),
                                 ("kubeflow", r"KUBEFLOW_TRAINER_SERVER_TOKEN=/.*/token\nKUBEFLOW_TRAINER_SERVER_URL=http://127[^\n]*/trials/1/trainer-status\nsame\n"), ("stdout", "")):
            e = self.s.create(run_spec(show, run={"metrics": {"from": source}}))
            e.wait()
            self.assertRegex(e.log(1).text, f"^{expected}$")
            self.assertEqual(e.trial(1)["reason"], "METRICS_MISSING")


if __name__ == "__main__":
    unittest.main()
