# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong beside the trials: the service dies, the API server does, the watch is too old, a token runs out."""
import json
import os
import random
import shutil
import tempfile
import unittest
import urllib.request

from cluster import DIR, ENV, KUBECONFIG, ClusterCase, Part, Service, api, job, jobs, namespace, ok, paused, pods, seconds, spec, until, until_api

KILLS = int(os.environ.get("HONE_CLUSTER_KILLS", "20"))


def counted(steps, pause="0.2"):
    """A script that prints so many steps, each once."""
    return f'i=0; while [ $i -lt {steps} ]; do i=$((i+1)); echo "step=$i loss=$X"; sleep {pause}; done'


class ServiceDies(unittest.TestCase):
    def setUp(self):
        self.data = tempfile.mkdtemp(prefix="hone-k8s-")
        self.addCleanup(shutil.rmtree, self.data, True)
        self.space = namespace()
        self.s = Service(data=self.data, args=["--kubeconfig", KUBECONFIG])
        self.addCleanup(lambda: self.s.close())

    def again(self):
        self.s.kill()
        self.s.start()

    def check(self, e, trials, steps):
        self.assertEqual([t["state"] for t in e.trials()], ["SUCCEEDED"] * trials)
        for t in e.trials():
            self.assertEqual(t["attempt"], 1, t)
            rows = e.get(f"/trials/{t['number']}/measurements?max_points=10000").json["measurements"]
            self.assertEqual([r["step"] for r in rows if r["metric"] == "loss"], list(range(1, steps + 1)))
            lines = [line for line in e.log(t["number"]).text.splitlines() if line]
            self.assertEqual([line.split()[0] for line in lines], [f"step={n}" for n in range(1, steps + 1)])

    def test_no_metric_and_no_trial_is_lost_over_many_kills(self):
        e = self.s.create(spec(counted(20), self.space, trials=6, parallel=3))
        chance = random.Random(7)
        for _ in range(KILLS):
            seconds(chance.uniform(0.05, 1.2))
            self.again()
        self.assertEqual(e.wait()["state"], "SUCCEEDED")
        self.check(e, 6, 20)
        until(lambda: not jobs(self.space), "the objects to be removed")

    def test_an_end_while_it_is_down_is_found(self):
        e = self.s.create(spec(counted(5), self.space))
        e.wait_trial(1, "RUNNING")
        self.s.kill()
        until(lambda: jobs(self.space)[0].get("status", {}).get("succeeded"), "the job to end")
        self.s.start()
        e.wait()
        self.check(e, 1, 5)

    def test_an_object_that_is_gone_when_it_comes_back_is_a_lost_trial(self):
        e = self.s.create(spec('test "$HONE_ATTEMPT" = 2 || sleep 600; echo loss=1', self.space))
        e.wait_trial(1, "RUNNING")
        self.s.kill()
        ok("DELETE", f"/apis/batch/v1/namespaces/{self.space}/jobs/{jobs(self.space)[0]['metadata']['name']}?propagationPolicy=Background")
        until(lambda: not jobs(self.space), "the job to be gone")
        self.s.start()
        self.assertEqual(e.wait()["state"], "SUCCEEDED")
        self.assertEqual((e.trial(1)["attempt"], e.trial(1)["attempts"][0]["state"]), (2, "LOST"))

    def test_a_stop_while_the_cluster_is_down_is_kept(self):
        e = self.s.create(spec("sleep 600", self.space, run={"grace": 1}))
        e.wait_trial(1, "RUNNING")
        with paused(Part("kube-apiserver")):
            e.post(":stop", {"mode": "now"})
            seconds(1)
        until_api()
        self.assertEqual(e.wait_trial(1)["state"], "CANCELLED")
        until(lambda: not pods(self.space), "the pod to be gone")


