# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operation that the API's description names was asked for by some test of this run. Runs last, and only with the others."""
import re
import sys
import unittest

from hone import Case, requested


class Routes(Case):
    def test_every_operation_was_asked_for(self):
        if not {"test_experiments", "test_trials", "test_events", "test_access", "test_process"} <= set(sys.modules):
            self.skipTest("only says something when all tests run")
        missing = []
        for path, item in self.s.get("/openapi.json").json["paths"].items():
            pattern = re.compile("".join("[^/:]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]+\})", path)) + "$")
            for method in item:
                if method in ("get", "post", "patch", "put", "delete") and not any(m == method.upper() and pattern.match(p) for m, p in requested):
                    missing.append(f"{method.upper()} {path}")
        self.assertEqual(missing, [])

    def test_description_is_whole(self):
        answer = self.s.get("/openapi.json")
        self.assertEqual(answer.headers.get_content_type(), "application/json")
        api = answer.json
        self.assertTrue(api["openapi"].startswith("3.1"))
        ids = []

        def look(node):
            if isinstance(node, dict):
                if "$ref" in node:
                    at = api
                    for part in node["$ref"][2:].split("/"):
                        self.assertIn(part, at, node["$ref"])
                        at = at[part]
                for value in node.values():
                    look(value)
            elif isinstance(node, list):
                for value in node:
                    look(value)
        look(api)
        for path, item in api["paths"].items():
            for method, operation in item.items():
                if method in ("get", "post", "patch", "put", "delete"):
                    ids.append(operation["operationId"])
                    self.assertTrue(operation.get("summary"), f"{method} {path}")
        self.assertEqual(len(ids), len(set(ids)))


if __name__ == "__main__":
    unittest.main()
