# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be wrong with the machine: each a clear error, nothing lost, the service up where it can be."""
import os
import socket
import sqlite3
import subprocess
import tempfile
import unittest

from hone import Died, ask_spec, run_spec, service, until


def mount(*args):
    return subprocess.run(["mount", *args], capture_output=True, text=True)


def fill(path):
    """Until not a byte more goes on the disk."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(fd, b"x" * 4096)
    except OSError:
        pass
    os.close(fd)


class Faults(unittest.TestCase):
    def refused(self, *words, flags=(), **more):
        with self.assertRaises(Died) as died:
            service(*flags, **more).close()
        code, said = died.exception.args
        self.assertNotEqual(code, 0)
        self.assertGreater(code, 0, f"ended by a signal: {said}")
        for word in words:
            self.assertIn(word, said)
        return said

    def test_second_server_on_the_directory(self):
        with service() as s:
            self.refused(str(s.pid), data=s.data)
            self.assertEqual(s.get("/readyz").status, 200)

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.refused(str(port), listen=f"127.0.0.1:{port}")

    def test_corrupt_database(self):
        for what, damage in (("noise", lambda data: os.urandom(len(data))), ("a torn page", lambda data: data[:4096] + b"\xa5" * (len(data) - 4096))):
            with self.subTest(what):
                s = service()
                e = s.create(ask_spec())
                for _ in range(20):
                    e.complete(e.ask()["number"], loss=1)
                s.stop()
                path = s.data + "/hone.db"
                with open(path, "rb") as file:
                    data = file.read()
                damaged = damage(data)
                with open(path, "wb") as file:
                    file.write(damaged)
                self.refused("hone.db", data=s.data)
                with open(path, "rb") as file:
                    self.assertEqual(file.read(), damaged, "it was changed")

    def test_newer_database(self):
        s = service()
        s.stop()
        db = sqlite3.connect(s.data + "/hone.db")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version:
            db.execute("PRAGMA user_version = 9999")
        else:
            self.skipTest("the schema's version is kept elsewhere")
        db.commit()
        db.close()
        self.refused("newer", data=s.data)

    def test_read_only_directory(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount")
        d = tempfile.mkdtemp()
        if mount("-t", "tmpfs", "-o", "size=20m", "tmpfs", d).returncode:
            self.skipTest("nothing can be mounted here")
        try:
            with service(data=d) as s:
                s.create(ask_spec())
            mount("-o", "remount,ro", d)
            self.refused(d, data=d)
        finally:
            subprocess.run(["umount", "-l", d])

    def test_missing_directory_is_made_and_a_file_in_its_place_refused(self):
        d = tempfile.mkdtemp()
        with service(data=d + "/a/b") as s:
            self.assertEqual(s.get("/readyz").status, 200)
        open(d + "/file", "w").close()
        self.refused(d + "/file", data=d + "/file")

    def test_full_disk_is_an_error_and_what_was_told_stays(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount")
        d = tempfile.mkdtemp()
        if mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", d).returncode:
            self.skipTest("nothing can be mounted here")
        try:
            with service(data=d) as s:
                e = s.create(ask_spec())
                told = []
                ballast = d + "/ballast"
                for i in range(5):
                    n = e.ask()["number"]
                    assert e.complete(n, loss=i).status == 200
                    told.append((n, i))
                n = e.ask()["number"]
                fill(ballast)
                answers = []
                for step in range(3000):
                    answers.append(e.report(n, step, step))
                    if answers[-1].status != 200:
                        break
                full = answers[-1]
                self.assertEqual(full.status, 507, full)
                self.assertEqual(full.json["code"], full.json["code"].upper())
                self.assertEqual(s.get("/livez").status, 200)
                self.assertEqual([(t["number"], t["objective"]) for t in e.trials("&order_by=number") if t["state"] == "SUCCEEDED"], told)
                os.unlink(ballast)
                until(lambda: e.report(n, 100000, 1).status == 200, "writes to go on once there is room")
                steps = [m["step"] for m in e.get(f"/trials/{n}/measurements").json["measurements"]]
                self.assertEqual(steps, [*range(len(answers) - 1), 100000])
                self.assertEqual(e.complete(n, loss=9).status, 200)
                # and after a restart
                s.kill()
                s.start()
                self.assertEqual([(t["number"], t["objective"]) for t in e.trials("&order_by=number")], told + [(n, 9)])
        finally:
            subprocess.run(["umount", "-l", d])

    def test_full_disk_under_process_trials(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount")
        d = tempfile.mkdtemp()
        if mount("-t", "tmpfs", "-o", "size=6m", "tmpfs", d).returncode:
            self.skipTest("nothing can be mounted here")
        try:
            with service(data=d) as s:
                out = tempfile.mkdtemp()
                e = s.create(run_spec(f"[ $HONE_TRIAL = 1 ] && while [ ! -e {out}/go ]; do sleep 0.05; done; for i in $(seq 20000); do echo line $i; done; echo loss=1; touch {out}/$HONE_TRIAL", trials=2))
                e.wait_trial(1, "RUNNING")
                fill(d + "/ballast")
                open(out + "/go", "w").close()
                until(lambda: os.path.exists(out + "/1"), "the trial to end")
                self.assertEqual(s.get("/livez").status, 200)
                os.unlink(d + "/ballast")
                e.wait()  # what the first printed may be lost with its log, but it is not stuck
                self.assertIn(e.trial(1)["state"], ("SUCCEEDED", "FAILED", "LOST"))
                self.assertEqual(e.trial(2)["state"], "SUCCEEDED")
        finally:
            subprocess.run(["umount", "-l", d])

    def test_settings_that_are_wrong_are_told(self):
        self.refused("listen", listen="127.0.0.1:99999")
        self.refused("nonsense", flags=("--nonsense",))
        self.refused("log", flags=("--log-level", "loud"))

    def test_stop_is_clean_while_clients_wait(self):
        s = service()
        e = s.create(ask_spec(trials={"parallel": 1}))
        e.ask(worker="a")
        waiting = []
        for path, body in ((f"{e.path}/trials:suggest", '{"worker": "b", "wait_seconds": 50}'), (None, None)):
            c = s.socket()
            if path:
                c.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {s.token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            else:
                c.sendall(f"GET /api/v1/events?after={e.get().json['revision']}&wait=50 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {s.token}\r\n\r\n".encode())
            waiting.append(c)
        code, said = s.stop()
        self.assertEqual(code, 0, said)
        for c in waiting:
            self.assertTrue(c.recv(100).startswith((b"HTTP/1.1 503", b"HTTP/1.1 200")))
            c.close()
        self.assertFalse(os.path.exists(s.data + "/server.json"))
        s.start()
        s.close()


if __name__ == "__main__":
    unittest.main()
