# SPDX-License-Identifier: GPL-3.0-or-later
"""Pipelines over HTTP: runs, their steps, what is cached and shared, versions, trials that are runs."""
import os
import tempfile

from hone import Case, name, run_spec, until

P = "/api/v1/projects/default"
OVER = ("SUCCEEDED", "FAILED", "CANCELLED")


def pipeline(steps, **top):
    return {"name": top.pop("name", None) or name("p"), "steps": steps, **top}


class Pipelines(Case):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="hone-pipelines-")

    def file(self, *parts):
        return os.path.join(self.dir, *parts)

    def count(self, file="count"):
        """How many steps have left their mark."""
        try:
            with open(self.file(file)) as f:
                return len(f.readlines())
        except FileNotFoundError:
            return 0

    def mark(self, file="count"):
        return f"echo x >> {self.file(file)}"

    def begin(self, doc, params=None, **more):
        return self.ok(self.s.post(P + "/runs", {"pipeline": doc, "params": params or {}, **more}), 201)

    def end(self, run, state="SUCCEEDED"):
        def look():
            got = self.ok(self.s.get(f"{P}/runs/{run['uid']}?wait=20"))
            return got if got["state"] in OVER else None
        got = until(look, "the run to end")
        self.assertEqual(got["state"], state, (got, self.steps(run)))
        return got

    def run_it(self, doc, params=None, state="SUCCEEDED", **more):
        run = self.end(self.begin(doc, params, **more), state)
        return run, self.steps(run)

    def steps(self, run):
        return {s["path"]: s for s in self.ok(self.s.get(f"{P}/runs/{run['uid']}/steps"))["steps"]}

    def states(self, run):
        return {path: s["state"] for path, s in self.steps(run).items()}

    # -- values

    def test_values_and_files_go_from_step_to_step(self):
        doc = pipeline({
            "make": {"run": {"shell": "echo hello > ${out.text}; mkdir ${out.tree}; echo deep > ${out.tree}/a; echo '{\"n\": 4}' > $HONE_OUTPUTS"},
                     "outputs": {"text": "file", "tree": "dir", "n": "int"}},
            "use": {"inputs": {"text": "${steps.make.outputs.text}", "n": "${steps.make.outputs.n}"},
                    "run": {"shell": "cat ${inputs.text} ${steps.make.outputs.tree}/a; expr ${inputs.n} + ${params.k} > ${out.sum}; cp $HONE_INPUTS ${out.seen}"},
                    "outputs": {"sum": "int", "seen": "json"}},
        }, params={"k": "int"}, outputs={"sum": "${steps.use.outputs.sum}"})
        run, steps = self.run_it(doc, {"k": 3})
        self.assertEqual(run["outputs"], {"sum": 7})
        self.assertEqual(steps["use"]["outputs"]["seen"]["n"], 4)
        self.assertEqual(self.s.get(f"{P}/runs/{run['uid']}/logs?step=use").text, "hello\ndeep\n")
        artifact = steps["make"]["outputs"]["text"]["artifact"].split(":")[1]
        self.assertEqual(self.s.get(f"{P}/artifacts/{artifact}").text, "hello\n")
        shown = self.ok(self.s.get(f"{P}/runs?filter=state%3DSUCCEEDED&count=true"))
        self.assertIn(run["uid"], [r["uid"] for r in shown["runs"]])
        kinds = [e["kind"] for e in self.ok(self.s.get(f"{P}/runs/{run['uid']}/events"))["events"]]
        self.assertEqual(kinds[0], "run.created")
        self.assertEqual(kinds[-1], "run.succeeded")

    def test_an_output_of_a_wrong_type_names_step_field_and_types(self):
        _, steps = self.run_it(pipeline({"a": {"run": {"shell": "echo '{\"x\": \"many\"}' > $HONE_OUTPUTS"}, "outputs": {"x": "int"}}}), state="FAILED")
        self.assertEqual(steps["a"]["cause"], "USER")
        self.assertRegex(steps["a"]["message"], "output x: .*string.*int|output x: .*int.*string")

    def test_an_output_that_is_missing_fails_the_step(self):
        _, steps = self.run_it(pipeline({"a": {"run": ["true"], "outputs": {"x": "int"}}}), state="FAILED")
        self.assertIn("output x was not written", steps["a"]["message"])

    def test_an_input_of_a_wrong_type_names_step_field_and_types(self):
        made = {"run": {"shell": "echo '{\"rows\": \"many\", \"n\": 4.0}' > $HONE_OUTPUTS"}, "outputs": {"rows": "json", "n": "int"}}
        use = {"run": {"shell": "cp $HONE_INPUTS ${out.seen}"}, "outputs": {"seen": "json"},
               "inputs": {"rows": {"type": "int", "from": "${steps.made.outputs.rows}"}, "n": {"type": "int", "from": "${steps.made.outputs.n}"}}}
        _, steps = self.run_it(pipeline({"made": made, "use": use}), state="FAILED")
        self.assertEqual(steps["use"]["message"], 'inputs/rows: expected int, found "many" (string)')
        made["run"]["shell"] = "echo '{\"rows\": 7.0, \"n\": 4.0}' > $HONE_OUTPUTS"
        _, steps = self.run_it(pipeline({"made": made, "use": use}))
        self.assertEqual([repr(v) for v in steps["use"]["outputs"]["seen"].values()], ["7", "4"])  # whole numbers, not 7.0

    def test_params_of_a_wrong_type_are_refused_at_submission(self):
        doc = pipeline({"a": {"run": ["true", "${params.k}"]}}, params={"k": "int"})
        self.problem(self.s.post(P + "/runs", {"pipeline": doc, "params": {"k": "many"}}), 422, pointer="/params/k")
        self.problem(self.s.post(P + "/runs", {"pipeline": doc, "params": {}}), 422, pointer="/params/k")

    def test_a_cycle_and_a_missing_reference_are_refused(self):
        circle = pipeline({"a": {"needs": ["b"], "run": ["true"]}, "b": {"needs": ["a"], "run": ["true"]}})
        body = self.problem(self.s.post(P + "/runs", {"pipeline": circle}), 422, "PIPELINE_INVALID")
        self.assertIn("circle", body["detail"])
        missing = pipeline({"a": {"run": ["true", "${steps.b.outputs.x}"]}})
        self.problem(self.s.post(P + "/runs", {"pipeline": missing}), 422, "PIPELINE_INVALID")

    # -- cache

    def test_what_was_made_is_not_made_again(self):
        doc = pipeline({"a": {"run": {"shell": self.mark() + "; echo loss=0.25; echo 5 > ${out.x}"}, "outputs": {"x": "int"}, "metrics": "stdout"}},
                       outputs={"x": "${steps.a.outputs.x}"})
        self.run_it(doc)
        run, steps = self.run_it(doc)
        self.assertEqual((self.count(), steps["a"]["state"], run["outputs"]), (1, "CACHED", {"x": 5}))
        points = self.ok(self.s.get(f"{P}/runs/{run['uid']}/measurements?step=a"))["measurements"]
        self.assertEqual([(p["metric"], p["value"], p["cached"]) for p in points], [("loss", 0.25, True)])

    def test_two_that_need_the_same_at_once_make_it_once(self):
        doc = pipeline({"a": {"run": {"shell": self.mark() + "; sleep 0.3; echo 5 > ${out.x}"}, "outputs": {"x": "int"}}})
        runs = [self.begin(doc) for _ in range(6)]
        ended = [self.states(self.end(r))["a"] for r in runs]
        self.assertEqual(self.count(), 1)
        self.assertEqual(sorted(ended), ["CACHED"] * 5 + ["SUCCEEDED"])

    def test_when_the_maker_fails_one_of_those_that_wait_makes_it(self):
        script = f"{self.mark()}; sleep 0.2; test $(wc -l < {self.file('count')}) -gt 1 && echo 5 > ${{out.x}}"
        doc = pipeline({"a": {"run": {"shell": script}, "outputs": {"x": "int"}}})
        runs = [self.begin(doc) for _ in range(4)]
        states = sorted(until(lambda r=r: self.states(r).get("a") if self.ok(self.s.get(f"{P}/runs/{r['uid']}"))["state"] in OVER else None, "the end") for r in runs)
        self.assertEqual(states, ["CACHED", "CACHED", "FAILED", "SUCCEEDED"])
        self.assertEqual(self.count(), 2)

    def test_a_corrupt_artifact_is_found_and_made_again(self):
        use = {"run": {"shell": "cat ${steps.a.outputs.f} ${params.k}"}}
        doc = pipeline({"a": {"run": {"shell": self.mark() + "; echo content > ${out.f}"}, "outputs": {"f": "file"}}, "b": use}, params={"k": "string"})
        _, steps = self.run_it(doc, {"k": "/dev/null"})
        sha = steps["a"]["outputs"]["f"]["artifact"].split(":")[1]
        path = os.path.join(self.s.data, "artifacts", "objects", sha[:2], sha)
        self.s.stop()
        self.s.start()  # what was seen to be good is not looked at twice in one life
        os.chmod(path, 0o600)
        with open(path, "w") as f:
            f.write("garbage")
        run, steps = self.run_it(doc, {"k": "/etc/hostname"})
        self.assertEqual((steps["a"]["state"], steps["b"]["state"], self.count()), ("SUCCEEDED", "SUCCEEDED", 2))

    # -- trials

    def test_trials_share_the_steps_that_do_not_depend_on_what_is_tuned(self):
        doc = {"name": name("p"), "params": {"lr": "double"}, "steps": {
            "load": {"run": {"shell": self.mark("load") + "; echo 1 > ${out.data}"}, "outputs": {"data": "file"}},
            "train": {"run": {"shell": self.mark("train") + "; cat ${steps.load.outputs.data}; echo step=1 loss=${params.lr}; echo ${params.lr} > ${out.loss}"},
                      "outputs": {"loss": "double"}}},
            "outputs": {"loss": "${steps.train.outputs.loss}"}}
        spec = {"name": name(), "objective": {"metric": "loss", "direction": "minimize"}, "algorithm": "random", "seed": 1,
                "parameters": {"lr": {"type": "float", "min": 0, "max": 1}}, "trials": {"max": 6, "parallel": 3},
                "run": {"backend": "pipeline", "pipeline": doc}}
        e = self.s.create(spec)
        self.assertEqual(e.wait()["state"], "SUCCEEDED")
        self.assertEqual((self.count("load"), self.count("train")), (1, 6))
        for t in e.trials():
            self.assertAlmostEqual(t["objective"], t["params"]["lr"])
            self.assertEqual(len(self.ok(e.get(f"/trials/{t['number']}/measurements"))["measurements"]), 1)

    def test_a_trial_that_is_stopped_keeps_what_its_steps_made(self):
        doc = {"name": name("p"), "steps": {
            "load": {"run": {"shell": self.mark("load") + "; echo 1 > ${out.x}"}, "outputs": {"x": "int"}},
            "wait": {"run": {"shell": "echo ${steps.load.outputs.x}; exec sleep 60"}}}}
        spec = {"name": name(), "objective": {"metric": "loss", "direction": "minimize"}, "algorithm": "random",
                "parameters": {"lr": {"type": "float", "min": 0, "max": 1}}, "trials": {"max": 1},
                "run": {"backend": "pipeline", "pipeline": doc}}
        e = self.s.create(spec)
        run = until(lambda: next((r for r in self.ok(self.s.get(P + "/runs"))["runs"] if r["pipeline"] == doc["name"] and self.states(r).get("wait") == "RUNNING"), None), "the step to run")
        self.ok(e.post("/trials/1:stop"))
        self.assertEqual(e.wait_trial(1)["state"], "CANCELLED")
        self.assertEqual(self.states(run), {"load": "SUCCEEDED", "wait": "CANCELLED"})

    # -- failure

    def test_a_cancelled_run_stops_its_steps_and_runs_finally(self):
        doc = pipeline({"a": {"run": ["sleep", "60"]}, "b": {"needs": ["a"], "run": ["true"]}},
                       **{"finally": {"tidy": {"run": {"shell": "echo ${run.state} > " + self.file("said")}}}})
        run = self.begin(doc)
        until(lambda: self.states(run).get("a") == "RUNNING", "the step to run")
        self.ok(self.s.post(f"{P}/runs/{run['uid']}:cancel"))
        self.end(run, "CANCELLED")
        self.assertEqual(self.states(run), {"a": "CANCELLED", "b": "CANCELLED", "tidy": "SUCCEEDED"})
        with open(self.file("said")) as f:
            self.assertEqual(f.read(), "CANCELLED\n")
        self.assertEqual(self.s.delete(f"{P}/runs/{run['uid']}").status, 204)
        self.problem(self.s.get(f"{P}/runs/{run['uid']}"), 404, "RUN_NOT_FOUND")

    def test_failures_are_retried_by_their_cause(self):
        script = f"{self.mark()}; test $(wc -l < {self.file('count')}) -ge 3 || exit 75"
        retried = {"run": {"shell": script}, "retry": {"max": 3, "on": ["exit:75"], "backoff": 0}}
        run, steps = self.run_it(pipeline({"a": retried}))
        self.assertEqual((steps["a"]["attempt"], self.count()), (3, 3))
        other = {"run": {"shell": "exit 3"}, "retry": {"max": 3, "on": ["exit:75"], "backoff": 0}}
        run, steps = self.run_it(pipeline({"a": other}), state="FAILED")
        self.assertEqual(steps["a"]["attempt"], 1)

    def test_a_resumed_run_goes_on_at_the_step_that_failed(self):
        doc = pipeline({
            "a": {"run": {"shell": self.mark("a") + "; echo 1 > ${out.x}"}, "outputs": {"x": "int"}, "cache": False},
            "b": {"run": {"shell": f"{self.mark('b')}; test -e {self.file('go')} && echo ${{steps.a.outputs.x}} > ${{out.y}}"}, "outputs": {"y": "int"}},
            "c": {"run": {"shell": self.mark("c") + "; echo ${steps.b.outputs.y}"}}})
        run, _ = self.run_it(doc, state="FAILED")
        open(self.file("go"), "w").close()
        self.ok(self.s.post(f"{P}/runs/{run['uid']}:resume"))
        self.end(run)
        self.assertEqual((self.count("a"), self.count("b"), self.count("c")), (1, 2, 1))

    def test_a_resumed_run_repeats_only_the_items_and_inner_steps_that_failed(self):
        gate = self.file("go")
        need = f"test ${{map.k}} -lt 3 -o -e {gate}"
        sub = {"params": {"x": "int"}, "steps": {"ok": {"run": {"shell": self.mark("ok") + "; echo ${params.x} > ${out.v}"}, "outputs": {"v": "int"}, "cache": False},
                                                "gate": {"run": {"shell": f"{self.mark('gate')}; test -e {gate} && echo ${{steps.ok.outputs.v}} > ${{out.v}}"}, "outputs": {"v": "int"}, "cache": False}},
               "outputs": {"v": "${steps.gate.outputs.v}"}}
        doc = pipeline({
            "each": {"map": {"over": [1, 2, 3, 4], "as": "k", "max_parallel": 4, "min_success": 1}, "run": {"shell": f"{self.mark('each')}; sleep 0.1; {need} && echo ${{map.k}} > ${{out.v}}"},
                     "outputs": {"v": "int"}, "cache": False},
            "sub": {"inputs": {"x": 7}, "pipeline": sub},
            "after": {"run": {"shell": self.mark("after") + "; echo ${steps.each.outputs.v} ${steps.sub.outputs.v}"}}},
            on_failure="continue", outputs={"v": "${steps.each.outputs.v}", "s": "${steps.sub.outputs.v}"})
        run, _ = self.run_it(doc, state="FAILED")
        open(gate, "w").close()
        self.ok(self.s.post(f"{P}/runs/{run['uid']}:resume"))
        got = self.end(run)
        self.assertEqual(got["outputs"], {"v": [1, 2, 3, 4], "s": 7})
        self.assertLessEqual(self.count("each"), 8)
        self.assertEqual((self.count("ok"), self.count("gate"), self.count("after")), (1, 2, 1))
        rows = [s["path"] for s in self.ok(self.s.get(f"{P}/runs/{run['uid']}/steps"))["steps"]]
        self.assertEqual(len(rows), len(set(rows)))

    def test_a_trial_that_takes_too_long_is_stopped_with_its_steps(self):
        doc = {"name": name("p"), "steps": {"wait": {"run": ["sleep", "60"]}}}
        e = self.s.create({"name": name(), "objective": {"metric": "loss", "direction": "minimize"}, "algorithm": "random", "trials": {"max": 1}, "limits": {"trial_time": 0.5},
                           "parameters": {"lr": {"type": "float", "min": 0, "max": 1}}, "run": {"backend": "pipeline", "pipeline": doc}})
        t = e.wait_trial(1)
        self.assertEqual((t["state"], t["reason"]), ("FAILED", "TIMEOUT"))

    def test_deleting_an_experiment_takes_its_runs(self):
        doc = {"name": name("p"), "steps": {"a": {"run": {"shell": "echo 1 > ${out.loss}"}, "outputs": {"loss": "double"}}}, "outputs": {"loss": "${steps.a.outputs.loss}"}}
        e = self.s.create({"name": name(), "objective": {"metric": "loss", "direction": "minimize"}, "algorithm": "random", "trials": {"max": 2},
                           "parameters": {"lr": {"type": "float", "min": 0, "max": 1}}, "run": {"backend": "pipeline", "pipeline": doc}})
        e.wait()
        mine = lambda: [r for r in self.ok(self.s.get(P + "/runs?page_size=1000"))["runs"] if r["pipeline"] == doc["name"]]  # noqa: E731
        self.assertEqual(len(mine()), 2)
        self.assertEqual(self.s.delete(e.path).status, 204)
        until(lambda: not mine(), "the runs to go")

    def test_a_rerun_does_again_what_has_changed_and_what_it_is_told(self):
        doc = pipeline({
            "a": {"run": {"shell": self.mark("a") + "; echo 1 > ${out.x}"}, "outputs": {"x": "int"}, "cache": False},
            "b": {"run": {"shell": self.mark("b") + "; expr ${steps.a.outputs.x} + ${params.k} > ${out.y}"}, "outputs": {"y": "int"}, "cache": False}},
            params={"k": "int"}, outputs={"y": "${steps.b.outputs.y}"})
        first, _ = self.run_it(doc, {"k": 1})
        again = self.end(self.ok(self.s.post(f"{P}/runs/{first['uid']}:rerun", {"params": {"k": 5}}), 201))
        self.assertEqual((again["outputs"], self.count("a"), self.count("b")), ({"y": 6}, 1, 2))
        whole = self.end(self.ok(self.s.post(f"{P}/runs/{first['uid']}:rerun", {"from": "a"}), 201))
        self.assertEqual((whole["outputs"], self.count("a"), self.count("b")), ({"y": 2}, 2, 3))

    # -- map, sub-pipelines, steps that write steps

    def test_a_map_runs_so_many_at_once_and_bears_some_failures(self):
        doc = pipeline({
            "split": {"run": {"shell": "echo '[1,2,3,4,5]' > ${out.list}"}, "outputs": {"list": {"type": "list", "items": "int"}}},
            "each": {"map": {"over": "${steps.split.outputs.list}", "as": "k", "max_parallel": 2, "min_success": 0.8},
                     "run": {"shell": "test ${map.k} -ne 3 && expr ${map.k} '*' 10 > ${out.z}"}, "outputs": {"z": "int"}}},
            outputs={"zs": "${steps.each.outputs.z}"})
        run, steps = self.run_it(doc)
        self.assertEqual(run["outputs"], {"zs": [10, 20, None, 40, 50]})
        self.assertEqual(steps["each[2]"]["state"], "FAILED")

    def test_a_map_over_nothing_gives_empty_lists(self):
        doc = pipeline({"each": {"map": {"over": []}, "run": ["false"], "outputs": {"z": "int"}}}, outputs={"zs": "${steps.each.outputs.z}"})
        self.assertEqual(self.run_it(doc)[0]["outputs"], {"zs": []})

    def test_sub_pipelines_run_in_a_map(self):
        sub = {"params": {"x": "int"}, "steps": {"sq": {"run": {"shell": "expr ${params.x} '*' ${params.x} > ${out.y}"}, "outputs": {"y": "int"}}},
               "outputs": {"y": "${steps.sq.outputs.y}"}}
        doc = pipeline({"each": {"map": {"over": [2, 3], "as": "k"}, "inputs": {"x": "${map.k}"}, "pipeline": sub}},
                       outputs={"ys": "${steps.each.outputs.y}"})
        run, steps = self.run_it(doc)
        self.assertEqual(run["outputs"], {"ys": [4, 9]})
        self.assertEqual(steps["each[1].sq"]["state"], "SUCCEEDED")

    def test_a_step_may_write_steps(self):
        written = ('{"steps": {"one": {"run": {"shell": "echo 2 > ${out.v}"}, "outputs": {"v": "int"}}, '
                   '"two": {"run": {"shell": "expr ${steps.one.outputs.v} + 5 > ${out.v}"}, "outputs": {"v": "int"}}}, "outputs": {"best": "${steps.two.outputs.v}"}}')
        with open(self.file("steps.json"), "w") as f:
            f.write(written)
        doc = pipeline({"plan": {"run": {"shell": f"cp {self.file('steps.json')} $HONE_STEPS"}, "expand": True, "outputs": {"best": "int"}}},
                       outputs={"best": "${steps.plan.outputs.best}"})
        run, steps = self.run_it(doc)
        self.assertEqual(run["outputs"], {"best": 7})
        self.assertEqual(sorted(steps), ["plan", "plan.one", "plan.two"])
        self.assertEqual(self.run_it(doc)[1]["plan.two"]["state"], "CACHED")

    def test_conditions_and_triggers(self):
        doc = pipeline({
            "a": {"run": {"shell": "echo 1 > ${out.x}"}, "outputs": {"x": "int"}},
            "yes": {"when": "steps.a.outputs.x == 1", "run": ["true"]},
            "no": {"when": "steps.a.outputs.x > 1", "run": ["true"]},
            "after": {"needs": ["no"], "run": ["true"]},
            "anyway": {"needs": ["no"], "trigger": "none_failed", "run": ["true"]}})
        run, _ = self.run_it(doc)
        self.assertEqual(self.states(run), {"a": "SUCCEEDED", "yes": "SUCCEEDED", "no": "SKIPPED", "after": "SKIPPED", "anyway": "SUCCEEDED"})

    def test_independent_branches_finish_with_on_failure_continue(self):
        steps = {"bad": {"run": ["false"]}, "slow": {"run": ["sleep", "0.2"]}, "more": {"needs": ["slow"], "run": ["true"]}, "down": {"needs": ["bad"], "run": ["true"]},
                 "on_bad": {"needs": ["bad"], "trigger": "any_failed", "run": ["true"]}}
        run, _ = self.run_it(pipeline(steps, on_failure="continue"), state="FAILED")
        self.assertEqual(self.states(run), {"bad": "FAILED", "slow": "SUCCEEDED", "more": "SUCCEEDED", "down": "UPSTREAM_FAILED", "on_bad": "SUCCEEDED"})
        run, _ = self.run_it(pipeline(steps), state="FAILED")
        self.assertEqual(self.states(run)["more"], "CANCELLED")

    def test_timeouts_of_attempts_silence_and_runs(self):
        _, steps = self.run_it(pipeline({"a": {"run": ["sleep", "60"], "timeout": {"attempt": 0.3}}}), state="FAILED")
        self.assertEqual(steps["a"]["cause"], "TIMEOUT")
        _, steps = self.run_it(pipeline({"a": {"run": {"shell": "echo one; exec sleep 60"}, "timeout": {"idle": 0.5}}}), state="FAILED")
        self.assertEqual((steps["a"]["cause"], "idle" in steps["a"]["message"]), ("TIMEOUT", True))
        run, steps = self.run_it(pipeline({"a": {"run": ["sleep", "60"]}}, timeout=0.5), state="FAILED")
        self.assertEqual((run["reason"], steps["a"]["state"]), ("TIMEOUT", "CANCELLED"))

    # -- versions and code

    def test_the_code_of_a_run_is_kept_as_it_was(self):
        with open(self.file("train.py"), "w") as f:
            f.write("print('first')\n")
        doc = pipeline({"a": {"run": ["python3", "train.py"], "code": ["train.py"], "cache": False}})
        first, _ = self.run_it(doc, root=self.dir)
        with open(self.file("train.py"), "w") as f:
            f.write("print('second')\n")
        again = self.end(self.ok(self.s.post(f"{P}/runs/{first['uid']}:rerun", {"from": "a"}), 201))
        self.assertEqual(self.s.get(f"{P}/runs/{again['uid']}/logs").text, "first\n")
        second, _ = self.run_it(doc, root=self.dir)
        self.assertEqual(self.s.get(f"{P}/runs/{second['uid']}/logs").text, "second\n")
        self.assertNotEqual(first["sha"], second["sha"])
        self.problem(self.s.post(P + "/runs", {"pipeline": doc}), 422, "PIPELINE_INVALID", "/root")

    def test_versions_have_names_and_differences(self):
        called = name("p")
        one = pipeline({"a": {"run": ["true"]}}, name=called, version="1.0")
        two = pipeline({"a": {"run": ["echo", "2"]}}, name=called, version="2.0")
        self.ok(self.s.post(P + "/pipelines", {"pipeline": one}), 201)
        self.ok(self.s.post(P + "/pipelines", {"pipeline": two, "alias": "best"}), 201)
        self.ok(self.s.post(P + "/pipelines", {"pipeline": one}), 201)  # the same content is the same version
        self.problem(self.s.post(P + "/pipelines", {"pipeline": {**two, "version": "1.0"}}), 409, "PIPELINE_VERSION_EXISTS")
        shown = self.ok(self.s.get(f"{P}/pipelines/{called}"))
        self.assertEqual([v["version"] for v in shown["versions"]], ["2.0", "1.0"])
        self.assertEqual(sorted((t["name"], t["alias"]) for t in shown["tags"]), [("1.0", False), ("2.0", False), ("best", True)])
        self.ok(self.s.post(f"{P}/pipelines/{called}:alias", {"alias": "best", "version": "1.0"}), 201)
        self.assertEqual(self.ok(self.s.get(f"{P}/pipelines/{called}/versions/best"))["version"], "1.0")
        changes = self.ok(self.s.get(f"{P}/pipelines/{called}/diff?from=1.0&to=2.0"))["changes"]
        self.assertIn("/steps/a/run", " ".join(c["pointer"] for c in changes))
        self.assertIn(called, [p["name"] for p in self.ok(self.s.get(P + "/pipelines"))["pipelines"]])
        run = self.end(self.ok(self.s.post(P + "/runs", {"pipeline": called + "@2.0"}), 201))
        self.assertEqual(run["version"], "2.0")

    def test_a_key_makes_one_run(self):
        doc = pipeline({"a": {"run": ["true"]}})
        key = name("key")
        first, second = self.begin(doc, key=key), self.begin(doc, key=key)
        self.assertEqual(first["uid"], second["uid"])
        self.end(first)

    # -- schedules

    def schedule(self, called):
        return self.ok(self.s.get(f"{P}/schedules/{called}"))

    def fires(self, called, outcome):
        return [f for f in self.schedule(called)["fires"] if f["outcome"] == outcome]

    def test_a_schedule_starts_runs_and_skips_while_one_is_under_way(self):
        called = name("s")
        doc = pipeline({"a": {"run": ["sleep", "${params.t}"]}}, params={"t": "int"})
        self.problem(self.s.post(P + "/schedules", {"name": called, "when": {"every": 1}, "pipeline": doc}), 422, pointer="/params/t")
        self.ok(self.s.post(P + "/schedules", {"name": called, "when": {"every": 1, "params": {"t": 2}}, "pipeline": doc}), 201)
        self.problem(self.s.post(P + "/schedules", {"name": called, "when": {"every": 1}, "pipeline": doc, "params": {"t": 1}}), 409, "SCHEDULE_EXISTS")
        until(lambda: self.fires(called, "STARTED") and self.fires(called, "SKIPPED"), "it to fire")
        self.assertTrue(self.ok(self.s.post(f"{P}/schedules/{called}:pause"))["paused"])
        fires = self.schedule(called)["fires"]
        planned = [f["planned_time"] for f in fires]
        self.assertEqual(len(planned), len(set(planned)))
        started = self.fires(called, "STARTED")[0]["started"]
        self.assertEqual(self.ok(self.s.get(f"{P}/runs/{started}"))["origin"]["schedule"], called)
        self.assertFalse(self.ok(self.s.post(f"{P}/schedules/{called}:resume"))["paused"])
        self.assertIn(called, [s["name"] for s in self.ok(self.s.get(P + "/schedules"))["schedules"]])
        self.assertEqual(self.s.delete(f"{P}/schedules/{called}").status, 204)
        self.problem(self.s.get(f"{P}/schedules/{called}"), 404, "SCHEDULE_NOT_FOUND")
        self.end({"uid": started})

    def test_a_schedule_starts_experiments(self):
        called = name("s")
        spec = run_spec("echo loss=$1")
        self.ok(self.s.post(P + "/schedules", {"name": called, "when": {"every": 1}, "experiment": spec}), 201)
        fire = until(lambda: self.fires(called, "STARTED"), "it to fire")[0]
        self.assertEqual(self.s.delete(f"{P}/schedules/{called}").status, 204)
        until(lambda: self.ok(self.s.get(f"{P}/experiments/{fire['started']}"))["state"] == "SUCCEEDED", "the experiment to end")

    def test_a_schedule_fires_once_for_each_time_over_kills(self):
        called = name("s")
        doc = pipeline({"a": {"run": {"shell": "echo $HONE_RUN >> " + self.file("ran")}}})
        self.ok(self.s.post(P + "/schedules", {"name": called, "when": {"every": 1, "overlap": "allow", "catchup": "all"}, "pipeline": doc}), 201)
        for _ in range(8):
            n = len(self.fires(called, "STARTED"))
            until(lambda: len(self.fires(called, "STARTED")) > n, "it to fire")
            self.s.kill()
            self.s.start()
        self.ok(self.s.post(f"{P}/schedules/{called}:pause"))
        fires = self.schedule(called)["fires"]
        self.assertEqual({f["outcome"] for f in fires}, {"STARTED"})
        times = sorted(f["planned_time"] for f in fires)
        self.assertEqual(len(times), len(set(times)))
        for f in fires:
            self.end({"uid": f["started"]})
        with open(self.file("ran")) as f:
            ran = f.read().split()
        self.assertEqual(sorted(ran), sorted(f["started"] for f in fires))
        self.assertEqual(self.s.delete(f"{P}/schedules/{called}").status, 204)

    # -- the command line

    def test_the_command_line_runs_shows_and_schedules(self):
        called = name("p")
        with open(self.file("p.yaml"), "w") as f:
            f.write(f"name: {called}\nparams: {{k: int}}\nsteps:\n  a: {{run: [sh, a.sh, '${{params.k}}', '${{out.x}}'], code: [a.sh], outputs: {{x: int}}}}\n"
                    "outputs: {x: '${steps.a.outputs.x}'}\n")
        with open(self.file("a.sh"), "w") as f:
            f.write("echo running; expr $1 + 1 > $2\n")
        done = self.s.cli("pipeline", "run", self.file("p.yaml"), "-p", "k=4", "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"x": 5', done.stdout)
        uid = self.s.cli("pipeline", "list", "-o", "name").stdout.split()[0]
        self.assertEqual(self.s.cli("pipeline", "logs", uid, "a").stdout, "running\n")
        self.assertIn("SUCCEEDED", self.s.cli("pipeline", "describe", uid).stdout)
        self.assertEqual(self.s.cli("pipeline", "rerun", uid, "-p", "k=7").returncode, 0)
        self.assertEqual(self.s.cli("pipeline", "run", self.file("p.yaml"), "-p", "k=many").returncode, 6)
        self.assertEqual(self.s.cli("pipeline", "resume", uid).returncode, 5)
        self.assertEqual(self.s.cli("pipeline", "schedule", self.file("p.yaml"), "-p", "k=1", "--cron", "0 3 * * *").returncode, 0)
        self.assertIn(called, self.s.cli("pipeline", "schedule", "list").stdout)
        self.assertEqual(self.s.cli("pipeline", "schedule", "delete", called).returncode, 0)
        self.assertEqual(self.s.cli("pipeline", "delete", uid).returncode, 0)
