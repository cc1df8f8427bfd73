# SPDX-License-Identifier: GPL-3.0-or-later
"""The service goes away, in every way, while Python works with it."""
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import hone
import hone_client
from hone_client import _spool
from test_client import LOSS, PACKAGE, SPACE

WORKER = """
import sys, hone_client
e = hone_client.Client(patience=60).experiment(sys.argv[1])
for t in e.work(lease=20):
    with t:
        for step in range(1, 4):
            t.report(loss=t['lr'] + step, step=step)
        t.tell(loss=t['lr'])
"""


class Away(unittest.TestCase):
    def setUp(self):
        self.s = hone.service()
        self.spool = tempfile.mkdtemp(prefix="hone-test-spool-")
        self.before = os.environ.get("HONE_SPOOL_DIR")
        os.environ["HONE_SPOOL_DIR"] = self.spool
        self.c = hone_client.Client(data=self.s.data, patience=30)

    def tearDown(self):
        os.environ.pop("HONE_SPOOL_DIR")
        self.c.close()
        self.s.close()

    def experiment(self, **more):
        return self.c.create(hone.name("away"), **{"space": SPACE, "objective": LOSS, "algorithm": "random", **more})

    def files(self):
        return sorted(os.listdir(self.spool))

    def test_reports_wait_on_disk_and_arrive_in_order(self):
        e = self.experiment()
        t = e.ask()
        t.report(loss=9, step=1)
        self.s.kill()
        for step in range(2, 30):
            self.assertFalse(t.report(loss=step, step=step))
        self.assertEqual(len(self.files()), 1)
        self.assertEqual(os.stat(os.path.join(self.spool, self.files()[0])).st_mode & 0o777, 0o600)
        self.s.start()  # on another port
        self.assertTrue(t.flush())
        self.assertEqual(self.files(), [])
        self.assertEqual([m["step"] for m in t.measurements("loss")], list(range(1, 30)))
        self.assertEqual(t.tell().value, 29)

    def test_the_background_sends_what_waits(self):
        t = self.experiment().ask(lease=3)
        self.s.kill()
        t.report(loss=1, step=1)
        self.s.start()
        hone.until(lambda: not self.files(), "the spool to be sent")
        self.assertEqual(len(t.measurements()), 1)
        t.tell()

    def test_an_end_waits_too_and_the_next_process_sends_it(self):
        e = self.experiment(max_trials=2)
        code = ("import sys, hone_client\ne = hone_client.Client(patience=1).experiment(%r)\nt = e.ask(worker='w')\nprint('asked', flush=True)\nsys.stdin.readline()\n"
                "t.report(loss=2, step=1)\nt.tell(loss=1)\n" % e.name)
        p = subprocess.Popen([sys.executable, "-B", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             env=hone.clean_env(PYTHONPATH=PACKAGE, HONE_DATA=self.s.data, HONE_SPOOL_DIR=self.spool))
        self.assertEqual(p.stdout.readline(), "asked\n")
        self.s.kill()
        p.communicate("go\n", timeout=hone.PATIENCE)
        self.assertEqual(p.returncode, 0)
        self.assertEqual(len(self.files()), 1)
        self.s.start()
        other = self.experiment()
        other.ask().tell(loss=1)  # of another experiment: not its business
        self.assertEqual(len(self.files()), 1)
        self.c.experiment(e.name).ask().tell(loss=5)
        self.assertEqual(self.files(), [])
        self.assertEqual((e.trial(1).state, e.trial(1).value, len(e.trial(1).measurements())), ("SUCCEEDED", 1.0, 1))

    def test_a_spool_that_is_cut_or_garbage_does_no_harm(self):
        e = self.experiment()
        t = e.ask()
        head = json.dumps({"experiment": e.name, "trial": 1, "uid": e.uid})
        report = json.dumps({"path": e.path + "/trials/1:report", "body": {"measurements": [{"step": 7, "metrics": {"loss": 1}}]}, "key": "k"})
        for name, text in (("a.jsonl", "nonsense\n"), ("b.jsonl", ""), ("c.jsonl", head + "\n" + report + "\n" + report[:20])):
            with open(os.path.join(self.spool, name), "w") as file:
                file.write(text)
        _spool.replay(self.c.transport, e.uid)
        self.assertEqual(self.files(), ["a.jsonl"])
        self.assertEqual([m["step"] for m in t.measurements()], [7])

    def test_a_restart_in_the_middle_of_everything_is_not_noticed(self):
        e = self.experiment(max_trials=30)
        done = threading.Event()

        def restart():
            for _ in range(3):
                time.sleep(0.3)
                self.s.kill()
                self.s.start()
            done.set()
        thread = threading.Thread(target=restart)
        thread.start()
        for t in e.work():
            with t:
                for step in range(1, 4):
                    t.report(loss=t.number + step, step=step)
                    time.sleep(0.01)
                t.tell(loss=t.number)
        thread.join()
        self.assertEqual(e.refresh().counts, {"SUCCEEDED": 30})
        for t in e.trials:
            self.assertEqual([m["value"] for m in t.measurements("loss")], [t.number + 1, t.number + 2, t.number + 3])

    def test_many_processes_lose_no_report_while_the_service_is_killed(self):
        """1,000 trials by 16 processes and five kills; fewer with a sanitizer, unless HONE_TEST_FULL=1."""
        full = os.environ.get("HONE_TEST_FULL") == "1" or not re.search(r"-[at]san/", hone.BIN)
        trials, processes, kills = (1000, 16, 5) if full else (150, 5, 3)
        if not full:
            print("skip 1,000 trials by 16 processes: set HONE_TEST_FULL=1 (150 by 5 were run)")
        e = self.experiment(max_trials=trials)
        env = hone.clean_env(PYTHONPATH=PACKAGE, HONE_DATA=self.s.data, HONE_SPOOL_DIR=self.spool)
        workers = [subprocess.Popen([sys.executable, "-B", "-c", WORKER, e.name], env=env, stderr=subprocess.PIPE, text=True) for _ in range(processes)]
        for kill in range(kills):
            hone.until(lambda: e.refresh().data["n_trials"] >= (kill + 1) * trials // (kills + 2), "trials", 300)
            self.s.kill()
            time.sleep(0.2)
            self.s.start()
        for w in workers:
            _, said = w.communicate(timeout=600)
            self.assertEqual(w.returncode, 0, said)
        self.assertEqual(e.wait(60).counts, {"SUCCEEDED": trials})
        self.assertEqual(self.files(), [])
        for t in e.trials:
            self.assertEqual(len(t.measurements("loss")), 3, t)
            self.assertEqual(t.value, t["lr"])

    def test_a_trial_of_the_service_reports_over_a_restart(self):
        spec = hone.run_spec("", trials=1)
        gate = os.path.join(self.spool, "gate")
        spec["run"]["command"] = [sys.executable, "-B", "-c", "import os, time, hone_client\nt = hone_client.current_trial()\nt.report(loss=3, step=1)\n"
                                  f"while not os.path.exists({gate!r}): time.sleep(0.05)\nt.report(loss=2, step=2)\nt.tell(loss=1)"]
        spec["run"]["env"] = {"PYTHONPATH": PACKAGE}
        e = self.c.create(spec=spec)
        hone.until(lambda: len(e.trials) and e.trial(1).measurements(), "the first report")
        self.s.kill()
        open(gate, "w").close()
        time.sleep(1.5)
        self.s.start()
        e.wait(hone.PATIENCE)
        self.assertEqual((e.trial(1).state, e.trial(1).value), ("SUCCEEDED", 1.0), e.trial(1).message)
        self.assertEqual([m["value"] for m in e.trial(1).measurements()], [3, 2, 1])

    def test_a_service_started_by_tune_is_started_again(self):
        with tempfile.TemporaryDirectory() as data:
            code = ("import json, os, signal, sys, hone_client\ndef f(t):\n    x = t.float('x', 0, 1)\n    t.report(loss=x, step=1)\n"
                    "    if t.number == 5:\n        os.kill(json.load(open(os.environ['HONE_DATA'] + '/server.json'))['pid'], signal.SIGKILL)\n    return x\n"
                    "print(hone_client.tune(f, trials=10, parallel=int(sys.argv[1]), minimize='loss').counts)")
            for parallel in ("1", "3"):
                done = subprocess.run([sys.executable, "-B", "-c", code, parallel], capture_output=True, text=True, timeout=hone.PATIENCE,
                                      env=hone.clean_env(PYTHONPATH=PACKAGE, HONE_DATA=data, HONE_BIN=hone.BIN, HONE_SPOOL_DIR=self.spool))
                self.assertIn("{'SUCCEEDED': 10}", done.stdout, done.stderr)
