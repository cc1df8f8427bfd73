# SPDX-License-Identifier: GPL-3.0-or-later
"""A restart of the service: trials that run go on, are found again, and what they did meanwhile counts."""
import contextlib
import os
import sqlite3
import tempfile
import time
import unittest

from hone import Case, ask_spec, name, run_spec, until


class Restart(Case):
    def setUp(self):
        self.dir = tempfile.mkdtemp()

    def flag(self, word):
        open(os.path.join(self.dir, word), "w").close()

    def started(self):
        return [f for f in os.listdir(self.dir) if f.startswith("ran-")]

    def waiting(self, then):
        """A script that says it runs, waits for the file `go`, then goes on."""
        return f"touch {self.dir}/ran-$HONE_TRIAL-$$; echo step=1 loss=0.9; while [ ! -e {self.dir}/go ]; do sleep 0.05; done; {then}"

    def both(self):
        """The service killed, and stopped."""
        for end in (self.s.kill, self.s.stop):
            self.dir = tempfile.mkdtemp()
            yield end

    def test_running_trial_goes_on_and_is_adopted(self):
        for end in self.both():
            e = self.s.create(run_spec(self.waiting("echo step=2 loss=0.5")))
            until(self.started, "the trial to run")
            e.wait_trial(1, "RUNNING")
            end()
            self.s.start()
            self.assertEqual(e.trial(1)["state"], "RUNNING")
            self.flag("go")
            e.wait()
            t = e.trial(1)
            self.assertEqual((t["state"], t["objective"], t["attempt"], len(self.started())), ("SUCCEEDED", 0.5, 1, 1))
            self.assertEqual([m["value"] for m in e.get("/trials/1/measurements").json["measurements"]], [0.9, 0.5])

    def test_end_while_the_service_was_down_counts(self):
        for end in self.both():
            e = self.s.create(run_spec(self.waiting(f"echo step=2 loss=0.25; touch {self.dir}/ended")))
            f = self.s.create(run_spec(self.waiting(f"touch {self.dir}/failed; exit 9")))
            until(lambda: len(self.started()) == 2, "the trials to run")
            end()
            self.flag("go")
            until(lambda: {"ended", "failed"} <= set(os.listdir(self.dir)), "the trials to end")
            time.sleep(0.3)
            self.s.start()
            e.wait()
            f.wait()
            self.assertEqual((e.trial(1)["state"], e.trial(1)["objective"], e.trial(1)["attempts"][0]["exit_code"]), ("SUCCEEDED", 0.25, 0))
            self.assertEqual((f.trial(1)["state"], f.trial(1)["attempts"][0]["exit_code"]), ("FAILED", 9))
            self.assertEqual(len(self.started()), 2)

    def test_stop_that_was_asked_before_the_kill_is_carried_out(self):
        e = self.s.create(run_spec(f"trap '' TERM; touch {self.dir}/ran-1; while :; do sleep 0.1; done", run={"grace": 2}))
        until(self.started, "the trial to run")
        self.ok(e.post("/trials/1:stop"))
        self.s.kill()
        self.s.start()
        self.assertEqual(e.wait_trial(1)["state"], "CANCELLED")

    def test_time_limit_holds_while_the_service_is_down(self):
        e = self.s.create(run_spec(f"touch {self.dir}/ran-1; sleep 600", limits={"trial_time": 2}, run={"grace": 1}))
        until(self.started, "the trial to run")
        self.s.kill()
        time.sleep(3)
        self.s.start()
        e.wait()
        self.assertEqual((e.trial(1)["state"], e.trial(1)["reason"]), ("FAILED", "TIMEOUT"))

    def test_log_goes_on_over_a_restart(self):
        e = self.s.create(run_spec(self.waiting("for i in $(seq 1 1000); do echo line $i; done; echo loss=1")))
        until(self.started, "the trial to run")
        self.s.kill()
        self.flag("go")
        self.s.start()
        e.wait()
        self.assertEqual(e.log(1).text.splitlines()[1:-1], [f"line {i}" for i in range(1, 1001)])

    def test_leases_go_on(self):
        e = self.s.create(ask_spec())
        t = e.ask(worker="a")
        e.report(t["number"], 1, 0.5)
        self.s.kill()
        self.s.start()
        self.assertEqual(e.ask(worker="a")["number"], t["number"])
        self.ok(e.report(t["number"], 2, 0.25))
        self.assertEqual(self.ok(e.complete(t["number"]))["objective"], 0.25)

    def test_expired_lease_is_noticed_after_a_restart(self):
        e = self.s.create(ask_spec())
        n = e.ask(worker="a", lease_seconds=1)["number"]
        self.s.kill()
        self.s.start()
        e.wait_trial(n, "QUEUED", "LOST")

    def test_warm_start_suggests_the_same_after_a_restart(self):
        old = self.s.create(ask_spec(algorithm="sobol"))
        for _ in range(12):
            t = old.ask()
            self.ok(old.complete(t["number"], loss=abs(t["params"]["lr"] - 0.01) + (t["params"]["act"] == "tanh")))
        twins = [self.s.create(ask_spec(algorithm="gp", warm_start=old.name)) for _ in range(2)]
        for i in range(9):
            if i == 6: # what the old one has become is no matter; nor is a restart between any two suggestions of one of the twins
                self.assertEqual(self.s.delete(f"{old.path}?force=true").status, 204)
                self.s.kill()
                self.s.start()
            asked = [e.ask() for e in twins]
            self.assertEqual(asked[0]["params"], asked[1]["params"], i)
            self.assertEqual(asked[0]["origin"], asked[1]["origin"], i)
            self.ok(twins[0].complete(asked[0]["number"], loss=i % 4))
            if i % 2:
                self.s.kill()
                self.s.start()
            self.ok(twins[1].complete(asked[1]["number"], loss=i % 4))

    def test_removal_of_a_deleted_experiment_goes_on(self):
        e = self.s.create(ask_spec())
        for _ in range(2):  # more than one batch removes
            n = e.ask()["number"]
            self.ok(e.post(f"/trials/{n}:report", {"measurements": [{"step": i, "metrics": {"loss": i}} for i in range(9000)]}))
        self.ok(self.s.request("DELETE", e.path + "?force=true"), 204)
        self.s.kill()
        self.s.start()
        self.problem(e.get(), 404)
        with contextlib.closing(sqlite3.connect(f"file:{self.s.data}/hone.db?mode=ro", uri=True)) as db:
            for rows in ("trials WHERE id >> 32", "measurements WHERE trial_id >> 32"):
                until(lambda: db.execute(f"SELECT count(*) FROM {rows} IN (SELECT id FROM deleted_experiments)").fetchone() == (0,), "its rows to be gone")

    def test_tokens_and_sessions_outlive_a_restart(self):
        old = self.s.token
        self.s.stop()
        self.s.start()
        self.assertEqual(self.s.get("/api/v1/projects", token=old).status, 200)

    def test_states_and_events_go_on(self):
        e = self.s.create(ask_spec())
        self.ok(e.post(":pause"))
        revision = e.get().json["revision"]
        self.s.kill()
        self.s.start()
        self.assertEqual((e.state(), e.get().json["revision"]), ("PAUSED", revision))
        self.ok(e.post(":resume"))
        self.assertEqual(e.get(f"/events?after={revision}").json["events"][0]["kind"], "experiment.resumed")

    def test_paused_experiment_stays_paused_and_its_queue_waits(self):
        e = self.s.create(run_spec("echo loss=1", name("paused"), trials=5))
        e.wait()
        f = self.s.create(ask_spec())
        self.ok(f.post("/trials", {"params": {"lr": 0.01, "act": "relu"}}), 201)
        self.s.kill()
        self.s.start()
        self.assertEqual(f.ask()["params"]["lr"], 0.01)
        self.assertEqual(e.get().json["counts"], {"SUCCEEDED": 5})


if __name__ == "__main__":
    unittest.main()
