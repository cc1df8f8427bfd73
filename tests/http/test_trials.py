# SPDX-License-Identifier: GPL-3.0-or-later
"""Trials by ask and tell: leases, reports, ends, retries, points and trials from elsewhere; what is read of them."""
import threading
import time
import unittest
from urllib.parse import quote

from hone import Case, ask_spec, until


class AskTell(Case):
    def test_suggested_trial_has_params_and_lease(self):
        e = self.s.create(ask_spec())
        t = e.ask(worker="w1")
        self.assertEqual((t["number"], t["state"], t["worker"], t["lease"]["attempt"]), (1, "RUNNING", "w1", 1))
        self.assertTrue(1e-5 <= t["params"]["lr"] <= 0.1 and t["params"]["act"] in ("relu", "tanh"))
        self.assertTrue(t["lease"]["expires_at"].endswith("Z"))
        self.assertEqual(t["origin"]["by"], "random")

    def test_number_stands_first_in_each_trial(self):
        e = self.s.create(ask_spec())
        self.assertIn(b'"trials":[{"number":', e.post("/trials:suggest", {"count": 1}).body.replace(b" ", b""))

    def test_same_worker_gets_its_trial_again(self):
        e = self.s.create(ask_spec())
        a = e.ask(worker="w1")
        self.assertEqual(e.ask(worker="w1")["number"], a["number"])
        b = e.ask(worker="w2")
        self.assertNotEqual(b["number"], a["number"])
        e.complete(a["number"], loss=1)
        self.assertNotIn(e.ask(worker="w1")["number"], (a["number"], b["number"]))

    def test_nameless_workers_get_a_new_one_each_time(self):
        e = self.s.create(ask_spec())
        self.assertNotEqual(self.ok(e.post("/trials:suggest"))["trials"][0]["number"], self.ok(e.post("/trials:suggest"))["trials"][0]["number"])

    def test_count_gives_many(self):
        got = self.s.create(ask_spec()).suggest(count=5)
        self.assertEqual([t["number"] for t in got["trials"]], [1, 2, 3, 4, 5])
        self.assertEqual(len({t["params"]["lr"] for t in got["trials"]}), 5)

    def test_same_seed_same_suggestions(self):
        for algorithm in ("random", "sobol", "halton", "gp"):
            with self.subTest(algorithm):
                runs = []
                for _ in range(2):
                    e, params = self.s.create(ask_spec(algorithm=algorithm, seed=11)), []
                    for i in range(6):
                        t = e.ask()
                        params.append(t["params"])
                        e.complete(t["number"], loss=t["params"]["lr"] + i)
                    runs.append(params)
                self.assertEqual(*runs)
                self.assertEqual(len({p["lr"] for p in runs[0]}), 6)

    def test_parallel_limit_holds_back(self):
        e = self.s.create(ask_spec(trials={"parallel": 1}))
        t = e.ask(worker="a")
        got = e.suggest(worker="b")
        self.assertEqual((got["trials"], got["done"]), ([], False))
        answers = []
        waiter = threading.Thread(target=lambda: answers.append(e.suggest(worker="b", wait_seconds=30)))
        waiter.start()
        time.sleep(0.1)
        e.complete(t["number"], loss=1)
        waiter.join(40)
        self.assertEqual(answers[0]["trials"][0]["worker"], "b")

    def test_wait_without_work_comes_to_an_end(self):
        e = self.s.create(ask_spec(trials={"parallel": 1}))
        e.ask(worker="a")
        self.assertEqual(e.suggest(worker="b", wait_seconds=0.3)["trials"], [])

    def test_budget_ends_with_done(self):
        e = self.s.create(ask_spec(trials={"max": 2}))
        for loss in (2, 1):
            e.complete(e.ask()["number"], loss=loss)
        got = e.suggest()
        self.assertEqual((got["trials"], got["done"], got["reason"]), ([], True, "MAX_TRIALS"))
        done = e.wait()
        self.assertEqual((done["state"], done["best"], done["progress"]), ("SUCCEEDED", {"number": 2, "value": 1}, 1))

    def test_many_workers_never_share_a_trial(self):
        e = self.s.create(ask_spec(trials={"max": 60}))
        seen, lock = [], threading.Lock()

        def work(worker):
            while True:
                got = e.suggest(worker=worker, wait_seconds=20)
                if got["done"]:
                    return
                for t in got["trials"]:
                    with lock:
                        seen.append(t["number"])
                    assert e.complete(t["number"], loss=t["params"]["lr"]).status == 200
        threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
        self.assertEqual(sorted(seen), list(range(1, 61)))
        self.assertEqual(e.wait()["counts"], {"SUCCEEDED": 60})

    def test_suggest_bodies_are_checked(self):
        e = self.s.create(ask_spec())
        for body in ({"count": 0}, {"count": 1001}, {"count": "1"}, {"worker": 3}, {"lease_seconds": 0}, {"wait_seconds": 61}, {"worker": "x" * 201}):
            with self.subTest(body=str(body)[:40]):
                self.problem(e.post("/trials:suggest", body), 422)
        self.assertEqual(e.get().json["n_trials"], 0)


