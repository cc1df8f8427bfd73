# SPDX-License-Identifier: GPL-3.0-or-later
"""Callbacks in real training frameworks, and bridges to other tuners; small data, on the CPU."""
import os
import subprocess
import sys
import tempfile
import unittest

import hone
import hone_client
from packages import PYTHON_CLIENT, needs

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
ALWAYS = {"name": "threshold", "settings": {"upper": -1e9}}  # any value is too large: stop at once


class Case(hone.Case):
    def setUp(self):
        self.c = hone_client.Client(self.s.url, self.s.token, patience=10)
        self.addCleanup(self.c.close)

    def ask(self, metric="loss", **more):
        e = self.c.create(hone.name("f"), space={"x": hone_client.uniform(0, 1)}, objective=hone_client.minimize(metric), algorithm="random", **more)
        t = e.ask()
        self.addCleanup(t.release)
        return t

    def steps(self, trial, metric):
        return [m["step"] for m in trial.measurements(metric)]

    def stopped(self, trial):
        self.assertTrue(trial.should_stop)
        self.assertEqual(trial.tell().state, "PRUNED")

    def data(self):
        import numpy
        x = numpy.random.default_rng(0).normal(size=(200, 3))
        return x, x[:, 0] * 2


class Package(unittest.TestCase):
    def test_importing_the_client_imports_no_framework(self):
        code = "import hone_client, hone_client.integrations, hone_client.integrations.katib, sys; print(sorted(set(sys.modules) & {'numpy', 'torch', 'optuna', 'xgboost', 'keras', 'ray'}))"
        done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, env=hone.clean_env(PYTHONPATH=PYTHON_CLIENT))
        self.assertEqual(done.stdout, "[]\n", done.stderr)

    def test_each_callback_is_short(self):
        folder = os.path.join(PYTHON_CLIENT, "hone_client", "integrations")
        for name in ("xgboost", "lightgbm", "keras", "lightning", "transformers", "torch", "katib", "ray"):
            with open(os.path.join(folder, name + ".py")) as file:
                self.assertLess(len(file.readlines()), 60, name)


@needs("xgboost", "numpy")
class Xgboost(Case):
    def train(self, trial, rounds=6):
        import xgboost
        from hone_client.integrations.xgboost import HoneCallback
        x, y = self.data()
        d = xgboost.DMatrix(x, label=y)
        return xgboost.train({"max_depth": 2}, d, rounds, evals=[(d, "train")], callbacks=[HoneCallback(trial)], verbose_eval=False)

    def test_reports_each_iteration(self):
        t = self.ask("train-rmse")
        self.train(t)
        self.assertEqual(self.steps(t, "train-rmse"), [0, 1, 2, 3, 4, 5])
        self.assertEqual(t.tell().state, "SUCCEEDED")

    def test_stops(self):
        t = self.ask("train-rmse", stopping=ALWAYS)
        self.assertEqual(self.train(t, 50).num_boosted_rounds(), 1)
        self.stopped(t)

    def test_outside_of_a_trial_it_does_nothing(self):
        self.assertEqual(self.train(None).num_boosted_rounds(), 6)

    def test_cv_and_the_scikit_learn_interface(self):
        import xgboost
        from hone_client.integrations.xgboost import HoneCallback
        x, y = self.data()
        t = self.ask("test-rmse")
        xgboost.cv({"max_depth": 2}, xgboost.DMatrix(x, label=y), 4, nfold=3, callbacks=[HoneCallback(t)])
        self.assertEqual(len(self.steps(t, "test-rmse")), 4)
        t = self.ask("validation_0-rmse")
        xgboost.XGBRegressor(n_estimators=3, callbacks=[HoneCallback(t)]).fit(x, y, eval_set=[(x, y)], verbose=False)
        self.assertEqual(len(self.steps(t, "validation_0-rmse")), 3)


