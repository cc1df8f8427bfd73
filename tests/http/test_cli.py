# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line against a real service: verbs, formats, exit codes."""
import csv
import io
import json
import os
import signal
import subprocess
import tempfile
import unittest

from hone import BIN, Case, ask_spec, clean_env, name, processes, run_spec, until

GOOD = """
objective: {metric: loss, direction: minimize}
parameters:
  x: {type: float, min: -1, max: 1}
algorithm: random
seed: 3
trials: {max: 4, parallel: 2}
run:
  command: [sh, -c, 'echo loss=$1', t, "{x}"]
"""


class Cli(Case):
    def setUp(self):
        self.dir = tempfile.mkdtemp()

    def file(self, text, filename="exp.yaml"):
        path = os.path.join(self.dir, filename)
        with open(path, "w") as f:
            f.write(text)
        return path

    def cli(self, *args, code=0, **more):
        done = self.s.cli(*args, **more)
        self.assertEqual(done.returncode, code, f"hone {' '.join(args)}: {done}")
        return done

    def finished(self, **more):
        e = self.s.create(run_spec("echo loss=$1", trials=3, **more))
        e.wait()
        return e


class Run(Cli):
    def test_run_waits_and_shows_the_leaderboard(self):
        done = self.cli("run", self.file(GOOD), "--name", name("run"))
        self.assertIn("SUCCEEDED", done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 5, done.stdout)  # a heading and four trials

    def test_run_warns_as_validate_does(self):
        path = self.file(GOOD.replace("min: -1", "min: 0.000001"))
        for verb in (["validate"], ["run", "--name", name("run")]):
            with self.subTest(verb):
                self.assertRegex(self.cli(verb[0], path, *verb[1:]).stderr, r"exp\.yaml: parameters\.x.*warning: ")

    def test_run_overrides_the_file_and_writes_what_pipelines_read(self):
        out = os.path.join(self.dir, "new", "dir")
        n = name("run")
        self.cli("run", self.file(GOOD), "--name", n, "-n", "2", "-j", "1", "--seed", "5", "--best-params-out", out + "/p.json", "--best-value-out", out + "/v", "--link-out", out + "/l")
        e = self.s.get(f"/api/v1/projects/default/experiments/{n}").json
        self.assertEqual((e["n_trials"], e["seed"], e["spec"]["trials"]["parallel"]), (2, 5, 1))
        with open(out + "/p.json") as p, open(out + "/v") as v, open(out + "/l") as link:
            self.assertEqual((json.load(p)["x"], float(v.read())), (e["best"]["value"], e["best"]["value"]))
            self.assertEqual(link.read().strip(), f"{self.s.url}/#/default/{n}")

    def test_run_takes_a_sweep_of_wandb(self):
        self.file("import sys\nprint('loss=' + dict(a[2:].split('=') for a in sys.argv[1:])['x'])\n", "train.py")
        path = self.file("program: train.py\nmethod: random\nmetric: {name: loss, goal: minimize}\nparameters: {x: {min: 0.0, max: 1.0}, y: {value: 3}}\nrun_cap: 9\n", "sweep.yaml")
        n = name("sweep")
        self.cli("run", path, "--name", n, "-n", "4", "-j", "2", "--seed", "5")
        e = self.s.get(f"/api/v1/projects/default/experiments/{n}").json
        self.assertEqual((e["counts"], e["seed"], e["spec"]["trials"]["parallel"]), ({"SUCCEEDED": 4}, 5, 2))

    def test_run_as_json(self):
        got = json.loads(self.cli("run", self.file(GOOD), "--name", name("run"), "-o", "json").stdout)
        self.assertEqual((got["state"], got["counts"]), ("SUCCEEDED", {"SUCCEEDED": 4}))

    def test_run_without_success_is_8(self):
        n = name("bad")
        out = self.dir + "/p.json"
        self.cli("run", self.file(GOOD.replace("echo loss=$1", "exit 3")), "--name", n, "--best-params-out", out, code=8)
        self.assertFalse(os.path.exists(out))

    def test_wrong_file_is_6_with_places(self):
        path = self.file(GOOD.replace("max: 1}", "max: -2}").replace("trials:", "trails:"))
        for verb in (("run", path), ("validate", "-f", path)):
            done = self.cli(*verb, code=6)
            self.assertRegex(done.stderr, r"parameters\.x\.(min|max)")
            self.assertRegex(done.stderr, r"trails.*did you mean trials")

    def test_validate_needs_no_service(self):
        self.cli("validate", "-f", self.file(GOOD), at=False)
        self.cli("validate", "-f", self.file("a: [", "b.yaml"), code=6, at=False)
        self.cli("validate", "-f", self.dir + "/missing.yaml", code=2, at=False)

    def test_detach_then_wait(self):
        n = name("detached")
        self.assertEqual(self.cli("run", self.file(GOOD), "--name", n, "-d").stdout.strip(), n)
        self.cli("wait", n, "--for=succeeded", "--timeout", "60s")
        self.cli("wait", n, "--for=failed", "--timeout", "60s", code=8)

    def test_wait_gives_up_in_time(self):
        e = self.s.create(ask_spec())
        self.cli("wait", e.name, "--timeout", "1s", code=7)

    def test_commands_run_in_the_directory_of_the_file(self):
        self.file("echo loss=0.5\n", "mine.sh")
        path = self.file(GOOD.replace("[sh, -c, 'echo loss=$1', t, \"{x}\"]", "[sh, mine.sh]"))
        self.cli("run", path, "--name", name("cwd"), cwd="/")

    def test_interrupt_detaches(self):
        n = name("detach")
        p = subprocess.Popen([BIN, "run", self.file(GOOD.replace("echo loss=$1", "sleep 600")), "--name", n], env=clean_env(HONE_DATA=self.s.data),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertIn(n, p.stderr.readline())  # it knows that the experiment is made
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 130, err)
        self.assertIn("hone watch", err)
        self.assertEqual(self.s.get(f"/api/v1/projects/default/experiments/{n}").json["state"], "RUNNING")
        self.cli("stop", n)

    def test_tune_without_a_file(self):
        n = name("tune")
        done = self.cli("tune", "-p", "lr=1e-5..1e-1:log", "-p", "bs=32,64", "-p", "n=1..4:int", "-p", "flag=bool", "--minimize", "loss", "-n", "5", "-j", "2", "--seed", "1",
                        "--name", n, "--", "sh", "-c", "echo loss=$1; echo args=$*", "t", "{lr}", "{bs}", "{n}", "{flag}", cwd=self.dir)
        self.assertIn("SUCCEEDED", done.stderr)
        trials = self.s.get(f"/api/v1/projects/default/experiments/{n}/trials").json["trials"]
        self.assertEqual(len(trials), 5)
        for t in trials:
            p = t["params"]
            self.assertTrue(1e-5 <= p["lr"] <= 0.1 and p["bs"] in (32, 64) and p["n"] in (1, 2, 3, 4) and isinstance(p["flag"], bool), p)

    def test_tune_says_what_is_missing(self):
        for args in ((), ("-p", "x=0..1"), ("-p", "x=0..1", "--minimize", "loss"), ("-p", "x", "--minimize", "loss", "--", "true"), ("-p", "x=1..0", "--minimize", "loss", "--", "true")):
            with self.subTest(args=args):
                self.assertIn(self.s.cli("tune", *args).returncode, (2, 6))

    def test_run_starts_a_service_of_its_own_when_there_is_none(self):
        data = os.path.join(self.dir, "data")
        done = subprocess.run([BIN, "run", self.file(GOOD), "--data", data], env=clean_env(), capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("dashboard: http://127.0.0.1:", done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 5, done)
        self.assertEqual(processes(data), [])


class Objects(Cli):
    def test_get_experiments_in_every_format(self):
        e = self.finished()
        self.assertIn(e.name, self.cli("get", "experiments").stdout)
        self.assertIn(e.name, [x["name"] for x in json.loads(self.cli("get", "experiments", "-o", "json").stdout)])
        self.assertIn(f"name: {e.name}", self.cli("get", "experiments", "-o", "yaml").stdout)
        self.assertIn(e.name, self.cli("get", "experiments", "-o", "name").stdout.splitlines())
        self.assertTrue(any(r["name" if "name" in r else "NAME"] == e.name for r in csv.DictReader(io.StringIO(self.cli("get", "experiments", "-o", "csv").stdout))))
        self.assertTrue(all(json.loads(line) for line in self.cli("get", "experiments", "-o", "jsonl").stdout.splitlines()))

    def test_get_trials_filtered_and_sorted(self):
        e = self.finished()
        rows = json.loads(self.cli("get", "trials", e.name, "--sort", "-objective", "--filter", "state=SUCCEEDED", "--limit", "2", "-o", "json").stdout)
        values = [t["objective"] for t in rows]
        self.assertEqual((len(values), values), (2, sorted(values, reverse=True)))

    def test_get_other_things(self):
        for what, word in (("projects", "default"), ("algorithms", "gp"), ("stoppers", "median"), ("backends", "process")):
            self.assertIn(word, self.cli("get", what).stdout)
        self.cli("get", "nonsense", code=2)

    def test_describe_and_latest(self):
        e = self.finished()
        self.assertIn(e.name, self.cli("describe", "@latest").stdout)
        self.assertEqual(json.loads(self.cli("describe", f"{e.name}/1", "-o", "json").stdout)["number"], 1)

    def test_best_in_shell_formats(self):
        e = self.finished()
        best = e.get("/optimal").json["trials"][0]["params"]["x"]
        self.assertEqual(json.loads(self.cli("best", e.name, "-o", "json").stdout)["params"]["x"], best)
        args = self.cli("best", e.name, "-o", "args").stdout.split()
        self.assertEqual((args[0], float(args[1])), ("--x", best))
        env = self.cli("best", e.name, "-o", "env").stdout.strip()
        self.assertEqual(float(subprocess.run(["sh", "-c", f"{env}\necho $HONE_PARAM_X"], capture_output=True, text=True).stdout), best)

    def test_logs(self):
        e = self.finished()
        self.assertRegex(self.cli("logs", f"{e.name}/1").stdout, r"^loss=")
        self.assertRegex(self.cli("logs", f"{e.name}/1", "-f").stdout, r"^loss=")
        self.cli("logs", f"{e.name}/99", code=3)

    def test_export(self):
        e = self.finished()
        rows = list(csv.DictReader(io.StringIO(self.cli("export", e.name, "--format", "csv").stdout)))
        self.assertEqual((len(rows), {float(r["params.x"]) for r in rows}), (3, {t["params"]["x"] for t in e.trials()}))
        self.assertEqual(len(self.cli("export", e.name, "--format", "jsonl").stdout.splitlines()), 3)

    def test_explain(self):
        e = self.finished()
        self.assertIn("random", self.cli("explain", f"{e.name}/1").stdout)

    def test_lifecycle(self):
        e = self.s.create(ask_spec())
        self.cli("pause", e.name)
        self.assertEqual(e.state(), "PAUSED")
        self.cli("resume", e.name)
        self.assertEqual(e.state(), "RUNNING")
        self.cli("delete", e.name, code=5)
        self.cli("stop", e.name)
        self.cli("stop", e.name, code=5)
        other = name("cloned")
        self.cli("clone", e.name, "--name", other)
        self.cli("delete", e.name)
        self.cli("describe", e.name, code=3)
        self.cli("delete", other, "--force")

    def test_retry_and_watch(self):
        e = self.s.create(run_spec("[ $HONE_ATTEMPT = 2 ] && echo loss=1 || exit 1"))
        e.wait()
        self.cli("retry", f"{e.name}/1")
        self.cli("watch", e.name)
        self.assertEqual(e.trial(1)["state"], "SUCCEEDED")


class Workers(Cli):
    def test_ask_report_and_complete(self):
        e = self.s.create(ask_spec())
        t = json.loads(self.cli("ask", e.name, "-o", "json").stdout)
        t = t["trials"][0] if "trials" in t else t
        env = self.cli("ask", e.name, "-o", "env").stdout
        self.assertIn("LR=", env)
        self.cli("complete", f"{e.name}/{t['number']}", "loss=0.5")
        self.assertEqual(e.trial(t["number"])["objective"], 0.5)
        self.cli("fail", f"{e.name}/2", "--message", "no memory")
        self.assertEqual((e.trial(2)["state"], e.trial(2)["message"]), ("FAILED", "no memory"))

    def test_report_outside_a_trial_does_nothing(self):
        self.cli("report", "loss=0.1", "--step", "3", at=False)
        self.cli("report", "loss", code=2, at=False)


class Setup(Cli):
    def test_no_service_is_7(self):
        done = self.cli("get", "experiments", code=7, at=False)
        self.assertIn("hone serve", done.stderr)

    def test_wrong_token_is_4(self):
        self.file("wrong", "token")
        self.cli("get", "experiments", "--server", self.s.url, "--token-file", self.dir + "/token", code=4)

    def test_not_found_is_3(self):
        self.assertIn("nope", self.cli("describe", "nope", code=3).stderr)

    def test_usage_is_2(self):
        for args in ((), ("frobnicate",), ("get",), ("run",), ("get", "experiments", "--nonsense"), ("logs", "x"), ("run", "a", "b"), ("get", "experiments", "-o", "pdf")):
            with self.subTest(args=args):
                self.assertEqual(self.s.cli(*args).returncode, 2)
        self.assertIn("describe", self.s.cli("descrive").stderr)

    def test_every_verb_has_help(self):
        text = self.cli("help", at=False).stdout
        for verb in ("serve", "run", "tune", "validate", "get", "best", "logs", "report", "ask", "completion"):
            self.assertIn(verb, text)
            self.assertIn(verb, self.cli(verb, "-h", at=False).stdout)
            self.assertEqual(self.cli("help", verb, at=False).stdout, self.cli(verb, "-h", at=False).stdout)

    def test_completion_is_valid_shell(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.cli("completion", shell, at=False).stdout
            self.assertIn("tune", script)
            if shell == "bash":
                self.assertEqual(subprocess.run(["bash", "-n"], input=script, text=True).returncode, 0)

    def test_version(self):
        self.assertRegex(self.cli("version", at=False).stdout, r"\d+\.\d+\.\d+")
        self.assertIn("version", json.loads(self.cli("version", "-o", "json", at=False).stdout))

    def test_settings_say_where_they_come_from(self):
        env = {"HONE_WORKERS": "3"}
        text = self.cli("config", "show", "--log-level", "error", env=env).stdout
        self.assertRegex(text, r"workers\s+3\s+.*(env|HONE_WORKERS)")
        self.assertRegex(text, r"log_level\s+error\s+.*flag")

    def test_contexts(self):
        env = {"XDG_CONFIG_HOME": self.dir}
        self.cli("config", "set-context", "lab", "--url", self.s.url, "--token-file", self.s.data + "/token", env=env, at=False)
        self.cli("config", "use-context", "lab", env=env, at=False)
        self.assertIn("lab", self.cli("config", "get-contexts", env=env, at=False).stdout)
        self.cli("get", "experiments", env=env, at=False)
        self.cli("get", "experiments", "--context", "nope", env=env, at=False, code=2)

    def test_address_by_environment(self):
        self.cli("get", "experiments", env={"HONE_URL": self.s.url, "HONE_TOKEN": self.s.token}, at=False)

    def test_doctor(self):
        self.assertTrue(self.cli("doctor").stdout)


if __name__ == "__main__":
    unittest.main()
