# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives the real binary over real HTTP. Python's standard library only.

    service()   one `hone serve` on a free port with a directory of its own; `with` or close() ends it
    s.get(), s.post(), s.patch(), s.delete(), s.request()   -> Answer(status, headers, body, json)
    Case        a TestCase with one service for all its tests, and assertions on problems

HONE_BIN names the binary (default build/hone). Nothing here asserts wall-clock time; `until` only gives up in the end.
Of a binary built with a sanitizer, whatever a process of a test reports fails that test (run.py), also when it was killed later.
"""
import atexit
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.abspath(os.environ.get("HONE_BIN") or os.path.join(ROOT, "build", "hone"))
PATIENCE = float(os.environ.get("HONE_TEST_PATIENCE", "120"))  # seconds until a wait gives up; sanitizer builds are slow

requested = set()  # (method, path without the query) of every request that succeeded in this run, for test_routes
_alive = {}  # pid -> Popen of services, so that nothing is left when a test dies
_names = itertools.count(1)


def _end_all():
    for process in list(_alive.values()):
        if process.poll() is None:
            process.kill()
            process.wait()


atexit.register(_end_all)

_reports = tempfile.mkdtemp(prefix="hone-sanitizer-")
_told = {}  # file -> bytes of it that were given
for _options in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
    os.environ[_options] = f"{os.environ.get(_options, '')}:log_path={_reports}/report"
atexit.register(shutil.rmtree, _reports, ignore_errors=True)


def sanitizer_reports():
    """What sanitizers have said since the last call, in any process that the tests started."""
    new = []
    for name in sorted(os.listdir(_reports)):
        with open(os.path.join(_reports, name), errors="replace") as file:
            file.seek(_told.get(name, 0))
            new.append(file.read())
            _told[name] = file.tell()
    return "".join(new)


def clean_env(**more):
    """The environment without what would lead the CLI or the service elsewhere."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("HONE_") and k != "XDG_CONFIG_HOME"}
    env["XDG_CONFIG_HOME"] = "/nonexistent"
    env.update(more)
    return env


def until(condition, what="condition", patience=None):
    """Waits for a true value of condition() and gives it."""
    end = time.monotonic() + (patience or PATIENCE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"gave up waiting for {what}")
        time.sleep(0.02)


def name(prefix="e"):
    return f"{prefix}-{next(_names)}"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"


class Died(Exception):
    """The service ended before it served; args: exit code, what it said."""


