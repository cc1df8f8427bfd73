# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboard in a frame of another page of this machine, as a notebook shows it (hone_client's Experiment.show)."""
import http.server
import os
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "api", "python"))

import hone_client  # noqa: E402
from browser import Browser  # noqa: E402
from hone import service, until  # noqa: E402


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.server.html.encode())

    def log_message(self, *_):
        pass


class Frame(unittest.TestCase):
    def setUp(self):
        self.pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=self.pages.serve_forever, daemon=True).start()
        self.addCleanup(self.pages.server_close)
        self.addCleanup(self.pages.shutdown)
        self.b = Browser()
        self.addCleanup(self.b.close)

    def shown(self, *flags):
        """What the frame of a page shows, by its text."""
        with service(*flags) as s:
            e = hone_client.Client(s.url, s.token).create("framed", space={"x": hone_client.uniform(0, 1)}, objective=hone_client.minimize("loss"), max_trials=2)
            for t in e.work():
                with t:
                    t.tell(loss=t["x"])
            self.pages.html = "<h1>notebook</h1>" + e.show(600)._repr_html_()
            self.b.open(f"http://localhost:{self.pages.server_address[1]}/")
            self.b.call("POST", "/frame", {"id": 0})
            if not flags:
                return self.b.js("return document.body ? document.body.innerText : ''")
            return until(lambda: (lambda text: text if "SUCCEEDED" in text.upper() else None)(self.b.js("return document.body ? document.body.innerText : ''")), "the dashboard")

    def test_a_page_that_is_named_shows_it_logged_in(self):
        self.assertIn("framed", self.shown("--frames", f"http://localhost:{self.pages.server_address[1]}"))

    def test_another_page_shows_nothing(self):
        self.assertNotIn("framed", self.shown())


if __name__ == "__main__":
    unittest.main()
