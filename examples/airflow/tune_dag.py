# SPDX-License-Identifier: GPL-3.0-or-later
"""Airflow: the command line as a task, its output files read by the next.

    airflow dags test tune_then_train            # with this file in the folder of DAGs, and hone in the PATH of the worker

Exit codes: 6 (the file is wrong) and 8 (no trial succeeded) fail the task for good, 7 (no service answered) is tried again.
"""
import json
import os
from datetime import datetime, timedelta

from airflow.exceptions import AirflowFailException
from airflow.sdk import dag, task

HONE = os.environ.get("HONE_BIN", "hone")
SPEC = {
    "objective": {"metric": "loss", "direction": "minimize"},
    "parameters": {"x": {"type": "float", "min": -5, "max": 5}, "y": {"type": "float", "min": -5, "max": 5}},
    "trials": {"max": int(os.environ.get("HONE_EXAMPLE_TRIALS", "20")), "parallel": 2},
    "run": {"command": ["python3", "-c", "import sys; x, y = map(float, sys.argv[1:]); print(f'loss={(x - 1) ** 2 + abs(y)}')", "{x}", "{y}"]},
}


@dag(dag_id="tune_then_train", schedule=None, start_date=datetime(2025, 1, 1), catchup=False, default_args={"retries": 2, "retry_delay": timedelta(seconds=30)})
def tune_then_train():
    @task
    def tune() -> dict:
        import subprocess
        import tempfile

        with tempfile.TemporaryDirectory() as out:
            with open(f"{out}/tune.json", "w") as file:
                json.dump(SPEC, file)
            done = subprocess.run([HONE, "run", f"{out}/tune.json", "--data", f"{out}/data", "--best-params-out", f"{out}/params.json"])
            if done.returncode in (6, 8):
                raise AirflowFailException(f"hone run ended with {done.returncode}")
            done.check_returncode()
            with open(f"{out}/params.json") as file:
                return json.load(file)

    @task
    def train(best: dict) -> float:
        loss = (best["x"] - 1) ** 2 + abs(best["y"])
        print(f"trained: loss={loss}")
        return loss

    train(tune())


tune_then_train()
