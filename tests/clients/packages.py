# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of this folder share: which packages are there, and running an example as a user would."""
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest

import hone

ROOT = hone.ROOT
PYTHON_CLIENT = os.path.join(ROOT, "api", "python")


def is_there(package):
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of a package that it would be in
        return False


def needs(*packages):
    """Skips a test or class, and says so, where a package is not installed."""
    missing = [p for p in packages if not is_there(p)]
    return unittest.skipIf(missing, f"{', '.join(missing)} is not installed ('make clients-venv', with HEAVY=1 for the large ones)")


class Examples(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="hone-test-example-")
        self.addCleanup(directory.cleanup)
        self.dir = directory.name

    def example(self, *words, code=0, at=None, **env):
        """Runs examples/WORDS with the Python of this process; gives what it wrote."""
        env = {"PYTHONPATH": PYTHON_CLIENT, "HONE_BIN": hone.BIN, "HONE_DATA": os.path.join(self.dir, "data"), "HONE_EXAMPLE_TRIALS": "6",
               "HOME": self.dir, "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.path.dirname(sys.executable) + ":" + os.environ["PATH"], **env}
        done = subprocess.run([sys.executable, os.path.join(ROOT, "examples", words[0]), *words[1:]], cwd=at or self.dir, env=hone.clean_env(**env),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=hone.PATIENCE * 2, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, code, done.stdout)
        return done.stdout

    def experiments(self):
        """Those of the example's service, by a service on its data."""
        with hone.Service(data=os.path.join(self.dir, "data")) as s:
            return s.get("/api/v1/projects/default/experiments").json["experiments"]
