#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Learning curves at equal total epochs: our stopping rules and searches, through a service, beside Optuna's pruners and Syne Tune's schedulers.

    fidelity.py run --methods 'hone/*,optuna/*' --seeds 0-9 --budget 20 --out fidelity.jsonl
    fidelity.py table --out fidelity.jsonl

Four trials run side by side, an epoch each in turn, until BUDGET times 81 epochs are spent; a paused trial goes on where it was. The score is the lowest
validation loss seen, as a regret: 0 the best there is, 1 the best of a median configuration. `run` skips what is in the file, and methods whose package is
not there. Tasks: two made-up families of curves, and a surrogate of 191 real trainings if ../shared/bench/search is there. HONE_BIN: the binary."""
import argparse, collections, fnmatch, hashlib, http.client, json, math, os, random, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.environ.get("HONE_SEARCH_DIR", os.path.join(HERE, "../../../../shared/bench/search"))
EPOCHS, WORKERS = 81, 4
FLOOR = 1e-3  # of a regret, where ranks and means are taken


# --- tasks: parameters as in an experiment file, curve(params) of 81 losses

MADE_UP = {"lr": {"type": "float", "min": 1e-4, "max": 1, "scale": "log"}, "decay": {"type": "float", "min": 1e-6, "max": 1e-1, "scale": "log"},
           "momentum": {"type": "float", "min": 0, "max": 0.99}, "width": {"type": "int", "min": 8, "max": 512, "scale": "log"}}


def noise(params, epoch):
    text = json.dumps([params, epoch], sort_keys=True).encode()
    return random.Random(hashlib.blake2b(text, digest_size=8).digest()).gauss(0, 1)


def unit(params):
    return [math.log10(params["lr"]) / 4 + 1, math.log10(params["decay"]) / 5 + 1.2, params["momentum"] / 0.99,
            math.log(params["width"] / 8) / math.log(64)]


def made_up(crossing):
    """Power laws. Plain: what ends low falls fast, too. Crossing: what ends low begins high and falls slowly, so that early rungs mislead."""
    def curve(params):
        lr, decay, momentum, width = unit(params)
        far = (lr - 0.6) ** 2 * 4 + (decay - 0.4) ** 2 + (momentum - 0.8 + 0.3 * (lr - 0.6)) ** 2 + 0.5 * (width - 0.7) ** 2
        level = 0.05 + 0.5 * far / (far + 0.5)
        rate = (0.35 + 0.6 * far / (far + 0.5)) if crossing else (0.9 - 0.5 * far / (far + 0.5))
        drop = (1.2 - 0.7 * far / (far + 0.5)) if crossing else 0.9
        return [level + drop * (e + 1) ** -rate + 0.004 * noise(params, e) for e in range(EPOCHS)]
    return MADE_UP, curve


def real():
    sys.path.insert(0, SHARED)
    from optbench import problems
    p = problems.make("open", "mlp_digits_curve", 0)
    parameters = {}
    for q in p.space.params:
        parameters[q.name] = ({"type": "categorical", "values": list(q.choices)} if q.kind == "cat" else
                              {"type": q.kind, "min": q.low, "max": q.high, **({"scale": "log"} if q.log else {})})
    return parameters, lambda params: [float(v) for v in p.curve(params)]


def draw(parameters, rng):
    out = {}
    for name, p in parameters.items():
        if p["type"] == "categorical":
            out[name] = rng.choice(p["values"])
        else:
            log = p.get("scale") == "log"
            low, high = (math.log(p["min"]), math.log(p["max"])) if log else (p["min"], p["max"])
            v = rng.uniform(low, high)
            v = math.exp(v) if log else v
            out[name] = min(p["max"], max(p["min"], round(v))) if p["type"] == "int" else v
    return out


def tasks():
    out = {"power": made_up(False), "crossing": made_up(True)}
    try:
        out["mlp_digits"] = real()
    except (ImportError, OSError) as why:
        print(f"skip mlp_digits: {why}", file=sys.stderr)
    return out


def scale(parameters, curve):
    """The best and the median of many random configurations."""
    rng = random.Random(1)
    best = sorted(min(curve(draw(parameters, rng))) for _ in range(3000))
    return best[0], statistics.median(best)


# --- methods: start(worker) -> (handle, params, first epoch, last epoch); report(handle, epoch, loss) -> stop?; end(handle, loss)

class Hone:
    service = None
    names = {"random+asha": ("random", "asha", {}), "random+asha pause": ("random", "asha", {"form": "pause"}), "random+hyperband": ("random", "hyperband", {}),
             "tpe+asha": ("tpe", "asha", {}), "gp+asha": ("gp", "asha", {}), "gp+median": ("gp", "median", None), "bohb": ("bohb", None, {}),
             "bohb gp": ("bohb:gp", None, {}), "bohb asha pause": ("bohb", "asha", {"form": "pause"}), "bohb gp asha pause": ("bohb:gp", "asha", {"form": "pause"}),
             "bohb gp asha": ("bohb:gp", "asha", {}), "bohb hyperband pause": ("bohb", "hyperband", {"form": "pause"}),
             "random+hyperband pause": ("random", "hyperband", {"form": "pause"})}

    def __init__(self, method, parameters, seed):
        algorithm, rule, settings = self.names[method]
        name, _, model = algorithm.partition(":")
        spec = {"objective": {"metric": "loss", "direction": "minimize", "strategy": "min"}, "parameters": parameters, "seed": seed,
                "algorithm": {"name": name, "settings": {**({"max_resource": EPOCHS} if name == "bohb" else {}), **({"model": model} if model else {})}}}
        if rule:
            spec["stopping"] = {"name": rule, "settings": {} if settings is None else {"max_resource": EPOCHS, **settings}}
        if not Hone.service:
            Hone.service = Service()
        self.path = "/api/v1/projects/default/experiments/" + self.service.post("/api/v1/projects/default/experiments", spec)["name"]
        self.at = {}

    def start(self, worker):
        t = self.service.post(self.path + "/trials:suggest", {"worker": f"w{worker}", "wait_seconds": 20})["trials"][0]
        n = t["number"]
        return n, t["params"], self.at.get(n, 0) + 1, t["lease"].get("budget", EPOCHS)

    def report(self, n, epoch, loss):
        self.at[n] = epoch
        return self.service.post(f"{self.path}/trials/{n}:report", {"measurements": [{"step": epoch, "metrics": {"loss": loss}}]})["should_stop"]

    def end(self, n, loss, stopped):
        self.service.post(f"{self.path}/trials/{n}:complete", {})

    def close(self):
        self.service.post(self.path + ":stop", {})


class Service:
    def __init__(self):
        self.data = tempfile.TemporaryDirectory(prefix="hone-fidelity-")
        binary = os.environ.get("HONE_BIN", os.path.join(HERE, "../../../build/hone"))
        env = {k: v for k, v in os.environ.items() if not k.startswith("HONE_")}
        self.process = subprocess.Popen([binary, "serve", "--data", self.data.name, "--listen", "127.0.0.1:0"], env=env, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        path = os.path.join(self.data.name, "server.json")
        while not os.path.exists(path):
            time.sleep(0.02)
        time.sleep(0.2)
        with open(path) as file:
            port = int(json.load(file)["url"].rsplit(":", 1)[1].split("/")[0])
        with open(os.path.join(self.data.name, "token")) as file:
            self.headers = {"Authorization": "Bearer " + file.read().strip(), "Content-Type": "application/json"}
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def post(self, path, body):
        try:
            self.connection.request("POST", path, json.dumps(body), self.headers)
        except (OSError, http.client.HTTPException):  # closed by the service while others ran
            self.connection.close()
            self.connection.request("POST", path, json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{path}: {answer.status} {text[:500]!r}")
        return json.loads(text)

    def close(self):
        self.connection.close()
        self.process.terminate()
        self.process.wait()
        self.data.cleanup()


class Optuna:
    names = {"TPE+Hyperband": ("tpe", "hyperband"), "TPE+halving": ("tpe", "halving"), "random+halving": ("random", "halving"), "TPE+median": ("tpe", "median"),
             "random+Hyperband": ("random", "hyperband")}

    def __init__(self, method, parameters, seed):
        import optuna
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna, self.parameters = optuna, parameters
        sampler, pruner = self.names[method]
        sampler = optuna.samplers.TPESampler(seed=seed) if sampler == "tpe" else optuna.samplers.RandomSampler(seed=seed)
        pruner = {"hyperband": lambda: optuna.pruners.HyperbandPruner(1, EPOCHS, 3), "median": optuna.pruners.MedianPruner,
                  "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(1, 3)}[pruner]()
        self.study = optuna.create_study(sampler=sampler, pruner=pruner, study_name=f"s{seed}")

    def start(self, worker):
        t = self.study.ask()
        params = {}
        for name, p in self.parameters.items():
            log = p.get("scale") == "log"
            params[name] = (t.suggest_categorical(name, p["values"]) if p["type"] == "categorical" else
                            t.suggest_int(name, p["min"], p["max"], log=log) if p["type"] == "int" else t.suggest_float(name, p["min"], p["max"], log=log))
        return t, params, 1, EPOCHS

    def report(self, t, epoch, loss):
        t.report(loss, epoch)
        return t.should_prune()

    def end(self, t, loss, stopped):
        if stopped:
            self.study.tell(t, state=self.optuna.trial.TrialState.PRUNED)
        else:
            self.study.tell(t, loss)

    def close(self):
        pass


class SyneTune:
    names = {"ASHA": "ASHA", "BOHB": "BOHB"}

    def __init__(self, method, parameters, seed):
        import logging
        logging.disable(logging.WARNING)
        import numpy
        from syne_tune import config_space as cs
        from syne_tune.backend import trial_status
        from syne_tune.optimizer import baselines
        self.Trial = trial_status.Trial
        numpy.random.seed(seed)  # its brackets are drawn from there
        space = {}
        for name, p in parameters.items():
            log = p.get("scale") == "log"
            space[name] = (cs.choice(p["values"]) if p["type"] == "categorical" else
                           (cs.lograndint if log else cs.randint)(p["min"], p["max"]) if p["type"] == "int" else
                           (cs.loguniform if log else cs.uniform)(p["min"], p["max"]))
        self.scheduler = getattr(baselines, self.names[method])(space, metric="loss", time_attr="epoch", max_t=EPOCHS, random_seed=seed)
        self.n = 0

    def start(self, worker):
        import datetime
        t = self.Trial(self.n, self.scheduler.suggest().config, datetime.datetime.now())
        self.n += 1
        self.scheduler.on_trial_add(t)
        return t, t.config, 1, EPOCHS

    def report(self, t, epoch, loss):
        return self.scheduler.on_trial_result(t, {"loss": loss, "epoch": epoch}) != "CONTINUE"

    def end(self, t, loss, stopped):
        pass

    def close(self):
        pass


FAMILIES = {"hone": Hone, "optuna": Optuna, "syne-tune": SyneTune}


# --- a run

def go(family, method, parameters, curve, bounds, seed, budget):
    m = FAMILIES[family](method, parameters, seed)
    best, used, regrets, n, ran = math.inf, 0, [], 0, {}
    while used < budget * EPOCHS:
        for w in range(WORKERS):
            if w not in ran:
                handle, params, epoch, last = m.start(w)
                ran[w] = [handle, curve(params), epoch, last]
                n += 1
            handle, losses, epoch, last = ran[w]
            loss = losses[epoch - 1]
            best = min(best, loss)
            used += 1
            if used % EPOCHS == 0:
                regrets.append(round(max(0, (best - bounds[0]) / (bounds[1] - bounds[0])), 6))
            stop = m.report(handle, epoch, loss)
            if stop or epoch >= last:
                m.end(handle, min(losses[:epoch]), stop and epoch < EPOCHS)
                del ran[w]
            else:
                ran[w][2] += 1
    m.close()
    return {"regret": regrets[:budget], "starts": n}


def there(family):
    try:
        if family == "optuna":
            import optuna  # noqa: F401
        elif family == "syne-tune":
            import syne_tune.optimizer.baselines  # noqa: F401
    except ImportError as why:
        print(f"skip {family}: {why}", file=sys.stderr)
        return False
    return True


def key(row):
    return row["task"], row["method"], row["seed"], row["budget"]


def load(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [json.loads(line) for line in file]


def run(a):
    done = {key(r) for r in load(a.out)}
    first, _, last = a.seeds.partition("-")
    all_tasks = {name: (*task, scale(*task)) for name, task in tasks().items()}
    methods = [(f, m) for f, c in FAMILIES.items() for m in c.names if any(fnmatch.fnmatch(f"{f}/{m}", p) for p in a.methods.split(","))]
    families = {f for f, _ in methods if there(f)}
    for seed in range(int(first), int(last or first) + 1):
        for task, (parameters, curve, bounds) in all_tasks.items():
            for family, method in methods:
                row = {"task": task, "method": f"{family}/{method}", "seed": seed, "budget": a.budget}
                if family not in families or key(row) in done:
                    continue
                began = time.process_time()
                row.update(go(family, method, parameters, curve, bounds, seed, a.budget), cpu_s=round(time.process_time() - began, 2))
                with open(a.out, "a") as file:
                    file.write(json.dumps(row) + "\n")
    if Hone.service:
        Hone.service.close()


def ranks(values):
    order = sorted(values)
    return [(2 * order.index(v) + order.count(v) + 1) / 2 for v in values]


def table(a):
    rows = load(a.out)
    methods = sorted({r["method"] for r in rows})
    pairs = collections.defaultdict(dict)
    for r in rows:
        pairs[r["task"], r["seed"], r["budget"]][r["method"]] = r["regret"]
    pairs = {k: v for k, v in pairs.items() if len(v) == len(methods)}
    names = sorted({k[0] for k in pairs})
    print(f"{len(pairs)} pairs of task and seed; regret: geometric mean at the end, of it half way in brackets\n")
    print("| method | mean rank, quarter | half | end | " + " | ".join(names) + " |\n|---|---|---|---|" + "---|" * len(names))
    rank = {m: [] for m in methods}
    for v in pairs.values():
        n = len(next(iter(v.values())))
        for at in (n // 4, n // 2, n):
            for m, r in zip(methods, ranks([max(FLOOR, v[m][at - 1]) for m in methods])):
                rank[m].append((at / n, r))
    mean = lambda m, share: statistics.mean(r for s, r in rank[m] if abs(s - share) < 0.01)
    for m in sorted(methods, key=lambda m: mean(m, 1)):
        cells = []
        for name in names:
            of = [v[m] for k, v in pairs.items() if k[0] == name]
            gmean = lambda at: math.exp(statistics.mean(math.log(max(FLOOR, r[at - 1])) for r in of))
            cells.append(f"{gmean(len(of[0])):.3f} ({gmean(len(of[0]) // 2):.3f})")
        print(f"| {m} | {mean(m, 0.25):.2f} | {mean(m, 0.5):.2f} | {mean(m, 1):.2f} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    r = commands.add_parser("run")
    r.add_argument("--methods", default="*")
    r.add_argument("--seeds", default="0-9")
    r.add_argument("--budget", type=int, default=20)
    r.set_defaults(call=run)
    t = commands.add_parser("table")
    t.set_defaults(call=table)
    for c in (r, t):
        c.add_argument("--out", required=True)
    a = parser.parse_args()
    a.call(a)


if __name__ == "__main__":
    main()
