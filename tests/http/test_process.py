# SPDX-License-Identifier: GPL-3.0-or-later
"""Trials that the service runs as processes: their numbers, logs, ends, limits; and hostile ones."""
import json
import os
import sys
import tempfile
import unittest

from hone import Case, name, processes, run_spec, until


class Metrics(Case):
    def run_one(self, script, **more):
        e = self.s.create(run_spec(script, **more))
        e.wait()
        return e, e.trial(1)

    def test_lines_become_measurements_and_the_objective(self):
        e, t = self.run_one("for i in 1 2 3; do echo epoch=$i loss=0.$i acc=0.9; done")
        self.assertEqual((t["state"], t["objective"], t["metrics"]["acc"]), ("SUCCEEDED", 0.3, 0.9))
        self.assertEqual([(m["step"], m["value"]) for m in e.get("/trials/1/measurements?metric=loss").json["measurements"]], [(1, 0.1), (2, 0.2), (3, 0.3)])
        self.assertEqual(e.get().json["best"], {"number": 1, "value": 0.3})

    def test_parameters_are_put_in(self):
        e, t = self.run_one('echo "loss=$1"')
        self.assertEqual(t["objective"], t["params"]["x"])

    def test_json_lines(self):
        _, t = self.run_one("""printf '{"step": 1, "loss": 0.5}\\nnoise {\\n{"step": 2, "loss": 0.25}\\n'""")
        self.assertEqual(t["objective"], 0.25)

    def test_stderr_when_asked(self):
        _, t = self.run_one("echo loss=0.5 >&2; echo loss=9", run={"metrics": "stderr"})
        self.assertEqual(t["objective"], 0.5)

    def test_file_when_asked(self):
        _, t = self.run_one("echo loss=0.125 > out.txt; echo loss=9", run={"metrics": {"from": "file", "path": "out.txt"}})
        self.assertEqual(t["objective"], 0.125)

    def test_own_filters(self):
        _, t = self.run_one("echo 'Result [loss]: 0.75'", run={"metrics": {"from": "stdout", "filters": [r"\[([a-z]+)\]: ([0-9.]+)"]}})
        self.assertEqual(t["objective"], 0.75)

    def test_last_line_without_an_end_counts(self):
        _, t = self.run_one("printf 'loss=0.5'")
        self.assertEqual(t["objective"], 0.5)

    def test_numbers_of_every_form(self):
        for text, value in (("1e-3", 1e-3), ("-2.5E+2", -250), (".5", 0.5), ("+7", 7)):
            with self.subTest(text):
                self.assertEqual(self.run_one(f"echo loss={text}")[1]["objective"], value)

    def test_nan_and_infinity_fail(self):
        for text, reason in (("nan", "OBJECTIVE_NAN"), ("inf", "OBJECTIVE_INFINITE"), ("-Infinity", "OBJECTIVE_INFINITE")):
            with self.subTest(text):
                _, t = self.run_one(f"echo loss={text}")
                self.assertEqual((t["state"], t["reason"]), ("FAILED", reason))

    def test_trial_that_is_failed_while_it_is_being_started_is_stopped(self):
        mark = name("mark")
        spec = run_spec(f"sleep 600; echo {mark}", trials=8, parallel=8)
        spec["trials"]["max_failed"] = -1  # the experiment must not end them first
        e = self.s.create(spec)
        for n in range(1, 9):
            self.ok(e.post(f"/trials/{n}:fail", {}))
        until(lambda: not processes(mark), "the processes to be gone")

    def test_missing_metric_fails_with_the_last_lines(self):
        e, t = self.run_one("echo all is well; echo accuracy=1")
        self.assertEqual((t["state"], t["reason"]), ("FAILED", "METRICS_MISSING"))
        self.assertIn("all is well", t["message"])
        self.assertIn("loss", t["message"])
        self.assertEqual((e.state(), t["attempts"][0]["exit_code"]), ("FAILED", 0))

    def test_trial_reports_by_the_command_line(self):
        from hone import BIN
        e, t = self.run_one(f"'{BIN}' report loss=0.5 --step 1 && '{BIN}' report loss=0.25 acc=1 --step 2; echo code=$?")
        self.assertEqual((t["state"], t["objective"]), ("SUCCEEDED", 0.25), e.log(1).text)

    def test_median_rule_stops_a_process_that_only_prints(self):
        script = "for i in 1 2 3 4 5 6 7 8 9 10; do if [ $HONE_TRIAL -lt 6 ]; then echo step=$i loss=0.$i; else echo step=$i loss=100; sleep 1; fi; done"
        e = self.s.create(run_spec(script, trials=6, stopping="median", run={"grace": 1}))
        e.wait()
        self.assertEqual((e.trial(6)["state"], e.trial(6)["reason"]), ("PRUNED", "PRUNED"))
        self.assertEqual(e.get().json["counts"], {"SUCCEEDED": 5, "PRUNED": 1})


