# SPDX-License-Identifier: GPL-3.0-or-later
"""Malformed, oversized and slow requests, and many idle ones: a clear error each, the service up."""
import json
import os
import random
import resource
import socket
import unittest

from hone import Case, ask_spec, until

ALL = "/api/v1/projects/default/experiments"


class Bodies(Case):
    def test_broken_json_says_where(self):
        body = self.problem(self.s.post(ALL, b'{"name": "x",\n "seed": }'), 400)
        self.assertIn("2", body["detail"])

    def test_wrong_bodies_are_refused(self):
        e = self.s.create(ask_spec())
        for what, body, statuses in [
            ("nothing", b"", (400, 422)), ("a list", b"[1]", (400, 422)), ("a number", b"3", (400, 422)), ("a cut one", b'{"count": 1', (400,)),
            ("two of them", b"{}{}", (400,)), ("not UTF-8", b'{"worker": "\xff\xfe"}', (400,)), ("a NUL", b'{"worker": "a\x00b"}', (400,)),
            ("an escaped NUL", b'{"worker": "a\\u0000b"}', (400, 422)), ("a doubled member", b'{"count": 1, "count": 2}', (400, 422)),
            ("deep lists", b'{"count":' + b"[" * 100000 + b"]" * 100000 + b"}", (400, 422)), ("a huge number", b'{"count": 1' + b"0" * 400 + b"}", (400, 422)),
        ]:
            with self.subTest(what):
                answer = self.s.post(e.path + "/trials:suggest", body)
                self.assertIn(answer.status, statuses if what != "nothing" else (200, *statuses), answer)
        self.assertEqual(self.s.get("/livez").status, 200)

    def test_large_bodies_are_refused(self):
        self.problem(self.s.post(ALL, b'{"note": "' + b"x" * (1 << 20) + b'"}'), 413)
        big = ask_spec(annotations={f"a{i}": "x" * 4000 for i in range(60)}, note="x" * 60000)
        self.ok(self.s.post(ALL, big), 201)

    def test_wrong_content_type_is_refused(self):
        self.problem(self.s.post(ALL, b"<x/>", content_type="application/xml"), 415)
        self.problem(self.s.post(ALL, b"a=b", content_type="application/x-www-form-urlencoded"), 415)
        self.ok(self.s.post(ALL, json.dumps(ask_spec()).encode(), content_type="application/json; charset=utf-8"), 201)

    def test_wrong_methods_name_the_right_ones(self):
        answer = self.s.request("PUT", ALL, {})
        self.problem(answer, 405)
        self.assertEqual({m.strip() for m in answer.headers["Allow"].split(",")} - {"HEAD", "OPTIONS"}, {"GET", "POST"})
        self.assertIn(self.s.request("BREW", ALL).status, (400, 405, 501))

    def test_unknown_paths_are_not_found(self):
        for path in ("/api/v1/nope", "/api/v2/projects", "/api/v1/projects/default/experiments/a/b/c", "/api/v1/projects/default/experiments/%00", "/api/v1//projects", "/" + "x" * 3000):
            self.assertIn(self.s.get(path).status, (400, 404, 414), path[:60])

    def test_type_of_an_error_leads_to_its_page(self):
        body = self.problem(self.s.get(ALL + "/nope"), 404)
        answer = self.s.get(body["type"], token=None)
        self.assertEqual(answer.status, 200)
        self.assertIn(body["code"], answer.text)

    def test_too_many_values_in_a_report(self):
        e = self.s.create(ask_spec())
        n = e.ask()["number"]
        points = [{"step": i, "metrics": {"a": 1}} for i in range(10001)]
        self.problem(e.post(f"/trials/{n}:report", {"measurements": points}), 413)
        self.assertEqual(e.get(f"/trials/{n}/measurements").json["measurements"], [])

    def test_chunked_bodies_are_read(self):
        spec = json.dumps(ask_spec()).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(spec[i:i + 50]), spec[i:i + 50]) for i in range(0, len(spec), 50)) + b"0\r\n\r\n"
        self.assertIn(b" 201 ", self.raw(b"POST " + ALL.encode() + b" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + self.s.token.encode() +
                                         b"\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks)[:20])

    def raw(self, data):
        with self.s.socket() as c:
            c.sendall(data)
            out = b""
            try:
                while chunk := c.recv(65536):
                    out += chunk
            except ConnectionError:
                pass
            return out

    def test_noise_harms_nobody(self):
        rng = random.Random(1)
        noise = [b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 5000 + b"\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200000 + b"\r\n\r\n",
                 b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n\r\n"] + [rng.randbytes(rng.randrange(1, 3000)) for _ in range(50)]
        for data in noise:
            with self.s.socket() as c:
                try:
                    c.sendall(data)
                    c.shutdown(socket.SHUT_WR)
                    while c.recv(65536):
                        pass
                except OSError:
                    pass
        self.assertEqual(self.s.get("/readyz").status, 200)
        self.assertIsNone(self.s.process.poll())


class Many(Case):
    def test_slow_clients_hold_nobody_up(self):
        e = self.s.create(ask_spec())
        slow = []
        for i in range(50):
            c = self.s.socket()
            head = f"POST {e.path}/trials:suggest HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.s.token}\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n"
            c.sendall(head.encode()[:10 + i * 3] if i % 2 else head.encode() + b'{"cou')
            slow.append(c)
        self.ok(e.complete(e.ask()["number"], loss=1))
        slow[0].sendall(b'nt": 1}')  # a slow one that goes on is served
        self.assertIn(b" 200 ", slow[0].recv(100))
        for c in slow:
            c.close()

    def test_a_thousand_idle_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < 1200:
            self.skipTest(f"no more than {hard} files may be open here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
        idle = [self.s.socket() for _ in range(1000)]
        try:
            e = self.s.create(ask_spec())
            for _ in range(20):
                self.ok(e.complete(e.ask()["number"], loss=1))
            c = idle[-1]  # and each of them is still served
            c.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b" 200 ", c.recv(100))
        finally:
            for c in idle:
                c.close()

    def test_watchers_cost_no_thread(self):
        e = self.s.create(ask_spec())
        after = e.get().json["revision"]
        threads = len(os.listdir(f"/proc/{self.s.pid}/task"))
        waiting = []
        for _ in range(200):
            c = self.s.socket()
            c.sendall(f"GET {e.path}/events?after={after}&wait=50 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.s.token}\r\n\r\n".encode())
            waiting.append(c)
        self.ok(self.s.get("/livez"))
        self.assertEqual(len(os.listdir(f"/proc/{self.s.pid}/task")), threads)
        e.ask()
        for c in waiting:
            self.assertIn(b" 200 ", c.recv(200))
            c.close()

    def test_clients_that_go_away_are_let_go(self):
        e = self.s.create(ask_spec(trials={"parallel": 1}))
        e.ask(worker="holder")

        def files():
            return len(os.listdir(f"/proc/{self.s.pid}/fd"))
        before, body = files(), '{"wait_seconds": 3, "worker": "gone"}'
        for _ in range(100):
            c = self.s.socket()
            c.sendall(f"POST {e.path}/trials:suggest HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.s.token}\r\n"
                      f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            c.close()
        until(lambda: files() <= before + 10, "connections to be let go")
        self.ok(self.s.get("/livez"))


if __name__ == "__main__":
    unittest.main()
