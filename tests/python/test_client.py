# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against a service: everything that can be asked and told."""
import asyncio
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest

import hone
import hone_client
import reference
from hone_client import _find, _html, _space

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(hone_client.__file__)))
SPACE = {"lr": hone_client.loguniform(1e-5, 1e-1), "act": hone_client.choice(["relu", "tanh"])}
LOSS = hone_client.minimize("loss")


class ClientCase(hone.Case):
    def setUp(self):
        self.c = hone_client.Client(self.s.url, self.s.token, patience=10)
        self.addCleanup(self.c.close)

    def experiment(self, **more):
        return self.c.create(hone.name("py"), **{"space": SPACE, "objective": LOSS, "algorithm": "random", "seed": 3, **more})

    def python(self, code, **env):
        return subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, timeout=hone.PATIENCE,
                              env=hone.clean_env(PYTHONPATH=PACKAGE, **env))


class Fidelity(ClientCase):
    def test_a_trial_knows_its_budget_and_its_parent(self):
        e = self.experiment(stopping={"name": "asha", "settings": {"form": "pause", "max_resource": 9}})
        t = e.ask()
        self.assertEqual((t.budget, t.parent), (1, None))
        self.assertTrue(t.report(0.5, 1))
        self.assertEqual(t.stop_reason, "PAUSED")
        self.assertEqual(t.tell(0.5).state, "PAUSED")
        self.assertIsNone(self.experiment().ask().budget)
        p = self.experiment(algorithm={"name": "pbt", "settings": {"n_population": 5}})
        for loss in range(5):
            p.ask().tell(float(loss))
        self.assertEqual(p.ask().parent, 1)


