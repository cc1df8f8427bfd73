# SPDX-License-Identifier: GPL-3.0-or-later
"""Trials on a real cluster: what they give, why they fail, and what is left of them."""
import json

from cluster import IMAGE, STEPS, ClusterCase, Experiment, api, container, items, job, jobs, name, ok, pods, spec, until


class Trials(ClusterCase):
    def test_jobs_succeed_and_their_metrics_arrive(self):
        e, trials = self.run_spec(spec(STEPS, self.space, trials=4, parallel=2))
        for t in trials:
            self.assertEqual(t["state"], "SUCCEEDED")
            self.assertAlmostEqual(t["objective"], t["params"]["x"], 9)
            self.assertEqual([step for step, _ in self.steps(e, t["number"])], [1, 2, 3])
            self.assertEqual(e.log(t["number"]).text.splitlines()[-1].split("=")[1].split()[0], "3")
        until(lambda: not jobs(self.space) and not pods(self.space), "the objects to be removed")

    def test_an_image_with_a_command_is_enough(self):
        document = spec({}, self.space)
        document["run"] = {"backend": "kubernetes", "namespace": self.space, "image": IMAGE, "retain": True, "grace": 3, "env": {"GREETING": "hello {x}"},
                           "command": ["sh", "-c", "echo $GREETING $HONE_SEED; echo loss=$1 >&2; test -z \"$HONE_TOKEN\"", "sh", "{x}"],
                           "resources": {"cpu": "100m", "memory": "32Mi"}}
        e, trials = self.run_spec(document)
        self.assertAlmostEqual(trials[0]["objective"], trials[0]["params"]["x"], 9)
        self.assertIn("hello 0.", e.log(1).text)
        kept = jobs(self.space)
        self.assertEqual(len(kept), 1)
        pod = kept[0]["spec"]["template"]["spec"]
        self.assertEqual(pod["containers"][0]["resources"]["limits"], {"cpu": "100m", "memory": "32Mi"})
        self.assertEqual(pod["terminationGracePeriodSeconds"], 3)
        self.assertEqual(kept[0]["metadata"]["labels"]["hone.dev/run"], kept[0]["metadata"]["name"])

    def test_an_exit_code_is_told(self):
        t = self.fails(spec("echo loss=1; echo what went wrong; exit 3", self.space))
        self.assertEqual(t["reason"], "EXIT_CODE")
        self.assertIn("exit code 3", t["message"])
        self.assertIn("what went wrong", t["message"])

    def fails(self, document):
        _, trials = self.run_spec(document, "FAILED")
        self.assertEqual(trials[0]["state"], "FAILED", trials)
        return trials[0]

    def test_memory_over_the_limit_is_told(self):
        manifest = job("x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done", resources={"limits": {"memory": "24Mi"}})
        t = self.fails(spec(manifest, self.space))
        self.assertEqual(t["reason"], "OOM")
        self.assertIn("OOMKilled", t["message"])

    def test_an_image_that_is_not_there_is_told_while_it_waits_and_given_up(self):
        manifest = job("true", image="127.0.0.1:1/none:1", imagePullPolicy="IfNotPresent")
        e = self.s.create(spec(manifest, self.space, run={"start_timeout": "6s"}))
        waiting = until(lambda: (lambda t: t if t["state"] == "STARTING" and t["message"] else None)(e.trial(1)), "the reason")
        self.assertEqual(waiting["reason"], "IMAGE")
        e.wait()
        t = e.trial(1)
        self.assertEqual((t["state"], t["reason"]), ("FAILED", "IMAGE"))
        self.assertRegex(t["message"], "cannot be pulled.*127.0.0.1:1/none")
        until(lambda: not jobs(self.space), "its job to be removed")

    def test_an_image_name_that_can_never_work_ends_at_once(self):
        t = self.fails(spec(job("true", image="Not An Image"), self.space))
        self.assertEqual(t["reason"], "IMAGE")
        self.assertIn("InvalidImageName", t["message"])

    def test_a_missing_config_map_is_told(self):
        manifest = job("true", envFrom=[{"configMapRef": {"name": "none"}}])
        t = self.fails(spec(manifest, self.space, run={"start_timeout": "2s"}))
        self.assertEqual(t["reason"], "CONFIG")
        self.assertIn('"none" not found', t["message"])

    def test_a_pod_that_no_node_takes_waits_and_says_so(self):
        e = self.s.create(spec(job("true", pod={"nodeSelector": {"no": "node"}}), self.space))
        t = until(lambda: (lambda t: t if t["message"] else None)(e.trial(1)), "the reason")
        self.assertEqual((t["state"], t["reason"]), ("STARTING", "UNSCHEDULABLE"))
        self.assertIn("node", t["message"])
        e.post(":stop", {"mode": "now"})
        self.assertEqual(e.wait_trial(1)["state"], "CANCELLED")
        until(lambda: not jobs(self.space) and not pods(self.space), "its job to be removed")

    def test_a_stopped_trial_has_its_grace(self):
        script = "trap 'echo loss=5; exit 0' TERM; echo loss=9; while :; do sleep 0.1; done"
        e = self.s.create(spec(script, self.space, run={"grace": 20}))
        self.until_running(e)
        until(lambda: "loss=9" in e.log(1).text, "its first line")
        e.post(":stop", {"mode": "now"})
        self.assertEqual(e.wait_trial(1)["state"], "CANCELLED")
        self.assertIn("loss=5", e.log(1).text)
        self.assertEqual(pods(self.space), [])

    def test_the_stopping_rule_ends_pods(self):
        script = 'for i in $(seq 40); do awk "BEGIN {print \\"step=$i loss=\\" $X * 10 + 1 / $i}"; sleep 0.3; done'
        document = spec(script, self.space, trials=6, parallel=2, run={"grace": 1}, stopping={"name": "median", "settings": {"min_trials_required": 2, "start_step": 2}})
        e, trials = self.run_spec(document)
        states = [t["state"] for t in trials]
        self.assertIn("PRUNED", states)
        self.assertLessEqual(set(states), {"SUCCEEDED", "PRUNED"})
        until(lambda: not jobs(self.space) and not pods(self.space), "the objects to be removed")

    def test_a_trial_out_of_time_is_ended(self):
        document = spec("echo loss=1; sleep 600", self.space)
        document["limits"] = {"trial_time": "4s"}
        t = self.fails(document)
        self.assertEqual(t["reason"], "TIMEOUT")
        self.assertIn("4 s", t["message"])

    def test_a_container_that_begins_again_is_read_on(self):
        script = "echo step=1 loss=3; if [ -e /state/again ]; then echo step=2 loss=2; exit 0; fi; touch /state/again; exit 1"
        manifest = job(script, pod={"restartPolicy": "OnFailure", "volumes": [{"name": "state", "emptyDir": {}}]}, spec={"backoffLimit": 3},
                       volumeMounts=[{"name": "state", "mountPath": "/state"}])
        e, trials = self.run_spec(spec(manifest, self.space))
        self.assertEqual(trials[0]["objective"], 2)
        self.assertEqual(e.log(1).text.count("step=1"), 2)

    def test_pods_of_one_job_are_read_one_after_the_other(self):
        script = "echo step=$HONE_ATTEMPT loss=3; echo $HOSTNAME; exit 1"
        e, trials = self.run_spec(spec(job(script, spec={"backoffLimit": 1}), self.space), "FAILED")
        self.assertEqual(trials[0]["reason"], "EXIT_CODE")
        self.assertEqual(e.log(1).text.count("loss=3"), 2)

    def test_the_container_that_is_named_is_read(self):
        manifest = job("echo loss=1")
        manifest["spec"]["template"]["spec"]["containers"].insert(0, container("echo loss=100; echo p=$HONE_TRIAL.") | {"name": "other"})
        e, trials = self.run_spec(spec(manifest, self.space, run={"container": "main"}))
        self.assertEqual(trials[0]["objective"], 1)
        self.assertNotIn("100", e.log(1).text)

    def test_a_job_removed_by_somebody_is_run_again(self):
        script = 'test "$HONE_ATTEMPT" = 2 || sleep 600; echo loss=1'
        e = self.s.create(spec(script, self.space))
        self.until_running(e)
        first = jobs(self.space)[0]["metadata"]["name"]
        ok("DELETE", f"/apis/batch/v1/namespaces/{self.space}/jobs/{first}?propagationPolicy=Background")
        self.assertEqual(e.wait()["state"], "SUCCEEDED")
        self.assertEqual(e.trial(1)["attempt"], 2)

    def test_an_evicted_pod_is_run_again(self):
        script = 'test "$HONE_ATTEMPT" = 2 || sleep 600; echo loss=1'
        e = self.s.create(spec(script, self.space))
        self.until_running(e)
        pod = pods(self.space)[0]["metadata"]["name"]
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": self.space}, "deleteOptions": {"gracePeriodSeconds": 0}}
        ok("POST", f"/api/v1/namespaces/{self.space}/pods/{pod}/eviction", body)
        self.assertEqual(e.wait()["state"], "SUCCEEDED")
        self.assertEqual(e.trial(1)["attempt"], 2)
        first = e.trial(1)["attempts"][0]
        self.assertEqual(first["state"], "LOST")
        self.assertIn("its pod was taken from it (EvictionByEvictionAPI)", first["message"])

    def test_a_full_quota_makes_trials_wait(self):
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {"hard": {"count/jobs.batch": "1"}}}
        ok("POST", f"/api/v1/namespaces/{self.space}/resourcequotas", quota)
        until(lambda: api("GET", f"/api/v1/namespaces/{self.space}/resourcequotas/small")[1].get("status", {}).get("hard"), "the quota")
        e = self.s.create(spec("sleep 3; echo loss=$X", self.space, trials=3, parallel=2))
        until(lambda: any("exceeded quota" in t["message"] for t in e.trials()), "a trial that waits")
        self.assertEqual(e.wait()["state"], "SUCCEEDED")
        self.assertEqual([t["state"] for t in e.trials()], ["SUCCEEDED"] * 3)

    def test_a_quota_of_pods_is_told(self):
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
        ok("POST", f"/api/v1/namespaces/{self.space}/resourcequotas", quota)
        until(lambda: api("GET", f"/api/v1/namespaces/{self.space}/resourcequotas/none")[1].get("status", {}).get("hard"), "the quota")
        e = self.s.create(spec("echo loss=$X", self.space))
        t = until(lambda: (lambda t: t if t["message"] else None)(e.trial(1)), "the reason")
        self.assertEqual((t["state"], t["reason"]), ("STARTING", "QUOTA"))
        e.post(":stop", {"mode": "now"})
        e.wait()


