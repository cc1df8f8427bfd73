# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: tokens of the owner and of trials, the dashboard's cookie, host names, headers of the answers."""
import gzip
import json
import os
import re
import stat
import unittest

from hone import Case, Died, ask_spec, run_spec, service, until

OPEN = {"/livez", "/readyz", "/version", "/openapi.json", "/", "/assets/{file}", "/link/{token}"}
LOGGERS = re.compile(r"/trials/\{number\}/(trainer-status|mlflow/)")
OF_TRIALS = re.compile(r"/trials/\{[a-z]+\}(:(report|heartbeat|complete|fail|infeasible))?$")


def operations(s):
    """(method, template) of every operation of the API's description."""
    paths = s.get("/openapi.json").json["paths"]
    return [(method.upper(), path) for path, item in paths.items() for method in item if method in ("get", "post", "patch", "put", "delete")]


def is_open(path):
    return path in OPEN or path.startswith(("/assets", "/link", "/problems"))


def fill(path, e, trial):
    names = {"project": "default", "p": "default", "experiment": e, "e": e, "trial": str(trial), "n": str(trial), "number": str(trial)}
    return re.sub(r"\{([a-z_]+)\}", lambda m: names.get(m[1], "x"), path)


class Tokens(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.e = cls.s.create(run_spec('echo "mine=$HONE_TOKEN"; sleep 600', trials=2, parallel=2))
        cls.tokens = {}
        for n in (1, 2):
            cls.tokens[n] = until(lambda n=n: re.search(r"mine=(\S+)", cls.e.log(n).text if cls.e.log(n).status == 200 else ""), "a trial to tell its token")[1]

    def test_every_route_needs_a_token(self):
        for method, path in operations(self.s):
            if is_open(path):
                continue
            with self.subTest(f"{method} {path}"):
                for token in (None, "wrong", self.s.token[:-1], self.s.token + "x"):
                    answer = self.s.request(method, fill(path, self.e.name, 1), {} if method != "GET" else None, token=token)
                    self.problem(answer, 401)
        self.assertEqual(self.e.state(), "RUNNING")

    def test_open_routes_need_none(self):
        for path in ("/livez", "/readyz", "/version", "/openapi.json", "/"):
            self.assertEqual(self.s.get(path, token=None).status, 200, path)

    def test_trials_have_tokens_of_their_own(self):
        self.assertEqual(len({self.s.token, *self.tokens.values()}), 3)

    def test_trial_token_opens_its_own_trial_alone(self):
        for method, path in operations(self.s):
            if is_open(path):
                continue
            logs = LOGGERS.search(path)  # whatever they are asked, the door is open
            allowed = logs or (OF_TRIALS.search(path) and method == ("POST" if ":" in path else "GET"))
            with self.subTest(f"{method} {path}"):
                body = {"measurements": 1, "message": 3} if method != "GET" else None  # passes the door, changes nothing
                own = self.s.request(method, fill(path, self.e.name, 1), body, token=self.tokens[1])
                if not allowed:
                    self.problem(own, 403)
                elif logs:
                    self.assertIn(own.status, (200, 404, 422), own)
                elif method == "GET":
                    self.ok(own)
                else:
                    self.assertIn(own.status, (200, 422), own)
                self.problem(self.s.request(method, fill(path, self.e.name, 2), body, token=self.tokens[1]), 403)
        self.assertEqual([t["state"] for t in self.e.trials()], ["RUNNING", "RUNNING"])

    def test_trial_token_reports(self):
        answer = self.s.post(self.e.path + "/trials/1:report", {"measurements": [{"step": 1, "metrics": {"loss": 0.5}}]}, token=self.tokens[1])
        self.assertFalse(self.ok(answer)["should_stop"])

    def test_token_file_is_private_and_tokens_are_not_in_the_database_or_log(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.s.data + "/token").st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(self.s.data).st_mode) & 0o007, 0)
        with open(self.s.data + "/hone.db", "rb") as db:
            blob = db.read()
        if os.path.exists(self.s.data + "/hone.db-wal"):
            with open(self.s.data + "/hone.db-wal", "rb") as wal:
                blob += wal.read()
        for token in (self.s.token, *self.tokens.values()):
            self.assertNotIn(token.encode(), blob)
            self.assertNotIn(token, self.s.said())

    def test_old_token_of_an_ended_attempt_is_refused(self):
        e = self.s.create(run_spec('echo "mine=$HONE_TOKEN"; [ $HONE_ATTEMPT = 2 ] && sleep 600; exit 3', run={"retries": 1, "retry_delay": 0}))
        token = until(lambda: re.search(r"mine=(\S+)", e.log(1, "?attempt=1").text if e.log(1, "?attempt=1").status == 200 else ""), "the first attempt's token")[1]
        until(lambda: e.trial(1)["attempt"] == 2 and e.trial(1)["state"] == "RUNNING", "the second attempt")
        answer = self.s.post(e.path + "/trials/1:report", {"measurements": [{"step": 1, "metrics": {"loss": 0}}]}, token=token)
        self.assertIn(answer.status, (401, 403, 409), answer)


