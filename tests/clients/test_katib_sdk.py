# SPDX-License-Identifier: GPL-3.0-or-later
"""Katib's own Python SDK, its client configuration pointed at Hone."""
import unittest

import hone
from packages import needs

EXPERIMENT = {
    "apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": "sdk", "namespace": "kubeflow"},
    "spec": {"objective": {"type": "minimize", "objectiveMetricName": "loss"}, "algorithm": {"algorithmName": "random"},
             "parallelTrialCount": 2, "maxTrialCount": 4, "maxFailedTrialCount": 1,
             "parameters": [{"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.01", "max": "0.05"}}],
             "trialTemplate": {
                 "primaryContainerName": "c", "trialParameters": [{"name": "lr", "reference": "lr"}],
                 "trialSpec": {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [
                     {"name": "c", "image": "example/none", "command": ["python3", "-c", "import sys; print('loss=' + sys.argv[1])", "${trialParameters.lr}"]}]}}}}}}}


@needs("kubeflow.katib")
class KatibSdk(hone.Case):
    def test_the_sdk_creates_follows_and_deletes(self):
        from kubeflow.katib import KatibClient
        from kubernetes import client
        configuration = client.Configuration(host=self.s.url)
        configuration.api_key = {"authorization": "Bearer " + self.s.token}
        katib = KatibClient(client_configuration=configuration, namespace="kubeflow")
        katib.create_experiment(EXPERIMENT)
        katib.wait_for_experiment_condition("sdk", timeout=120, polling_interval=1)
        best = katib.get_optimal_hyperparameters("sdk")
        trials = katib.list_trials("sdk")
        self.assertEqual([t.metadata.name for t in trials], ["sdk-1", "sdk-2", "sdk-3", "sdk-4"])
        values = {t.metadata.name: float(t.status.observation.metrics[0].latest) for t in trials}
        self.assertEqual(best.best_trial_name, min(values, key=values.get))
        self.assertEqual(len(katib.get_success_trial_details("sdk")), 4)
        self.assertEqual(katib.get_suggestion("sdk").status.suggestion_count, 4)
        with self.assertRaisesRegex(Exception, "already exists"):
            katib.create_experiment(EXPERIMENT)
        katib.delete_experiment("sdk")
        self.assertEqual(katib.list_experiments(), [])


if __name__ == "__main__":
    unittest.main()
