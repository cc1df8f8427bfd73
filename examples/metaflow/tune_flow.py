# SPDX-License-Identifier: GPL-3.0-or-later
"""Metaflow: a step that tunes a function.

    python3 tune_flow.py run --trials 20

The service is that of HONE_URL, or the one that runs, or one that the step starts and that ends with it.
"""
from metaflow import FlowSpec, Parameter, step


class TuneFlow(FlowSpec):
    trials = Parameter("trials", default=20)

    @step
    def start(self):
        import hone_client

        def objective(t):
            x, y = t.float("x", -5, 5), t.float("y", -5, 5)
            return (x - 1) ** 2 + abs(y)

        experiment = hone_client.tune(objective, trials=self.trials, parallel=2, minimize="loss")
        self.best_params, self.best_value = experiment.best_params, experiment.best_value
        self.next(self.train)

    @step
    def train(self):
        self.loss = (self.best_params["x"] - 1) ** 2 + abs(self.best_params["y"])
        self.next(self.end)

    @step
    def end(self):
        print(f"trained: loss={self.loss}")


if __name__ == "__main__":
    TuneFlow()
