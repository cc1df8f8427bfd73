# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the tests of this folder with those of tests/http's harness."""
import os
import runpy
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
HTTP = os.path.join(ROOT, "tests", "http")
PYTHON = os.path.join(ROOT, "tests", "python")  # its test_package needs packages too
for path in (os.path.join(ROOT, "api", "python"), HTTP, PYTHON, HERE):
    sys.path.insert(0, path)
if __name__ == "__main__":  # not in the processes that a test spawns
    if len(sys.argv) == 1:
        sys.argv += sorted(name[:-3] for name in os.listdir(HERE) if name.startswith("test_") and name.endswith(".py")) + ["test_package"]
    state = tempfile.TemporaryDirectory(prefix="hone-test-state-")
    os.environ["XDG_STATE_HOME"] = state.name
    runpy.run_path(os.path.join(HTTP, "run.py"), run_name="run")
