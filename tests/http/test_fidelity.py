# SPDX-License-Identifier: GPL-3.0-or-later
"""Trials that pause at rungs and go on from their checkpoints, as real processes of a real service."""
import shutil
import tempfile
import time
import unittest

from hone import Case, Service, ask_spec, name, run_spec

# Takes a step at a time from its checkpoint on; each leaves a line in the directory of the test.
TRAIN = """
at=$(cat $HONE_CHECKPOINT_DIR/step 2> /dev/null || echo 0)
while [ $at -lt ${HONE_BUDGET:-9} ]; do
    at=$((at + 1))
    echo $at > $HONE_CHECKPOINT_DIR/new; mv $HONE_CHECKPOINT_DIR/new $HONE_CHECKPOINT_DIR/step
    echo "$HONE_TRIAL $at" >> @/steps
    echo "step=$at loss=$1"
done
"""
ASHA = {"name": "asha", "settings": {"form": "pause", "max_resource": 9}}


class Pauses(Case):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="hone-fidelity-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def steps(self):
        with open(self.dir + "/steps") as file:
            return [tuple(map(int, line.split())) for line in file]

    def check(self, e):
        trials = e.trials()
        steps = self.steps()
        self.assertEqual(len(steps), len(set(steps)))  # none was taken twice
        done = [t for t in trials if t["state"] == "SUCCEEDED"]
        self.assertTrue(done)
        self.assertEqual({t["state"] for t in trials}, {"SUCCEEDED", "PRUNED"})
        for t in done:
            self.assertEqual([s for n, s in steps if n == t["number"]], list(range(1, 10)))
            self.assertEqual([a["state"] for a in e.trial(t["number"])["attempts"]], ["PAUSED", "PAUSED", "SUCCEEDED"])
        self.assertEqual(min(t["objective"] for t in done), min(t["params"]["x"] for t in trials))  # the best was found
        self.assertLess(len(steps), 9 * len(trials) / 2)

    def test_the_best_go_on_from_their_checkpoints(self):
        e = self.s.create(run_spec(TRAIN.replace("@", self.dir), trials=12, parallel=2, stopping=ASHA))
        self.assertEqual(e.wait()["state"], "SUCCEEDED")
        self.check(e)
        best = e.get().json["best"]["number"]
        events = [x for x in e.get("/events?limit=1000").json["events"] if x["kind"] == "trial.promoted" and x["trial"] == best]
        self.assertEqual([x["data"]["budget"] for x in events], [3, 9])
        self.assertIn("at the rung of step 1", events[0]["data"]["why"])
        self.assertIn("not promoted", self.ok(e.get("/trials?filter=state=PRUNED"))["trials"][0]["message"])

    def test_nothing_is_lost_when_the_service_dies(self):
        with Service() as s:
            e = s.create(run_spec(TRAIN.replace("@", self.dir) + "sleep 0.2", trials=12, parallel=2, stopping=ASHA))
            for _ in range(4):
                time.sleep(0.3)
                s.kill()
                s.start()
            self.assertEqual(e.wait()["state"], "SUCCEEDED")
            self.check(e)

    def test_a_process_that_knows_no_budget_is_ended_at_its_rung(self):
        script = 'for i in 1 2 3; do echo "step=$i loss=$1"; sleep 600; done'
        e = self.s.create(run_spec(script, trials=4, parallel=4, stopping=ASHA))
        t = e.wait_trial(2, "PAUSED")  # the first is the best of four, and goes on
        self.assertEqual((t["reason"], t["objective"]), ("PAUSED", t["params"]["x"]))
        self.assertIn("paused: it waits at the rung of step 1", self.ok(e.get("/trials/2/explain"))["stopped"]["message"])
        self.ok(e.post(":stop"))
        self.assertEqual(e.wait()["state"], "CANCELLED")

    def test_budget_is_a_placeholder(self):
        e = self.s.create(run_spec("", trials=3, stopping=ASHA, run={"command": ["sh", "-c", 'echo "step=$1 loss=1"', "sh", "{budget}"]}))
        e.wait()
        self.assertEqual([m["step"] for m in e.get("/trials/1/measurements").json["measurements"]], [1, 3, 9])

    def test_a_lease_says_the_budget(self):
        e = self.s.create(ask_spec(name(), stopping=ASHA))
        t = e.ask()
        self.assertEqual(t["lease"]["budget"], 1)
        self.assertEqual(self.ok(e.report(t["number"], 1, 0.5))["reason"], "PAUSED")
        self.assertEqual(self.ok(e.complete(t["number"]))["state"], "PAUSED")
        self.assertNotIn("budget", self.s.create(ask_spec()).ask()["lease"])

    def test_settings_that_do_not_fit_are_named(self):
        for more, pointer, says in [
            ({"stopping": {"name": "asha", "settings": {"form": "pause"}}}, "/stopping/settings/max_resource", "is not set"),
            ({"stopping": {"name": "asha", "settings": {"min_resource": 9, "max_resource": 9}}}, "/stopping/settings/max_resource", "must be above the first rung"),
            ({"stopping": {"name": "hyperband", "settings": {"min_resource": 100}}}, "/stopping/settings/max_resource", "must be above the first rung"),
            ({"stopping": ASHA, "trials": {"replicates": 2}}, "/trials/replicates", "must be 1"),
        ]:
            answer = self.s.post("/api/v1/projects/default/experiments", ask_spec(**more))
            self.assertEqual(answer.status, 422, answer)
            self.assertEqual([x["pointer"] for x in answer.json["errors"]], [pointer])
            self.assertIn(says, answer.json["errors"][0]["detail"])


