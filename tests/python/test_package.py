# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheel and the source archive, and what needs other packages."""
import glob
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

import hone
import hone_client
from test_client import PACKAGE, ClientCase


class Package(unittest.TestCase):
    def test_wheel_and_sdist_build_offline_and_the_wheel_works(self):
        if not all(importlib.util.find_spec(m) for m in ("setuptools", "wheel")):
            self.skipTest("there are no setuptools and wheel to build with")
        with tempfile.TemporaryDirectory() as tmp:
            source = os.path.join(tmp, "source")
            shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
            code = "import setuptools.build_meta as b, sys; to = sys.argv[1]; b.build_wheel(to); b.build_sdist(to)"
            done = subprocess.run([sys.executable, "-c", code, tmp], cwd=source, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            wheel, = glob.glob(os.path.join(tmp, "*.whl"))
            self.assertEqual(len(glob.glob(os.path.join(tmp, "*.tar.gz"))), 1)
            names = zipfile.ZipFile(wheel).namelist()
            self.assertIn("hone_client/py.typed", names)
            self.assertTrue([n for n in names if n.endswith("LICENSE")], names)
            done = subprocess.run([sys.executable, "-c", "import hone_client; print(hone_client.__file__)"], capture_output=True, text=True,
                                  env={**os.environ, "PYTHONPATH": wheel}, cwd=tmp)
            self.assertIn(".whl", done.stdout, done.stderr)


class ScikitLearn(ClientCase):
    def setUp(self):
        super().setUp()
        if not importlib.util.find_spec("sklearn"):
            self.skipTest("there is no scikit-learn")

    def test_search_takes_the_place_of_randomized_search(self):
        from scipy.stats import loguniform, randint
        from sklearn.datasets import load_iris
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.model_selection import GridSearchCV
        from sklearn.preprocessing import MinMaxScaler, StandardScaler
        from sklearn.pipeline import Pipeline
        from sklearn.svm import SVC
        from hone_client.sklearn import HoneSearchCV
        x, y = load_iris(return_X_y=True)
        model = Pipeline([("scale", StandardScaler()), ("svc", SVC())])
        search = HoneSearchCV(model, {"svc__C": loguniform(1e-3, 1e3), "svc__kernel": ["linear", "rbf"], "scale": [StandardScaler(), MinMaxScaler(), None]},
                              n_iter=12, n_jobs=2, cv=3, random_state=1, client=self.c, name=hone.name("sk"))
        search.fit(x, y)
        self.assertGreater(search.best_score_, 0.9)
        self.assertEqual(len(search.cv_results_["params"]), 12)
        self.assertGreater(search.score(x, y), 0.9)
        self.assertEqual(search.experiment_.counts, {"SUCCEEDED": 12})
        self.assertAlmostEqual(search.experiment_.best_value, search.best_score_)
        self.assertIn(search.best_params_["svc__kernel"], ("linear", "rbf"))
        forest = HoneSearchCV(RandomForestClassifier(random_state=0), {"n_estimators": randint(2, 9), "max_depth": [2, None]}, n_iter=4, cv=3, client=self.c,
                              scoring=["accuracy", "f1_macro"], refit="f1_macro").fit(x, y)
        self.assertAlmostEqual(forest.experiment_.best_value, forest.best_score_)
        self.assertIsInstance(forest.get_params()["client"], hone_client.Client)
        self.assertEqual(set(GridSearchCV(SVC(), {"C": [1]}, cv=3).fit(x, y).cv_results_) - {"param_C"},
                         set(search.cv_results_) - {"param_svc__C", "param_svc__kernel", "param_scale"})
        with self.assertRaises(ValueError):
            from scipy.stats import gamma
            HoneSearchCV(SVC(), {"C": gamma(1)}, client=self.c).fit(x, y)