class Contract(Case):
    def test_environment_of_a_trial(self):
        e = self.s.create(run_spec("env; echo loss=1; cat \"$HONE_PARAMS_FILE\"", run={"env": {"MINE": "x={x}", "LITERAL": "{{x}}"}}))
        e.wait()
        log = e.log(1).text
        env = dict(line.split("=", 1) for line in log.splitlines() if "=" in line)
        t = e.trial(1)
        self.assertEqual({k: env.get(k) for k in ("HONE_PROJECT", "HONE_EXPERIMENT", "HONE_TRIAL", "HONE_ATTEMPT", "HONE_URL", "LITERAL")},
                         {"HONE_PROJECT": "default", "HONE_EXPERIMENT": e.name, "HONE_TRIAL": "1", "HONE_ATTEMPT": "1", "HONE_URL": self.s.url, "LITERAL": "{x}"})
        self.assertEqual((json.loads(env["HONE_PARAMS"]), float(env["HONE_PARAM_X"]), float(env["MINE"].split("=")[1])), (t["params"], t["params"]["x"], t["params"]["x"]))
        self.assertEqual(json.loads(log.splitlines()[-1]), t["params"])
        for member in ("HONE_TOKEN", "HONE_SEED", "HONE_WORK_DIR", "HONE_CHECKPOINT_DIR", "HONE_ARTIFACT_DIR", "PATH", "HOME"):
            self.assertTrue(env.get(member), member)

    def test_seeds_differ_between_trials_and_agree_between_runs(self):
        seeds = []
        for _ in range(2):
            e = self.s.create(run_spec('echo "loss=1 seed=$HONE_SEED"; echo "$HONE_SEED" > /dev/null', trials=3))
            e.wait()
            seeds.append([t["metrics"]["seed"] for t in e.trials("&order_by=number")])
        self.assertEqual(*seeds)
        self.assertEqual(len(set(seeds[0])), 3)

    def test_katib_placeholders(self):
        spec = run_spec("true")
        spec["run"]["command"] = ["sh", "-c", "echo loss=${trialParameters.x}; echo name=${trialSpec.Name}"]
        e = self.s.create(spec)
        e.wait()
        self.assertEqual(e.trial(1)["objective"], e.trial(1)["params"]["x"])
        self.assertIn(f"name={e.name}-1", e.log(1).text)

    def test_values_never_reach_a_shell(self):
        mark = os.path.join(tempfile.gettempdir(), name("hone-injected"))
        evil = [f"$(touch {mark})", f"`touch {mark}`", f"'; touch {mark}; '", f'"; touch {mark}; "', f"x\ntouch {mark}"]
        spec = run_spec("true", trials=len(evil), algorithm="grid", parameters={"x": {"type": "categorical", "values": evil}})
        spec["run"]["command"] = ["sh", "-c", 'printf %s "$1" | tr "\\n" "|"; echo; echo loss=1', "trial", "{x}"]
        e = self.s.create(spec)
        e.wait()
        self.assertEqual(e.get().json["counts"], {"SUCCEEDED": len(evil)})
        self.assertEqual(sorted(e.log(n).text.splitlines()[0] for n in range(1, len(evil) + 1)), sorted(v.replace("\n", "|") for v in evil))
        spec = run_spec("true", trials=len(evil), algorithm="grid", parameters={"x": {"type": "categorical", "values": evil}}, run={"shell": True})
        spec["run"]["command"] = "printf %s {x} | tr '\\n' '|'; echo; echo loss=1"
        e = self.s.create(spec)
        e.wait()
        self.assertEqual(sorted(e.log(n).text.splitlines()[0] for n in range(1, len(evil) + 1)), sorted(v.replace("\n", "|") for v in evil))
        self.assertFalse(os.path.exists(mark))

    def test_working_directory_when_given(self):
        with tempfile.TemporaryDirectory() as d:
            e = self.s.create(run_spec("echo dir=$(pwd); echo loss=1", run={"cwd": d}))
            e.wait()
            self.assertIn(f"dir={os.path.realpath(d)}", e.log(1).text)

    def test_service_environment_is_not_handed_on(self):
        with_secret = run_spec("env; echo loss=1")
        e = self.s.create(with_secret)
        e.wait()
        self.assertNotIn(self.s.token, e.log(1).text)