class Link(Case):
    def test_a_new_link_takes_the_place_of_the_old(self):
        first, second = (self.s.get("/api/v1/link").json["url"][len(self.s.url):] for _ in range(2))
        self.assertEqual(self.s.get(first, token=None).status, 403)
        self.assertEqual(self.s.get(second, token=None).status, 303)
        self.assertEqual(self.s.get(second, token=None).status, 403)


class Cookie(Case):
    def login(self):
        path = self.s.link[len(self.s.url):]
        answer = self.s.get(path, token=None)
        self.assertEqual(answer.status, 303, answer)
        return path, answer

    def test_link_works_once_and_the_cookie_reads_and_writes(self):
        path, answer = self.login()
        cookie = answer.headers["Set-Cookie"]
        for part in ("HttpOnly", "SameSite=Strict"):
            self.assertIn(part, cookie)
        self.assertNotIn(self.s.token, cookie)
        self.assertIn(self.s.get(path, token=None).status, (401, 403, 404, 410))
        session = {"Cookie": cookie.split(";")[0]}
        self.ok(self.s.get("/api/v1/projects", token=None, headers=session))
        spec = ask_spec()
        self.problem(self.s.post("/api/v1/projects/default/experiments", spec, token=None, headers=session), 403)
        self.ok(self.s.post("/api/v1/projects/default/experiments", spec, token=None, headers={**session, "X-Hone": "1"}), 201)
        name, _, value = session["Cookie"].partition("=")
        forged = {"Cookie": f"{name}={value[:-2]}{'aa' if value[-2:] != 'aa' else 'bb'}"}
        self.problem(self.s.get("/api/v1/projects", token=None, headers=forged), 401)
        self.assertIn(self.s.get("/link/guess", token=None).status, (401, 403, 404, 410))


class Frames(Case):
    args = ("--frames", "http://localhost:8888,https://notebooks.example")

    def test_only_pages_that_are_named_may_frame_the_dashboard(self):
        policy = self.s.get("/", token=None).headers["Content-Security-Policy"]
        self.assertTrue(policy.endswith("frame-ancestors 'self' http://localhost:8888 https://notebooks.example"), policy)
        self.assertIn("frame-ancestors 'none'", self.s.get("/api/v1/projects").headers["Content-Security-Policy"])

    def test_what_is_no_origin_is_refused(self):
        for wrong in ("localhost:8888", "http://a; script-src *", "'self'"):
            with self.assertRaises(Died) as died:
                service("--frames", wrong)
            self.assertEqual(died.exception.args[0], 2, wrong)


class Hosts(Case):
    args = ("--hosts", "hone.example")

    def test_foreign_host_names_are_refused(self):
        for host in ("evil.example", "evil.example:80", f"evil.example:{self.s.port}", "127.0.0.1.evil.example", ""):
            with self.subTest(host):
                answer = self.s.get("/api/v1/projects", headers={"Host": host})
                self.assertIn(answer.status, (400, 403, 421), answer)

    def test_known_host_names_are_answered(self):
        for host in ("127.0.0.1", f"127.0.0.1:{self.s.port}", "localhost", f"localhost:{self.s.port}", "[::1]", "hone.example", "hone.example:443", "HONE.example"):
            with self.subTest(host):
                self.ok(self.s.get("/api/v1/projects", headers={"Host": host}))

    def test_no_other_origin_is_allowed(self):
        answer = self.s.get("/api/v1/projects", headers={"Origin": "http://evil.example"})
        self.assertIsNone(answer.headers["Access-Control-Allow-Origin"])
        self.assertIsNone(self.s.request("OPTIONS", "/api/v1/projects", headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}).headers["Access-Control-Allow-Origin"])