# Three steps a trial, from the checkpoint of its own or its parent's; the checkpoint is a directory with a link in it.
STRETCH = """
c=$HONE_CHECKPOINT_DIR/state; mkdir -p $c/deep
at=$(cat $c/deep/step 2> /dev/null || echo 0)
echo "resume=$HONE_RESUME from=$at parent=${HONE_PARENT:-0}"
[ $at = 0 ] || [ "$(readlink $c/last)" = deep/step ] || exit 1
for i in 1 2 3; do at=$((at + 1)); echo "step=$at loss=$1"; done
echo $at > $c/deep/step; ln -sf deep/step $c/last
"""


class Population(Case):
    def test_members_go_on_from_checkpoints_and_the_worst_from_those_of_the_best(self):
        e = self.s.create(run_spec(STRETCH, trials=30, parallel=3, algorithm={"name": "pbt", "settings": {"n_population": 6}}))
        self.assertEqual(e.wait()["state"], "SUCCEEDED")
        trials = {t["number"]: t for t in e.trials()}
        steps = {n: [m["step"] for m in e.get(f"/trials/{n}/measurements?metric=loss").json["measurements"]] for n in trials}
        taken_over = 0
        for n, t in trials.items():
            o = t["origin"]
            parent = o.get("parent", 0)
            self.assertEqual(steps[n], list(range(3 * o["generation"] + 1, 3 * o["generation"] + 4)) if not parent
                             else [steps[parent][-1] + i for i in (1, 2, 3)])
            self.assertIn(f"resume={int(parent > 0)} from={steps[n][0] - 1} parent={parent}", e.log(n).text)
            if parent and trials[parent]["origin"]["member"] != o["member"]:
                taken_over += 1
                self.assertEqual(o["how"], "exploit and explore")
                self.assertIn(f"takes over the checkpoint of trial {parent}", self.ok(e.get(f"/trials/{n}/explain"))["why"])
            elif parent:
                self.assertEqual(t["params"], trials[parent]["params"])
        self.assertGreater(taken_over, 2)

    def test_workers_are_told_the_parent_and_wait_for_members(self):
        e = self.s.create(ask_spec(algorithm={"name": "pbt", "settings": {"n_population": 5}}))
        for n in range(1, 6):
            self.assertEqual(e.ask(worker=f"w{n}")["origin"]["member"], n)
        self.assertEqual(e.suggest(worker="late")["trials"], [])  # all members run
        self.ok(e.complete(3, loss=1))
        t = e.ask(worker="late", wait_seconds=20)
        self.assertEqual((t["origin"]["member"], t["origin"]["parent"], t["origin"]["generation"]), (3, 3, 1))

    def test_replicates_are_refused(self):
        answer = self.s.post("/api/v1/projects/default/experiments", ask_spec(algorithm="pbt", trials={"replicates": 2}))
        self.assertEqual([x["pointer"] for x in answer.json["errors"]], ["/trials/replicates"])


class Rules(Case):
    def test_each_rule_has_a_metric_of_its_own(self):
        rules = ["median", {"name": "threshold", "metric": "memory", "direction": "minimize", "settings": {"upper": 100}}]
        e = self.s.create(run_spec('for i in 1 2 3; do echo "step=$i loss=1 memory=$((40 * i))"; sleep 0.2; done; sleep 600', stopping=rules))
        self.assertEqual([r.get("metric") for r in e.get().json["spec"]["stopping"]], [None, "memory"])
        t = e.wait_trial(1)
        self.assertEqual((t["state"], t["message"]), ("PRUNED", "threshold on memory: stopped: its value at step 3 is 120, above 100"))
        self.assertEqual(self.s.create({**e.get().json["spec"], "name": name()}).get().json["spec"]["stopping"], e.get().json["spec"]["stopping"])

    def test_what_does_not_fit_is_named(self):
        pause = {"name": "asha", "settings": {"form": "pause", "max_resource": 9}}
        for rules, pointer in [
            ([{"name": "median", "metric": "memory"}], "/stopping/0/direction"),
            ([{"name": "median", "metric": "loss", "direction": "maximize"}], "/stopping/0/direction"),
            (["median", "meden"], "/stopping/1"),
            (["median"] * 5, "/stopping"),
            (["patient", {"name": "asha", "settings": {"max_resource": 1}}], "/stopping/1/settings/max_resource"),
            ([pause, pause], "/stopping/1/settings/form"),
            ({"name": "median", "settings": {"start_stepp": 1}}, "/stopping/settings/start_stepp"),
        ]:
            answer = self.s.post("/api/v1/projects/default/experiments", ask_spec(stopping=rules))
            self.assertEqual([x["pointer"] for x in answer.json["errors"]], [pointer], rules)