class Creation(ClusterCase):
    def refused(self, document, *wanted):
        answer = self.s.post("/api/v1/projects/default/experiments", document)
        self.assertEqual(answer.status, 422, answer)
        errors = answer.json["errors"]
        for pointer, text in wanted:
            self.assertTrue(any(e["pointer"] == pointer and text in e["detail"] for e in errors), (pointer, text, errors))

    def test_what_the_cluster_would_refuse_is_refused_at_once(self):
        manifest = job("true")
        manifest["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Sometimes"
        self.refused(spec(manifest, self.space), ("/run/manifest/spec/template/spec/containers/0/imagePullPolicy", "Sometimes"))
        self.refused(spec(job("true", comand=["x"]), self.space), ("/run/manifest", "comand"))
        self.refused(spec(job("true", spec={"parallelism": "many"}), self.space), ("/run/manifest", "parallelism"))
        self.refused(spec("true", "no-such-space"), ("/run/namespace", "no-such-space"))
        odd = {"apiVersion": "example.org/v1", "kind": "Odd", "spec": {}}
        self.refused(spec(odd, self.space, run={"success_condition": "a", "failure_condition": "b"}), ("/run/manifest/kind", "Odd"))

    def test_conditions_are_read_before_anything_runs(self):
        self.refused(spec("true", self.space, run={"success_condition": "status.conditions.#(type=="}), ("/run/success_condition", "#("))
        odd = {"apiVersion": "example.org/v1", "kind": "Odd", "spec": {}}
        self.refused(spec(odd, self.space), ("/run/success_condition", "is missing"), ("/run/failure_condition", "is missing"))


class Katib(ClusterCase):
    def document(self, template, **more):
        return {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": name("katib"), "namespace": self.space},
                "spec": {"objective": {"type": "minimize", "objectiveMetricName": "loss"}, "algorithm": {"algorithmName": "random"}, "parallelTrialCount": 2,
                         "maxTrialCount": 2, "maxFailedTrialCount": 1,
                         "parameters": [{"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.01", "max": "0.05"}}],
                         "trialTemplate": {"primaryContainerName": "main", "trialParameters": [{"name": "rate", "reference": "lr"}, {"name": "me", "reference": "${trialSpec.Name}"}],
                                           **template}, **more}}

    def run_document(self, document):
        answer = self.s.post("/api/v1/projects/default/experiments", document)
        self.assertEqual(answer.status, 201, answer)
        e = Experiment(self.s, answer.json["name"])
        self.assertEqual(e.wait()["state"], "SUCCEEDED", e.trials())
        return e, e.trials()

    SCRIPT = "echo {name} ${trialParameters.me} $HOSTNAME; echo loss=${trialParameters.rate} >&2"

    def job(self, script):
        manifest = job(script)
        del manifest["spec"]["template"]["spec"]["containers"][0]["env"]
        return manifest

    def test_its_jobs_run_on_the_cluster_unchanged(self):
        manifest = self.job(self.SCRIPT)
        e, trials = self.run_document(self.document({"trialSpec": manifest}))
        for t in trials:
            self.assertAlmostEqual(t["objective"], t["params"]["lr"], 9)
        words = next(line for line in e.log(1).text.splitlines() if line.startswith("{name} ")).split()  # the streams' order is nobody's
        self.assertTrue(words[2].startswith(words[1]), words)  # a pod is called after its job, which is called as the trial
        until(lambda: not jobs(self.space), "the objects to be removed")

    def test_a_template_may_be_in_a_config_map_and_objects_be_retained(self):
        text = json.dumps(self.job(self.SCRIPT))
        ok("POST", f"/api/v1/namespaces/{self.space}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "templates"}, "data": {"one.yaml": text}})
        place = {"configMapName": "templates", "configMapNamespace": self.space, "templatePath": "one.yaml"}
        both = "status.conditions.#(type==\"{}\")#|#(status==\"True\")#"
        more = {"successCondition": both.format("Complete"), "failureCondition": both.format("Failed"), "retain": True}
        _, trials = self.run_document(self.document({"configMap": place, **more}))
        self.assertAlmostEqual(trials[0]["objective"], trials[0]["params"]["lr"], 9)
        self.assertEqual(len(jobs(self.space)), 2)
        missing = self.document({"configMap": {**place, "templatePath": "two.yaml"}, **more})
        answer = self.s.post("/api/v1/projects/default/experiments", missing)
        self.assertEqual((answer.status, answer.json["errors"][0]["pointer"]), (422, "/spec/trialTemplate/configMap"))

    def test_the_same_file_runs_beside_its_script_when_asked_to(self):
        document = self.document({"trialSpec": self.job("echo loss=${trialParameters.rate} ${trialParameters.me}")})
        document["metadata"]["annotations"] = {"hone/backend": "process"}
        self.run_document(document)
        self.assertEqual(jobs(self.space), [])


class CustomResources(ClusterCase):
    """A kind of the tests' own, whose controller is the test."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
                   "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                       "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}, "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}}}
        ok("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "studies.tests.example"},
            "spec": {"group": "tests.example", "scope": "Namespaced", "names": {"plural": "studies", "singular": "study", "kind": "Study"}, "versions": [version]}})
        until(lambda: api("GET", "/apis/tests.example/v1/namespaces/default/studies")[0] == 200, "the new kind")

    def path(self, item="", rest=""):
        return f"/apis/tests.example/v1/namespaces/{self.space}/studies{'/' + item if item else ''}{rest}"

    def test_conditions_say_how_it_ended(self):
        run = {"success_condition": 'status.[@this].#(phase=="Good")#', "failure_condition": ['status.[@this].#(phase=="Bad")#', 'status.[@this].#(phase=="Worse")#']}
        study = {"apiVersion": "tests.example/v1", "kind": "Study", "spec": {"rate": "${trialParameters.x}", "{{keep}}": "{x}"}}
        document = spec(study, self.space, trials=2, parallel=2, run=run) | {"trials": {"max": 2, "parallel": 2, "max_failed": 2}}
        e = self.s.create(document)
        until(lambda: len(items(self.path())) == 2, "two studies")
        for study in items(self.path()):
            self.assertEqual(study["spec"]["{{keep}}"], "{x}")
            n = int(study["metadata"]["name"].split("-")[2])
            self.assertAlmostEqual(float(study["spec"]["rate"]), e.trial(n)["params"]["x"], 9)
        good, bad = sorted(study["metadata"]["name"] for study in items(self.path()))
        e.report(1, 1, 0.5)
        patch = "application/merge-patch+json"
        ok("PATCH", self.path(good, "/status"), {"status": {"phase": "Good"}}, content_type=patch)
        ok("PATCH", self.path(bad, "/status"), {"status": {"phase": "Worse", "reason": "Odd", "message": "it was odd"}}, content_type=patch)
        e.wait()
        self.assertEqual([t["state"] for t in e.trials()], ["SUCCEEDED", "FAILED"])
        self.assertEqual(e.trial(1)["objective"], 0.5)
        self.assertIn("Odd: it was odd", e.trial(2)["message"])
        until(lambda: not items(self.path()), "the studies to be removed")