class Page(Case):
    def test_page_has_a_strict_policy(self):
        answer = self.s.get("/", token=None)
        policy = answer.headers["Content-Security-Policy"]
        for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'", "frame-ancestors"):
            self.assertIn(part, policy)
        self.assertNotIn("unsafe", policy)
        self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
        self.assertNotRegex(answer.text, r"(?i)<script(?![^>]*src=)|<style|\son[a-z]+=|\sstyle=")

    def test_everything_the_page_names_is_served(self):
        page = self.s.get("/", token=None).text
        for path in re.findall(r'(?:src|href)="([^"#]+)"', page):
            self.assertFalse(path.startswith("/") or "://" in path, f"{path} is not relative")
            answer = self.s.get("/" + path, token=None)
            self.assertEqual(answer.status, 200, path)
            again = self.s.get("/" + path, token=None, headers={"If-None-Match": answer.headers["ETag"]})
            self.assertEqual(again.status, 304, path)

    def test_what_is_not_there_is_not_found(self):
        for path in ("/assets/nope.js", "/assets/../api.c", "/assets/%2e%2e/%2e%2e/etc/passwd", "/nope", "/assets/"):
            self.assertEqual(self.s.get(path, token=None).status, 404, path)

    def test_files_of_the_dashboard_are_packed_and_kept(self):
        plain, packed = (self.s.get("/assets/app.js?v=1", token=None, headers={"Accept-Encoding": encoding}) for encoding in ("identity", "gzip, br"))
        self.assertEqual((plain.headers["Content-Encoding"], packed.headers["Content-Encoding"]), (None, "gzip"))
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertIn("immutable", packed.headers["Cache-Control"])
        page = self.s.get("/", token=None)
        self.assertEqual(page.headers["Cache-Control"], "no-cache")
        self.assertEqual(self.s.get("/", token=None, headers={"If-None-Match": page.headers["ETag"]}).status, 304)

    def test_answers_are_not_cached(self):
        self.assertIn("no-store", self.s.get("/api/v1/projects").headers["Cache-Control"])


class BasePath(unittest.TestCase):
    def test_mounted_under_a_path(self):
        with service("--base-path", "/hone") as s:
            self.assertTrue(s.url.endswith("/hone"), s.url)
            self.assertEqual(s.get("/api/v1/projects").status, 200)
            self.assertEqual(s.get("/assets/app.js", token=None).status, 200)
            self.assertEqual(s.get("/", token=None).status, 200)


class Listening(unittest.TestCase):
    def test_public_address_is_refused(self):
        with self.assertRaises(Died) as died:
            service(listen="0.0.0.0:0")
        self.assertIn("insecure-listen", died.exception.args[1])
        self.assertNotEqual(died.exception.args[0], 0)

    def test_no_auth_only_on_loopback(self):
        with self.assertRaises(Died):
            service("--no-auth", "--insecure-listen", listen="0.0.0.0:0")
        with service("--no-auth") as s:
            self.assertEqual(s.get("/api/v1/projects", token=None).status, 200)

    def test_unix_socket_is_private_and_serves(self):
        import socket
        import tempfile
        path = tempfile.mkdtemp() + "/s"
        with service("--socket", path) as s:
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            with socket.socket(socket.AF_UNIX) as c:
                c.connect(path)
                c.sendall(f"GET /api/v1/projects HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {s.token}\r\nConnection: close\r\n\r\n".encode())
                self.assertTrue(c.recv(100).startswith(b"HTTP/1.1 200"))

    def test_info_routes(self):
        with service() as s:
            self.assertEqual(json.loads(s.get("/version").body)["version"].count("."), 2)
            self.assertIn("# TYPE", s.get("/metrics").text)
            self.assertEqual(s.get("/metrics", token=None).status, 401)
            caps = s.get("/api/v1/capabilities").json
            self.assertLessEqual({"random", "grid", "sobol", "halton", "gp"}, {a["name"] for a in caps["algorithms"]})
            self.assertIn("median", [x["name"] for x in caps["stoppers"]])
            self.assertEqual([p["name"] for p in s.get("/api/v1/projects").json["projects"]], ["default"])


if __name__ == "__main__":
    unittest.main()