class Leases(Case):
    def test_expired_lease_gives_the_trial_to_another(self):
        e = self.s.create(ask_spec())
        t = e.ask(worker="a", lease_seconds=1)
        n = t["number"]
        e.wait_trial(n, "QUEUED", "LOST")
        again = e.ask(worker="b")
        self.assertEqual((again["number"], again["lease"]["attempt"], again["params"]), (n, 2, t["params"]))
        self.problem(e.report(n, 1, 0.5, attempt=1), 409, "LEASE_LOST")
        self.problem(e.post(f"/trials/{n}:complete", {"metrics": {"loss": 1}, "attempt": 1}), 409, "LEASE_LOST")
        self.ok(e.post(f"/trials/{n}:complete", {"metrics": {"loss": 2}, "attempt": 2}))
        done = e.trial(n)
        self.assertEqual((done["objective"], [(a["number"], a["state"]) for a in done["attempts"]]), (2, [(1, "LOST"), (2, "SUCCEEDED")]))

    def test_late_worker_takes_its_trial_back(self):
        e = self.s.create(ask_spec())
        n = e.ask(worker="a", lease_seconds=1)["number"]
        e.wait_trial(n, "QUEUED", "LOST")
        self.ok(e.report(n, 1, 0.5, attempt=1))
        self.assertEqual(e.trial(n)["state"], "RUNNING")
        self.ok(e.complete(n, loss=0.4))

    def test_heartbeat_renews_the_lease(self):
        e = self.s.create(ask_spec())
        t = e.ask(worker="a", lease_seconds=2)
        first = t["lease"]["expires_at"]
        for _ in range(8):
            time.sleep(0.4)
            answer = self.ok(e.post(f"/trials/{t['number']}:heartbeat"))
            self.assertFalse(answer["should_stop"])
        self.assertGreater(answer["lease_expires_at"], first)
        self.assertEqual((e.trial(t["number"])["state"], e.trial(t["number"])["attempt"]), ("RUNNING", 1))

    def test_trial_that_is_lost_too_often_ends(self):
        e = self.s.create(ask_spec())
        for attempt in range(1, 5):  # three more than the first by default
            t = e.ask(worker=f"w{attempt}", lease_seconds=1)
            self.assertEqual((t["number"], t["lease"]["attempt"]), (1, attempt))
            e.wait_trial(1, "QUEUED", "LOST")
        self.assertEqual(e.trial(1)["state"], "LOST")
        self.assertEqual(e.trial(1)["reason"], "LEASE_EXPIRED")


