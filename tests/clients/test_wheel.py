# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheel that carries the server, in a new virtual environment."""
import os
import re
import subprocess
import sys
import tempfile
import unittest

import hone
from packages import ROOT, needs


@needs("setuptools", "wheel")
class Wheel(unittest.TestCase):
    def run_in(self, directory, *words, **env):
        done = subprocess.run(words, cwd=directory, env={"HOME": directory, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=hone.PATIENCE * 2)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_pip_install_alone_gives_a_working_system(self):
        build = os.path.relpath(os.path.dirname(hone.BIN), ROOT)
        with tempfile.TemporaryDirectory(prefix="hone-test-wheel-") as d:
            out = self.run_in(ROOT, "make", "-s", "wheel", f"BUILD={build}", f"PYTHON={sys.executable}", HOME=d)
            name = re.search(r"^hone_client-.*-py3-none-manylinux_.*\.whl$", out, re.M).group()
            self.run_in(d, sys.executable, "-m", "venv", "venv")
            self.run_in(d, "venv/bin/pip", "install", "-q", "--no-index", "--no-cache-dir", os.path.join(ROOT, build, "wheel", name))
            program = self.run_in(d, "venv/bin/python", "-c", "import hone_client._find as f; print(f.binary())").strip()
            foreign = [line for line in self.run_in(d, "ldd", program).splitlines() if "=> /" in line and d not in line]
            self.assertEqual([line for line in foreign if not re.search(r"/(libc|libm)\.so", line)], [])
            code = "import hone_client\ne = hone_client.tune(lambda t: (t.float('x', -5, 5) - 1) ** 2, trials=6, parallel=2, minimize='loss')\nprint(e.counts)"
            self.assertIn("{'SUCCEEDED': 6}", self.run_in(d, "venv/bin/python", "-c", code))
            self.assertIn("0.1.0", self.run_in(d, "venv/bin/hone", "version"))
            said = self.run_in(d, "venv/bin/hone", "tune", "-p", "x=0..1", "--minimize", "loss", "-n", "2", "--", "sh", "-c", "echo loss={x}")
            self.assertIn("SUCCEEDED", said)
            self.assertEqual(len(os.listdir(os.path.join(d, ".local", "share", "hone"))) > 0, True)


if __name__ == "__main__":
    unittest.main()