class Bohb(Case):
    def test_a_model_learns_from_rungs_and_hyperband_stops(self):
        e = self.s.create(ask_spec(parameters={"x": {"type": "float", "min": 0, "max": 1}, "y": {"type": "float", "min": 0, "max": 1}},
                                   algorithm={"name": "bohb", "settings": {"max_resource": 27, "random_fraction": 0}}))
        rule = e.get().json["spec"]["stopping"]
        self.assertEqual((rule["name"], rule["settings"]["max_resource"], rule["settings"]["form"]), ("hyperband", 27, "stop"))
        steps = 0
        for _ in range(30):
            t = e.ask()
            for step in range(1, 28):
                loss = abs(t["params"]["x"] - 0.3) + abs(t["params"]["y"] - 0.6) + 1 / step
                steps += 1
                if self.ok(e.report(t["number"], step, loss))["should_stop"]:
                    break
            e.complete(t["number"])
        trials = e.trials()
        self.assertLess(steps, 30 * 27 * 0.7)
        self.assertIn("PRUNED", {t["state"] for t in trials})
        self.assertEqual(trials[0]["origin"]["how"], "initial design")
        told = [t["origin"]["note"] for t in trials if t["origin"]["how"].startswith("tpe")]
        self.assertIn("values at step 1.", told[0])
        self.assertTrue(any("values at step 27." in note for note in told), told[-1])
        late = [abs(t["params"]["x"] - 0.3) + abs(t["params"]["y"] - 0.6) for t in trials[20:]]
        early = [abs(t["params"]["x"] - 0.3) + abs(t["params"]["y"] - 0.6) for t in trials[:6]]
        self.assertLess(sum(late) / len(late), sum(early) / len(early))

    def test_another_rule_may_be_named(self):
        e = self.s.create(ask_spec(algorithm="bohb", stopping={"name": "asha", "settings": {"form": "pause", "max_resource": 81}}))
        self.assertEqual(e.get().json["spec"]["stopping"]["name"], "asha")
        self.assertEqual(e.ask()["lease"]["budget"], 1)


class Outlook(Case):
    def tell(self, e, value):
        e.complete(e.ask()["number"], loss=value)

    def test_what_is_still_expected_is_always_shown(self):
        e = self.s.create(ask_spec(trials={"max": 40}))
        for i in range(9):
            self.tell(e, 10 - i)
        self.assertEqual(e.get().json["outlook"], {"trials": 31, "improvement": None})
        self.tell(e, 0.5)
        got = e.get().json["outlook"]
        self.assertEqual(got["trials"], 30)
        self.assertGreater(got["improvement"], 0.1)
        self.assertIn("expected gain", self.s.cli("describe", e.name).stdout)
        for _ in range(10):
            self.tell(e, 0.5)
        self.assertLess(e.get().json["outlook"]["improvement"], got["improvement"] / 100)
        self.assertEqual(e.state(), "RUNNING")  # it is only shown

    def test_an_experiment_ends_when_no_more_is_expected(self):
        e = self.s.create(ask_spec(trials={"max": 1000, "parallel": 2}, limits={"min_improvement": 1e-3}))
        running = e.ask(worker="slow")["number"]
        for i in range(100):
            if e.state() != "RUNNING":
                break
            self.tell(e, 1 / (1 + i) ** 4)
        self.assertTrue(20 <= i < 60, i)
        self.assertEqual(e.state(), "STOPPING")  # what runs comes to its end
        self.ok(e.complete(running, loss=1))
        got = e.wait()
        self.assertEqual((got["state"], got["reason"]), ("SUCCEEDED", "CONVERGED"))
        self.assertIn("min_improvement", got["message"])
        self.assertEqual(got["outlook"]["trials"], 0)

    def test_wrong_bounds_are_named(self):
        for more in ({"limits": {"min_improvement": -1}},
                     {"limits": {"min_improvement": 1}, "objective": None, "objectives": [{"metric": m, "direction": "minimize"} for m in "ab"]}):
            spec = {k: v for k, v in ask_spec(**more).items() if v is not None}
            answer = self.s.post("/api/v1/projects/default/experiments", spec)
            self.assertEqual([x["pointer"] for x in answer.json["errors"]], ["/limits/min_improvement"], answer)


if __name__ == "__main__":
    unittest.main()