class ClusterFails(ClusterCase):
    def test_the_api_server_begins_again(self):
        server = Part("kube-apiserver")
        e = self.s.create(spec(counted(60), self.space, trials=4, parallel=2))
        for _ in range(2):
            e.wait_trial(1, "RUNNING", "SUCCEEDED")
            seconds(2)
            with paused(server):
                seconds(2)
            until_api()
        self.assertEqual(e.wait()["state"], "SUCCEEDED")
        for t in e.trials():
            self.assertEqual((t["attempt"], [step for step, _ in self.steps(e, t["number"])]), (1, list(range(1, 61))))

    def compact(self, argv):
        """Makes the versions that watches stand at too old."""
        etcd = argv[argv.index(b"--etcd-servers") + 1].decode()

        def post(path, body):
            with urllib.request.urlopen(urllib.request.Request(etcd + path, json.dumps(body).encode()), timeout=30) as answer:
                return json.load(answer)
        revision = int(post("/v3/kv/range", {"key": "AA=="})["header"]["revision"])
        post("/v3/kv/compaction", {"revision": str(revision), "physical": True})

    def test_a_watch_that_is_too_old_begins_anew(self):
        e = self.s.create(spec("sleep 8; echo loss=$X", self.space, trials=2, parallel=2))
        e.wait_trial(1, "RUNNING")
        e.wait_trial(2, "RUNNING")
        server = Part("kube-apiserver")
        path = f"/api/v1/namespaces/{self.space}/configmaps"
        for n in range(20):
            ok("POST", path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{n}"}})
        with paused(server):
            self.compact(server.argv)
        until_api()
        self.assertEqual(e.wait()["state"], "SUCCEEDED")
        self.assertIn("kubernetes.expired", self.s.said())
        self.assertEqual([t["attempt"] for t in e.trials()], [1, 1])


class Credentials(unittest.TestCase):
    """Kubeconfigs of the tests' own."""

    def service(self, user, **more):
        dir = tempfile.mkdtemp(prefix="hone-k8s-")
        self.addCleanup(shutil.rmtree, dir, True)
        config = {"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "c", "cluster": {"server": ENV["K8S_URL"], "certificate-authority": ENV["K8S_CA"], **more}}],
                  "users": [{"name": "u", "user": user}], "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x"}
        path = os.path.join(dir, "config")
        with open(path, "w") as file:
            json.dump(config, file)
        return dir, path

    def runs(self, path, *args):
        space = namespace()
        with Service(args=["--kubeconfig", path, *args]) as s:
            e = s.create(spec("echo loss=1", space))
            self.assertEqual(e.wait()["state"], "SUCCEEDED", e.trials())

    def refused(self, path, text, *args):
        space = namespace()
        with Service(args=["--kubeconfig", path, *args]) as s:
            answer = s.post("/api/v1/projects/default/experiments", spec("echo loss=1", space))
            self.assertEqual(answer.status, 422, answer)
            self.assertIn(text, answer.text)

    def test_a_client_certificate(self):
        dir, path = self.service({})
        import base64
        import subprocess
        ca = os.path.join(DIR, "pki", "ca")
        key, request, crt = (os.path.join(dir, f"me.{end}") for end in ("key", "csr", "crt"))
        subprocess.run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", "/O=system:masters/CN=me"], check=True, capture_output=True)
        subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", ca + ".crt", "-CAkey", ca + ".key", "-CAcreateserial", "-out", crt, "-days", "1"], check=True, capture_output=True)
        # the server knows clients by the same authority when it is told so; else it is a stranger's certificate
        with open(path) as file:
            config = json.load(file)
        with open(crt, "rb") as a, open(key, "rb") as b:
            config["users"][0]["user"] = {"client-certificate-data": base64.b64encode(a.read()).decode(), "client-key-data": base64.b64encode(b.read()).decode()}
        with open(path, "w") as file:
            json.dump(config, file)
        server = Part("kube-apiserver")
        if b"--client-ca-file" not in server.argv:
            server.kill()
            server.argv += [b"--client-ca-file", (ca + ".crt").encode()]
            server.start()
            until_api()
        self.runs(path)

    def test_a_token_file_that_changes(self):
        dir, path = self.service({"tokenFile": "token"})
        token = os.path.join(dir, "token")
        with open(token, "w") as file:
            file.write("wrong\n")
        space = namespace()
        with Service(args=["--kubeconfig", path]) as s:
            answer = s.post("/api/v1/projects/default/experiments", spec("echo loss=1", space))
            self.assertEqual(answer.status, 422, answer)
            with open(token, "w") as file:
                file.write(ENV["K8S_TOKEN"] + "\n")
            self.assertEqual(s.create(spec("echo loss=1", space)).wait()["state"], "SUCCEEDED")

    def test_a_program_for_credentials_must_be_allowed(self):
        dir, path = self.service({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login", "interactiveMode": "Never"}})
        program = os.path.join(dir, "login")
        with open(program, "w") as file:
            answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": ENV["K8S_TOKEN"]}}
            file.write(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
        os.chmod(program, 0o700)
        self.refused(path, "kube_exec")
        self.runs(path, "--kube-exec", "./login")

    def test_a_server_by_another_name_is_not_trusted(self):
        _, path = self.service({"token": ENV["K8S_TOKEN"]}, **{"tls-server-name": "somebody.else"})
        self.refused(path, "cannot be reached")
        _, path = self.service({"token": ENV["K8S_TOKEN"]}, **{"tls-server-name": "kubernetes.default.svc"})
        self.runs(path)

    def test_missing_rights_are_named(self):
        space = namespace()
        rules = [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "list", "watch"]}, {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{space}"
        ok("POST", rbac + "/roles", {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "few"}, "rules": rules})
        ok("POST", rbac + "/rolebindings", {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "few"},
                                            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "few"},
                                            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": space}]})
        token = ok("POST", f"/api/v1/namespaces/{space}/serviceaccounts/default/token", {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})["status"]["token"]
        _, path = self.service({"token": token})
        with Service(args=["--kubeconfig", path]) as s:
            answer = s.post("/api/v1/projects/default/experiments", spec("echo loss=1", space))
            self.assertEqual(answer.status, 422, answer)
            for right in ("delete jobs", "watch pods", "get pods/log", "list events"):
                self.assertIn(right, answer.text)
            self.assertNotIn("list pods", answer.text)