class Service:
    def __init__(self, data=None, args=(), env=None, listen="127.0.0.1:0"):
        self.own_data = data is None
        self.data = data or tempfile.mkdtemp(prefix="hone-test-")
        self.args, self.env, self.listen = list(args), env or {}, listen
        self.log_path = None
        self.start()

    # -- life

    def start(self):
        fd, self.log_path = tempfile.mkstemp(prefix="serve-", suffix=".log", dir=tempfile.gettempdir())
        self.process = subprocess.Popen([BIN, "serve", "--data", self.data, "--listen", self.listen, *self.args], stdin=subprocess.DEVNULL,
                                        stdout=fd, stderr=fd, env=clean_env(**self.env))
        os.close(fd)
        _alive[self.process.pid] = self.process
        self.pid = self.process.pid
        until(lambda: "\ndashboard: " in "\n" + self.said() or self.process.poll() is not None, "the service to start")
        if self.process.poll() is not None:
            said = self.said()
            os.unlink(self.log_path)
            raise Died(self.process.returncode, said)
        self.link = [line for line in self.said().splitlines() if line.startswith("dashboard: ")][-1][len("dashboard: "):]
        with open(os.path.join(self.data, "server.json")) as file:
            self.info = json.load(file)
        self.url = self.info["url"]
        self.port = urllib.parse.urlsplit(self.url).port
        self.base_path = urllib.parse.urlsplit(self.url).path
        with open(os.path.join(self.data, "token")) as file:
            self.token = file.read().strip()
        return self

    def said(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def _ended(self):
        _alive.pop(self.process.pid, None)
        os.unlink(self.log_path)

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()
        self._ended()

    def stop(self):
        """SIGTERM; gives what was said and the exit code. Trials go on."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        said = self.said()
        self._ended()
        return self.process.returncode, said

    def stop_experiments(self):
        for e in self.get("/api/v1/projects/-/experiments?page_size=1000").json["experiments"]:
            if e["state"] in ("CREATED", "RUNNING", "PAUSED"):
                self.post(f"/api/v1/projects/{e['project']}/experiments/{e['name']}:stop", {"mode": "now"})
        until(lambda: not self.get("/api/v1/projects/-/experiments?page_size=1&filter=" + urllib.parse.quote(
            "state!=SUCCEEDED AND state!=FAILED AND state!=CANCELLED")).json["experiments"], "experiments to end")

    def close(self):
        """Fails if the service died: what it said last is worth more than what its clients saw."""
        if self.process.poll() is not None:
            raise AssertionError(f"the service ended by itself with {self.process.returncode}: {self.said()[-6000:]}")
        self.stop_experiments()
        code, said = self.stop()
        assert code == 0, f"the service ended with {code}: {said[-6000:]}"
        if self.own_data:
            shutil.rmtree(self.data, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- requests

    def request(self, method, path, body=None, token=True, headers=None, content_type=None, timeout=None):
        """`token`: True = the owner's, None = none, or a text. `body`: bytes as they are, anything else as JSON."""
        h = {}
        if token:
            h["Authorization"] = "Bearer " + (self.token if token is True else token)
        if body is not None and not isinstance(body, (bytes, str)):
            body, content_type = json.dumps(body), content_type or "application/json"
        if body is not None:
            h["Content-Type"] = content_type or "application/json"
        h.update(headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout or PATIENCE)
        try:
            try:
                connection.request(method, self.base_path + path, body, h)
            except (BrokenPipeError, ConnectionResetError):
                if not connection.sock:
                    raise
                # refused before all of it was sent: the answer says why
            answer = connection.getresponse()
            if answer.status < 400:
                requested.add((method, path.split("?")[0]))
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.request("POST", path, {} if body is None else body, **more)

    def patch(self, path, body, **more):
        return self.request("PATCH", path, body, **more)

    def delete(self, path, **more):
        return self.request("DELETE", path, **more)

    def socket(self):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    # -- what many tests do

    def create(self, spec, status=201):
        answer = self.post("/api/v1/projects/default/experiments", spec)
        assert answer.status == status, answer
        return Experiment(self, answer.json["name"])

    def cli(self, *args, input=None, env=None, cwd=None, at=True, timeout=None):
        """The command line against this service, found by its data directory (at=False: it finds nothing)."""
        more = {"HONE_DATA": self.data} if at else {"HONE_DATA": "/nonexistent"}
        more.update(env or {})
        return subprocess.run([BIN, *args], input=input, capture_output=True, text=True, env=clean_env(**more), cwd=cwd, timeout=timeout or PATIENCE)


class Experiment:
    """Shortcuts of one experiment; each gives the Answer, but for state(), trial() and ask()."""

    def __init__(self, s, experiment, project="default"):
        self.s, self.name = s, experiment
        self.path = f"/api/v1/projects/{project}/experiments/{experiment}"

    def get(self, rest="", **more):
        return self.s.get(self.path + rest, **more)

    def post(self, rest, body=None, **more):
        return self.s.post(self.path + rest, body, **more)

    def state(self):
        return self.get().json["state"]

    def trial(self, n):
        return self.get(f"/trials/{n}").json

    def trials(self, query=""):
        return self.get("/trials?page_size=1000" + query).json["trials"]

    def suggest(self, worker="w", **more):
        answer = self.post("/trials:suggest", {"worker": worker, **more})
        assert answer.status == 200, answer
        return answer.json

    def ask(self, worker="w", **more):
        got = self.suggest(worker, **more)
        assert len(got["trials"]) == 1, got
        return got["trials"][0]

    def report(self, n, step, value, metric="loss", **more):
        return self.post(f"/trials/{n}:report", {"measurements": [{"step": step, "metrics": {metric: value}}], **more})

    def complete(self, n, **metrics):
        return self.post(f"/trials/{n}:complete", {"metrics": metrics} if metrics else {})

    def wait(self, *states):
        """Until it has ended (or is in one of the states); gives the experiment."""
        states = states or ("SUCCEEDED", "FAILED", "CANCELLED")
        return until(lambda: (lambda e: e if e["state"] in states else None)(self.get().json), f"{self.name} to be {states}")

    def wait_trial(self, n, *states):
        states = states or ("SUCCEEDED", "PRUNED", "INFEASIBLE", "FAILED", "LOST", "CANCELLED")

        def look():
            answer = self.get(f"/trials/{n}")
            return answer.json if answer.status == 200 and answer.json["state"] in states else None
        return until(look, f"{self.name}/{n} to be {states}")

    def log(self, n, query=""):
        return self.get(f"/trials/{n}/logs{query}")


def service(*args, **more):
    """With flags of `hone serve`."""
    return Service(args=args, **more)


def ask_spec(experiment=None, **more):
    """An experiment whose trials the test runs itself."""
    spec = {"name": experiment or name(), "objective": {"metric": "loss", "direction": "minimize"}, "algorithm": "random", "seed": 7,
            "parameters": {"lr": {"type": "float", "min": 1e-5, "max": 0.1, "scale": "log"}, "act": {"type": "categorical", "values": ["relu", "tanh"]}}}
    spec.update(more)
    return spec


def run_spec(script, experiment=None, trials=1, parallel=1, run=None, **more):
    """An experiment of one parameter x in [0, 1] whose trials are the shell script."""
    spec = {"name": experiment or name(), "objective": {"metric": "loss", "direction": "minimize"}, "algorithm": "random", "seed": 7,
            "parameters": {"x": {"type": "float", "min": 0, "max": 1}}, "trials": {"max": trials, "parallel": parallel},
            "run": {"command": ["sh", "-c", script, "trial", "{x}"], **(run or {})}}
    spec.update(more)
    return spec


def processes(text):
    """Pids of living processes whose command line or environment holds `text` (zombies do not live)."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as a, open(f"/proc/{pid}/environ", "rb") as b:
                blob = a.read() + b.read()
            with open(f"/proc/{pid}/stat", "rb") as file:
                state = file.read().rsplit(b")", 1)[1].split()[0]
        except OSError:
            continue
        if text.encode() in blob and state != b"Z" and int(pid) != os.getpid():
            found.append(int(pid))
    return found


class Case(unittest.TestCase):
    args = ()

    @classmethod
    def setUpClass(cls):
        cls.s = service(*cls.args)

    @classmethod
    def tearDownClass(cls):
        cls.s.close()

    def run(self, result=None):
        s = getattr(self, "s", None)  # a class that is skipped has none
        if s and s.process.poll() is not None:  # one failure says it; the others would only repeat that nobody answers
            result.addSkip(self, "the service has died")
            return result
        return super().run(result)

    def ok(self, answer, status=200):
        self.assertEqual(answer.status, status, answer)
        return answer.json if answer.body else None

    def problem(self, answer, status, code=None, pointer=None):
        """An RFC 9457 answer; gives its body."""
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers.get_content_type(), "application/problem+json", answer)
        body = answer.json
        self.assertEqual(body["status"], status)
        for member in ("type", "title", "detail", "code", "request_id"):
            self.assertTrue(body.get(member), f"{member} in {body}")
        if code:
            self.assertEqual(body["code"], code, body)
        if pointer is not None:
            self.assertIn(pointer, [e["pointer"] for e in body.get("errors", [])], body)
        return body
