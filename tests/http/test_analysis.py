# SPDX-License-Identifier: GPL-3.0-or-later
"""Importances and dependence of an experiment whose function is known, through the whole service."""
import unittest

from hone import Case, ask_spec

PARAMETERS = {"x": {"type": "float", "min": 0, "max": 1}, "lr": {"type": "float", "min": 1e-5, "max": 0.1, "scale": "log"},
              "act": {"type": "categorical", "values": ["relu", "tanh", "gelu"]}, "depth": {"type": "int", "min": 1, "max": 8, "when": {"act": "relu"}}}
LEVEL = {"relu": 0, "tanh": 1, "gelu": 2}


class Analysis(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.e = cls.s.create(ask_spec(parameters=PARAMETERS, objective={"metric": "score", "direction": "maximize"}))
        for t in cls.e.suggest(count=60)["trials"]:
            p = t["params"]
            cls.e.complete(t["number"], score=-10 * p["x"] - LEVEL[p["act"]])

    def test_importances_are_in_order_and_of_the_right_size(self):
        got = self.ok(self.e.get("/importances"))
        self.assertEqual((got["metric"], got["n"], got["top"]), ("score", 60, 1))
        self.assertEqual([p["name"] for p in got["parameters"]][:2], ["x", "act"])
        self.assertEqual({p["name"] for p in got["parameters"]}, set(PARAMETERS))
        first, second = got["parameters"][:2]
        self.assertTrue(0.88 < first["importance"] < 0.97, first)  # 100/12 of 9
        self.assertTrue(0.03 < second["importance"] < 0.13, second)
        for p in got["parameters"]:
            self.assertTrue(0 <= p["low"] <= p["importance"] <= p["high"] <= 1, p)
        relu = sum(a == "relu" for a in self.ok(self.e.get("/columns?cols=params.act"))["columns"]["params.act"])
        self.assertEqual({p["name"]: p["n"] for p in got["parameters"]}, {"x": 60, "lr": 60, "act": 60, "depth": relu})
        self.assertGreater(got["skill"], 0.9)

    def test_dependence_is_in_the_users_sense_and_units(self):
        got = self.ok(self.e.get("/dependence?param=x"))
        points = got["points"]
        self.assertEqual((points[0]["value"], points[-1]["value"]), (0, 1))
        self.assertTrue(all(p["low"] <= p["mean"] <= p["high"] for p in points))
        self.assertAlmostEqual(points[0]["mean"], -1, delta=0.7)
        self.assertGreater(points[0]["mean"], points[-1]["mean"] + 8)
        self.assertEqual([p["value"] for p in self.ok(self.e.get("/dependence?param=act"))["points"]], ["relu", "tanh", "gelu"])
        self.assertEqual([p["value"] for p in self.ok(self.e.get("/dependence?param=depth"))["points"]], list(range(1, 9)))

    def test_dependence_of_all_parameters_is_that_of_each(self):
        got = self.ok(self.e.get("/dependence?param=*"))
        self.assertEqual([p["param"] for p in got["parameters"]], list(PARAMETERS))
        for p in got["parameters"]:
            self.assertEqual(p["points"], self.ok(self.e.get("/dependence?param=" + p["param"]))["points"])
        for wrong in ("", "?param=", "?param=nothing"):
            self.problem(self.e.get("/dependence" + wrong), 422, "QUERY")

    def test_answer_is_kept_until_something_changes(self):
        e = self.s.create(ask_spec())
        for path in ("/importances?top=0.1", "/dependence?param=lr"):
            first = e.get(path)
            tag = first.headers["ETag"]
            self.assertEqual(tag, '"%d"' % first.json["revision"])
            self.assertEqual(e.get(path, headers={"If-None-Match": tag}).status, 304)
        e.complete(e.ask()["number"], loss=1)
        self.assertEqual(e.get(path, headers={"If-None-Match": tag}).status, 200)

    def test_the_trial_to_take_is_not_the_luckiest(self):
        e = self.s.create(ask_spec(parameters={"x": {"type": "int", "min": 0, "max": 20}}, objective={"metric": "score", "direction": "maximize"}))
        self.assertIsNone(self.ok(e.get("/recommendation"))["trial"])
        self.assertIn("too few trials", self.s.cli("best", e.name, "--expected").stderr)
        noise = [0.1, -0.2, 0.15, -0.1, 0.05, -0.15, 0.2]
        for i in range(42):
            x = i % 21
            score = -abs(x - 14) / 10 + noise[i % 7] if i != 24 else 1.0  # at 3, by luck
            self.ok(e.post("/trials", {"params": {"x": x}, "state": "SUCCEEDED", "metrics": {"score": score}}), 201)
        got = self.ok(e.get("/recommendation"))
        self.assertEqual(e.get().json["best"]["value"], 1.0)
        self.assertLess(abs(got["trial"]["params"]["x"] - 14), 4, got)
        self.assertTrue(-0.3 < got["trial"]["expected"] < 0.5, got)
        self.assertEqual(got["trial"]["observed"], e.trial(got["trial"]["number"])["objective"])
        self.assertIn(f"--x {got['trial']['params']['x']}", self.s.cli("best", e.name, "--expected", "-o", "args").stdout)

    def test_the_front_grows_and_says_where(self):
        spec = ask_spec(objectives=[{"metric": "loss", "direction": "minimize"}, {"metric": "speed", "direction": "maximize"}])
        del spec["objective"]
        e = self.s.create(spec)
        self.assertEqual((self.ok(e.get("/hypervolume"))["volume"], e.get("/hypervolume").json["points"]), (None, []))
        for loss, speed in ((3, 1), (2, 2), (2.5, 1.5), (1, 3)):  # the third is dominated, the last dominates all
            e.complete(e.ask()["number"], loss=loss, speed=speed)
        got = self.ok(e.get("/hypervolume"))
        self.assertEqual((got["n"], got["metrics"], got["reference"]), (4, ["loss", "speed"], [3.2, 0.8]))
        self.assertEqual([p["number"] for p in got["points"]], [1, 2, 4])
        for p, volume in zip(got["points"], (0.2 * 0.2, 1.2 * 1.2, 2.2 * 2.2)):
            self.assertAlmostEqual(p["volume"], volume)
        self.assertEqual(self.s.create(ask_spec()).get("/hypervolume").status, 422)

    def test_why_says_what_was_explored(self):
        e = self.s.create(ask_spec())
        for lr, act, loss in ((1e-2, "relu", 1), (1e-4, "relu", 2), (2e-2, "tanh", 3)):
            self.ok(e.post("/trials", {"params": {"lr": lr, "act": act}, "state": "SUCCEEDED", "metrics": {"loss": loss}}), 201)
        self.assertIsNone(self.ok(e.get("/trials/1/explain"))["explored"])
        self.assertEqual(self.ok(e.get("/trials/2/explain"))["explored"], {"best": 1, "params": [{"name": "lr", "from": 1e-2, "to": 1e-4}]})
        self.assertEqual(self.ok(e.get("/trials/3/explain"))["explored"], {"best": 1, "params": [{"name": "act", "from": "relu", "to": "tanh"}]})
        self.assertIn("far in", self.s.cli("explain", e.name + "/2").stdout)

    def test_few_trials_give_no_importances(self):
        e = self.s.create(ask_spec())
        e.complete(e.ask()["number"], loss=1)
        got = self.ok(e.get("/importances"))
        self.assertEqual((got["n"], got["skill"], got["interactions"]), (1, None, []))
        self.assertEqual([p["importance"] for p in got["parameters"]], [None, None])
        self.assertEqual(self.ok(e.get("/dependence?param=lr"))["points"], [])

    def test_wrong_questions_are_refused(self):
        for path, word in (("/importances?top=2", "top"), ("/importances?top=x", "top"), ("/importances?metric=loss", "score"),
                           ("/dependence", "param"), ("/dependence?param=y", "param"), ("/dependence?param=x&metric=y", "metric")):
            with self.subTest(path):
                got = self.e.get(path)
                self.assertEqual((got.status, got.json["code"]), (422, "QUERY"))
                self.assertIn(word, got.json["detail"])


if __name__ == "__main__":
    unittest.main()