class Logs(Case):
    def test_both_streams_apart(self):
        e = self.s.create(run_spec("echo out; echo err >&2; echo loss=1"))
        e.wait()
        self.assertEqual((e.log(1).text, e.log(1, "?stream=stderr").text), ("out\nloss=1\n", "err\n"))
        self.assertEqual(e.log(1).headers.get_content_type(), "text/plain")
        self.problem(e.log(1, "?stream=sideways"), 422)

    def test_parts_follow_on_each_other(self):
        e = self.s.create(run_spec("for i in $(seq 1 500); do echo line $i; done; echo loss=1"))
        e.wait()
        whole, part, offset = e.log(1).text, "", 0
        while True:
            answer = e.log(1, f"?offset={offset}&limit=1000")
            self.assertLessEqual(len(answer.body), 1000)
            part += answer.text
            offset = int(answer.headers["Next-Offset"])
            if answer.headers["Log-End"] == "true":
                break
        self.assertEqual(part, whole)
        self.assertEqual(e.log(1, "?tail=2").text, "line 500\nloss=1\n")
        got = e.log(1, "?offset=5&limit=4")
        as_json = e.get("/trials/1/logs?offset=5&limit=4", headers={"Accept": "application/json"}).json
        self.assertEqual((as_json["text"], as_json["next_offset"]), (got.text, int(got.headers["Next-Offset"])))

    def test_log_of_a_running_trial_can_be_followed(self):
        e = self.s.create(run_spec("echo first; sleep 1; echo second; echo loss=1; sleep 1"))
        text, offset = "", 0
        while True:
            answer = e.log(1, f"?offset={offset}&wait=5")
            if answer.status == 200:
                text += answer.text
                offset = int(answer.headers["Next-Offset"])
                if answer.headers["Log-End"] == "true":
                    break
        self.assertEqual(text, "first\nsecond\nloss=1\n")

    def test_log_of_an_earlier_attempt(self):
        e = self.s.create(run_spec("echo attempt $HONE_ATTEMPT; [ $HONE_ATTEMPT = 2 ] && echo loss=1 || exit 1", run={"retries": 1, "retry_delay": 0}))
        e.wait()
        self.assertEqual(e.log(1, "?attempt=1").text, "attempt 1\n")
        self.assertEqual(e.log(1).text, "attempt 2\nloss=1\n")
        self.problem(e.log(1, "?attempt=7"), 404)


