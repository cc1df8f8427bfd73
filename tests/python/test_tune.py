# SPDX-License-Identifier: GPL-3.0-or-later
"""tune(): spaces learned and declared, processes and threads, pruning, processes that die, and a service that does."""
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import hone
import hone_client
from test_client import PACKAGE, ClientCase


def square(t):
    return (t.float("x", -5, 5) - 1) ** 2


class Tune(ClientCase):
    def tune(self, objective, **more):
        return hone_client.tune(objective, client=self.c, **{"name": hone.name("tune"), "trials": 12, "minimize": "loss", "algorithm": "random", "seed": 5, **more})

    def test_learns_the_space_from_the_first_call_which_is_a_trial(self):
        calls = []

        def objective(t):
            calls.append(t.number)
            x, c = t.float("x", 1e-4, 1, log=True), t.choice("c", ["a", "b"])
            n, m = t.int("n", 1, 8), t.float("m", 0, 1, when={"c": "b"})
            self.assertEqual(m is None, c == "a")
            self.assertIs(hone_client.current_trial(), t)
            return {"loss": x + n + (m or 0), "other": n}
        e = self.tune(objective)
        self.assertEqual((e.state, len(calls), e.counts), ("SUCCEEDED", 12, {"SUCCEEDED": 12}))
        self.assertEqual(e.trial(1).params, {"x": 0.01, "c": "a", "n": 5})
        self.assertEqual(e.space["m"]["when"], {"c": ["b"]} if isinstance(e.space["m"]["when"]["c"], list) else {"c": "b"})
        self.assertEqual(e.best_value, min(t.value for t in e.trials))
        self.assertEqual(e.trial(3).metrics["other"], e.trial(3).params["n"])

    def test_first_reports_are_kept_and_the_first_error_is_the_user_s(self):
        def objective(t):
            x = t.suggest_float("x", 0, 1)
            for step in range(3):
                t.report(x + step, step)
        e = self.tune(objective, trials=2)
        self.assertEqual([m["step"] for m in e.trial(1).measurements("loss")], [0, 1, 2])
        with self.assertRaises(ZeroDivisionError):
            self.tune(lambda t: t.float("x", 0, 1) / 0)
        with self.assertRaises(ZeroDivisionError):
            self.tune(lambda t: t.float("x", 0, 1) / 0, parallel=2)

    def test_a_parameter_of_a_branch_is_refused_with_what_to_do(self):
        def objective(t):
            return t.float("m", 0, 1) if t.choice("c", ["a", "b"]) == "b" else 0.5
        for parallel in (1, 2):
            with self.assertRaises(hone_client.UndeclaredParameter) as caught:
                self.tune(objective, parallel=parallel)
            self.assertIn("when={...}", str(caught.exception))

    def test_declared_space_and_processes(self):
        e = self.tune(lambda t: (t["x"] - 1) ** 2 + os.getpid() * 0, space={"x": hone_client.uniform(-5, 5)}, trials=40, parallel=4, workers="process")
        self.assertEqual(e.counts, {"SUCCEEDED": 40})

    def test_spawned_processes_and_threads(self):
        self.assertEqual(self.tune(square, parallel=2, workers="spawn").counts, {"SUCCEEDED": 12})
        names = set()

        def objective(t):
            names.add(threading.current_thread().name)
            time.sleep(0.02)
            return square(t)
        self.assertEqual(self.tune(objective, parallel=3, workers="thread", trials=20).counts, {"SUCCEEDED": 20})
        self.assertGreater(len(names), 1)

    def test_prunes(self):
        def objective(t):
            x = t.float("x", 0, 1)
            for step in range(1, 20):
                if t.report(loss=x + 1 / step, step=step):
                    return t.pruned()
        e = self.tune(objective, trials=30, parallel=2, stopping="median")
        self.assertGreater(e.counts.get("PRUNED", 0), 0)
        self.assertEqual(sum(e.counts.values()), 30)

        def raising(t):
            x = t.float("x", 0, 1)
            for step in range(1, 20):
                if t.report(loss=x + 1 / step, step=step):
                    raise hone_client.Pruned
        self.assertGreater(self.tune(raising, trials=30, stopping="median").counts.get("PRUNED", 0), 0)

    def test_several_objectives(self):
        e = self.tune(lambda t: (t.float("x", 0, 1), t["x"] ** 2), minimize=["a"], maximize="b", algorithm="auto")
        self.assertEqual([o["direction"] for o in e.objectives], ["minimize", "maximize"])
        self.assertGreater(len(e.optimal()), 1)

    def test_some_failures_do_no_harm_and_many_are_told(self):
        def some(t):
            if t.number == 3:
                raise RuntimeError("broke")
            return t["x"]
        space = {"x": hone_client.uniform(0, 1)}
        e = self.tune(some, space=space)
        self.assertEqual(e.counts, {"SUCCEEDED": 11, "FAILED": 1})
        self.assertIn("RuntimeError: broke", e.trial(3).message)

        def always(t):
            raise RuntimeError("always broke")
        with self.assertRaises(hone_client.ObjectiveFailed) as caught:
            self.tune(always, space=space, parallel=2)
        self.assertIn("always broke", str(caught.exception))

    def test_a_trial_whose_process_is_killed_is_run_again_and_fails_in_the_end(self):
        with tempfile.TemporaryDirectory() as marks:
            def objective(t):
                mark = os.path.join(marks, str(t.number))
                if t.number == 6 or (t.number == 2 and not os.path.exists(mark)):
                    open(mark, "w").close()
                    os.kill(os.getpid(), signal.SIGKILL)
                return t["x"]
            e = self.tune(objective, space={"x": hone_client.uniform(0, 1)}, parallel=2)
        self.assertEqual(e.counts, {"SUCCEEDED": 11, "FAILED": 1})
        self.assertEqual((e.trial(6).reason, e.trial(2).state), ("SIGNAL", "SUCCEEDED"))
        self.assertIn("signal 9", e.trial(6).message)

    def test_goes_on_with_an_experiment(self):
        e = self.tune(square, trials=3)
        e.update(max_trials=6)
        again = hone_client.tune(square, client=self.c, name=e.name, minimize="loss", if_exists="return")
        self.assertEqual(again.uid, e.uid)

    def test_wrong_arguments_are_told_before_anything_is_done(self):
        for more in ({"minimize": None}, {"parallel": 0}, {"workers": "cluster"}):
            with self.assertRaises(ValueError):
                self.tune(square, **more)
        with self.assertRaises(ValueError):
            self.tune(lambda t: 1.0)

    def test_an_interrupt_cancels_what_runs(self):
        name = hone.name("int")
        for parallel in (1, 3):
            code = ("import hone_client, time\ndef f(t):\n    x = t.float('x', 0, 1)\n    t.report(loss=x, step=1)\n    print('on', flush=True)\n    time.sleep(600)\n"
                    f"hone_client.tune(f, name='{name}-{parallel}', minimize='loss', parallel={parallel})")
            p = subprocess.Popen([sys.executable, "-B", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                 env=hone.clean_env(PYTHONPATH=PACKAGE, HONE_DATA=self.s.data))
            self.assertEqual(p.stdout.readline(), "on\n")
            p.send_signal(signal.SIGINT)
            _, said = p.communicate(timeout=hone.PATIENCE)
            self.assertNotEqual(p.returncode, 0)
            self.assertIn("KeyboardInterrupt", said)
            e = self.c.experiment(f"{name}-{parallel}")
            self.assertEqual(e.counts.get("RUNNING", 0), 0)
            self.assertGreater(e.counts.get("CANCELLED", 0), 0)


class ServiceOfItsOwn(ClientCase):
    CODE = "import hone_client\ne = hone_client.tune(lambda t: t.float('x', 0, 1), trials=5, parallel=%d, minimize='loss', name='own')\nprint(e.counts, e.client.url)"

    def test_is_started_and_ends_with_the_script(self):
        with tempfile.TemporaryDirectory() as data:
            done = self.python(self.CODE % 2, HONE_DATA=data, HONE_BIN=hone.BIN)
            self.assertIn("{'SUCCEEDED': 5}", done.stdout, done.stderr)
            self.assertFalse(os.path.exists(os.path.join(data, "server.json")))
            with hone.Service(data=data) as s:  # and what it did is there
                self.assertEqual(s.get("/api/v1/projects/default/experiments/own").json["counts"], {"SUCCEEDED": 5})

    def test_is_not_found_when_there_is_no_binary(self):
        with tempfile.TemporaryDirectory() as data:
            done = self.python(self.CODE % 1, HONE_DATA=data, HONE_BIN="/nonexistent", PATH="/nonexistent")
            self.assertIn("Unreachable", done.stderr)
            self.assertIn("HONE_BIN", done.stderr)