@needs("lightgbm", "numpy")
class Lightgbm(Case):
    def train(self, trial, rounds=6):
        import lightgbm
        from hone_client.integrations.lightgbm import hone_callback
        x, y = self.data()
        return lightgbm.train({"objective": "l2", "verbose": -1, "num_leaves": 4}, lightgbm.Dataset(x, y), rounds, valid_sets=[lightgbm.Dataset(x, y)], callbacks=[hone_callback(trial)])

    def test_reports_each_iteration(self):
        t = self.ask("valid_0-l2")
        self.train(t)
        self.assertEqual(self.steps(t, "valid_0-l2"), [0, 1, 2, 3, 4, 5])

    def test_stops(self):
        t = self.ask("valid_0-l2", stopping=ALWAYS)
        self.assertLessEqual(self.train(t, 50).num_trees(), 1)
        self.stopped(t)

    def test_cv(self):
        import lightgbm
        from hone_client.integrations.lightgbm import hone_callback
        x, y = self.data()
        t = self.ask("valid-l2")
        lightgbm.cv({"objective": "l2", "verbose": -1, "num_leaves": 4}, lightgbm.Dataset(x, y), 4, nfold=3, stratified=False, callbacks=[hone_callback(t)])
        self.assertEqual(len(self.steps(t, "valid-l2")), 4)


@needs("keras", "jax")
class Keras(Case):
    def fit(self, trial, epochs=3):
        import keras
        from hone_client.integrations.keras import HoneCallback
        x, y = self.data()
        model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model.fit(x, y, epochs=epochs, validation_split=0.2, callbacks=[HoneCallback(trial)], verbose=0)

    def test_reports_each_epoch(self):
        t = self.ask("val_loss")
        self.fit(t)
        self.assertEqual((self.steps(t, "val_loss"), self.steps(t, "loss")), ([0, 1, 2], [0, 1, 2]))

    def test_stops(self):
        t = self.ask("val_loss", stopping=ALWAYS)
        self.assertEqual(len(self.fit(t, 20).epoch), 1)
        self.stopped(t)


@needs("lightning", "torch")
class Lightning(Case):
    def fit(self, trial, epochs=3, validate=True):
        import lightning
        import torch
        from hone_client.integrations.lightning import HoneCallback

        class Model(lightning.LightningModule):
            def __init__(self):
                super().__init__()
                self.line = torch.nn.Linear(1, 1)

            def training_step(self, batch, _):
                loss = self.line(batch).pow(2).mean()
                self.log("loss", loss)
                return loss

            def configure_optimizers(self):
                return torch.optim.SGD(self.parameters(), 0.1)

        if validate:
            Model.validation_step = lambda self, batch, _: self.log("val_loss", self.line(batch).pow(2).mean())
        data = torch.utils.data.DataLoader(torch.ones(16, 1), batch_size=4)
        trainer = lightning.Trainer(max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False, enable_model_summary=False,
                                    callbacks=[HoneCallback(trial)])
        trainer.fit(Model(), data, data if validate else None)
        return trainer.current_epoch

    def test_reports_after_each_validation(self):
        t = self.ask("val_loss")
        self.fit(t)
        self.assertEqual(self.steps(t, "val_loss"), [4, 8, 12])

    def test_reports_after_each_epoch_where_there_is_no_validation(self):
        t = self.ask("loss")
        self.fit(t, validate=False)
        self.assertEqual(self.steps(t, "loss"), [4, 8, 12])

    def test_stops(self):
        t = self.ask("val_loss", stopping=ALWAYS)
        self.assertLess(self.fit(t, 20), 3)
        self.stopped(t)


