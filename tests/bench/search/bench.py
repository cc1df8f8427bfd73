#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our search algorithms beside the peers' stored runs, on the problems of ../shared/bench/search (HONE_SEARCH_DIR).

    bench.py run --algorithms gp,tpe --problems '*' --seeds 0-4 --budget 100 [--batch 8] --out ours.jsonl
    bench.py table --out ours.jsonl [--budget 50] [--batch 1]
    bench.py timing --algorithms gp --dim 20 --sizes 100,300,1000

`run` skips what is in the file. An algorithm may carry settings: gp:acquisition=ei. Needs numpy (and the optbench package found there)."""
import argparse, collections, json, math, os, random, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.environ.get("HONE_SEARCH_DIR", os.path.join(HERE, "../../../../shared/bench/search"))
FLOOR = 1e-5  # of a regret, as in the peers' tables


class Driver:
    """An experiment in a process of its own (driver.c)."""

    def __init__(self, driver, algorithm, parameters, seed, objectives=1, bounds=0):
        name, *settings = algorithm.split(":")
        settings = {k: int(v) if v.isdigit() else v for k, v in (s.split("=") for s in settings)}
        self.process = subprocess.Popen([driver], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.cpu_ms, self.number, self.kept = [], {}, []
        self.send(algorithm=name, settings=settings, seed=seed, objectives=objectives, bounds=bounds, parameters=parameters)

    def send(self, **line):
        self.process.stdin.write(json.dumps(line) + "\n")

    def suggest(self, n):
        self.send(ask=n)
        answer = json.loads(self.process.stdout.readline())
        self.cpu_ms.append(answer["cpu_ms"])
        points = [p["params"] for p in answer["points"]]
        self.number.update((id(p["params"]), p["number"]) for p in answer["points"])
        self.kept += points  # ids stay unique while the objects live
        return points

    def observe(self, params, value):
        state, excess = "done", []
        if isinstance(value, tuple):  # with outcome constraints: met when none is above 0
            value, excess = value
            state = "infeasible" if max(excess) > 0 else "done"
        y = [float(v) for v in value] if isinstance(value, list) else [float(value)]
        if id(params) in self.number:
            self.send(tell=self.number[id(params)], y=y, state=state, excess=[float(v) for v in excess])
        else:
            self.send(params=params, y=y, state=state, excess=[float(v) for v in excess])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def parameters_of(space):
    out = {}
    for p in space.params:
        if p.kind == "cat":
            d = {"type": "categorical", "values": list(p.choices)}
        else:
            d = {"type": p.kind, "min": p.low, "max": p.high, **({"scale": "log"} if p.log else {})}
        out[p.name] = {**d, **({"when": {p.parent: list(p.when)}} if p.parent else {})}
    return out


def peers():
    sys.path.insert(0, SHARED)
    from optbench import problems, runner
    return problems, runner


def run(a):
    problems, runner = peers()
    done = runner.load([a.out])
    first, _, last = a.seeds.partition("-")
    for seed in range(int(first), int(last or first) + 1):
        for name in problems.names("open", a.problems):
            for algorithm in a.algorithms.split(","):
                row = {"set": "open", "problem": name, "optimizer": "hone_" + algorithm, "seed": seed, "budget": a.budget, "batch": a.batch}
                if runner.key(row) in done:
                    continue
                problem = problems.make("open", name, seed)
                if problem.kind == "mf":
                    continue
                driver = Driver(a.driver, algorithm, parameters_of(problem.space), seed, getattr(problem, "n_obj", 1), getattr(problem, "n_con", 0))
                regret, _, _, _ = runner.drive(problem, driver, a.budget, a.batch, math.inf, 0)
                driver.close()
                row.update(kind=problem.kind, n=len(regret), regret=regret, cpu_ms=[round(t, 2) for t in driver.cpu_ms])
                with open(a.out, "a") as f:
                    f.write(json.dumps(row) + "\n")


def longest(rows, batch):
    best = {}
    for r in rows:
        k = r["problem"], r["optimizer"], r["seed"]
        if r["batch"] == batch and r["kind"] != "mf" and (k not in best or best[k]["n"] < r["n"]):
            best[k] = r
    return best


def gmean(values):
    return math.exp(sum(math.log(max(v, FLOOR)) for v in values) / len(values))


def ranks(best, group, budgets):
    """Mean rank of each of `group`, over the problems and seeds that all of them ran."""
    pairs = sorted({(p, s) for p, o, s in best if o == group[0]})
    print("\n| mean rank | " + " | ".join(f"at {t}" for t in budgets) + " |\n|" + "---|" * (len(budgets) + 1))
    mean = {o: [] for o in group}
    for t in budgets:
        rows = [[best[p, o, s]["regret"] for o in group] for p, s in pairs if all((p, o, s) in best for o in group)]
        rows = [[max(r[t - 1], FLOOR) for r in row] for row in rows if min(map(len, row)) >= t]
        for i, o in enumerate(group):
            mean[o].append(sum(1 + sum(v < row[i] for v in row) + (sum(v == row[i] for v in row) - 1) / 2 for row in rows) / max(len(rows), 1))
    for o in group:
        print(f"| {o} | " + " | ".join(f"{v:.2f}" for v in mean[o]) + " |")
    print(f"\n({len(rows)} runs each at {budgets[-1]})")


def table(a):
    """Every peer against each of ours on the (problem, seed) pairs both have: geometric means of regret, and how often ours is better."""
    _, runner = peers()
    best = longest(runner.load([os.path.join(SHARED, "results/open.jsonl"), *a.out.split(",")]).values(), a.batch)
    names = sorted({o for _, o, _ in best})
    if a.rank:
        return ranks(best, a.rank.split(","), [t for t in (25, 50, 100, 200) if t <= a.budget])
    for ours in [o for o in names if o.startswith("hone_")]:
        print(f"\n### {ours} at {a.budget} evaluations, {a.batch} at a time\n\n| peer | pairs | ours | peer's | ours better |\n|---|---|---|---|---|")
        for peer in [o for o in names if o != ours and not (o.startswith("hone_") and a.brief)]:
            pairs = [(best[p, ours, s]["regret"], r["regret"]) for (p, o, s), r in best.items() if o == peer and (p, ours, s) in best]
            pairs = [(x[a.budget - 1], y[a.budget - 1]) for x, y in pairs if min(len(x), len(y)) >= a.budget]
            if pairs:
                x, y = ([max(v, FLOOR) for v in side] for side in zip(*pairs))
                wins = sum((u < v) + (u == v) / 2 for u, v in zip(x, y)) / len(pairs)
                print(f"| {peer} | {len(pairs)} | {gmean(x):.4f} | {gmean(y):.4f} | {100 * wins:.0f} % |")
    by = collections.defaultdict(list)
    for (p, o, _), r in best.items():
        if r["n"] >= a.budget:
            by[p, o].append(r["regret"][a.budget - 1])
    columns = [o for o in names if any(k[1] == o for k in by)]
    print("\n| problem | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1))
    for p in sorted({k[0] for k in by}):
        print(f"| {p} | " + " | ".join(f"{gmean(by[p, o]):.2g} ({len(by[p, o])})" if by.get((p, o)) else "" for o in columns) + " |")


def timing(a):
    for algorithm in a.algorithms.split(","):
        for n in [int(s) for s in a.sizes.split(",")]:
            rng = random.Random(5)
            driver = Driver(a.driver, algorithm, {f"x{i}": {"type": "float", "min": 0, "max": 1} for i in range(a.dim)}, 1)

            def value(c):
                return sum((v - 0.3 - 0.4 * i / a.dim) ** 2 for i, v in enumerate(c.values())) + 0.3 * math.sin(9 * c["x0"])
            for _ in range(n - 5):
                c = {f"x{i}": rng.random() for i in range(a.dim)}
                driver.observe(c, value(c))
            for _ in range(10):
                for c in driver.suggest(1):
                    driver.observe(c, value(c))
            driver.close()
            t = sorted(driver.cpu_ms[1:])
            print(f"{algorithm} n={n} d={a.dim}: first {driver.cpu_ms[0]:.1f}, then median {t[len(t) // 2]:.1f}, worst {t[-1]:.1f} ms CPU", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["run", "table", "timing"])
    p.add_argument("--driver", default=os.environ.get("HONE_SEARCH_DRIVER", "build/bench/search_driver"))
    p.add_argument("--algorithms", default="gp")
    p.add_argument("--problems", default="*")
    p.add_argument("--seeds", default="0-4")
    p.add_argument("--budget", type=int, default=50)
    p.add_argument("--batch", type=int, default=1)
    p.add_argument("--out", default="build/bench/search.jsonl")
    p.add_argument("--brief", action="store_true", help="ours against peers only, not against each other")
    p.add_argument("--rank", help="the mean ranks of these instead: hone_gp,optuna_tpe,...")
    p.add_argument("--dim", type=int, default=10)
    p.add_argument("--sizes", default="20,50,100,300,1000")
    a = p.parse_args()
    if not os.path.exists(SHARED) and a.what != "timing":
        print(f"skipped: the problems are not here ({SHARED}; HONE_SEARCH_DIR names the directory)")
        return
    {"run": run, "table": table, "timing": timing}[a.what](a)


main()