class Tell(Case):
    def test_reports_are_kept_in_order(self):
        e = self.s.create(ask_spec())
        n = e.ask()["number"]
        for step in (1, 2, 3):
            self.assertEqual(self.ok(e.report(n, step, 1 / step))["should_stop"], False)
        self.ok(e.post(f"/trials/{n}:report", {"measurements": [{"step": 4, "metrics": {"loss": 0.2, "acc": 0.9}}], "progress": 0.5}))
        self.assertEqual([(m["step"], m["value"]) for m in e.get(f"/trials/{n}/measurements?metric=loss").json["measurements"]], [(1, 1), (2, 0.5), (3, 1 / 3), (4, 0.2)])
        self.assertEqual([m["step"] for m in e.get(f"/trials/{n}/measurements?metric=loss&from_step=3").json["measurements"]], [3, 4])
        self.assertEqual(e.trial(n)["progress"], 0.5)
        done = self.ok(e.complete(n))
        self.assertEqual((done["state"], done["objective"], done["metrics"]), ("SUCCEEDED", 0.2, {"loss": 0.2, "acc": 0.9}))

    def test_a_repeated_report_changes_nothing(self):
        e = self.s.create(ask_spec())
        n = e.ask()["number"]
        self.ok(e.report(n, 1, 0.5))
        revision = e.get().json["revision"]
        self.ok(e.report(n, 1, 0.7))
        self.assertEqual(e.get().json["revision"], revision)
        self.assertEqual([m["value"] for m in e.get(f"/trials/{n}/measurements").json["measurements"]], [0.5])

    def test_strategies_make_the_objective(self):
        for strategy, value in (("last", 3), ("min", 1), ("max", 5), ("mean", 3)):
            with self.subTest(strategy):
                e = self.s.create(ask_spec(objective={"metric": "loss", "direction": "minimize", "strategy": strategy}))
                n = e.ask()["number"]
                for step, loss in enumerate((5, 1, 3)):
                    e.report(n, step, loss)
                self.assertEqual(self.ok(e.complete(n))["objective"], value)

    def test_numbers_of_every_kind(self):
        e = self.s.create(ask_spec())
        n = e.ask()["number"]
        for step, value in enumerate(["NaN", "Infinity", "-Infinity", 1e-300, -0.0, 1.7976931348623157e308]):
            self.ok(e.report(n, step, value))
        self.assertEqual([m["value"] for m in e.get(f"/trials/{n}/measurements").json["measurements"]], ["NaN", "Infinity", "-Infinity", 1e-300, 0, 1.7976931348623157e308])

    def test_objective_must_be_finite(self):
        e = self.s.create(ask_spec())
        for value, reason in (("NaN", "OBJECTIVE_NAN"), ("Infinity", "OBJECTIVE_INFINITE")):
            done = self.ok(e.complete(e.ask()["number"], loss=value))
            self.assertEqual((done["state"], done["reason"]), ("FAILED", reason))

    def test_complete_without_a_value_is_refused(self):
        e = self.s.create(ask_spec())
        n = e.ask()["number"]
        body = self.problem(e.complete(n), 422, "METRICS_MISSING")
        self.assertIn("loss", body["detail"])
        self.assertEqual(e.trial(n)["state"], "RUNNING")
        self.ok(e.complete(n, loss=1))

    def test_complete_twice_is_no_error(self):
        e = self.s.create(ask_spec())
        n = e.ask()["number"]
        first = self.ok(e.complete(n, loss=1))
        again = self.ok(e.complete(n, loss=2))
        self.assertEqual((again["objective"], again["revision"]), (1, first["revision"]))

    def test_an_end_is_final(self):
        e = self.s.create(ask_spec())
        n = e.ask()["number"]
        self.ok(e.complete(n, loss=1))
        self.problem(e.post(f"/trials/{n}:fail"), 409, "TRIAL_FINISHED")
        self.problem(e.report(n, 9, 1), 409, "TRIAL_FINISHED")
        self.problem(e.post(f"/trials/{n}:stop"), 409, "TRIAL_FINISHED")
        self.problem(e.post(f"/trials/{n}:retry"), 409, "TRIAL_STATE")

    def test_fail_and_infeasible(self):
        e = self.s.create(ask_spec())
        for verb, state in (("fail", "FAILED"), ("infeasible", "INFEASIBLE")):
            n = e.ask()["number"]
            done = self.ok(e.post(f"/trials/{n}:{verb}", {"reason": "OOM", "message": "out of memory"}))
            self.assertEqual((done["state"], done["reason"], done["message"]), (state, "OOM", "out of memory"))
        self.assertEqual(e.get().json["best"], None)
        self.assertEqual(e.get("/leaderboard").json["trials"], [])

    def test_outcome_constraints_make_trials_infeasible(self):
        e = self.s.create(ask_spec(algorithm="gp", outcome_constraints=["latency <= 50", {"metric": "loss", "min": 0}],
                                   objective={"metric": "loss", "direction": "minimize", "goal": 0.5}))
        n = e.ask()["number"]
        self.problem(e.complete(n, loss=3), 422, "METRICS_MISSING")
        self.assertEqual(self.ok(e.complete(n, loss=3, latency=50))["state"], "SUCCEEDED")
        far = self.ok(e.complete(e.ask()["number"], loss=1, latency=90))
        self.assertEqual((far["state"], far["reason"], far["message"], far["objective"]), ("INFEASIBLE", "OUTCOME_CONSTRAINT", "latency is 90, above 50", 1))
        n = e.ask()["number"]
        near = self.ok(e.complete(n, loss=-1, latency=51))
        self.assertEqual(near["message"], "latency is 51, above 50; loss is -1, below 0")
        self.assertEqual(self.ok(e.complete(n, loss=-1, latency=51))["revision"], near["revision"])
        self.assertEqual((e.get().json["best"], e.get().json["state"]), ({"number": 1, "value": 3}, "RUNNING"))
        self.assertEqual(self.ok(e.post("/trials", {"params": {"lr": 0.01, "act": "relu"}, "state": "SUCCEEDED", "metrics": {"loss": 0.1, "latency": 60}}), 201)["state"], "INFEASIBLE")
        board = self.ok(e.get("/leaderboard"))["trials"]
        self.assertEqual([(t["number"], t["state"]) for t in board], [(1, "SUCCEEDED"), (4, "INFEASIBLE"), (3, "INFEASIBLE"), (2, "INFEASIBLE")])
        self.assertEqual([t["number"] for t in self.ok(e.get("/optimal"))["trials"]], [1])
        for _ in range(8):
            self.ok(e.complete(e.ask()["number"], loss=4, latency=40))
        last = e.trial(e.ask()["number"])["origin"]
        self.assertIn("feasible with a probability of", last["note"], last)

    def test_cost_is_foretold_from_a_metric_or_the_time(self):
        for cost in ({"metric": "gpu_seconds"}, "duration"):
            e = self.s.create(ask_spec(algorithm="gp", cost=cost))
            for i in range(11):
                t = e.ask()
                time.sleep(0.01 * (i % 3))
                self.ok(e.complete(t["number"], loss=i % 5, gpu_seconds=1 + i % 3))
            self.assertIn("; cost expected ", e.trial(e.ask()["number"])["origin"]["note"])

    def test_report_bodies_are_checked(self):
        e = self.s.create(ask_spec())
        n = e.ask()["number"]
        for body in ({"measurements": 3}, {"measurements": [3]}, {"measurements": [{"step": 1}]}, {"measurements": [{"step": "1", "metrics": {}}]},
                     {"measurements": [{"step": 1, "metrics": {"loss": "high"}}]}, {"measurements": [{"step": 1, "metrics": {"a b": 1}}]},
                     {"progress": 2}, {"attempt": "x"}, {"measurement": []}):
            with self.subTest(body=body):
                self.problem(e.post(f"/trials/{n}:report", body), 422)
        self.assertEqual(e.get(f"/trials/{n}/measurements").json["measurements"], [])

    def test_stop_tells_the_worker(self):
        e = self.s.create(ask_spec())
        n = e.ask()["number"]
        self.ok(e.post(f"/trials/{n}:stop"))
        answer = self.ok(e.report(n, 1, 1))
        self.assertTrue(answer["should_stop"])
        self.ok(e.complete(n, loss=1))
        self.assertEqual(e.trial(n)["state"], "CANCELLED")

    def test_retry_runs_it_once_more(self):
        e = self.s.create(ask_spec())
        t = e.ask()
        e.post(f"/trials/{t['number']}:fail")
        self.ok(e.post(f"/trials/{t['number']}:retry"))
        again = e.ask()
        self.assertEqual((again["number"], again["params"], again["lease"]["attempt"]), (t["number"], t["params"], 2))
        self.ok(e.complete(t["number"], loss=1))
        self.assertEqual(e.get().json["counts"], {"SUCCEEDED": 1})

    def test_retry_takes_a_finished_experiment_up_again(self):
        e = self.s.create(ask_spec(trials={"max": 2}))
        e.post(f"/trials/{e.ask()['number']}:fail")
        e.complete(e.ask()["number"], loss=1)
        self.assertEqual(e.wait()["state"], "SUCCEEDED")
        self.ok(e.post("/trials/1:retry"))
        self.assertEqual(e.state(), "RUNNING")
        self.assertEqual(e.ask()["number"], 1)
        e.complete(1, loss=0.5)
        self.assertEqual(e.wait()["best"], {"number": 1, "value": 0.5})

    def test_median_rule_stops_a_hopeless_trial(self):
        e = self.s.create(ask_spec(stopping="median"))
        for k in range(6):
            n = e.ask()["number"]
            for step in range(1, 11):
                self.assertFalse(self.ok(e.report(n, step, 1 / step + k / 100))["should_stop"], (k, step))
            self.ok(e.complete(n))
        n, stopped = e.ask()["number"], None
        for step in range(1, 11):
            answer = self.ok(e.report(n, step, 100))
            if answer["should_stop"]:
                stopped = answer
                break
        self.assertTrue(stopped, "never told to stop")
        self.assertTrue(stopped["message"])
        self.ok(e.complete(n))
        done = e.trial(n)
        self.assertEqual((done["state"], done["reason"]), ("PRUNED", "PRUNED"))
        self.assertEqual(e.get(f"/trials/{n}/explain").json["stopped"]["reason"], "PRUNED")

    def test_replicates_make_a_mean(self):
        e = self.s.create(ask_spec(trials={"max": 1, "replicates": 3}))
        for loss in (1, 2, 6):
            t = e.ask()
            self.assertEqual(t["number"], 1)
            self.ok(e.complete(1, loss=loss))
        done = e.trial(1)
        self.assertEqual((done["state"], done["objective"], len(done["attempts"])), ("SUCCEEDED", 3, 3))
        self.assertAlmostEqual(done["objective_se"], (7 / 3) ** 0.5)


