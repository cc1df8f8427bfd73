# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments: made, checked, listed, read, changed, paused, stopped, cloned, deleted; each error with its place."""
import json
import time
import unittest
from urllib.parse import quote

from hone import Case, ask_spec, name, run_spec, until

ALL = "/api/v1/projects/default/experiments"

YAML = """
name: from-yaml
objective: {metric: accuracy, direction: maximize, goal: 0.995}
parameters:
  C:      {type: float, min: 1e-3, max: 1e3, scale: log}
  kernel: {type: categorical, values: [rbf, poly, linear]}
  degree: {type: int, min: 2, max: 5, when: {kernel: poly}}
  gamma:  {type: float, min: 1e-6, max: 1, scale: log, when: {kernel: [rbf, poly]}}
constraints: ["C * gamma < 100"]
algorithm: random
trials: {max: 40, parallel: 2, max_failed: 5}
"""


class Create(Case):
    def test_json_file_is_created(self):
        made = self.ok(self.s.post(ALL, ask_spec("from-json", labels={"team": "a"}, note="*hi*")), 201)
        self.assertEqual((made["name"], made["project"], made["state"], made["n_trials"]), ("from-json", "default", "RUNNING", 0))
        self.assertEqual((made["labels"], made["note"], made["best"], made["seed"]), ({"team": "a"}, "*hi*", None, 7))
        self.assertEqual(made["spec"]["parameters"]["lr"]["scale"], "log")

    def test_yaml_file_is_created(self):
        made = self.ok(self.s.post(ALL, YAML, content_type="application/yaml"), 201)
        self.assertEqual(made["name"], "from-yaml")
        self.assertEqual(made["spec"]["trials"]["max"], 40)

    def test_missing_name_is_made_up(self):
        spec = ask_spec()
        del spec["name"]
        a, b = (self.ok(self.s.post(ALL, spec), 201)["name"] for _ in range(2))
        self.assertNotEqual(a, b)
        self.assertEqual(self.s.get(f"{ALL}/{a}").status, 200)

    def test_same_name_twice_is_a_conflict(self):
        e = self.s.create(ask_spec())
        self.problem(self.s.post(ALL, ask_spec(e.name)), 409, "EXPERIMENT_EXISTS")

    def test_unknown_project_is_not_found(self):
        self.problem(self.s.post("/api/v1/projects/nowhere/experiments", ask_spec()), 404, "PROJECT_NOT_FOUND")

    def test_a_project_has_names_of_its_own(self):
        self.assertEqual(self.ok(self.s.post("/api/v1/projects", {"name": "vision"}), 201)["name"], "vision")
        self.problem(self.s.post("/api/v1/projects", {"name": "vision"}), 409, "PROJECT_EXISTS")
        self.problem(self.s.post("/api/v1/projects", {"name": "Vision!"}), 422, "PROJECT_NAME")
        spec = ask_spec()
        for project in ("default", "vision"):
            self.ok(self.s.post(f"/api/v1/projects/{project}/experiments", spec), 201)
        self.assertIn("vision", [p["name"] for p in self.s.get("/api/v1/projects").json["projects"]])

    def test_warm_start_takes_the_trials_of_earlier_experiments(self):
        old = self.s.create(ask_spec(objective={"metric": "accuracy", "direction": "maximize"},
                                     parameters={"lr": {"type": "float", "min": 1e-4, "max": 1, "scale": "log"}, "act": ["relu", "gelu"], "depth": {"type": "int", "min": 1, "max": 9}}))
        for i in range(10):
            t = old.ask()
            self.ok(old.complete(t["number"], accuracy=-t["params"]["lr"]) if i else old.post(f"/trials/{t['number']}:fail"))
        spec = ask_spec(algorithm="gp", warm_start={"from": [old.name], "trials": 6, "repeat": 2, "observations": [{"params": {"lr": 1e-5, "act": "tanh"}, "metrics": {"loss": 7}}]})
        e = self.s.create(spec)
        kept = e.get().json["spec"]["warm_start"]
        self.assertEqual((kept["from"], kept["repeat"], len(kept["observations"])), ([old.name], 2, 7))
        of_old = [o for o in kept["observations"] if o.get("source") == old.name]
        self.assertEqual(len(of_old), 6)
        self.assertTrue(all(o["metrics"]["loss"] == o["params"]["lr"] for o in of_old), of_old)
        first = [e.ask(worker=w) for w in "ab"]
        self.assertTrue(all(t["origin"]["by"] == "warm_start" for t in first), first)
        self.assertEqual([t["origin"].get("note") for t in first], [None, f"from experiment {old.name}"])
        self.assertEqual(first[1]["params"]["act"], "relu") # the others cannot be told here
        self.assertNotEqual(e.ask(worker="c")["origin"]["by"], "warm_start")
        clone = self.ok(e.post(":clone", {}), 201)
        self.assertEqual(clone["spec"]["warm_start"], kept)
        body = self.problem(self.s.post(ALL, ask_spec(warm_start="not-there")), 422)
        self.assertEqual(body["errors"][0]["pointer"], "/warm_start/from/0")

    def test_every_problem_is_told_at_once_with_its_place(self):
        spec = ask_spec(parameters={"lr": {"type": "float", "min": 1, "max": 0.1}, "act": {"type": "categorial", "values": ["relu"]}},
                        objective={"metric": "loss", "direction": "downwards"}, trails={"max": 3})
        body = self.problem(self.s.post(ALL, spec), 422)
        places = {e["pointer"] for e in body["errors"]}
        for pointer in ("/parameters/lr/min", "/parameters/act/type", "/objective/direction", "/trails"):
            self.assertTrue(any(p.startswith(pointer) or pointer.startswith(p + "/") and p for p in places), f"{pointer} not in {places}")
        hints = {e["pointer"]: e.get("hint") or "" for e in body["errors"]}
        self.assertIn("trials", hints["/trails"])

    def test_wrong_files_are_refused_at_their_place(self):
        for what, change, pointer in [
            ("no objective", {"objective": None}, "/objective"), ("no parameters", {"parameters": {}}, "/parameters"),
            ("bad name", {"name": "Not A Name"}, "/name"), ("log scale from 0", {"parameters": {"x": {"type": "float", "min": 0, "max": 1, "scale": "log"}}}, "/parameters/x"),
            ("unknown algorithm", {"algorithm": "magic"}, "/algorithm"), ("unknown rule", {"stopping": "magic"}, "/stopping"),
            ("bad constraint", {"constraints": ["lr *"]}, "/constraints/0"), ("unknown name in a constraint", {"constraints": ["rl < 1"]}, "/constraints/0"),
            ("condition on nothing", {"parameters": {"x": {"type": "int", "min": 1, "max": 2, "when": {"y": 1}}}}, "/parameters/x/when"),
            ("negative budget", {"trials": {"max": -1}}, "/trials/max"), ("bad duration", {"limits": {"time": "soon"}}, "/limits/time"),
            ("bad first point", {"initial_points": [{"lr": 5, "act": "relu"}]}, "/initial_points/0"),
        ]:
            with self.subTest(what):
                spec = ask_spec(**change)
                spec = {k: v for k, v in spec.items() if v is not None}
                body = self.problem(self.s.post(ALL, spec), 422)
                self.assertTrue(any(e["pointer"].startswith(pointer) for e in body["errors"]), body["errors"])
                self.assertTrue(all(e["detail"] for e in body["errors"]))

    def test_yaml_syntax_error_says_where(self):
        body = self.problem(self.s.post(ALL, "name: x\n  objective: [", content_type="application/yaml"), self.s.post(ALL, b"{", content_type="application/json").status)
        self.assertRegex(json.dumps(body), r"line \d")

    def test_file_comes_back_as_yaml_that_means_the_same(self):
        as_yaml = {"Accept": "application/yaml"}
        e = self.s.create(ask_spec())
        answer = e.get(headers=as_yaml)
        self.assertEqual((answer.status, answer.headers.get_content_type()), (200, "application/yaml"))
        again = self.ok(self.s.post(ALL + "?validate_only=true", answer.body, content_type="application/yaml"))
        self.assertEqual(again["spec"], e.get().json["spec"])
        checked = self.s.post(ALL + "?validate_only=true", ask_spec("unmade"), headers=as_yaml)
        self.assertEqual((checked.status, "name: unmade" in checked.text), (200, True), checked)
        self.problem(self.s.post(ALL + "?validate_only=true", ask_spec("unmade", algorithm="magic"), headers=as_yaml), 422)

    def test_validate_only_changes_nothing(self):
        before = self.ok(self.s.get(ALL + "?count=true"))["total"]
        good = self.ok(self.s.post(ALL + "?validate_only=true", ask_spec("not-made")))
        self.assertTrue(good["valid"])
        self.assertEqual(good["spec"]["name"], "not-made")
        self.assertTrue(good["samples"])
        for sample in good["samples"]:
            self.assertTrue(1e-5 <= sample["lr"] <= 0.1 and sample["act"] in ("relu", "tanh"), sample)
        self.problem(self.s.post(ALL + "?validate_only=true", ask_spec("not-made", algorithm="magic")), 422)
        self.assertEqual(self.ok(self.s.get(ALL + "?count=true"))["total"], before)

    def test_missing_program_is_found_at_creation(self):
        spec = run_spec("true")
        spec["run"]["command"] = ["no-such-program-here", "{x}"]
        body = self.problem(self.s.post(ALL, spec), 422)
        self.assertTrue(any(e["pointer"].startswith("/run/command") for e in body["errors"]), body)

    def test_unknown_member_passes_when_asked_to(self):
        e = self.s.create(ask_spec())
        self.problem(e.post("/trials:suggest", {"wroker": "a"}), 422, pointer="/wroker")
        self.ok(e.post("/trials:suggest?unknown=ignore", {"wroker": "a"}))


