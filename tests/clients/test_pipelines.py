# SPDX-License-Identifier: GPL-3.0-or-later
"""Hone as a step of pipelines: the examples, by the real packages' local runners."""
import json
import os
import re
import subprocess
import unittest

import hone
from packages import ROOT, Examples, needs


def trained(output):
    return float(re.search(r"trained: loss=([0-9.e-]+)", output).group(1))


@needs("kfp")
class Kubeflow(Examples):
    def test_a_pipeline_tunes_and_trains_by_the_local_runner(self):
        out = self.example("kfp/pipeline.py", "run", HONE_EXAMPLE_OUT=os.path.join(self.dir, "out"))
        [e] = self.experiments()
        self.assertEqual((e["counts"], e["best"]["value"]), ({"SUCCEEDED": 6}, trained(out)))

    def test_the_python_form_compiles(self):
        import yaml
        self.example("kfp/pipeline.py", "compile", os.path.join(self.dir, "p.yaml"))
        with open(os.path.join(self.dir, "p.yaml")) as file:
            spec = yaml.safe_load(file)
        outputs = spec["components"]["comp-tune"]["outputDefinitions"]
        self.assertEqual({k: v["parameterType"] for k, v in outputs["parameters"].items()}, {"params": "STRUCT", "value": "NUMBER_DOUBLE"})
        self.assertEqual(outputs["artifacts"]["metrics"]["artifactType"]["schemaTitle"], "system.Metrics")

    def test_the_container_form_compiles_to_a_command_that_writes_its_outputs(self):
        import yaml
        self.example("kfp/pipeline.py", "compile", os.path.join(self.dir, "p.yaml"), "--file")
        with open(os.path.join(self.dir, "p.yaml")) as file:
            container = yaml.safe_load(file)["deploymentSpec"]["executors"]["exec-tune-file"]["container"]
        out = os.path.join(self.dir, "outputs", "of", "the", "step")  # KFP does not make it
        places = {"{{$.inputs.parameters['file']}}": os.path.join(ROOT, "examples", "pipeline-step", "tune.yaml"),
                  "{{$.outputs.parameters['params'].output_file}}": out + "/params", "{{$.outputs.parameters['value'].output_file}}": out + "/value"}
        words = [places.get(word, word) for word in container["command"] + container["args"]]
        self.assertEqual(words[0], "hone")
        done = subprocess.run([hone.BIN, *words[1:], "-n", "4"], env=hone.clean_env(HONE_DATA=os.path.join(self.dir, "data")), capture_output=True, text=True, timeout=hone.PATIENCE)
        self.assertEqual(done.returncode, 0, done)
        with open(out + "/params") as p, open(out + "/value") as v:
            self.assertEqual(set(json.load(p)), {"degree", "ridge"})
            self.assertGreater(json.load(v), 0)


@needs("metaflow")
class Metaflow(Examples):
    def flow(self, *words, **env):
        return self.example(*words, METAFLOW_USER="tester", USERNAME="tester", METAFLOW_DATASTORE_SYSROOT_LOCAL=self.dir, METAFLOW_HOME=self.dir, **env)

    def test_a_step_tunes(self):
        out = self.flow("metaflow/tune_flow.py", "run", "--trials", "6")
        [e] = self.experiments()
        self.assertEqual((e["counts"], e["best"]["value"]), ({"SUCCEEDED": 6}, trained(out)))

    def test_tasks_of_a_foreach_lease_trials(self):
        with hone.service() as s:
            out = self.flow("metaflow/lease_flow.py", "run", "--trials", "9", "--workers", "3", HONE_URL=s.url, HONE_TOKEN=s.token)
            [e] = s.get("/api/v1/projects/default/experiments").json["experiments"]
            self.assertEqual(e["counts"], {"SUCCEEDED": 9})
            self.assertIn(f"9 trials, best {e['best']['value']}", out)


@needs("flytekit")
class Flyte(Examples):
    def test_a_workflow_hands_the_best_parameters_on(self):
        out = self.example("flyte/workflow.py")
        [e] = self.experiments()
        self.assertEqual(e["counts"], {"SUCCEEDED": 6})
        self.assertAlmostEqual(e["best"]["value"], trained(out))

    def test_pyflyte_runs_it(self):
        script = os.path.join(self.dir, "run.py")
        with open(script, "w") as file:
            file.write("import sys\nfrom flytekit.clis.sdk_in_container.pyflyte import main\nsys.exit(main())\n")
        out = self.example(script, "run", os.path.join(ROOT, "examples", "flyte", "workflow.py"), "tune_and_train", "--trials", "5")
        [e] = self.experiments()
        self.assertEqual(e["counts"], {"SUCCEEDED": 5})
        self.assertIn(str(e["best"]["value"])[:6], out)


@needs("yaml")
class Argo(Examples):
    def test_the_step_writes_what_the_workflow_declares_as_outputs(self):
        import yaml
        with open(os.path.join(ROOT, "examples", "argo", "workflow.yaml")) as file:
            templates = {t["name"]: t for t in yaml.safe_load(file)["spec"]["templates"]}
        step = templates["tune"]
        [artifact] = step["inputs"]["artifacts"]
        here = lambda path: path.replace("/tmp/", self.dir + "/")  # noqa: E731 - what Argo's volumes do
        with open(here(artifact["path"]), "w") as file:
            file.write(artifact["raw"]["data"])
        words = [here(w) for w in step["container"]["command"] + step["container"]["args"]]
        done = subprocess.run([hone.BIN, *words[1:]], env=hone.clean_env(HONE_DATA=os.path.join(self.dir, "data")), capture_output=True, text=True, timeout=hone.PATIENCE)
        self.assertEqual(done.returncode, 0, done)
        values = {}
        for output in step["outputs"]["parameters"]:
            with open(here(output["valueFrom"]["path"])) as file:
                values[output["name"]] = file.read()
        self.assertEqual(set(json.loads(values["best-params"])), {"x", "y"})
        self.assertRegex(values["link"], "^http://.*/#/default/")
        float(values["best-value"])


@needs("airflow")
class Airflow(Examples):
    def test_the_dag_runs(self):
        script = os.path.join(self.dir, "airflow.py.run")
        with open(script, "w") as file:
            file.write("import runpy\nrunpy.run_module('airflow', run_name='__main__')\n")
        env = {"AIRFLOW_HOME": self.dir, "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__CORE__DAGS_FOLDER": os.path.join(ROOT, "examples", "airflow")}
        self.example(script, "db", "migrate", **env)
        out = self.example(script, "dags", "test", "tune_then_train", **env)
        self.assertIn("trained: loss=", out)


if __name__ == "__main__":
    unittest.main()