class Points(Case):
    def test_enqueued_point_comes_next(self):
        e = self.s.create(ask_spec())
        queued = self.ok(e.post("/trials", {"params": {"lr": 0.01, "act": "relu"}}), 201)
        self.assertEqual((queued["number"], queued["state"]), (1, "QUEUED"))
        t = e.ask()
        self.assertEqual((t["number"], t["params"], t["origin"]["by"]), (1, {"lr": 0.01, "act": "relu"}, "user"))

    def test_initial_points_come_first(self):
        e = self.s.create(ask_spec(initial_points=[{"lr": 0.01, "act": "relu"}, {"lr": 0.02, "act": "tanh"}]))
        self.assertEqual([t["params"]["lr"] for t in e.suggest(count=2)["trials"]], [0.01, 0.02])

    def test_finished_trials_are_imported(self):
        e = self.s.create(ask_spec())
        made = self.ok(e.post("/trials", {"params": {"lr": 0.01, "act": "relu"}, "state": "SUCCEEDED", "metrics": {"loss": 0.25}}), 201)
        self.assertEqual((made["state"], made["objective"]), ("SUCCEEDED", 0.25))
        self.assertEqual(e.get().json["best"], {"number": 1, "value": 0.25})
        self.ok(e.post("/trials", {"params": {"lr": 0.01, "act": "tanh"}, "state": "FAILED"}), 201)
        self.assertEqual(e.get().json["counts"], {"SUCCEEDED": 1, "FAILED": 1})

    def test_points_are_checked(self):
        e = self.s.create(ask_spec())
        for body, pointer in (({}, "/params"), ({"params": {"lr": 0.01}}, "/params/act"), ({"params": {"lr": 1, "act": "relu"}}, "/params/lr"),
                              ({"params": {"lr": 0.01, "act": "rulu"}}, "/params/act"), ({"params": {"lr": 0.01, "act": "relu", "x": 1}}, "/params/x")):
            with self.subTest(body=body):
                self.problem(e.post("/trials", body), 422, pointer=pointer)
        self.problem(e.post("/trials", {"params": {"lr": 0.01, "act": "relu"}, "state": "SUCCEEDED"}), 422, "METRICS_MISSING")
        self.problem(e.post("/trials", {"params": {"lr": 0.01, "act": "relu"}, "state": "RUNNING"}), 422)
        self.assertEqual(e.get().json["n_trials"], 0)

    def test_conditional_parameters_are_left_out(self):
        e = self.s.create(ask_spec(parameters={"kernel": {"type": "categorical", "values": ["rbf", "linear"]},
                                               "gamma": {"type": "float", "min": 0.1, "max": 1, "when": {"kernel": "rbf"}}}))
        for t in e.suggest(count=30)["trials"]:
            self.assertEqual("gamma" in t["params"], t["params"]["kernel"] == "rbf", t["params"])

    def test_constraints_hold_for_every_suggestion(self):
        e = self.s.create(ask_spec(parameters={"a": {"type": "float", "min": 0, "max": 1}, "b": {"type": "float", "min": 0, "max": 1}}, constraints=["a + b < 0.7"]))
        for t in e.suggest(count=50)["trials"]:
            self.assertLess(t["params"]["a"] + t["params"]["b"], 0.7)


