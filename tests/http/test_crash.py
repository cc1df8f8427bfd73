# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of the service at random moments, over and over, while workers report, processes run and points are added.

Afterwards every acknowledged write is there, no trial was run twice with effect, none is stuck, the event log has no gap, and with one
worker the suggestions are those of a run that nobody disturbed. HONE_KILLS: how often (default 200); HONE_KILL_SEED: of the moments.
"""
import http.client
import os
import random
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

from hone import BIN, Service, ask_spec, clean_env, run_spec, until

KILLS = int(os.environ.get("HONE_KILLS", "200"))
SEED = int(os.environ.get("HONE_KILL_SEED", "1"))
SOLO_TRIALS = {"gp": 24, "halton": 60}
PROCESS_TRIALS = 80


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Storm:
    def __init__(self, dir):
        self.dir = dir
        self.s = Service(listen=f"127.0.0.1:{free_port()}")
        self.kills = 0
        self.over = threading.Event()
        self.failures, self.reports, self.ends, self.points, self.suggestions = [], {}, {}, {}, {}

    def call(self, method, path, body=None, key=None):
        """Until it is answered, as a patient client would; the answer is then acknowledged."""
        while True:
            try:
                answer = self.s.request(method, path, body, headers={"Idempotency-Key": key} if key else None)
                if answer.status != 503:
                    return answer
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.005)

    def ok(self, method, path, body=None, key=None, status=200):
        answer = self.call(method, path, body, key)
        assert answer.status == status, (method, path, body, answer)
        return answer.json

    def guarded(self, work, *args):
        def run():
            try:
                work(*args)
            except BaseException as error:  # noqa: BLE001 - told by the test
                self.failures.append(f"{work.__name__}{args}: {error!r}")
        thread = threading.Thread(target=run)
        thread.start()
        return thread

    # -- who is at work

    def solo(self, experiment, trials):
        """One worker by name; a trial only begins once its share of the kills is done, so that all of the storm is used."""
        path = f"/api/v1/projects/default/experiments/{experiment}/trials"
        given = self.suggestions[experiment] = []
        for i in range(trials):
            until(lambda: self.kills >= i * KILLS // trials or self.over.is_set(), "the storm", 600)
            got = self.ok("POST", path + ":suggest", {"worker": "solo", "wait_seconds": 20})["trials"][0]
            given.append((got["number"], got["params"]))
            for step in range(3):
                self.ok("POST", f"{path}/{got['number']}:report", {"measurements": [{"step": step, "metrics": {"loss": step}}]})
            self.ok("POST", f"{path}/{got['number']}:complete", {"metrics": {"loss": got["params"]["lr"] * 10 + i % 3}})

    def crowd(self, worker):
        path = "/api/v1/projects/default/experiments/crowd/trials"
        rng, count = random.Random(worker), 0
        while not self.over.is_set():
            got = self.ok("POST", path + ":suggest", {"worker": worker})["trials"][0]
            n = got["number"]
            for step in range(rng.randrange(5)):
                value = rng.random()
                self.ok("POST", f"{path}/{n}:report", {"measurements": [{"step": step, "metrics": {"loss": value}}]})
                self.reports[n, step] = value
            value = rng.random()
            assert n not in self.ends, f"trial {n} was given twice"
            done = self.ok("POST", f"{path}/{n}:complete", {"metrics": {"loss": value}})
            assert done["objective"] == value, (done, value)
            self.ends[n] = (worker, value)
            count += 1
            point = {"params": {"lr": 0.01, "act": "relu"}, "state": "SUCCEEDED", "metrics": {"loss": 2 + rng.random()}}
            made = self.ok("POST", path, point, key=f"{worker}-{count}", status=201)
            self.points[made["number"]] = point["metrics"]["loss"]

    # -- the storm itself

    def blow(self):
        rng = random.Random(SEED)
        while self.kills < KILLS:
            if rng.random() < 0.2:  # while it starts
                self.s.kill()
                process = subprocess.Popen([BIN, "serve", "--data", self.s.data, "--listen", self.s.listen], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL, env=clean_env())
                time.sleep(rng.random() * 0.06)
                process.kill()
                process.wait()
                self.kills += 1
            else:
                time.sleep(rng.random() ** 2 * 0.4)
                self.s.kill()
            self.s.start()
            self.kills += 1


class Crash(unittest.TestCase):
    def undisturbed(self, algorithm, trials):
        storm = Storm(None)
        storm.over.set()
        name = storm.s.create(self.solo_spec(algorithm)).name
        storm.solo(name, trials)
        storm.s.close()
        return storm.suggestions[name]

    @staticmethod
    def solo_spec(algorithm):
        return ask_spec("solo-" + algorithm, algorithm=algorithm, seed=5)

    def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice(self):
        with tempfile.TemporaryDirectory() as d:
            storm = Storm(d)
            s = storm.s
            solos = {a: s.create(self.solo_spec(a)).name for a in SOLO_TRIALS}
            crowd = s.create(ask_spec("crowd"))
            script = f'echo start >> {d}/$HONE_TRIAL; sleep 0.$HONE_TRIAL; echo step=1 loss=0.5; sleep 0.1; echo end >> {d}/$HONE_TRIAL; echo step=2 "loss=$1"'
            runs = s.create(run_spec(script, "processes", trials=PROCESS_TRIALS, parallel=2))
            threads = [storm.guarded(storm.solo, name, SOLO_TRIALS[a]) for a, name in solos.items()]
            threads += [storm.guarded(storm.crowd, f"w{i}") for i in range(3)]
            try:
                storm.blow()
            finally:
                storm.over.set()
                for t in threads:
                    t.join(120)
            self.assertEqual(storm.failures, [])
            self.assertFalse(any(t.is_alive() for t in threads), "a worker is stuck")

            done = runs.wait()
            self.assertEqual(done["counts"], {"SUCCEEDED": PROCESS_TRIALS}, done)
            for t in runs.trials():
                self.assertEqual((t["objective"], t["attempt"]), (t["params"]["x"], 1), t)
                with open(f"{d}/{t['number']}") as file:
                    self.assertEqual(file.read(), "start\nend\n", f"trial {t['number']}")
                values = [m["value"] for m in runs.get(f"/trials/{t['number']}/measurements").json["measurements"]]
                self.assertEqual(values, [0.5, t["params"]["x"]], f"trial {t['number']}")

            trials = {}
            token = ""
            while token is not None:
                page = crowd.get("/trials?page_size=1000&order_by=number" + (f"&page_token={token}" if token else "")).json
                trials.update({t["number"]: t for t in page["trials"]})
                token = page.get("next_page_token")
            for n, (worker, value) in storm.ends.items():
                t = trials[n]
                self.assertEqual((t["state"], t["objective"], t["worker"], t["attempt"]), ("SUCCEEDED", value, worker, 1))
            for n, value in storm.points.items():
                self.assertEqual((trials[n]["state"], trials[n]["objective"]), ("SUCCEEDED", value))
            self.assertEqual(set(trials), set(storm.ends) | set(storm.points), "trials that nobody was told of")
            told = {}
            for (n, step), value in storm.reports.items():
                told.setdefault(n, {})[step] = value
            for n, points in told.items():
                kept = {m["step"]: m["value"] for m in crowd.get(f"/trials/{n}/measurements").json["measurements"]}
                self.assertEqual(kept, points, f"trial {n}")

            revisions, after = [], 0
            while True:
                page = s.get(f"/api/v1/events?after={after}&limit=1000").json
                if not page["events"]:
                    break
                revisions += [e["revision"] for e in page["events"]]
                after = page["next_revision"]
            self.assertEqual(revisions, list(range(revisions[0], revisions[0] + len(revisions))))

            s.stop_experiments()
            s.stop()
            db = sqlite3.connect(s.data + "/hone.db")
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
            db.close()
            s.start()
            s.close()
            print(f"     {storm.kills} kills, {len(storm.ends)} trials told, {len(storm.reports)} reports, {len(storm.points)} points, {PROCESS_TRIALS} processes", flush=True)

        for algorithm, name in solos.items():
            with self.subTest("the same suggestions", algorithm=algorithm):
                self.assertEqual(storm.suggestions[name], self.undisturbed(algorithm, SOLO_TRIALS[algorithm]))


if __name__ == "__main__":
    unittest.main()
