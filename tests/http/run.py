# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the tests of this folder in order of name, test_routes last: it looks at what the others have asked for."""
import glob
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from hone import sanitizer_reports  # noqa: E402 - found by the line above


class Result(unittest.TestResult):
    passed = 0

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def addSuccess(self, test):
        super().addSuccess(test)
        report = sanitizer_reports()
        if report:
            self.failures.append((test, report))
            self.say("FAIL", test, report)
        else:
            self.passed += 1
            self.say("ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"skip {test.id()}: {reason}", flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say("FAIL", test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.say("FAIL", test, self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.say("FAIL", subtest, self._exc_info_to_string(err, test))

    def say(self, word, test, why=""):
        print(f"{word:4} {test.id()} ({time.monotonic() - getattr(self, 'began', time.monotonic()):.1f} s)", flush=True)
        if word == "FAIL":
            why += sanitizer_reports()
        if why:
            print("    " + why.rstrip().replace("\n", "\n    "), flush=True)


def main():
    names = sys.argv[1:]
    if not names:
        names = sorted(os.path.basename(path)[:-3] for path in glob.glob(os.path.join(HERE, "test_*.py")))
        names.sort(key=lambda n: n == "test_routes")
    result = Result()
    unittest.defaultTestLoader.loadTestsFromNames(names).run(result)
    failed = len({t.id().split(" ")[0] for t, _ in result.failures + result.errors})
    report = sanitizer_reports()
    if report:
        failed += 1
        print(f"FAIL a sanitizer reported after the last test\n{report}", flush=True)
    print(f"{result.passed} passed, {failed} failed")
    sys.exit(1 if failed or not result.passed else 0)


main()