class Read(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.e = cls.s.create(ask_spec())
        for i in range(25):
            t = cls.e.ask()
            if i % 5 == 4:
                cls.e.post(f"/trials/{t['number']}:fail")
            else:
                cls.e.complete(t["number"], loss=(i * 7) % 25)

    def test_pages_by_order(self):
        values, token = [], ""
        while True:
            page = self.ok(self.e.get("/trials?page_size=4&order_by=objective,-number&filter=" + quote("state=SUCCEEDED") + (f"&page_token={quote(token)}" if token else "")))
            values += [t["objective"] for t in page["trials"]]
            token = page.get("next_page_token")
            if not token:
                break
        self.assertEqual(values, sorted((i * 7) % 25 for i in range(25) if i % 5 != 4))

    def test_filter_by_params_and_state(self):
        page = self.ok(self.e.get("/trials?page_size=1000&count=true&filter=" + quote("params.lr<1e-3 AND NOT state=FAILED")))
        self.assertEqual(page["total"], len(page["trials"]))
        self.assertTrue(page["trials"])
        self.assertTrue(all(t["params"]["lr"] < 1e-3 and t["state"] != "FAILED" for t in page["trials"]))

    def test_page_token_of_another_query_is_refused(self):
        token = self.ok(self.e.get("/trials?page_size=4&order_by=objective"))["next_page_token"]
        answer = self.e.get(f"/trials?page_size=4&order_by=-number&page_token={quote(token)}")
        self.assertIn(answer.status, (400, 422), answer)

    def test_leaderboard_is_best_first(self):
        board = self.ok(self.e.get("/leaderboard?limit=5"))
        values = [t["objective"] for t in board["trials"]]
        self.assertEqual((len(values), values, board["metric"], board["direction"]), (5, sorted(values), "loss", "minimize"))
        self.assertEqual(values[0], 0)
        self.assertEqual(board["trials"][0]["number"], self.e.get().json["best"]["number"])

    def test_optimal_is_the_best(self):
        best = self.ok(self.e.get("/optimal"))
        self.assertEqual(([t["objective"] for t in best["trials"]], best["objectives"]), ([0], [{"metric": "loss", "direction": "minimize"}]))

    def test_optimal_is_the_front_of_two_objectives(self):
        spec = ask_spec(objectives=[{"metric": "loss", "direction": "minimize"}, {"metric": "speed", "direction": "maximize"}])
        del spec["objective"]
        e = self.s.create(spec)
        for loss, speed in ((1, 1), (2, 5), (3, 4), (4, 9)):
            self.ok(e.complete(e.ask()["number"], loss=loss, speed=speed))
        self.assertEqual(sorted(t["number"] for t in self.ok(e.get("/optimal"))["trials"]), [1, 2, 4])

    def test_columns_are_as_long_as_the_trials(self):
        got = self.ok(self.e.get("/columns?cols=number,state,objective,params.*"))
        self.assertEqual(got["n"], 25)
        self.assertEqual(set(got["columns"]), {"number", "state", "objective", "params.lr", "params.act"})
        self.assertTrue(all(len(c) == 25 for c in got["columns"].values()))
        self.assertEqual(sum(s == "FAILED" for s in got["columns"]["state"]), 5)

    def test_columns_of_some_trials_and_of_where_they_come_from(self):
        got = self.ok(self.e.get("/columns?cols=number,origin.*&filter=number%3E%3D3%20AND%20number%3C%3D5"))
        self.assertEqual((got["n"], got["columns"]["number"], got["columns"]["origin.by"]), (3, [3, 4, 5], ["random"] * 3))
        self.problem(self.e.get("/columns?filter=number%3E"), 400, "FILTER_SYNTAX")

    def test_curves_of_many_trials_are_thinned(self):
        e = self.s.create(ask_spec())
        for n in (1, 2, 3):
            e.ask(f"w{n}")
            if n < 3:
                self.ok(e.post(f"/trials/{n}:report", {"measurements": [{"step": i, "metrics": {"loss": 100 if i == 37 else i, "other": 1}} for i in range(200)]}))
        got = self.ok(e.get("/curves?trials=2,1,3,99&max_points=20"))
        self.assertEqual((got["metric"], [c["number"] for c in got["curves"]]), ("loss", [2, 1]))
        for c in got["curves"]:
            self.assertEqual((len(c["steps"]), c["steps"][0], c["steps"][-1]), (len(c["values"]), 0, 199))
            self.assertLessEqual(len(c["steps"]), 20)
            self.assertEqual(c["values"][c["steps"].index(37)], 100)  # a peak is not lost
        self.assertEqual(set(self.ok(e.get("/curves?trials=1&metric=other"))["curves"][0]["values"]), {1})
        for wrong in ("", "?trials=", "?trials=a", "?trials=1,,2", "?trials=0", "?trials=-1", "?trials=1;2", "?trials=" + ",".join(["1"] * 501)):
            self.problem(e.get("/curves" + wrong), 422, "QUERY")

    def test_one_trial_with_its_attempts(self):
        t = self.e.trial(1)
        self.assertEqual([(a["number"], a["state"], a["worker"]) for a in t["attempts"]], [(1, "SUCCEEDED", "w")])
        self.problem(self.e.get("/trials/999"), 404, "TRIAL_NOT_FOUND")
        for wrong in ("0", "x", "-1", "99999999999999999999"):
            self.assertEqual(self.e.get(f"/trials/{wrong}").status, 404, wrong)

    def test_explain_names_the_origin_and_neighbours(self):
        got = self.ok(self.e.get("/trials/20/explain"))
        self.assertEqual((got["number"], got["origin"]["by"], got["stopped"]), (20, "random", None))
        self.assertIn(" ", got["why"])
        self.assertTrue(got["nearest"])
        distances = [n["distance"] for n in got["nearest"]]
        self.assertEqual(distances, sorted(distances))

    def test_patch_and_delete_a_trial(self):
        e = self.s.create(ask_spec())
        for loss in (1, 2):
            e.complete(e.ask()["number"], loss=loss)
        self.ok(self.s.patch(e.path + "/trials/2", {"labels": {"a": "b"}, "note": "odd"}))
        self.assertEqual((e.trial(2)["labels"], e.trial(2)["note"]), ({"a": "b"}, "odd"))
        self.problem(self.s.patch(e.path + "/trials/2", {"params": {}}), 422)
        self.problem(self.s.delete(e.path + "/trials/1"), 409, "TRIAL_IS_BEST")
        self.ok(self.s.delete(e.path + "/trials/2"), 204)
        self.problem(e.get("/trials/2"), 404, "TRIAL_NOT_FOUND")
        self.assertEqual(e.get().json["counts"], {"SUCCEEDED": 1})
        self.assertEqual(e.ask()["number"], 3)  # numbers are not given twice

    def test_long_curves_are_thinned_but_keep_their_peaks(self):
        e = self.s.create(ask_spec())
        n = e.ask()["number"]
        points = [{"step": i, "metrics": {"loss": 1000 if i == 777 else i % 10}} for i in range(2000)]
        self.ok(e.post(f"/trials/{n}:report", {"measurements": points}))
        got = e.get(f"/trials/{n}/measurements?metric=loss&max_points=100").json["measurements"]
        self.assertLessEqual(len(got), 100)
        self.assertIn(1000, [m["value"] for m in got])
        self.assertEqual((got[0]["step"], got[-1]["step"]), (0, 1999))

    def test_log_of_a_leased_trial_is_not_found(self):
        self.problem(self.e.get("/trials/1/logs"), 404)


class Idempotency(Case):
    def test_repeat_gets_the_first_answer(self):
        e = self.s.create(ask_spec())
        a = e.post("/trials:suggest", {"count": 1}, headers={"Idempotency-Key": "k1"})
        b = e.post("/trials:suggest", {"count": 1}, headers={"Idempotency-Key": "k1"})
        self.assertEqual((a.status, a.json["trials"][0]["number"]), (b.status, b.json["trials"][0]["number"]))
        self.assertEqual((a.headers["Idempotency-Replayed"], b.headers["Idempotency-Replayed"]), (None, "true"))
        self.assertEqual(e.get().json["n_trials"], 1)

    def test_creation_is_repeated_with_its_status(self):
        spec = ask_spec()
        for replayed in (None, "true"):
            answer = self.s.post("/api/v1/projects/default/experiments", spec, headers={"Idempotency-Key": "create-1"})
            self.assertEqual((answer.status, answer.headers["Idempotency-Replayed"]), (201, replayed), answer)

    def test_key_with_another_request_is_refused(self):
        e = self.s.create(ask_spec())
        self.ok(e.post("/trials:suggest", {"count": 1}, headers={"Idempotency-Key": "k2"}))
        self.problem(e.post("/trials:suggest", {"count": 2}, headers={"Idempotency-Key": "k2"}), 422)

    def test_same_key_of_another_route_is_another(self):
        e = self.s.create(ask_spec())
        self.ok(e.post("/trials:suggest", {"count": 1}, headers={"Idempotency-Key": "k3"}))
        answer = e.post("/trials/1:complete", {"metrics": {"loss": 1}}, headers={"Idempotency-Key": "k3"})
        self.assertIn(answer.status, (200, 422), answer)

    def test_answer_outlives_a_restart(self):
        e = self.s.create(ask_spec())
        a = self.ok(e.post("/trials:suggest", {"count": 1}, headers={"Idempotency-Key": "k4"}))
        self.s.kill()
        self.s.start()
        b = self.ok(e.post("/trials:suggest", {"count": 1}, headers={"Idempotency-Key": "k4"}))
        self.assertEqual(a["trials"][0]["number"], b["trials"][0]["number"])
        self.assertEqual(e.get().json["n_trials"], 1)

    def test_error_is_not_kept(self):
        e = self.s.create(ask_spec())
        report = {"measurements": [{"step": 1, "metrics": {"loss": 0.5}}]}
        self.problem(e.post("/trials/1:report", report, headers={"Idempotency-Key": "k6"}), 404)
        e.ask()
        for replayed in (None, "true"):
            answer = e.post("/trials/1:report", report, headers={"Idempotency-Key": "k6"})
            self.assertEqual((answer.status, answer.headers["Idempotency-Replayed"]), (200, replayed), answer)

    def test_at_once_they_have_one_effect(self):
        e = self.s.create(ask_spec())
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(e.post("/trials:suggest", {"count": 1}, headers={"Idempotency-Key": "k5"}))) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertTrue(all(a.status in (200, 409) for a in answers), answers)
        self.assertEqual(e.get().json["n_trials"], 1)


if __name__ == "__main__":
    unittest.main()