class Ends(Case):
    def end(self, script, **more):
        e = self.s.create(run_spec(script, **more))
        e.wait()
        return e.trial(1)

    def test_exit_code_fails_with_the_last_lines(self):
        t = self.end("echo loss=1; echo something broke >&2; exit 7")
        self.assertEqual((t["state"], t["reason"], t["attempts"][0]["exit_code"]), ("FAILED", "EXIT_CODE", 7))
        self.assertIn("something broke", t["message"])
        self.assertIn("7", t["message"])

    def test_signal(self):
        t = self.end("kill -SEGV $$")
        self.assertEqual((t["state"], t["reason"], t["attempts"][0]["signal"]), ("FAILED", "SIGNAL", 11))

    def test_success_codes(self):
        self.assertEqual(self.end("echo loss=1; exit 3", run={"success_codes": [0, 3]})["state"], "SUCCEEDED")

    def test_time_limit(self):
        mark = name("slow")
        t = self.end(f"sleep 600 & sleep 600 # {mark}", limits={"trial_time": 1}, run={"grace": 1})
        self.assertEqual((t["state"], t["reason"]), ("FAILED", "TIMEOUT"))
        until(lambda: not processes(mark), "the process to be gone")

    def test_retries_after_a_failure(self):
        t = self.end("[ $HONE_ATTEMPT = 3 ] && echo loss=1 || exit 1", run={"retries": 2, "retry_delay": 0})
        self.assertEqual((t["state"], [a["state"] for a in t["attempts"]][-1], len(t["attempts"])), ("SUCCEEDED", "SUCCEEDED", 3))

    def test_retries_come_to_an_end(self):
        t = self.end("exit 1", run={"retries": 2, "retry_delay": 0})
        self.assertEqual((t["state"], len(t["attempts"])), ("FAILED", 3))

    def test_no_retry_unless_asked(self):
        self.assertEqual(len(self.end("exit 1")["attempts"]), 1)

    def test_retry_on_listed_codes(self):
        t = self.end("[ $HONE_ATTEMPT = 2 ] && echo loss=1 || exit 75", run={"retry_on": [75], "retry_delay": 0})
        self.assertEqual((t["state"], len(t["attempts"])), ("SUCCEEDED", 2))

    def test_stop_ends_the_whole_tree_softly(self):
        mark = name("tree")
        e = self.s.create(run_spec(f"trap 'echo loss=0.5; exit 0' TERM; (sleep 600; : {mark}) & echo ready; wait", run={"grace": 20}))
        until(lambda: e.log(1).status == 200 and "ready" in e.log(1).text, "the trial to run")
        self.ok(e.post("/trials/1:stop"))
        t = e.wait_trial(1)
        self.assertEqual((t["state"], t["reason"], t["metrics"].get("loss")), ("CANCELLED", "USER", 0.5))
        until(lambda: not processes(mark), "the tree to be gone")

    def test_parallel_is_kept(self):
        with tempfile.TemporaryDirectory() as d:
            script = f"mkdir {d}/$HONE_TRIAL; ls {d} | wc -l | sed 's/^/loss=/'; sleep 0.05; rmdir {d}/$HONE_TRIAL"
            e = self.s.create(run_spec(script, trials=24, parallel=3))
            done = e.wait()
            self.assertEqual(done["counts"], {"SUCCEEDED": 24})
            self.assertLessEqual(max(t["objective"] for t in e.trials()), 3)

    def test_a_hundred_short_trials(self):
        e = self.s.create(run_spec("echo loss=$1", trials=100, parallel=2))
        self.assertEqual(e.wait()["counts"], {"SUCCEEDED": 100})


