#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Python client costs: its import, a report, and asking and telling, beside Optuna's storages in the same run (where Optuna is installed).

Both sides use one process, one trial at a time, random search, and keep what they are told on disk. Rounds alternate, so that a busy machine is busy
for both. The table is Markdown."""
import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
for path in (os.path.join(ROOT, "api", "python"), os.path.join(ROOT, "tests", "http")):
    sys.path.insert(0, path)

REPORTS, ROUNDS = 80, 4


def import_ms(code):
    """CPU time of a Python that does this, the least of some."""
    best = 1e9
    for _ in range(7):
        before = os.times()
        subprocess.run([sys.executable, "-B", "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.path.join(ROOT, "api", "python")})
        after = os.times()
        best = min(best, after.children_user + after.children_system - before.children_user - before.children_system)
    return best * 1000


def timed(call):
    before = time.perf_counter()
    call()
    return (time.perf_counter() - before) * 1000


class Disk:
    """What keeping a row costs at least: a page written and synced."""
    name = "one write and fsync, for comparison"

    def __init__(self, directory):
        self.file = open(os.path.join(directory, "synced"), "wb", buffering=0)

    def begin(self):
        self.file.write(bytes(4096))
        os.fdatasync(self.file.fileno())

    def report(self, step):
        self.begin()

    end = begin


class Hone:
    name = "Hone"

    def __init__(self, directory):
        import hone_client
        self.c = hone_client.Client(data=os.path.join(directory, "hone"), start=True)
        self.e = self.c.create("bench", space={"x": hone_client.uniform(0, 1)}, objective=hone_client.minimize("loss"), algorithm="random", stopping="median")

    def begin(self):
        self.t = self.e.ask()

    def report(self, step):
        self.t.report(loss=1 / step, step=step)

    def end(self):
        self.t.tell(loss=0.5)


class Optuna:
    def __init__(self, name, storage):
        import optuna
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.name = name
        self.study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0), pruner=optuna.pruners.MedianPruner())

    def begin(self):
        self.t = self.study.ask()
        self.t.suggest_float("x", 0, 1)

    def report(self, step):
        self.t.report(1 / step, step)
        self.t.should_prune()

    def end(self):
        self.study.tell(self.t, 0.5)


def optunas(directory):
    import optuna
    yield Optuna("Optuna, SQLite", f"sqlite:///{directory}/optuna.db")
    yield Optuna("Optuna, journal file", optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(os.path.join(directory, "journal"))))
    try:
        import grpc  # noqa: F401
    except ImportError:
        return
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    behind = optuna.storages.RDBStorage(f"sqlite:///{directory}/behind.db")
    threading.Thread(target=optuna.storages.run_grpc_proxy_server, args=(behind,), kwargs={"host": "127.0.0.1", "port": port}, daemon=True).start()
    proxy = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=port)
    proxy.wait_server_ready(timeout=20)
    yield Optuna("Optuna, gRPC proxy over SQLite", proxy)


def measure(sides):
    times = {side.name: {"ask": [], "report": [], "tell": []} for side in sides}
    for _ in range(ROUNDS):
        for side in sides:
            t = times[side.name]
            for _ in range(4):
                t["ask"].append(timed(side.begin))
                for step in range(1, REPORTS // 4 + 1):
                    t["report"].append(timed(lambda step=step, side=side: side.report(step)))
                t["tell"].append(timed(side.end))
    return times


def main():
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--hone", default=os.environ.get("HONE_BIN", os.path.join(ROOT, "build", "hone")))
    os.environ["HONE_BIN"] = os.path.abspath(flags.parse_args().hone)
    bare = import_ms("pass")
    print("| what | CPU time |\n|---|---|")
    print(f"| `import hone_client` | {import_ms('import hone_client') - bare:.0f} ms (target below 100) |")
    print(f"| `from hone_client import tune` | {import_ms('from hone_client import tune') - bare:.0f} ms |")
    try:
        import optuna
    except ImportError:
        print("skip the side of Optuna: it is not installed ('make clients-venv', then PYTHON=build/clients-venv/bin/python)")
        optuna = None
    else:
        print(f"| `import optuna` ({optuna.__version__}) | {import_ms('import optuna') - bare:.0f} ms |")
    print("\n| p50 (p95) of a call, ms | ask | report, with the answer whether to stop | tell |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="hone-bench-") as d:
        sides = [Hone(d), Disk(d), *(optunas(d) if optuna else [])]
        for name, t in measure(sides).items():
            cells = [f"{statistics.median(t[k]):.2f} ({sorted(t[k])[int(len(t[k]) * 0.95)]:.2f})" for k in ("ask", "report", "tell")]
            print(f"| {name} | " + " | ".join(cells) + " |")
        sides[0].c.close()


if __name__ == "__main__":
    main()