@needs("transformers", "torch")
class Transformers(Case):
    def train(self, trial, epochs=3):
        import torch
        from transformers import Trainer, TrainingArguments
        from hf_train import Line
        from hone_client.integrations.transformers import HoneCallback
        data = [{"x": torch.tensor([i / 10]), "labels": torch.tensor([i / 5])} for i in range(16)]
        with tempfile.TemporaryDirectory() as out:
            arguments = TrainingArguments(output_dir=out, num_train_epochs=epochs, per_device_train_batch_size=8, eval_strategy="epoch", logging_steps=1, report_to=[], save_strategy="no",
                                          use_cpu=True, disable_tqdm=True)
            trainer = Trainer(model=Line(), args=arguments, train_dataset=data, eval_dataset=data, callbacks=[HoneCallback(trial)])
            trainer.train()
            return trainer.state.global_step

    def test_reports_what_is_logged(self):
        t = self.ask("eval_loss")
        self.train(t)
        self.assertEqual((self.steps(t, "eval_loss"), self.steps(t, "loss")), ([2, 4, 6], [1, 2, 3, 4, 5, 6]))
        self.assertEqual(t.tell().refresh().data["progress"], 1)

    def test_stops(self):
        t = self.ask("eval_loss", stopping=ALWAYS)
        self.assertEqual(self.train(t, 20), 2)
        self.stopped(t)


@needs("torch")
class Torch(unittest.TestCase):
    def test_goes_on_from_the_checkpoint(self):
        import torch
        from hone_client.integrations.torch import Checkpoint

        def run(epochs, directory):
            torch.manual_seed(0)
            model = torch.nn.Linear(1, 1)
            optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
            saved = Checkpoint(directory, model=model, optimizer=optimizer)
            for epoch in range(saved.load(), epochs):
                optimizer.zero_grad()
                (model(torch.rand(4, 1)) ** 2).mean().backward()
                optimizer.step()
                saved.save(epoch + 1)
            return [p.detach().clone() for p in model.parameters()]
        with tempfile.TemporaryDirectory() as d:
            run(3, d)
            parts = run(6, d)
        whole = run(6, None)
        for a, b in zip(parts, whole):
            self.assertTrue(torch.equal(a, b))


class Katib(Case):
    def test_report_metrics_takes_the_place_of_katibs(self):
        spec = hone.run_spec("")
        spec["run"] = {"command": [sys.executable, "-B", "-c", "from hone_client.integrations import katib\nfor v in (3, '2', 1.5):\n    katib.report_metrics({'loss': v, 'acc': 1}, timeout=5)\n"
                                   "try:\n    katib.report_metrics({'loss': 'word'})\nexcept ValueError as e:\n    print(e)"], "env": {"PYTHONPATH": PYTHON_CLIENT}}
        e = self.c.create(spec=spec).wait(hone.PATIENCE)
        self.assertEqual([m["value"] for m in e.trial(1).measurements("loss")], [3, 2, 1.5])
        self.assertEqual(e.best_value, 1.5)


