# SPDX-License-Identifier: GPL-3.0-or-later
"""The example notebook in a real kernel, and what it shows."""
import os
import re
import tempfile
import unittest

import hone
import hone_client
from packages import PYTHON_CLIENT, ROOT, needs


@needs("nbclient", "nbformat", "ipykernel")
class Notebook(unittest.TestCase):
    def test_the_example_runs_and_shows_what_it_should(self):
        import nbclient
        import nbformat
        book = nbformat.read(os.path.join(ROOT, "examples", "notebook", "tune.ipynb"), as_version=4)
        with tempfile.TemporaryDirectory(prefix="hone-test-notebook-") as d:
            env = hone.clean_env(PYTHONPATH=PYTHON_CLIENT, HONE_BIN=hone.BIN, HONE_DATA=os.path.join(d, "data"), IPYTHONDIR=d, JUPYTER_RUNTIME_DIR=d, PYTHONDONTWRITEBYTECODE="1")
            nbclient.NotebookClient(book, timeout=hone.PATIENCE, kernel_name="python3", resources={"metadata": {"path": d}}).execute(env=env)
            with hone.Service(data=os.path.join(d, "data")) as s:
                [e] = s.get("/api/v1/projects/default/experiments").json["experiments"]
        cells = [c.outputs for c in book.cells if c.cell_type == "code"]
        self.assertEqual(e["counts"], {"SUCCEEDED": 12})
        shown = self.html(cells[0])
        self.assertIn("<svg", shown)
        self.assertIn(f"best {e['best']['value']:.6g} (#{e['best']['number']})", shown)
        self.assertRegex(self.html(cells[1]), rf'<iframe src="http://localhost:[0-9]+/link/[^"]+#/default/{re.escape(e["name"])}\?embed=1"')
        self.assertRegex("".join(o.get("text", "") for o in cells[2]), r"12/12 done .* succeeded \(MAX_TRIALS\)\n$")
        self.assertIn(f"<td>{e['best']['value']:.6g}</td>", self.html(cells[2]))

    @staticmethod
    def html(outputs):
        return "".join(o["data"].get("text/html", "") for o in outputs if "data" in o)


class Shown(hone.Case):
    args = ("--frames", "http://localhost:8888,https://notebooks.example")

    def test_a_view_is_a_frame_that_logs_in_once(self):
        c = hone_client.Client(self.s.url, self.s.token)
        e = c.create(hone.name("v"), space={"x": hone_client.uniform(0, 1)}, objective=hone_client.minimize("loss"))
        view = e.show(300)
        self.assertIn('height="300"', view._repr_html_())
        path = re.search(r"(/link/[^#]+)#", view.url).group(1)
        answer = self.s.get(path, token=None)
        self.assertEqual((answer.status, "HttpOnly" in answer.headers["Set-Cookie"]), (303, True))
        self.assertEqual(self.s.get(path, token=None).status, 403)


if __name__ == "__main__":
    unittest.main()
