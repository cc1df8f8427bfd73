# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster that run.sh has started: its API, its parts, and experiments whose trials run on it."""
import contextlib
import json
import os
import signal
import ssl
import subprocess
import time
import unittest
import urllib.error
import urllib.request

from hone import Experiment, Service, name, until  # noqa: F401

DIR = os.environ["K8S_DIR"]
with open(os.path.join(DIR, "env")) as _file:
    ENV = dict(line.strip().split("=", 1) for line in _file)
IMAGE = ENV["K8S_IMAGE"]
KUBECONFIG = ENV["KUBECONFIG"]
_tls = ssl.create_default_context(cafile=ENV["K8S_CA"])


def api(method, path, body=None, token=None, content_type="application/json"):
    """A call of the cluster's API: (status, JSON)."""
    request = urllib.request.Request(ENV["K8S_URL"] + path, method=method, data=None if body is None else json.dumps(body).encode())
    request.add_header("Authorization", "Bearer " + (token or ENV["K8S_TOKEN"]))
    request.add_header("Content-Type", content_type)
    try:
        with urllib.request.urlopen(request, context=_tls, timeout=60) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text[:1] == b"{" else text.decode()
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text[:1] == b"{" else text.decode()


def ok(method, path, body=None, **more):
    status, answer = api(method, path, body, **more)
    assert status < 300, (method, path, status, answer)
    return answer


def namespace(prefix="t"):
    """A new one, with its default service account."""
    space = name(prefix)
    ok("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    until(lambda: api("GET", f"/api/v1/namespaces/{space}/serviceaccounts/default")[0] == 200, "the default service account")
    return space


def items(path):
    return ok("GET", path)["items"]


def jobs(space):
    return items(f"/apis/batch/v1/namespaces/{space}/jobs")


def pods(space):
    return items(f"/api/v1/namespaces/{space}/pods")


def phase(pod):
    return pod.get("status", {}).get("phase")


class Part:
    """A process of the cluster, which can be ended and begun again as it was."""

    def __init__(self, part):
        self.file = os.path.join(DIR, "pid", part)
        self.log = os.path.join(DIR, "log", part + ".log")
        with open(self.file) as file:
            self.pid = int(file.read())
        with open(f"/proc/{self.pid}/cmdline", "rb") as file:
            self.argv = file.read().rstrip(b"\0").split(b"\0")
        self.cwd = os.readlink(f"/proc/{self.pid}/cwd")

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

        def dead():
            try:
                with open(f"/proc/{self.pid}/stat") as file:
                    return file.read().rsplit(")", 1)[1].split()[0] == "Z"
            except OSError:
                return True
        until(dead, "it to be dead")

    def start(self):
        with open(self.log, "ab") as log:
            process = subprocess.Popen(self.argv, cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.pid = process.pid
        with open(self.file, "w") as file:
            file.write(str(self.pid))


def until_api():
    def answers():
        try:
            return api("GET", "/readyz")[0] == 200
        except OSError:
            return False
    until(answers, "the API server")


def container(script, **more):
    return {"name": "main", "image": IMAGE, "imagePullPolicy": "Never", "command": ["sh", "-c", script], **more}


def job(script, pod=None, spec=None, **more):
    """A Job; the script has $X, the parameter x."""
    main = container(script, env=[{"name": "X", "value": "${trialParameters.x}"}], **more)
    return {"apiVersion": "batch/v1", "kind": "Job", "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [main], **(pod or {})}},
                                                             **(spec or {})}}


def spec(manifest, space, trials=1, parallel=1, run=None, **more):
    """An experiment of one parameter x in [0, 1]; `manifest`: an object, or the script of a Job."""
    manifest = job(manifest) if isinstance(manifest, str) else manifest
    return {"name": name(), "objective": {"metric": "loss", "direction": "minimize"}, "algorithm": "random", "seed": 7,
            "parameters": {"x": {"type": "float", "min": 0, "max": 1}}, "trials": {"max": trials, "parallel": parallel},
            "run": {"backend": "kubernetes", "namespace": space, "manifest": manifest, **(run or {})}, **more}


STEPS = "for i in 1 2 3; do echo step=$i loss=$X; done"


class ClusterCase(unittest.TestCase):
    """One service for all tests of a class, and a namespace for each."""

    @classmethod
    def setUpClass(cls):
        cls.s = Service(args=["--kubeconfig", KUBECONFIG])

    @classmethod
    def tearDownClass(cls):
        cls.s.close()

    def setUp(self):
        self.space = namespace()

    def run_spec(self, document, state="SUCCEEDED"):
        """To its end: the experiment and its trials."""
        e = self.s.create(document)
        done = e.wait()
        self.assertEqual(done["state"], state, (done, e.trials()))
        return e, e.trials()

    def steps(self, e, n):
        """(step, value) of a trial's reports of loss."""
        rows = e.get(f"/trials/{n}/measurements").json["measurements"]
        return [(row["step"], row["value"]) for row in rows if row["metric"] == "loss"]

    def until_running(self, e, n=1):
        return e.wait_trial(n, "RUNNING")


@contextlib.contextmanager
def paused(part):
    """While it is dead."""
    part.kill()
    try:
        yield
    finally:
        part.start()


def seconds(n):
    time.sleep(n)
