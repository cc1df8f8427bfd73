# SPDX-License-Identifier: GPL-3.0-or-later
"""Katib's Suggestion service, asked by the stubs that Katib's SDK carries and the real gRPC library."""
import json
import random
import unittest

import hone
from packages import needs


def grpc_port(service):
    lines = [json.loads(line) for line in service.said().splitlines() if '"grpc.started"' in line]
    return lines[-1]["port"]


@needs("kubeflow.katib", "grpc")
class Suggestions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        import grpc
        from kubeflow.katib import katib_api_pb2 as api, katib_api_pb2_grpc as stubs
        cls.grpc, cls.api = grpc, api
        cls.service = hone.Service(args=["--grpc-listen", "127.0.0.1:0"])
        cls.addClassCleanup(cls.service.close)
        cls.channel = grpc.insecure_channel(f"127.0.0.1:{grpc_port(cls.service)}")
        cls.addClassCleanup(cls.channel.close)
        cls.stub = stubs.SuggestionStub(cls.channel)

    def experiment(self, algorithm="tpe", settings=None, **more):
        a = self.api
        parameters = [
            a.ParameterSpec(name="lr", parameter_type=a.DOUBLE, feasible_space=a.FeasibleSpace(min="0.001", max="0.1", step="0.001" if algorithm == "grid" else "")),
            a.ParameterSpec(name="layers", parameter_type=a.INT, feasible_space=a.FeasibleSpace(min="1", max="5")),
            a.ParameterSpec(name="optimizer", parameter_type=a.CATEGORICAL, feasible_space=a.FeasibleSpace(list=["sgd", "adam", "ftrl"])),
        ]
        return a.Experiment(name="e", spec=a.ExperimentSpec(
            parameter_specs=a.ExperimentSpec.ParameterSpecs(parameters=parameters), objective=a.ObjectiveSpec(type=a.MAXIMIZE, objective_metric_name="accuracy"),
            algorithm=a.AlgorithmSpec(algorithm_name=algorithm, algorithm_settings=[a.AlgorithmSetting(name=k, value=v) for k, v in (settings or {}).items()]),
            parallel_trial_count=3, max_trial_count=100, **more))

    def trial(self, number, assignments, condition=None, value=None):
        a = self.api
        metrics = [a.Metric(name="accuracy", value=str(value))] if value is not None else []
        return a.Trial(name=f"e-{number}", spec=a.TrialSpec(parameter_assignments=a.TrialSpec.ParameterAssignments(assignments=assignments)),
                       status=a.TrialStatus(start_time=f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z", condition=a.TrialStatus.SUCCEEDED if condition is None else condition,
                                            observation=a.Observation(metrics=metrics)))

    def ask(self, experiment, trials=(), n=3):
        reply = self.stub.GetSuggestions(self.api.GetSuggestionsRequest(experiment=experiment, trials=trials, current_request_number=n, total_request_number=len(trials) + n), timeout=60)
        return [list(p.assignments) for p in reply.parameter_assignments]

    def run_search(self, algorithm, trials=18, settings=None):
        """As Katib's controller does it: three at a time, the value known when the next are asked for."""
        done = []
        experiment = self.experiment(algorithm, settings)
        while len(done) < trials:
            for assignments in self.ask(experiment, done):
                values = {x.name: x.value for x in assignments}
                value = -abs(float(values["lr"]) - 0.03) + (values["optimizer"] == "adam") - abs(int(values["layers"]) - 3) / 10
                done.append(self.trial(len(done), assignments, value=value))
        return done

    def refused(self, code, call, *args):
        with self.assertRaises(self.grpc.RpcError) as caught:
            call(*args)
        self.assertEqual(caught.exception.code(), code, caught.exception)
        return caught.exception.details()

    def test_each_algorithm_suggests_points_of_the_space_and_none_twice(self):
        for algorithm in ("random", "grid", "sobol", "tpe", "multivariate-tpe", "cmaes", "bayesianoptimization"):
            with self.subTest(algorithm):
                seen = set()
                for t in self.run_search(algorithm):
                    values = {x.name: x.value for x in t.spec.parameter_assignments.assignments}
                    self.assertTrue(0.001 <= float(values["lr"]) <= 0.1 and values["layers"] in "12345" and values["optimizer"] in ("sgd", "adam", "ftrl"), values)
                    seen.add(tuple(sorted(values.items())))
                self.assertEqual(len(seen), 18)

    def test_a_model_finds_what_is_good(self):
        values = [float(t.status.observation.metrics[0].value) for t in self.run_search("bayesianoptimization", 45)]
        self.assertGreater(max(values), 0.995)  # 1 is the best there is

    def test_the_answer_follows_from_the_trials_whatever_their_order(self):
        trials = self.run_search("tpe")
        first = self.ask(self.experiment(), trials)
        random.Random(1).shuffle(trials)
        self.assertEqual(self.ask(self.experiment(), trials), first)

    def test_states_of_trials_are_understood(self):
        conditions = [v.number for v in self.api.TrialStatus.TrialConditionType.DESCRIPTOR.values]
        points = self.ask(self.experiment("random"), n=len(conditions))
        trials = [self.trial(i, p, condition=c, value="nan" if i % 2 else None) for i, (p, c) in enumerate(zip(points, conditions))]
        self.assertEqual(len(self.ask(self.experiment("bayesianoptimization"), trials)), 3)

    def test_settings_are_checked(self):
        validate = self.stub.ValidateAlgorithmSettings
        ask = lambda *a, **k: self.api.ValidateAlgorithmSettingsRequest(experiment=self.experiment(*a, **k))
        validate(ask("tpe", {"gamma": "0.3"}))
        self.assertIn("n_ei_candidats", self.refused(self.grpc.StatusCode.INVALID_ARGUMENT, validate, ask("tpe", {"n_ei_candidats": "3"})))
        self.assertIn("nasConfig", self.refused(self.grpc.StatusCode.INVALID_ARGUMENT, validate, ask("enas", nas_config=self.api.NasConfig())))
        self.refused(self.grpc.StatusCode.INVALID_ARGUMENT, validate, ask("nothing"))
        self.assertIn("hyperband", self.refused(self.grpc.StatusCode.INVALID_ARGUMENT, validate, ask("hyperband", {"r_l": "5", "resource_name": "layers"})))

    def test_a_grid_has_an_end(self):
        experiment = self.experiment("grid")
        self.assertEqual(len(self.ask(experiment, n=1000)), 1000)
        points = self.ask(experiment, n=1000) + self.ask(experiment, [self.trial(i, p, value=0) for i, p in enumerate(self.ask(experiment, n=1000))], n=500)
        self.assertEqual(len({str(p) for p in points}), 1500)
        self.assertIn("every one of the 1500 points", self.refused(self.grpc.StatusCode.FAILED_PRECONDITION, self.ask, experiment, [self.trial(i, p, value=0) for i, p in enumerate(points)], 1))

    def call(self, method, message=b""):
        return self.channel.unary_unary(method, request_serializer=lambda m: m, response_deserializer=lambda m: m)(message, timeout=30)

    def test_it_says_that_it_is_healthy(self):
        self.assertEqual(self.call("/grpc.health.v1.Health/Check"), b"\x08\x01")

    def test_what_is_no_message_or_method_is_refused(self):
        self.refused(self.grpc.StatusCode.UNIMPLEMENTED, self.call, "/api.v1.beta1.Suggestion/Nothing")
        self.refused(self.grpc.StatusCode.INVALID_ARGUMENT, self.call, "/api.v1.beta1.Suggestion/GetSuggestions", b"\xff" * 100)
        self.refused(self.grpc.StatusCode.INVALID_ARGUMENT, self.call, "/api.v1.beta1.Suggestion/GetSuggestions", b"")
        self.refused(self.grpc.StatusCode.RESOURCE_EXHAUSTED, self.call, "/api.v1.beta1.Suggestion/GetSuggestions", b"\0" * (17 << 20))
        self.assertEqual(len(self.ask(self.experiment())), 3)  # and it goes on


if __name__ == "__main__":
    unittest.main()
