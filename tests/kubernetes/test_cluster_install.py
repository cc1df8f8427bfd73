# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifests of examples/kubernetes: taken by the API server as they are, and the service in a pod with their account and rights."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest
import urllib.request

from cluster import ENV, IMAGE, KUBECONFIG, Experiment, api, items, job, jobs, name, namespace, ok, spec, until
from hone import BIN, ROOT, Answer

MANIFESTS = os.path.join(ROOT, "examples", "kubernetes")
KUBECTL = os.path.join(ROOT, os.environ.get("HONE_ENGINE", "build/engine"), "bin", "kubectl")


def kubectl(*args, input=None):
    done = subprocess.run([KUBECTL, "--kubeconfig", KUBECONFIG, *args], input=input, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done
    return done.stdout


class Remote:
    """A service that somebody else has started."""

    def __init__(self, url, token):
        self.url, self.token = url, token

    def request(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": "Bearer " + self.token, "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body=None):
        return self.request("POST", path, body or {})


class InACluster(unittest.TestCase):
    def setUp(self):
        if api("GET", "/api/v1/namespaces/hone")[0] != 200:
            ok("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "hone"}})

    def test_the_api_server_takes_the_manifests(self):
        said = kubectl("apply", "-k", MANIFESTS, "--dry-run=server")
        for object in ("serviceaccount/hone", "role.rbac.authorization.k8s.io/hone-trials", "rolebinding", "service/hone", "statefulset.apps/hone"):
            self.assertIn(object, said)

    def host_paths(self, data):
        """The test's image has a shell alone: programs and libraries are those of this machine."""
        paths = {"bin": os.path.dirname(BIN), "usr": "/usr", "lib": "/usr/lib", "lib64": "/usr/lib64", "etc": "/etc", "data": data}
        places = {"bin": "/hone", "usr": "/usr", "lib": "/lib", "lib64": "/lib64", "etc": "/etc", "data": "/data"}
        return ([{"name": key, "hostPath": {"path": path}} for key, path in paths.items()],
                [{"name": key, "mountPath": places[key], "readOnly": key != "data"} for key in paths])

    def test_the_service_runs_trials_with_these_rights(self):
        data = tempfile.mkdtemp(prefix="hone-pod-")
        os.chmod(data, 0o777)
        self.addCleanup(shutil.rmtree, data, True)
        other = namespace()
        objects = json.loads(kubectl("create", "--dry-run=client", "-o", "json", "-f", "-", input=kubectl("kustomize", MANIFESTS)).replace("}\n{", "},{").join("[]"))
        flat = [item for object in objects for item in object.get("items", [object])]
        stateful = next(object for object in flat if object["kind"] == "StatefulSet")
        for object in flat:
            if object is not stateful:
                kubectl("apply", "-f", "-", input=json.dumps(object))
        del stateful["spec"]["volumeClaimTemplates"]
        pod = stateful["spec"]["template"]["spec"]
        container = pod["containers"][0]
        volumes, mounts = self.host_paths(data)
        pod["volumes"] += volumes
        pod["hostNetwork"] = True  # there is no proxy for services on the test's node: the API server is on its loopback
        port = 30000 + os.getpid() % 20000
        container.update(image=IMAGE, imagePullPolicy="Never", command=["/hone/hone", "serve"], ports=[{"name": "http", "containerPort": port}])
        container["volumeMounts"] = [m for m in container["volumeMounts"] if m["name"] != "data"] + mounts
        env = {"HONE_LISTEN": f"0.0.0.0:{port}", "HONE_KUBE_PROJECT_NAMESPACES": "true", "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": ENV["K8S_URL"].rsplit(":", 1)[1]}
        container["env"] = [e for e in container["env"] if e["name"] not in env] + [{"name": key, "value": value} for key, value in env.items()]
        kubectl("apply", "-f", "-", input=json.dumps(stateful))
        self.addCleanup(kubectl, "delete", "statefulset", "hone", "-n", "hone", "--wait=false")

        def ready():
            return api("GET", "/apis/apps/v1/namespaces/hone/statefulsets/hone")[1].get("status", {}).get("readyReplicas")
        try:
            until(ready, "the service to be ready")
        except AssertionError:
            print(kubectl("describe", "pod", "-n", "hone"), kubectl("logs", "-n", "hone", "hone-0", "--tail=50"))
            raise
        with open(os.path.join(data, "token")) as file:
            s = Remote(f"http://127.0.0.1:{port}", file.read().strip())
        for project in ("hone", other):
            s.post("/api/v1/projects", {"name": project})
        document = spec(job("echo loss=$X"), "hone")
        del document["run"]["namespace"]
        answer = s.post("/api/v1/projects/hone/experiments", document)
        self.assertEqual(answer.status, 201, answer)
        e = Experiment(s, answer.json["name"], "hone")
        self.assertEqual(e.wait()["state"], "SUCCEEDED", e.trials())
        until(lambda: not jobs("hone"), "the job to be removed")
        # a trial that reports over HTTP, with a token of its own
        script = "wget -q -O - --header \"Authorization: Bearer $HONE_TOKEN\" --header 'Content-Type: application/json' " \
                 "--post-data '{\"measurements\": [{\"step\": 1, \"metrics\": {\"loss\": 0.25}}]}' " \
                 f"http://127.0.0.1:{port}/api/v1/projects/$HONE_PROJECT/experiments/$HONE_EXPERIMENT/trials/$HONE_TRIAL:report"
        reporting = spec(job(script, pod={"hostNetwork": True}), "hone", run={"token": True})
        del reporting["run"]["namespace"]
        answer = s.post("/api/v1/projects/hone/experiments", reporting)
        self.assertEqual(answer.status, 201, answer)
        e = Experiment(s, answer.json["name"], "hone")
        self.assertEqual(e.wait()["state"], "SUCCEEDED", (e.trials(), e.log(1).text))
        self.assertEqual(e.trial(1)["objective"], 0.25)
        until(lambda: not items("/api/v1/namespaces/hone/secrets"), "the secret to be removed with its job")
        # another project is another namespace, where the account has no rights; and nobody may name one
        answer = s.post(f"/api/v1/projects/{other}/experiments", document | {"name": name()})
        self.assertEqual(answer.status, 422, answer)
        self.assertIn(other, answer.text)
        answer = s.post("/api/v1/projects/hone/experiments", spec(job("true"), other))
        self.assertEqual((answer.status, answer.json["errors"][0]["pointer"]), (422, "/run/namespace"))
