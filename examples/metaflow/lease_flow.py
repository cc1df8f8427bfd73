# SPDX-License-Identifier: GPL-3.0-or-later
"""Metaflow: the tasks of a foreach lease trials, so that Metaflow says where they run (@kubernetes, @batch, @resources) and Hone what they run.

    HONE_URL=http://... HONE_TOKEN=... python3 lease_flow.py run --trials 40 --workers 8

A task that dies loses one trial, which is given to another when its lease ends; `resume` goes on with the same experiment.
"""
import hone_client
from metaflow import FlowSpec, Parameter, retry, step

SPACE = {"x": hone_client.uniform(-5, 5), "y": hone_client.uniform(-5, 5)}


class LeaseFlow(FlowSpec):
    trials = Parameter("trials", default=40)
    workers = Parameter("workers", default=4)

    @step
    def start(self):
        client = hone_client.Client()
        experiment = client.create(f"lease-flow-{self.trials}", space=SPACE, objective=hone_client.minimize("loss"), max_trials=self.trials, if_exists="return")
        self.experiment, self.worker = experiment.name, list(range(self.workers))
        self.next(self.work, foreach="worker")

    @retry(times=2)
    @step
    def work(self):
        self.done = 0
        for t in hone_client.Client().experiment(self.experiment).work(lease=60):
            with t:  # an exception fails the trial and is kept with it
                t.tell(loss=(t["x"] - 1) ** 2 + abs(t["y"]))
            self.done += 1
        self.next(self.join)

    @step
    def join(self, inputs):
        self.experiment, self.done = inputs[0].experiment, sum(i.done for i in inputs)
        self.next(self.end)

    @step
    def end(self):
        experiment = hone_client.Client().experiment(self.experiment).wait(60)
        self.best_params, self.best_value = experiment.best_params, experiment.best_value
        print(f"{self.done} trials, best {self.best_value} at {self.best_params}")


if __name__ == "__main__":
    LeaseFlow()