@needs("optuna")
class Optuna(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        import optuna
        optuna.logging.set_verbosity(optuna.logging.WARNING)

    @staticmethod
    def objective(trial):
        x = trial.suggest_float("x", -5, 5)
        n = trial.suggest_int("n", 1, 8, log=True)
        kind = trial.suggest_categorical("kind", ["a", None, 3])
        return (x - 1) ** 2 + n + (0 if kind is None else 1)

    def sampler(self, **more):
        from hone_client.integrations.optuna import HoneSampler
        return HoneSampler(self.c, seed=1, **more)

    def test_a_study_asks_hone(self):
        import optuna
        sampler = self.sampler(algorithm="tpe")
        study = optuna.create_study(sampler=sampler)
        study.optimize(self.objective, n_trials=25)
        e = sampler.experiment.refresh()
        self.assertEqual(e.counts, {"SUCCEEDED": 25})  # the first, that Optuna drew, too
        self.assertEqual(e.best_value, study.best_value)
        self.assertEqual(sampler.space.theirs(e.best_params), study.best_params)
        self.assertLess(study.best_value, 8)

    def test_failed_and_pruned_trials_are_told(self):
        import optuna

        def objective(trial):
            x = trial.suggest_float("x", 0, 1)
            if trial.number == 3:
                raise ValueError("no")
            if trial.number == 4:
                trial.report(7, 1)
                raise optuna.TrialPruned()
            return x
        sampler = self.sampler(algorithm="random")
        optuna.create_study(sampler=sampler).optimize(objective, n_trials=6, catch=(ValueError,))
        values = [t.value for t in sampler.experiment.trials]
        self.assertEqual(sampler.experiment.refresh().counts, {"SUCCEEDED": 5, "FAILED": 1})
        self.assertEqual(values[4], 7)

    def test_several_objectives_and_conditional_parameters(self):
        import optuna

        def objective(trial):
            x = trial.suggest_float("x", 0, 1)
            if trial.suggest_categorical("deep", [True, False]):
                trial.suggest_int("layers", 2, 5)
            return x, 1 - x
        sampler = self.sampler(algorithm="random")
        study = optuna.create_study(sampler=sampler, directions=["minimize", "maximize"])
        study.optimize(objective, n_trials=8)
        self.assertEqual(sampler.experiment.refresh().counts, {"SUCCEEDED": 8})
        self.assertEqual(set(sampler.experiment.space), {"x", "deep"})

    def test_a_study_goes_over_and_comes_back_by_sqlite(self):
        import optuna
        from hone_client.integrations.optuna_study import export_study, import_study
        with tempfile.TemporaryDirectory() as d:
            theirs = optuna.create_study(storage=f"sqlite:///{d}/theirs.db", study_name="old", sampler=optuna.samplers.RandomSampler(seed=0))
            theirs.optimize(self.objective, n_trials=12)
            e = import_study(optuna.load_study(storage=f"sqlite:///{d}/theirs.db", study_name="old"), self.c, hone.name("imported"))
            self.assertEqual((e.counts, e.best_value), ({"SUCCEEDED": 12}, theirs.best_value))
            with e.ask() as t:  # and goes on here
                for step in (1, 2, 3):
                    t.report(value=-step, step=step)
                t.tell()
            export_study(e, f"sqlite:///{d}/ours.db", "back")
            back = optuna.load_study(storage=f"sqlite:///{d}/ours.db", study_name="back")
        self.assertEqual(len(back.trials), 13)
        self.assertEqual(back.best_value, -3)
        self.assertEqual(back.trials[-1].intermediate_values, {1: -1, 2: -2, 3: -3})
        self.assertEqual(sorted(t.value for t in back.trials[:12]), sorted(t.value for t in theirs.trials))


@needs("ray")
class Ray(Case):
    def test_tune_asks_hone(self):
        import ray
        from ray import tune
        from hone_client.integrations.ray import HoneSearch

        def trainable(config):
            for step in range(3):
                tune.report({"loss": (config["x"] - 1) ** 2 + 1 / (step + 1)})
        with tempfile.TemporaryDirectory() as d:
            ray.init(num_cpus=2, include_dashboard=False, configure_logging=False, log_to_driver=False, _temp_dir=d)
            try:
                search = HoneSearch({"x": hone_client.uniform(-5, 5)}, metric="loss", mode="min", client=self.c, algorithm="random", seed=1, max_trials=6)
                results = tune.Tuner(trainable, tune_config=tune.TuneConfig(search_alg=search, num_samples=6, max_concurrent_trials=2),
                                     run_config=tune.RunConfig(storage_path=d, verbose=0)).fit()
            finally:
                ray.shutdown()
        e = search.experiment.refresh()
        self.assertEqual(e.counts, {"SUCCEEDED": 6})
        self.assertAlmostEqual(e.best_value, results.get_best_result("loss", "min").metrics["loss"])
        self.assertEqual(self.steps(e.trial(1), "loss")[:3], [1, 2, 3])


if __name__ == "__main__":
    unittest.main()