class Hostile(Case):
    def test_forks_that_ignore_sigterm_are_ended(self):
        mark = name("stubborn")
        script = f"trap '' TERM INT HUP; for i in 1 2 3; do (trap '' TERM; setsid sh -c \"trap '' TERM; while :; do sleep 1; : {mark}; done\" &) ; done; echo ready; while :; do sleep 1; : {mark}; done"
        e = self.s.create(run_spec(script, run={"grace": 1}))
        until(lambda: e.log(1).status == 200 and "ready" in e.log(1).text, "the trial to run")
        self.assertTrue(processes(mark))
        self.ok(e.post("/trials/1:stop"))
        self.assertEqual(e.wait_trial(1)["state"], "CANCELLED")
        until(lambda: not processes(mark), "all of its processes to be ended")

    def test_daemons_left_behind_are_ended(self):
        mark = name("daemon")
        e = self.s.create(run_spec(f"(setsid sleep 600; : {mark}) > /dev/null 2>&1 & echo loss=1"))
        self.assertEqual(e.wait()["state"], "SUCCEEDED")
        until(lambda: not processes(mark), "the daemon to be ended")

    def test_log_flood_is_cut_and_the_value_kept(self):
        e = self.s.create(run_spec("head -c 20000000 /dev/zero | tr '\\0' 'x' | fold -w 100; echo; echo loss=0.5", run={"log_limit": "1Mi"}))
        e.wait()
        self.assertEqual((e.trial(1)["state"], e.trial(1)["objective"]), ("SUCCEEDED", 0.5))
        kept = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(self.s.data + "/process") for f in files if os.path.exists(os.path.join(d, f)))
        self.assertLess(kept, 6 << 20)
        self.assertIn("loss=0.5", e.log(1, "?tail=1").text)

    def test_flood_without_line_ends(self):
        e = self.s.create(run_spec("head -c 5000000 /dev/zero | tr '\\0' 'x'; echo; echo loss=0.5"))
        e.wait()
        self.assertEqual(e.trial(1)["objective"], 0.5)

    def test_binary_output(self):
        e = self.s.create(run_spec("head -c 100000 /dev/urandom; echo; echo loss=0.5; head -c 1000 /dev/urandom >&2"))
        e.wait()
        self.assertEqual(e.trial(1)["objective"], 0.5)
        self.assertEqual(e.log(1).status, 200)
        e.get("/trials/1/logs", headers={"Accept": "application/json"}).json  # noqa: B018 - must parse

    def test_binary_output_of_a_failure_is_told_as_text(self):
        e = self.s.create(run_spec("head -c 3000 /dev/urandom >&2; exit 1"))
        e.wait()
        self.assertEqual(e.trial(1)["reason"], "EXIT_CODE")

    def test_carriage_returns_of_progress_bars(self):
        e = self.s.create(run_spec("printf '10%%\\r50%%\\rloss=0.7\\r100%%\\nloss=0.5\\n'"))
        e.wait()
        self.assertEqual(e.trial(1)["objective"], 0.5)

    def test_files_in_the_way_of_the_working_directory(self):
        e = self.s.create(run_spec("ln -s /etc/passwd link; mkdir -p a/b/c; chmod 000 a; echo loss=1"))
        e.wait()
        self.assertEqual(e.trial(1)["state"], "SUCCEEDED")
        self.ok(self.s.delete(e.path), 204)

    def test_memory_limit(self):
        spec = run_spec("true", run={"limits": {"memory": "512Mi"}})
        spec["run"]["command"] = [sys.executable, "-c", "b = bytearray(2 << 30); print('loss=1')"]
        e = self.s.create(spec)
        e.wait()
        self.assertEqual(e.trial(1)["state"], "FAILED")

    def test_trial_tells_its_end_and_its_exit_code_decides(self):
        script = """%s -c "
import json, os, urllib.request as u
base = os.environ['HONE_URL'] + '/api/v1/projects/default/experiments/' + os.environ['HONE_EXPERIMENT'] + '/trials/1'
def post(verb, body):
    return u.urlopen(u.Request(base + verb, json.dumps(body).encode(), {'Authorization': 'Bearer ' + os.environ['HONE_TOKEN'], 'Content-Type': 'application/json'})).read()
post(':report', {'measurements': [{'step': 1, 'metrics': {'loss': 0.5}}]})
post(':complete', {'metrics': {'loss': 0.25}})
"; exit %d"""
        for code, end in ((0, ("SUCCEEDED", 0.25)), (1, ("FAILED", None))):
            e = self.s.create(run_spec(script % (sys.executable, code)))
            e.wait()
            self.assertEqual((e.trial(1)["state"], e.trial(1)["objective"]), end, e.log(1, "?stream=stderr").text)
            self.assertEqual([m["value"] for m in e.get("/trials/1/measurements").json["measurements"]], [0.5, 0.25])


if __name__ == "__main__":
    unittest.main()