class Experiments(ClientCase):
    def test_is_created_read_changed_and_deleted(self):
        e = self.experiment(max_trials=5, labels={"team": "a"}, note="hello")
        self.assertEqual((e.state, e.metric, e.direction, e.labels, e.note), ("RUNNING", "loss", "minimize", {"team": "a"}, "hello"))
        self.assertEqual(e.spec["trials"]["max"], 5)
        self.assertIn(e.name, [x.name for x in self.c.experiments()])
        e.update(labels={"team": None, "x": "1"}, note="bye", max_trials=7)
        self.assertEqual((e.labels, e.note, e.spec["trials"]["max"]), ({"x": "1"}, "bye", 7))
        self.assertEqual(e.pause().state, "PAUSED")
        self.assertEqual(e.resume().state, "RUNNING")
        self.assertEqual(e.clone(hone.name("copy")).state, "RUNNING")
        e.stop()
        self.assertEqual(e.wait(30).state, "CANCELLED")
        e.delete()
        with self.assertRaises(hone_client.ExperimentNotFound):
            e.refresh()

    def test_of_the_same_name_is_returned_only_when_asked_for(self):
        e = self.experiment()
        with self.assertRaises(hone_client.ExperimentExists) as caught:
            self.c.create(e.name, space=SPACE, objective=LOSS)
        self.assertEqual((caught.exception.status, caught.exception.code), (409, "EXPERIMENT_EXISTS"))
        self.assertEqual(self.c.create(e.name, space=SPACE, objective=LOSS, if_exists="return").uid, e.uid)

    def test_problems_name_every_place(self):
        with self.assertRaises(hone_client.SpecInvalid) as caught:
            self.c.create("bad", space={"lr": hone_client.uniform(2, 1), "n": {"type": "nope"}}, objective=LOSS)
        self.assertEqual({e["pointer"].split("/")[2] for e in caught.exception.errors}, {"lr", "n"})
        self.assertIn("/parameters/lr", str(caught.exception))
        self.assertIsInstance(caught.exception, hone_client.HoneError)

    def test_of_a_file_and_only_checked(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("name: %s\nobjective: {metric: loss, direction: minimize}\nparameters: {x: [1, 2]}\n" % hone.name("file"))
            file.flush()
            self.assertEqual(self.c.create_file(file.name).space["x"]["values"], [1, 2])
        self.assertTrue(self.c.validate({"objective": LOSS, "parameters": {"x": [1, 2]}})["valid"])

    def test_every_kind_of_parameter_is_accepted(self):
        space = {"u": hone_client.uniform(0, 1), "s": hone_client.uniform(0, 1, 0.25), "l": hone_client.loguniform(1e-3, 1), "n": hone_client.normal(0, 1),
                 "i": hone_client.integer(1, 9), "il": hone_client.integer(1, 1024, log=True), "c": hone_client.choice([1, "a", True]),
                 "b": hone_client.boolean(), "r": range(8, 65, 8), "list": ["x", "y"], "w": hone_client.uniform(0, 1, when={"list": "x"})}
        e = self.experiment(space=space)
        seen = [e.ask() for _ in range(20)]
        for t in seen:
            self.assertIn(t["r"], range(8, 65, 8))
            self.assertEqual(t.float("w", 0, 1, when={"list": "x"}) is None, t["list"] == "y")
            self.assertIsInstance(t.int("i"), int)
            with self.assertRaises(ValueError):
                t.float("u", 0, 2)
            with self.assertRaises(hone_client.UndeclaredParameter):
                t.float("other", 0, 1)
        self.assertEqual({t["list"] for t in seen}, {"x", "y"})
        e.stop()

    def test_waits_and_tells_of_changes(self):
        e = self.experiment(max_trials=1)
        with self.assertRaises(TimeoutError):
            e.wait(0.05)
        seen = []
        with e.ask() as t:
            t.tell(loss=1)
        self.assertEqual(e.wait(30, on_update=lambda x: seen.append(x.state)).state, "SUCCEEDED")

    def test_the_service_is_described(self):
        self.assertTrue(self.c.ready())
        self.assertEqual(self.c.version(), hone_client.__version__)
        self.assertIn("random", [a["name"] for a in self.c.capabilities()["algorithms"]])
        self.assertIn("default", [p["name"] for p in self.c.projects()])
        self.assertIn("/link/", self.c.link())
        self.assertIn("another attempt", self.c.explain_code("LEASE_LOST"))
        self.assertIn("openapi", self.c.openapi())
        self.assertIn("hone", self.c.metrics())
        e = self.experiment()
        self.assertIn("experiment.created", [x["kind"] for x in e.events()])
        self.assertIn(e.name, [x["experiment"] for x in self.c.events(experiment=e.name)])

    def test_a_wrong_token_and_no_service_are_told_apart(self):
        with self.assertRaises(hone_client.AuthError):
            hone_client.Client(self.s.url, "wrong").projects()
        with self.assertRaises(hone_client.Unreachable):
            hone_client.Client("http://127.0.0.1:1", "x", patience=0.1).projects()
        with tempfile.TemporaryDirectory() as empty, self.assertRaises(hone_client.Unreachable) as caught:
            hone_client.Client(data=empty, patience=0).projects()
        self.assertIn("hone serve", str(caught.exception))

    def test_a_running_service_is_found_by_its_directory(self):
        self.assertEqual(hone_client.Client(data=self.s.data).version(), hone_client.__version__)
        done = self.python("import hone_client; print(hone_client.Client().url)", HONE_DATA=self.s.data)
        self.assertEqual(done.stdout.strip(), self.s.url, done.stderr)
        done = self.python("import hone_client; print(len(hone_client.Client().projects()))", HONE_URL=self.s.url, HONE_TOKEN=self.s.token)
        self.assertEqual(done.returncode, 0, done.stderr)


class Trials(ClientCase):
    def test_are_asked_for_reported_and_told(self):
        e = self.experiment(max_trials=3)
        with e.ask(worker="a") as t:
            self.assertEqual(set(t.params), {"lr", "act"})
            self.assertFalse(t.report(loss=0.5, step=1))
            self.assertFalse(t.report(0.4, 2, progress=0.5))
            t.tell(loss=0.3)
        self.assertEqual((t.state, t.value), ("SUCCEEDED", 0.3))
        with e.ask() as t:
            t.report({"loss": 0.2, "acc": math.nan})
        self.assertEqual((t.state, t.value), ("SUCCEEDED", 0.2))
        self.assertTrue(math.isnan(e.trial(2).metrics["acc"]))
        with self.assertRaises(ZeroDivisionError):
            with e.ask() as t:
                1 / 0
        failed = e.trial(3)
        self.assertEqual(failed.state, "FAILED")
        self.assertIn("ZeroDivisionError", failed.message)
        with self.assertRaises(hone_client.ExperimentDone) as caught:
            e.ask()
        self.assertEqual(caught.exception.reason, "MAX_TRIALS")
        self.assertEqual([m["value"] for m in e.trial(1).measurements("loss")], [0.5, 0.4])
        self.assertEqual((e.best.number, e.best_value, e.best_params), (2, 0.2, e.trial(2).params))
        self.assertEqual([t.number for t in e.leaderboard()], [2, 1])
        self.assertEqual([t.number for t in e.optimal()], [2])

    def test_of_the_same_worker_are_given_again_and_others_are_not(self):
        e = self.experiment()
        a, b = e.ask(worker="w"), e.ask(worker="w")
        self.assertEqual(a.number, b.number)
        self.assertNotEqual(e.ask().number, e.ask().number)
        for t in e.trials:
            t.cancel()

    def test_are_worked_off_in_a_loop(self):
        e = self.experiment(max_trials=6)
        for t in e.work():
            if t.number != 4:
                t.tell(t["lr"])
        self.assertEqual(e.refresh().counts, {"SUCCEEDED": 5, "FAILED": 1})

    def test_learn_that_they_were_stopped(self):
        e = self.experiment()
        t = e.ask()
        e.trial(t.number).cancel()
        self.assertTrue(t.report(loss=1, step=1))
        self.assertEqual(t.stop_reason, "USER")
        self.assertTrue(t.should_prune())
        self.assertEqual(t.tell().state, "CANCELLED")

    def test_infeasible_and_failed(self):
        e = self.experiment()
        self.assertEqual(e.ask().infeasible("no such layer").state, "INFEASIBLE")
        self.assertEqual(e.ask().fail("broke", "OOPS").message, "broke")
        with self.assertRaises(hone_client.MetricsMissing):
            e.ask().tell()

    def test_are_listed_filtered_and_turned_into_columns(self):
        e = self.experiment(max_trials=30)
        for t in e.work():
            t.tell(loss=t.number)
        self.assertEqual(len(e.trials), 30)
        self.assertEqual([t.number for t in e.trials.where("objective<4", "-number")], [3, 2, 1])
        self.assertEqual(e.columns("objective")["objective"], [float(n) for n in range(1, 31)])
        self.assertEqual(e.trials.where("number=2").to_dicts()[0]["objective"], 2.0)
        t = e.trial(1).update(labels={"kept": "yes"}, note="n")
        self.assertEqual(t.labels, {"kept": "yes"})
        self.assertIn("why", t.explain())
        html = e._repr_html_()
        self.assertIn("<svg", html)
        self.assertEqual(html.count("<circle"), 30)
        self.assertIn("trial 1", t._repr_html_())
        try:
            import pandas  # noqa: F401
        except ImportError:
            print("skip test_client.Trials to_pandas: there is no pandas")
            return
        self.assertEqual(list(e.to_pandas()["objective"]), list(range(1, 31)))
        self.assertEqual(len(e.trials.where("objective<4").to_pandas()), 3)

    def test_of_ones_own_go_first_and_finished_ones_are_known(self):
        e = self.experiment()
        e.enqueue({"lr": 0.01, "act": "tanh"})
        e.add({"lr": 0.02, "act": "relu"}, {"loss": 0.5})
        self.assertEqual(e.ask().params, {"lr": 0.01, "act": "tanh"})
        self.assertEqual(e.best_params, {"lr": 0.02, "act": "relu"})

    def test_no_best_trial_is_an_error_of_its_own(self):
        with self.assertRaises(hone_client.NoResult):
            self.experiment().best

    def test_a_lease_is_renewed_in_the_background(self):
        e = self.experiment(trials={"retries": 0})
        kept, dropped = e.ask(lease=1.0), e.ask(lease=1.0)
        hone_client._trial.keeper.release(dropped)
        for _ in range(3):  # one lease after another runs out, and the kept one stays
            hone.until(lambda: e.trial(dropped.number).state == "LOST", "a lease to run out")
            self.assertEqual(e.trial(kept.number).state, "RUNNING")
            dropped = e.ask(lease=1.0)
            hone_client._trial.keeper.release(dropped)
        self.assertEqual(kept.tell(loss=1).attempt, 1)

    def test_a_lease_that_is_not_renewed_is_lost(self):
        e = self.experiment()
        t = e.ask(lease=1.0)
        hone_client._trial.keeper.release(t)  # as if the process hung
        again = e.ask(timeout=hone.PATIENCE)
        while again.number != t.number:
            again = e.ask(timeout=hone.PATIENCE)
        self.assertGreater(again.attempt, t.attempt)
        self.assertTrue(t.report(loss=1, step=1))
        self.assertTrue(t.lost)
        with self.assertRaises(hone_client.LeaseLost):
            t.tell(loss=1)
        again.tell(loss=2)
        self.assertEqual(e.best_value, 2)

    def test_a_post_that_is_sent_twice_counts_once(self):
        e = self.experiment()
        send = lambda: self.c.transport.request("POST", e.path + "/trials:suggest", body={"worker": ""}, key="k-" + e.name)
        self.assertEqual(send().json["trials"][0]["number"], 1)
        self.assertEqual(send().json["trials"][0]["number"], 1)
        self.assertEqual(len(e.trials), 1)

    def test_asyncio_does_the_same(self):
        async def main():
            async with hone_client.AsyncClient(self.s.url, self.s.token) as c:
                e = await c.create(hone.name("async"), space=SPACE, objective=LOSS, algorithm="random", max_trials=20)

                async def worker():
                    async for t in e.work():
                        async with t:
                            await t.report(loss=t["lr"], step=1)
                await asyncio.gather(*[worker() for _ in range(5)])
                self.assertEqual((await e.wait(30)).state, "SUCCEEDED")
                self.assertEqual((await e.best()).value, min(t.value for t in await e.trials()))
                self.assertEqual(await c.version(), hone_client.__version__)
                with self.assertRaises(hone_client.ExperimentDone):
                    await e.ask()
        asyncio.run(main())


class InsideATrial(ClientCase):
    def run_experiment(self, code, trials=2, **more):
        spec = hone.run_spec("", trials=trials, **more)
        spec["run"]["command"] = [sys.executable, "-B", "-c", code]
        spec["run"]["env"] = {"PYTHONPATH": PACKAGE}
        return self.c.create(spec=spec).wait(hone.PATIENCE)

    def test_the_current_one_is_found_and_reports(self):
        e = self.run_experiment("import hone_client\nt = hone_client.current_trial()\nx = t.float('x', 0, 1)\n"
                                "assert hone_client.params() == {'x': x}\nfor i in range(3): assert not t.report(loss=x + 3 - i, step=i)\nt.tell(loss=x)")
        self.assertEqual(e.counts, {"SUCCEEDED": 2}, e.trial(1).message)
        t = e.trial(1)
        self.assertEqual(t.value, t["x"])
        self.assertEqual(len(t.measurements("loss")), 4)

    def test_argparse_takes_the_parameters(self):
        e = self.run_experiment("import argparse, hone_client\np = argparse.ArgumentParser()\np.add_argument('--x', type=float, required=True)\n"
                                "print('loss=%r' % hone_client.params(p).x)", trials=1)
        self.assertEqual(e.best_value, e.best_params["x"])

    def test_outside_nothing_happens(self):
        done = self.python("import hone_client\nt = hone_client.current_trial()\nprint(t.float('lr', 1e-4, 1e-2, log=True), t.int('n', 1, 9, default=3), "
                           "t.choice('c', ['a', 'b']), t.float('m', 0, 1, when={'c': 'b'}), t.report(loss=1, step=1), t.tell(loss=1).state)")
        self.assertEqual(done.stdout.strip(), "0.001 3 a None False", done.stderr)


class WithoutAService(unittest.TestCase):
    def test_import_is_light(self):
        code = "import sys, hone_client; print([m for m in ('ssl', 'http.client', 'asyncio', 'multiprocessing', 'dataclasses', 'email') if m in sys.modules])"
        done = subprocess.run([sys.executable, "-B", "-I", "-S", "-c", f"import sys; sys.path.insert(0, {PACKAGE!r}); " + code], capture_output=True, text=True)
        self.assertEqual(done.stdout.strip(), "[]", done.stderr)

    def test_names_that_are_promised_are_there(self):
        for name in hone_client.__all__:
            self.assertIsNotNone(getattr(hone_client, name))

    def test_the_reference_is_that_of_the_docstrings(self):
        with open(os.path.join(hone.ROOT, "docs", "reference", "python.md")) as file:
            self.assertEqual(file.read(), reference.page(), "run tests/python/reference.py")

    def test_middles(self):
        for spec, value in ((hone_client.uniform(0, 1), 0.5), (hone_client.loguniform(1e-4, 1e-2), 1e-3), (hone_client.integer(1, 8), 5),
                            (hone_client.uniform(0, 1, 0.3), 0.6), (hone_client.choice(["b", "a"]), "b"), (hone_client.boolean(), False),
                            (hone_client.integer(1, 100, log=True), 10)):
            self.assertEqual(_space.middle(spec), value, spec)

    def test_conditions(self):
        spec = hone_client.uniform(0, 1, when={"a": ["x", 1]})
        for params, there in (({"a": "x"}, True), ({"a": 1.0}, True), ({"a": True}, False), ({"a": "y"}, False), ({}, False)):
            self.assertEqual(_space.active(spec, params), there, params)

    def test_history_without_points_or_with_odd_ones(self):
        self.assertEqual(_html.history_svg([], "minimize", "loss"), "")
        self.assertEqual(_html.history_svg([(1, math.nan), (2, math.inf)], "minimize", "loss"), "")
        svg = _html.history_svg([(n, 1e9 if n == 3 else float(n)) for n in range(1, 20)], "minimize", "<m>")
        self.assertEqual(svg.count("<circle"), 19)
        self.assertIn("&lt;m&gt;", svg)

    def test_a_dead_service_s_file_is_not_believed(self):
        with tempfile.TemporaryDirectory() as data:
            with open(os.path.join(data, "server.json"), "w") as file:
                json.dump({"pid": os.getpid(), "started": 1, "url": "http://127.0.0.1:9"}, file)
            self.assertIsNone(_find.running(data))
