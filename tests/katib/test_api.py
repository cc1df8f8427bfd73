# SPDX-License-Identifier: GPL-3.0-or-later
"""Katib's API as a cluster serves it: over HTTP, and by kubectl where there is one."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from hone import Case, Service, clean_env, name, until
from test_run import katib

API = "/apis/kubeflow.org/v1beta1"


def printing(experiment=None, **more):
    """An experiment whose trials print what they were given."""
    return katib(experiment, command=["python3", "-c", "import sys; print('loss=' + sys.argv[1])"], args=["${trialParameters.learningRate}"], **more)


class KatibApi(Case):
    def of(self, kind, *rest, project="kubeflow"):
        return "/".join([API, "namespaces", project, kind, *rest])

    def create(self, document, status=201, project="kubeflow"):
        answer = self.s.post(self.of("experiments", project=project), document)
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def ended(self, experiment):
        return until(lambda: (e := self.s.get(self.of("experiments", experiment)).json)["status"].get("completionTime") and e, "the experiment to end")

    def refused(self, answer, status, reason):
        self.assertEqual((answer.status, answer.json["kind"], answer.json["status"], answer.json["reason"], answer.json["code"]),
                         (status, "Status", "Failure", reason, status), answer)
        return answer.json

    def test_an_experiment_runs_to_its_optimal_trial(self):
        document = printing()
        created = self.create(document)
        self.assertEqual((created["kind"], created["metadata"]["namespace"]), ("Experiment", "kubeflow"))
        e = self.ended(document["metadata"]["name"])
        self.assertEqual(e["spec"], {**document["spec"]})
        self.assertEqual([(c["type"], c["status"]) for c in e["status"]["conditions"]], [("Created", "True"), ("Running", "False"), ("Succeeded", "True")])
        self.assertEqual(e["status"]["conditions"][-1]["reason"], "ExperimentMaxTrialsReached")
        self.assertEqual((e["status"]["trials"], e["status"]["trialsSucceeded"], len(e["status"]["succeededTrialList"])), (4, 4, 4))
        best = e["status"]["currentOptimalTrial"]
        trials = self.s.get(self.of("trials") + "?labelSelector=katib.kubeflow.org/experiment%3D" + document["metadata"]["name"]).json["items"]
        value = {t["metadata"]["name"]: t["status"]["observation"]["metrics"][0]["latest"] for t in trials}
        self.assertEqual(best["bestTrialName"], min(value, key=lambda n: float(value[n])))
        self.assertEqual(best["parameterAssignments"], [{"name": "lr", "value": best["observation"]["metrics"][0]["min"]}])
        self.assertEqual([t["status"]["conditions"][-1]["reason"] for t in trials], ["TrialSucceeded"] * 4)
        suggestion = self.s.get(self.of("suggestions", document["metadata"]["name"])).json
        self.assertEqual([s["name"] for s in suggestion["status"]["suggestions"]], [t["metadata"]["name"] for t in trials])

    def test_errors_are_status_objects(self):
        document = printing()
        self.refused(self.s.get(self.of("experiments", "nothing")), 404, "NotFound")
        self.refused(self.s.get(self.of("trials", "nothing")), 404, "NotFound")
        self.create(document)
        self.refused(self.s.post(self.of("experiments"), document), 409, "AlreadyExists")
        self.refused(self.s.get(self.of("experiments"), token=None), 401, "Unauthorized")
        wrong = printing()
        wrong["spec"]["parameters"][0]["feasibleSpace"] = {"min": "2", "max": "1"}
        causes = self.refused(self.s.post(self.of("experiments"), wrong), 422, "Invalid")["details"]["causes"]
        self.assertIn("spec.parameters[0].feasibleSpace", causes[0]["field"])

    def test_a_dry_run_makes_nothing(self):
        document = printing()
        answer = self.s.post(self.of("experiments") + "?dryRun=All", document)
        self.assertEqual((answer.status, answer.json["spec"]), (201, document["spec"]))
        self.refused(self.s.get(self.of("experiments", document["metadata"]["name"])), 404, "NotFound")

    def test_a_namespace_is_a_project(self):
        document = printing(name("shared"))
        for project in ("team-a", "team-b"):
            self.create(document, project=project)
        listed = [e["metadata"]["namespace"] for e in self.s.get(API + "/experiments").json["items"] if e["metadata"]["name"] == document["metadata"]["name"]]
        self.assertEqual(sorted(listed), ["team-a", "team-b"])
        self.assertEqual(len(self.s.get(self.of("experiments", project="team-a")).json["items"]), 1)
        self.refused(self.s.post(self.of("experiments", project="Not_A_Name"), document), 422, "Invalid")

    def test_of_a_spec_the_counts_alone_can_change(self):
        document = printing(parallelTrialCount=1, maxTrialCount=2)
        self.s.post("/api/v1/projects", {"name": "counts"})
        self.create(document, project="counts")
        path = self.of("experiments", document["metadata"]["name"], project="counts")
        whole = self.s.get(path).json
        whole["spec"]["maxTrialCount"] = 3  # as the SDK's edit_experiment_budget does: all of it comes back
        answer = self.s.patch(path, whole, content_type="application/merge-patch+json")
        if answer.status != 200:  # it has ended meanwhile
            self.refused(answer, 409, "AlreadyExists")
        else:
            self.assertEqual(answer.json["spec"]["maxTrialCount"], 3)
        self.refused(self.s.patch(path, {"spec": {"objective": {"type": "maximize"}}}), 422, "Invalid")

    def test_a_watch_tells_what_comes_changes_and_goes(self):
        document = printing()
        n = document["metadata"]["name"]
        self.create(document)
        self.ended(n)
        self.assertEqual(self.s.delete(self.of("experiments", n)).json["status"], "Success")
        seen = [json.loads(line) for line in self.s.get(self.of("experiments") + f"?watch=true&fieldSelector=metadata.name%3D{n}&timeoutSeconds=1").text.splitlines()]
        self.assertEqual(seen, [])  # a watch without a revision begins with what there is
        other = printing()
        at = self.s.get(self.of("experiments")).json["metadata"]["resourceVersion"]
        self.create(other)
        self.ended(other["metadata"]["name"])
        lines = self.s.get(self.of("trials") + f"?watch=1&resourceVersion={at}&timeoutSeconds=1&allowWatchBookmarks=true").text.splitlines()
        events = [json.loads(line) for line in lines]
        self.assertEqual({e["object"]["metadata"]["name"] for e in events if e["type"] in ("ADDED", "MODIFIED")}, {f"{other['metadata']['name']}-{i}" for i in range(1, 5)})
        self.assertIn("ADDED", {e["type"] for e in events})
        self.s.delete(self.of("experiments", other["metadata"]["name"]))
        lines = self.s.get(self.of("experiments") + f"?watch=true&resourceVersion={at}&timeoutSeconds=1").text.splitlines()
        self.assertEqual([json.loads(line)["type"] for line in lines], [])  # it came and went since

    def test_a_deleted_one_is_told_to_who_knew_it(self):
        document = printing()
        self.create(document)
        self.ended(document["metadata"]["name"])
        at = self.s.get(self.of("experiments")).json["metadata"]["resourceVersion"]
        self.s.delete(self.of("experiments", document["metadata"]["name"]))
        lines = self.s.get(self.of("experiments") + f"?watch=true&resourceVersion={at}&timeoutSeconds=1").text.splitlines()
        self.assertEqual([(e["type"], e["object"]["metadata"]["name"]) for e in map(json.loads, lines)], [("DELETED", document["metadata"]["name"])])

    def test_a_trial_has_a_log_as_its_pod(self):
        document = printing()
        n = document["metadata"]["name"]
        self.create(document)
        self.ended(n)
        pods = self.s.get(f"/api/v1/namespaces/kubeflow/pods?labelSelector=katib.kubeflow.org/trial%3D{n}-1").json["items"]
        self.assertEqual([p["metadata"]["name"] for p in pods], [n + "-1"])
        log = self.s.get(f"/api/v1/namespaces/kubeflow/pods/{n}-1/log").text
        self.assertEqual(log, "loss=" + self.s.get(self.of("trials", n + "-1")).json["spec"]["parameterAssignments"][0]["value"] + "\n")

    def test_one_of_our_own_files_is_shown_as_far_as_katib_has_words(self):
        n = name("own")
        self.s.post("/api/v1/projects/default/experiments", {"name": n, "objective": {"metric": "y", "direction": "minimize"}, "parameters": {"x": {"type": "float", "min": 0, "max": 1}},
                                                             "trials": {"max": 3}})
        e = self.s.get(self.of("experiments", n, project="default")).json
        self.assertEqual((e["spec"]["objective"]["objectiveMetricName"], e["spec"]["maxTrialCount"]), ("y", 3))
        self.assertIn("run", e["metadata"]["annotations"]["hone/not-in-katib"])


class Kubectl(Case):
    """kubectl gives its token over TLS only, so this one has a service of its own."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="hone-kubectl-")
        cls.addClassCleanup(shutil.rmtree, cls.dir, True)
        if not shutil.which("kubectl") or not shutil.which("openssl"):
            raise unittest.SkipTest("there is no kubectl or no openssl here")
        key, cert = os.path.join(cls.dir, "key.pem"), os.path.join(cls.dir, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                        "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        cls.s = Service(args=["--tls-cert", cert, "--tls-key", key])
        cls.addClassCleanup(cls.s.stop)

    @classmethod
    def tearDownClass(cls):
        pass  # requests of the harness are plain HTTP: the service is only stopped

    def kubectl(self, *words, input=None, code=0):
        done = subprocess.run(["kubectl", "--kubeconfig", "/dev/null", "--cache-dir", os.path.join(self.dir, "cache"), "--server", self.s.url, "--certificate-authority",
                               os.path.join(self.dir, "cert.pem"), "--token", self.s.token, "-n", "kubeflow", *words], input=input, capture_output=True, text=True,
                              env=clean_env(HOME=self.dir), timeout=120)
        self.assertEqual(done.returncode, code, done)
        return done.stdout

    def test_kubectl_creates_follows_and_deletes(self):
        document = printing()
        n = document["metadata"]["name"]
        self.assertIn("created", self.kubectl("create", "--validate=false", "-f", "-", input=json.dumps(document)))
        until(lambda: "Succeeded" in self.kubectl("get", "experiment", n, "-o", "jsonpath={.status.conditions[-1:].type}"), "the experiment to end")
        self.assertEqual(len(self.kubectl("get", "trials", "-l", "katib.kubeflow.org/experiment=" + n, "-o", "name").split()), 4)
        best = self.kubectl("get", "experiment", n, "-o", "jsonpath={.status.currentOptimalTrial.bestTrialName}")
        self.assertIn("loss=", self.kubectl("logs", best))
        self.assertIn("experiments", self.kubectl("api-resources"))
        self.kubectl("delete", "experiment", n)
        self.kubectl("get", "experiment", n, code=1)