class Read(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for i in range(7):
            e = cls.s.create(ask_spec(f"list-{i}", labels={"team": "a" if i % 2 else "b"}))
            for k in range(i):
                t = e.ask()
                assert e.complete(t["number"], loss=10 - k).status == 200
        cls.s.create(ask_spec("one"))

    def pages(self, path):
        names, token = [], ""
        while True:
            page = self.ok(self.s.get(path + (f"&page_token={quote(token)}" if token else "")))
            names.append([e["name"] for e in page["experiments"]])
            token = page.get("next_page_token")
            if not token:
                return names

    def test_pages_hold_each_once(self):
        pages = self.pages(ALL + "?page_size=3")
        self.assertTrue(all(len(p) <= 3 for p in pages))
        flat = sum(pages, [])
        self.assertEqual(len(flat), len(set(flat)))
        self.assertEqual(sorted(flat), sorted([f"list-{i}" for i in range(7)] + ["one"]))

    def test_newest_comes_first(self):
        self.assertEqual(self.pages(ALL + "?page_size=100")[0][0], "one")

    def test_order_and_filter(self):
        flat = sum(self.pages(ALL + "?page_size=2&order_by=name&filter=" + quote('labels.team="a"')), [])
        self.assertEqual(flat, ["list-1", "list-3", "list-5"])

    def test_count_is_of_the_filtered_ones(self):
        page = self.ok(self.s.get(ALL + "?count=true&page_size=1&filter=" + quote('labels.team="b"')))
        self.assertEqual((page["total"], len(page["experiments"])), (4, 1))

    def test_wrong_queries_are_refused(self):
        for query in ("filter=" + quote("state="), "filter=" + quote("nonsense.field=1"), "order_by=nonsense", "page_size=0", "page_size=1001", "page_size=x", "page_token=x"):
            with self.subTest(query):
                answer = self.s.get(ALL + "?" + query)
                self.assertIn(answer.status, (400, 422), answer)
                self.assertTrue(answer.json["detail"])

    def test_all_projects_by_a_dash(self):
        self.assertEqual(len(self.ok(self.s.get("/api/v1/projects/-/experiments?page_size=1000"))["experiments"]), 8)

    def test_lists_leave_out_the_file(self):
        page = self.ok(self.s.get(ALL))
        self.assertTrue(all("spec" not in e for e in page["experiments"]))
        self.assertIn("spec", self.ok(self.s.get(ALL + "/one")))

    def test_counts_and_best(self):
        e = self.ok(self.s.get(ALL + "/list-3"))
        self.assertEqual((e["counts"], e["best"], e["n_trials"]), ({"SUCCEEDED": 3}, {"number": 3, "value": 8}, 3))

    def test_missing_one_is_not_found(self):
        body = self.problem(self.s.get(ALL + "/nope"), 404, "EXPERIMENT_NOT_FOUND")
        self.assertIn("nope", body["detail"])

    def test_etag_is_the_revision(self):
        answer = self.s.get(ALL + "/one")
        self.assertEqual(answer.headers["ETag"], f'"{answer.json["revision"]}"')
        again = self.s.get(ALL + "/one", headers={"If-None-Match": answer.headers["ETag"]})
        self.assertEqual((again.status, again.body), (304, b""))

    def test_request_id_is_kept(self):
        self.assertEqual(self.s.get(ALL, headers={"X-Request-Id": "my-id-1"}).headers["X-Request-Id"], "my-id-1")
        self.assertTrue(self.s.get(ALL).headers["X-Request-Id"])

    def test_wait_for_answers_once_it_holds(self):
        e = self.s.create(ask_spec())
        import threading
        got = []
        waiter = threading.Thread(target=lambda: got.append(e.get("?wait_for=" + quote("state!=RUNNING") + "&wait=30")))
        waiter.start()
        time.sleep(0.1)
        self.assertFalse(got)
        self.ok(e.post(":pause"))
        waiter.join(40)
        self.assertEqual(self.ok(got[0])["state"], "PAUSED")
        self.assertEqual(self.ok(e.get("?wait_for=" + quote("state=RUNNING") + "&wait=0.2"))["state"], "PAUSED")


class Change(Case):
    def test_patch_merges_texts(self):
        e = self.s.create(ask_spec(labels={"a": "1", "b": "2"}))
        got = self.ok(self.s.patch(e.path, {"labels": {"a": None, "c": "3"}, "annotations": {"x": "y"}, "note": "new"}))
        self.assertEqual((got["labels"], got["annotations"], got["note"]), ({"b": "2", "c": "3"}, {"x": "y"}, "new"))
        self.assertEqual(e.get().json["labels"], {"b": "2", "c": "3"})

    def test_patch_changes_the_budget(self):
        e = self.s.create(ask_spec(trials={"max": 1}))
        e.complete(e.ask()["number"], loss=1)
        self.assertEqual(e.wait()["state"], "SUCCEEDED")
        e = self.s.create(ask_spec(trials={"max": 2}))
        e.complete(e.ask()["number"], loss=1)
        got = self.ok(self.s.patch(e.path, {"trials": {"max": 1}}))
        self.assertEqual(got["spec"]["trials"]["max"], 1)
        self.assertEqual(e.wait()["reason"], "MAX_TRIALS")

    def test_patch_of_the_search_is_refused(self):
        e = self.s.create(ask_spec())
        for body in ({"parameters": {}}, {"objective": {"metric": "x"}}, {"seed": 3}, {"trials": {"retries": 3}}, {"nme": "x"}):
            with self.subTest(body=body):
                self.problem(self.s.patch(e.path, body), 422)
        self.problem(self.s.patch(e.path, {"trials": {"max": -3}}), 422)
        self.problem(self.s.patch(e.path, {"labels": "no"}), 422)
        self.assertEqual(e.get().json["spec"]["seed"], 7)

    def test_if_match_guards_a_change(self):
        e = self.s.create(ask_spec())
        old = e.get().headers["ETag"]
        self.ok(self.s.patch(e.path, {"note": "a"}, headers={"If-Match": old}))
        self.problem(self.s.patch(e.path, {"note": "b"}, headers={"If-Match": old}), 412)
        self.problem(e.post(":stop", headers={"If-Match": old}), 412)
        self.problem(self.s.delete(e.path + "?force=true", headers={"If-Match": old}), 412)
        self.assertEqual(e.get().json["note"], "a")

    def test_pause_and_resume(self):
        e = self.s.create(ask_spec())
        self.assertEqual(self.ok(e.post(":pause"))["state"], "PAUSED")
        self.assertEqual(e.suggest()["trials"], [])
        self.assertFalse(e.suggest()["done"])
        self.ok(e.post(":pause"))  # again is no error
        self.assertEqual(self.ok(e.post(":resume"))["state"], "RUNNING")
        self.assertEqual(len(e.suggest()["trials"]), 1)

    def test_paused_experiment_starts_no_process(self):
        e = self.s.create(run_spec("sleep 0.2; echo loss=$1", trials=100))
        e.wait_trial(1, "RUNNING", "SUCCEEDED")
        self.ok(e.post(":pause"))
        until(lambda: not any(t["state"] in ("STARTING", "RUNNING") for t in e.trials()), "the running trial to end")
        n = len(e.trials())
        time.sleep(0.5)
        self.assertEqual(len([t for t in e.trials() if t["state"] != "QUEUED"]), n)
        self.ok(e.post(":resume"))
        until(lambda: e.get().json["counts"].get("SUCCEEDED", 0) > n, "another trial")

    def test_stop_now_ends_what_runs(self):
        e = self.s.create(ask_spec())
        t = e.ask()
        self.ok(e.post(":stop", {"mode": "now"}))
        done = e.wait()
        self.assertEqual((done["state"], done["reason"]), ("CANCELLED", "USER"))
        self.assertEqual(e.trial(t["number"])["state"], "CANCELLED")
        self.assertTrue(self.ok(e.report(t["number"], 1, 0.5))["should_stop"])
        got = e.suggest()
        self.assertEqual((got["trials"], got["done"], got["reason"]), ([], True, "USER"))
        self.problem(e.post(":stop"), 409, "EXPERIMENT_STATE")
        self.problem(e.post(":resume"), 409, "EXPERIMENT_STATE")

    def test_stop_drain_lets_them_finish(self):
        e = self.s.create(ask_spec())
        t = e.ask()
        self.assertEqual(self.ok(e.post(":stop", {"mode": "drain"}))["state"], "STOPPING")
        self.assertEqual(e.suggest(worker="other")["trials"], [])
        self.ok(e.complete(t["number"], loss=1))
        self.assertEqual(e.wait()["state"], "CANCELLED")
        self.assertEqual(e.trial(t["number"])["state"], "SUCCEEDED")

    def test_stop_mode_is_checked(self):
        self.problem(self.s.create(ask_spec()).post(":stop", {"mode": "later"}), 422)

    def test_goal_ends_it(self):
        e = self.s.create(ask_spec(objective={"metric": "loss", "direction": "minimize", "goal": 0.5}))
        e.complete(e.ask()["number"], loss=0.7)
        self.assertEqual(e.state(), "RUNNING")
        e.complete(e.ask()["number"], loss=0.5)
        done = e.wait()
        self.assertEqual((done["state"], done["reason"]), ("SUCCEEDED", "GOAL_REACHED"))

    def test_too_many_failures_end_it(self):
        e = self.s.create(ask_spec(trials={"max_failed": 1}))
        for _ in range(2):
            self.ok(e.post(f"/trials/{e.ask()['number']}:fail", {"message": "no"}))
        done = e.wait()
        self.assertEqual((done["state"], done["reason"]), ("FAILED", "TOO_MANY_FAILURES"))

    def test_time_limit_ends_it(self):
        e = self.s.create(ask_spec(limits={"time": 1}))
        done = e.wait()
        self.assertEqual(done["reason"], "MAX_TIME")

    def test_exhausted_space_ends_it(self):
        e = self.s.create(ask_spec(algorithm="grid", parameters={"a": {"type": "bool"}, "b": {"type": "int", "min": 1, "max": 2}}))
        seen = set()
        while True:
            got = e.suggest()
            if got["done"]:
                break
            t = got["trials"][0]
            seen.add((t["params"]["a"], t["params"]["b"]))
            e.complete(t["number"], loss=1)
        self.assertEqual(len(seen), 4)
        self.assertEqual(e.wait()["reason"], "SPACE_EXHAUSTED")

    def test_clone_is_a_new_one_of_the_same_file(self):
        e = self.s.create(ask_spec())
        first = e.ask()["params"]
        other = name("clone")
        made = self.ok(e.post(":clone", {"name": other}), 201)
        self.assertEqual((made["name"], made["n_trials"], made["spec"]["parameters"]), (other, 0, e.get().json["spec"]["parameters"]))
        self.assertNotEqual(made["uid"], e.get().json["uid"])
        from hone import Experiment
        self.assertEqual(Experiment(self.s, other).ask()["params"], first)  # same seed
        self.assertNotEqual(self.ok(e.post(":clone"), 201)["name"], e.name)
        self.problem(e.post(":clone", {"name": "Not A Name"}), 422)
        self.problem(e.post(":clone", {"name": other}), 409, "EXPERIMENT_EXISTS")

    def test_delete(self):
        e = self.s.create(ask_spec())
        e.ask()
        self.problem(self.s.delete(e.path), 409, "EXPERIMENT_STATE")
        self.ok(self.s.delete(e.path + "?force=true"), 204)
        self.problem(e.get(), 404, "EXPERIMENT_NOT_FOUND")
        self.problem(e.get("/trials"), 404, "EXPERIMENT_NOT_FOUND")
        self.assertEqual(self.s.create(ask_spec(e.name)).get().json["n_trials"], 0)  # the name is free again

    def test_deleted_experiment_ends_its_processes(self):
        from hone import processes
        mark = name("marker")
        e = self.s.create(run_spec(f"sleep 600 # {mark}"))
        e.wait_trial(1, "RUNNING")
        until(lambda: processes(mark), "the process to run")
        self.ok(self.s.delete(e.path + "?force=true"), 204)
        until(lambda: not processes(mark), "the process to be ended")

    def test_wrong_verb_is_not_found(self):
        self.problem(self.s.create(ask_spec()).post(":explode"), 404)


if __name__ == "__main__":
    unittest.main()
