# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboard in a real browser: it logs in by the link, fills live without a reload, works by keyboard and on a phone's width."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from browser import Browser  # noqa: E402
from hone import Case, run_spec, service, until  # noqa: E402

TAB, ENTER = "\ue004", "\ue007"


class Dashboard(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.b = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.b.close()
        super().tearDownClass()

    @classmethod
    def login(cls):
        if not getattr(cls, "logged_in", False):
            cls.b.open(cls.s.link)
            cls.logged_in = True
        else:
            cls.b.open(cls.s.url + "/")

    def rows(self):
        return self.b.js("return document.querySelectorAll('tbody')[0] ? document.querySelectorAll('tbody')[0].rows.length : 0")

    def show(self, e):
        self.b.open(f"{self.s.url}/#/default/{e.name}")

    def test_1_without_a_login_it_says_how(self):
        self.b.open(self.s.url + "/")
        until(lambda: "hone serve" in self.b.text(), "the hint")
        self.b.complaints()  # the refused request is told on the console

    def test_2_empty_list_says_what_to_run(self):
        self.login()
        until(lambda: "hone run" in self.b.text(), "the hint")

    def test_3_list_and_leaderboard_fill_live(self):
        self.login()
        self.b.js("window.mark = 'the same page'")
        e = self.s.create(run_spec("for i in 1 2 3; do echo step=$i loss=$1; sleep 0.1; done", trials=12, parallel=2))
        until(lambda: e.name in self.b.text("table"), "the new experiment in the list")
        self.b.click("tbody a")
        until(lambda: e.name in self.b.text("h1"), "its page")
        seen = {until(self.rows, "the first row")}
        until(lambda: seen.add(self.rows()) or self.rows() == 12, "all rows")
        self.assertGreater(len(seen), 2, "it did not fill bit by bit")
        until(lambda: "SUCCEEDED" in self.b.text(".facts"), "the end")
        self.assertEqual(self.b.js("return window.mark"), "the same page")
        values = [float(v) for v in self.b.js("return [...document.querySelectorAll('tbody')[0].rows].map((r) => r.cells[1].textContent)")]
        self.assertEqual(values, sorted(values))
        self.assertIn("12 finished trials", self.b.js("return document.querySelector('svg.chart title').textContent"))
        self.assertEqual(self.b.complaints(), [])

    def test_4_buttons_pause_resume_and_stop(self):
        self.login()
        e = self.s.create(run_spec("sleep 0.3; echo loss=$1", trials=1000, parallel=1))
        self.show(e)
        for button, state in ((1, "PAUSED"), (2, "RUNNING"), (3, "CANCELLED")):
            until(lambda n=button: self.b.js("const b = document.querySelectorAll('.buttons button')[arguments[0]]; return b && !b.disabled", n - 1), f"button {button}")
            self.b.click(f".buttons button:nth-child({button})")
            if button == 3:
                self.b.call("POST", "/alert/accept")
            until(lambda s=state: e.state() == s, state)
            until(lambda s=state: s in self.b.text(".facts"), f"{state} on the page")

    def test_5_log_of_a_trial_is_one_click_away(self):
        self.login()
        e = self.s.create(run_spec("echo hello from the trial; echo loss=$1"))
        e.wait()
        self.show(e)
        until(lambda: self.rows() == 1, "the row")
        self.b.open(self.b.js("return document.querySelector('tbody a').href"))
        self.assertIn("hello from the trial", self.b.text())

    def test_6_works_by_keyboard(self):
        self.login()
        e = self.s.create(run_spec("echo loss=$1"))
        e.wait()
        until(lambda: e.name in self.b.text("table"), "the list")
        for _ in range(8):
            self.b.keys(TAB)
            if self.b.js("return document.activeElement.textContent") == e.name:
                break
        self.b.keys(ENTER)
        until(lambda: e.name in self.b.text("h1"), "the page of the experiment")

    def test_7_fits_a_phone(self):
        self.login()
        e = self.s.create(run_spec("echo loss=$1; echo a long line > /dev/null", trials=3))
        e.wait()
        size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
        self.b.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": size})
        try:
            for page in ("#/", f"#/default/{e.name}"):
                self.b.open(f"{self.s.url}/{page}")
                until(lambda: self.rows() > 0, "rows")
                self.assertLessEqual(self.b.js("return document.documentElement.scrollWidth"), 360, page)
        finally:
            self.b.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.clearDeviceMetricsOverride", "params": {}})

    def test_8_goes_on_after_a_restart(self):
        self.login()
        e = self.s.create(run_spec("echo loss=$1"))
        e.wait()
        self.show(e)
        until(lambda: self.rows() == 1, "the row")
        self.s.listen = f"127.0.0.1:{self.s.port}"
        self.s.kill()
        until(lambda: "reconnecting" in self.b.text("#live") or "away" in self.b.text("#live"), "the page to notice")
        self.s.start()
        self.ok(self.s.post(e.path + ":clone", {"name": "after-restart"}), 201)
        self.ok(self.s.post(e.path + "/trials", {"params": {"x": 0.5}, "state": "SUCCEEDED", "metrics": {"loss": 0.5}}), 201)
        until(lambda: self.rows() == 2, "the new row")


class UnderAPath(Case):
    args = ("--base-path", "/hone")

    def test_page_works_under_a_path(self):
        b = Browser()
        try:
            b.open(self.s.link)
            e = self.s.create(run_spec("echo loss=$1"))
            until(lambda: e.name in b.text("table"), "the list")
            self.assertEqual(b.complaints(), [])
        finally:
            b.close()


class Picture(Case):
    @classmethod
    def setUpClass(cls):
        cls.s = service(env={"PATH": "/usr/bin:" + os.environ["PATH"]})  # the system's python3 is the one that has sklearn

    def test_picture_of_digits(self):
        path = os.environ.get("HONE_SCREENSHOT")
        if not path:
            self.skipTest("HONE_SCREENSHOT names no file")
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        b = Browser(1000, 1000)
        try:
            b.open(self.s.link + "#/default/digits")
            done = self.s.cli("run", root + "/examples/digits/digits.yaml", "--name", "digits", "--seed", "1", cwd=root, timeout=600)
            self.assertEqual(done.returncode, 0, done)
            b.open(f"{self.s.url}/#/default/digits")
            until(lambda: "SUCCEEDED" in b.text(".facts"), "the end")
            b.screenshot(path)
        finally:
            b.close()


if __name__ == "__main__":
    unittest.main()
