# SPDX-License-Identifier: GPL-3.0-or-later
"""`hone worker`: trials of a service elsewhere, run on this machine."""
import itertools
import json
import os
import signal
import subprocess
import tempfile
import unittest

from hone import BIN, Case, ask_spec, clean_env, name, processes, run_spec, service, until

numbers = itertools.count(1)
ECHO = ["sh", "-c", 'echo "step=1 loss=5"; echo "step=2 loss=$1"', "t", "{lr}"]


class Worker:
    """A worker process; what it says is in a file."""

    def __init__(self, s, experiment, *args, command=ECHO, env=None, cwd=None):
        self.dir = tempfile.mkdtemp(prefix="hone-test-worker-")
        self.said_path = os.path.join(self.dir, "said")
        self.flags = [experiment, "--dir", os.path.join(self.dir, "runs"), *args, "--", *command]
        self.s, self.env, self.cwd = s, env or {}, cwd
        self.start()

    def start(self):
        env = {"HONE_URL": self.s.url, "HONE_TOKEN": self.s.token, "HONE_DATA": "/nonexistent", **self.env}
        with open(self.said_path, "a") as out:
            self.process = subprocess.Popen([BIN, "worker", *self.flags], env=clean_env(**env), cwd=self.cwd or self.dir, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        return self

    def said(self):
        with open(self.said_path) as file:
            return file.read()

    def wait(self, code=0):
        got = self.process.wait(120)
        assert got == code, f"the worker ended with {got}: {self.said()}"
        return self.said()

    def signal(self, number):
        self.process.send_signal(number)


class Runs(Case):
    def setUp(self):
        self.dir = tempfile.mkdtemp()

    def experiment(self, n=3, **more):
        return self.s.create(ask_spec(trials={"max": n, **more.pop("trials", {})}, **more))

    def worker(self, e, *args, **more):
        w = Worker(self.s, e.name, *args, **more)
        self.addCleanup(lambda: w.process.poll() is None and (w.process.kill(), w.process.wait()))
        return w

    def gate(self):
        path = os.path.join(self.dir, name("gate"))
        self.addCleanup(lambda: open(path, "w").close())
        return path

    def waiting(self, gate, before="", after="echo loss=1"):
        return ["sh", "-c", f'{before}\nwhile [ ! -e {gate} ]; do sleep 0.05; done\n{after}']

    @staticmethod
    def sleeper(before=""):
        """A command that sleeps, and a text that is in its command line alone."""
        mark = f"9{os.getpid()}.{next(numbers)}"
        return ["sh", "-c", f"{before}exec sleep ''9''{mark[1:]}"], mark

    def test_runs_all_trials_and_ends_with_the_experiment(self):
        e = self.experiment(7)
        said = self.worker(e, "--slots", "3").wait()
        self.assertEqual(e.wait()["counts"], {"SUCCEEDED": 7}, said)
        for t in e.trials():
            self.assertEqual(t["objective"], t["params"]["lr"])
            points = e.get(f"/trials/{t['number']}/measurements").json["measurements"]
            self.assertEqual([(m["step"], m["value"]) for m in points], [(1, 5), (2, t["params"]["lr"])])
        self.assertEqual(len({t["worker"] for t in e.trials()}), 3)

    def test_gives_a_trial_what_the_process_backend_gives(self):
        script = '{ env | grep -E "^(HONE|KATIB)_" | sort; pwd; } > "$0"; test -s "$HONE_PARAMS_FILE" && echo loss=1'
        e = self.experiment(1)
        w = self.worker(e, command=["sh", "-c", script, self.dir + "/out"])
        w.wait()
        with open(self.dir + "/out") as file:
            lines = file.read().splitlines()
        env = dict(line.split("=", 1) for line in lines if line.startswith(("HONE_", "KATIB_")))
        trial = e.trial(1)
        self.assertEqual((env["HONE_EXPERIMENT"], env["HONE_TRIAL"], env["HONE_ATTEMPT"], env["HONE_PARAM_ACT"]), (e.name, "1", "1", trial["params"]["act"]))
        self.assertEqual(json.loads(env["HONE_PARAMS"]), trial["params"])
        self.assertEqual(env["KATIB_TRIAL_NAME"], f"{e.name}-1")
        self.assertEqual(lines[-1], w.dir)  # where the worker was started
        # the same trial of the service's own backend has the same seed and no other variables
        own = self.s.create(run_spec("", parameters=ask_spec()["parameters"], seed=7, run={"command": ["sh", "-c", script, self.dir + "/own"]}))
        own.wait()
        with open(self.dir + "/own") as file:
            theirs = dict(line.split("=", 1) for line in file.read().splitlines() if line.startswith(("HONE_", "KATIB_")))
        self.assertEqual(set(env), set(theirs))
        self.assertEqual(env["HONE_SEED"], theirs["HONE_SEED"])

    def test_the_token_of_a_trial_is_good_for_it_alone(self):
        e = self.experiment(1)
        self.worker(e, command=["sh", "-c", 'echo "$HONE_TOKEN" > "$0"; echo loss=1', self.dir + "/token"]).wait()
        with open(self.dir + "/token") as file:
            token = file.read().strip()
        self.assertNotEqual(token, self.s.token)
        self.ok(e.get("/trials/1", token=token))
        self.problem(self.s.get("/api/v1/projects", token=token), 403)

    def test_metrics_from_a_file_and_what_is_no_number(self):
        e = self.experiment(1)
        self.worker(e, "--metrics", "file:m.jsonl", command=["sh", "-c", 'printf \'{"step": 1, "loss": NaN}\\n{"step": 2, "loss": 0.5, "acc": 1}\\n\' > "$HONE_METRICS_FILE"']).wait()
        points = e.get("/trials/1/measurements?metric=loss").json["measurements"]
        self.assertEqual([(m["step"], m["value"]) for m in points], [(1, "NaN"), (2, 0.5)])
        self.assertEqual((e.trial(1)["objective"], e.trial(1)["metrics"]["acc"]), (0.5, 1))

    def test_a_failed_command_says_why(self):
        e = self.experiment(1)
        self.worker(e, command=["sh", "-c", "echo no such table >&2; exit 3"]).wait()
        t = e.trial(1)
        self.assertEqual((t["state"], t["reason"]), ("FAILED", "EXIT_CODE"))
        self.assertRegex(t["message"], "exit code 3(.|\n)*no such table")

    def test_a_command_without_metrics_fails_the_trial(self):
        e = self.experiment(1)
        self.worker(e, command=["true"]).wait()
        self.assertEqual((e.trial(1)["state"], e.trial(1)["reason"]), ("FAILED", "METRICS_MISSING"))

    def test_a_program_that_is_not_there_fails_the_trial(self):
        e = self.experiment(1)
        self.worker(e, command=["no-such-program-here"]).wait()
        self.assertEqual((e.trial(1)["state"], e.trial(1)["reason"]), ("FAILED", "CANNOT_RUN"))

    def test_a_trial_that_reports_by_itself(self):
        e = self.experiment(1)
        self.worker(e, command=["sh", "-c", f"{BIN} report loss=0.25 --step 4"]).wait()
        self.assertEqual((e.trial(1)["state"], e.trial(1)["objective"]), ("SUCCEEDED", 0.25))

    def test_a_stopped_trial_is_ended_here(self):
        e = self.experiment(1)
        command, mark = self.sleeper("echo loss=3; ")
        w = self.worker(e, "--lease", "1s", command=command)
        until(lambda: e.get("/trials/1/measurements").status == 200 and e.get("/trials/1/measurements").json["measurements"], "the value")
        self.ok(e.post("/trials/1:stop"))
        self.assertEqual(e.wait_trial(1)["state"], "CANCELLED")
        w.wait()
        self.assertEqual(processes(mark), [])

    def test_a_pruned_trial_is_ended_here(self):
        e = self.experiment(1, stopping={"name": "threshold", "settings": {"upper": 10}})
        self.worker(e, command=["sh", "-c", "for i in $(seq 2000); do echo step=$i loss=99; sleep 0.05; done"]).wait()
        self.assertEqual(e.trial(1)["state"], "PRUNED")

    def test_trials_that_pause_go_on_from_their_checkpoints(self):
        script = ('f="$HONE_CHECKPOINT_DIR/at"; i=$(cat "$f" 2>/dev/null || echo 0); echo "began at $i"; while [ $i -lt ${HONE_BUDGET:-9} ]; do i=$((i+1)); '
                  'echo "step=$i loss=$(awk "BEGIN{print $1/$i}")"; done; echo $i > "$f"')
        e = self.experiment(9, trials={"parallel": 1}, stopping={"name": "asha", "settings": {"form": "pause", "min_resource": 1, "max_resource": 9}})
        w = self.worker(e, command=["sh", "-c", script, "t", "{lr}"])
        w.wait()
        attempts = [e.get(f"/trials/{t['number']}").json["attempts"] for t in e.trials()]
        again = [n + 1 for n, a in enumerate(attempts) if len(a) > 1]
        self.assertTrue(again, attempts)
        steps = [m["step"] for m in e.get(f"/trials/{again[0]}/measurements").json["measurements"]]
        self.assertEqual(steps, list(range(1, max(steps) + 1)))
        self.assertGreaterEqual(max(steps), 3)

    def test_the_first_signal_waits_for_what_runs(self):
        gate = self.gate()
        e = self.experiment(5)
        w = self.worker(e, command=self.waiting(gate))
        e.wait_trial(1, "RUNNING")
        w.signal(signal.SIGTERM)
        until(lambda: "no more trials" in w.said(), "the signal to be heard")
        open(gate, "w").close()
        w.wait()
        self.assertEqual([t["state"] for t in e.trials()], ["SUCCEEDED"])

    def test_the_second_signal_stops_it_and_another_worker_takes_the_trial(self):
        e = self.experiment(1)
        command, mark = self.sleeper()
        w = self.worker(e, "--lease", "2s", command=command)
        until(lambda: processes(mark), "the trial")
        w.signal(signal.SIGTERM)
        until(lambda: "no more trials" in w.said(), "the signal to be heard")
        w.signal(signal.SIGTERM)
        w.wait(143)
        self.assertEqual(processes(mark), [])
        self.worker(e, command=["echo", "loss=4"]).wait()
        self.assertEqual((e.trial(1)["state"], e.trial(1)["attempt"]), ("SUCCEEDED", 2))

    def test_a_killed_worker_adopts_its_runs(self):
        gate = self.gate()
        e = self.experiment(2)
        w = self.worker(e, "--slots", "2", command=self.waiting(gate, f'echo x >> {self.dir}/starts; echo "step=1 loss=8"', 'echo "step=2 loss=2"'))
        until(lambda: os.path.exists(self.dir + "/starts") and len(open(self.dir + "/starts").read()) == 4, "both to run")
        w.process.kill()
        w.process.wait()
        w.start()
        until(lambda: w.said().count("starts in slot") == 4, "both to be taken up")
        open(gate, "w").close()
        w.wait()
        self.assertEqual(e.wait()["counts"], {"SUCCEEDED": 2})
        self.assertEqual([(t["attempt"], t["objective"]) for t in e.trials()], [(1, 2), (1, 2)])
        with open(self.dir + "/starts") as file:
            self.assertEqual(file.read(), "x\nx\n")
        self.assertEqual(len(e.get("/trials/1/measurements").json["measurements"]), 2)

    def test_a_lost_lease_ends_the_run(self):
        e = self.experiment(1)
        command, mark = self.sleeper()
        w = self.worker(e, "--lease", "1s", command=command)
        until(lambda: processes(mark), "the trial")
        w.signal(signal.SIGSTOP)
        until(lambda: e.trial(1)["state"] == "QUEUED", "the lease to end")
        other = e.ask("another")
        w.signal(signal.SIGCONT)
        until(lambda: not processes(mark), "the run to be given up")
        self.ok(e.complete(other["number"], loss=1))
        w.wait()
        self.assertEqual((e.trial(1)["attempt"], e.trial(1)["objective"]), (2, 1))

    def test_two_workers_share_an_experiment(self):
        e = self.experiment(12)
        state = {"XDG_STATE_HOME": self.dir}  # both look for a directory of their own
        flags = [BIN, "worker", e.name, "-j", "2", "--", *ECHO]
        env = clean_env(HONE_URL=self.s.url, HONE_TOKEN=self.s.token, **state)
        both = [subprocess.Popen(flags, env=env, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        for w in both:
            said = w.communicate(timeout=120)[1]
            self.assertEqual(w.returncode, 0, said)
        self.assertEqual(e.wait()["counts"], {"SUCCEEDED": 12})

    def test_what_is_wrong_is_said_at_once(self):
        e = self.experiment(1)
        own = self.s.create(run_spec("echo loss=1"))
        for code, words, flags in ((2, "a command behind --", [e.name]), (3, "has no experiment", ["nobody", "--", "true"]),
                                   (5, "run` section", [own.name, "--", "true"]), (2, r"run\.command.*lrr", [e.name, "--", "echo", "{lrr}"]),
                                   (2, "--slots must be", [e.name, "--slots", "0", "--", "true"])):
            done = self.s.cli("worker", *flags)
            self.assertEqual(done.returncode, code, done)
            self.assertRegex(done.stderr, words)

    def test_a_directory_serves_one_worker(self):
        gate = self.gate()
        e = self.experiment(1)
        w = self.worker(e, command=self.waiting(gate))
        e.wait_trial(1, "RUNNING")
        done = self.s.cli("worker", *w.flags)
        self.assertEqual(done.returncode, 5, done)
        self.assertIn("another worker runs there", done.stderr)
        open(gate, "w").close()
        w.wait()


class Away(unittest.TestCase):
    def test_a_worker_outlives_restarts_of_the_service(self):
        s = service()
        try:
            listen = f"127.0.0.1:{s.port}"
            e = s.create(ask_spec(trials={"max": 20}))
            w = Worker(s, e.name, "--slots", "2", "--lease", "20s", command=["sh", "-c", 'for i in 1 2 3 4 5; do echo "step=$i loss=$i"; sleep 0.05; done; echo "step=6 loss=$1"', "t", "{lr}"])
            s.listen = listen
            for at in (3, 8, 13):
                until(lambda: len(e.trials()) > at, f"trials; the worker: {w.said()}")
                s.kill()
                s.start()
            w.wait()
            self.assertEqual(e.wait()["counts"], {"SUCCEEDED": 20})
            for t in e.trials():
                self.assertEqual((t["attempt"], t["objective"]), (1, t["params"]["lr"]))
                self.assertEqual([m["step"] for m in e.get(f"/trials/{t['number']}/measurements").json["measurements"]], [1, 2, 3, 4, 5, 6])
        finally:
            s.close()


if __name__ == "__main__":
    unittest.main()
