#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service costs: CPU and fsyncs per operation, growth, memory, start, trial processes, waiting clients.

Each figure stands beside its target and, where there is one, beside the bare stand-in under the same load in the same minute. Loopback only,
every load is bounded. `--only NAME,...` runs some of the parts; the table is Markdown, for docs/benchmarks.md."""
import argparse
import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time

rows = []


def row(what, ours, beside="", target="", ok=None):
    rows.append((what, ours, beside, target, "" if ok is None else "yes" if ok else "**no**"))
    print(f"  {what}: {ours}  {('beside ' + beside) if beside else ''}  {('target ' + target) if target else ''}"
          f"  {'' if ok is None else 'met' if ok else 'NOT MET'}", flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_s(pid):
    f = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")


def cpu_fine(pid):
    """Seconds of CPU of all threads, in nanoseconds' resolution (schedstat)."""
    total = 0
    for t in os.listdir(f"/proc/{pid}/task"):
        try:
            total += int(open(f"/proc/{pid}/task/{t}/schedstat").read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total / 1e9


def rss_mb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1)) / 1024


class Server:
    """A process that serves on a port of its own, in a directory of its own."""

    def __init__(self, args, ready, prefix=(), directory=None):
        self.port = free_port()
        self.dir = directory or tempfile.mkdtemp(prefix="hone-bench-", dir=opt.dir)
        self.log = open(os.path.join(self.dir, "log"), "ab")
        argv = list(prefix) + [a.format(port=self.port, dir=self.dir) for a in args]
        self.p = subprocess.Popen(argv, stdout=self.log, stderr=self.log)
        self.pid = self.p.pid
        for _ in range(400):
            try:
                c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
                c.request("GET", ready)
                if c.getresponse().read() is not None:
                    break
            except OSError:
                time.sleep(0.01)
        else:
            raise SystemExit(f"{argv[0]} did not start: {open(self.log.name).read()[-500:]}")
        if prefix:
            self.pid = int(subprocess.check_output(["pgrep", "-P", str(self.p.pid)]).split()[0])

    def stop(self, keep=False):
        os.kill(self.pid, signal.SIGTERM)
        self.p.wait()
        self.log.close()
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)


def hone(prefix=(), directory=None):
    return Server([opt.hone, "serve", "--data", "{dir}", "--listen", "127.0.0.1:{port}", "--no-auth", "--log-level", "error"], "/readyz", prefix, directory)


def stand_in():
    return Server([os.path.join(opt.tools, "refserver"), "{port}", "{dir}/r.db", "full", "100"], "/healthz")


def load(server, *args, ours=True):
    api = ["-a", opt.api] if ours else []
    out = subprocess.check_output([os.path.join(opt.tools, "loadgen"), "-p", str(server.port), "-P", str(server.pid), *api, *map(str, args)])
    r = json.loads(out.decode().strip().splitlines()[-1])
    if r["http_errors"] or r["net_errors"]:
        row("errors under load", f"{r['http_errors']}+{r['net_errors']} {r['error']}", "", "0", False)
    return r


def call(server, method, path, body=None, timeout=30):
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    c.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
    r = c.getresponse()
    data = r.read()
    c.close()
    if r.status >= 400:
        raise SystemExit(f"{method} {path}: {r.status} {data[:400]}")
    return json.loads(data) if data else None


P = "/api/v1/projects/default/experiments"


def median(f, n=None):
    return statistics.median(f() for _ in range(n or opt.rounds))


def operations():
    ref, our = stand_in(), hone()
    for w, limit in ((1, None), (8, 110), (64, 60)):
        both = [(load(our, "-w", w, "-t", opt.seconds), load(ref, "-w", w, "-t", opt.seconds, ours=False)) for _ in range(opt.rounds)]
        a = statistics.median(o["server_cpu_us_op"] for o, _ in both)
        b = statistics.median(r["server_cpu_us_op"] for _, r in both)
        row(f"server CPU per operation, {w} workers, us", f"{a:.1f}", f"{b:.1f} ({a / b:.2f}x)", f"<= {limit}" if limit else "", limit and a <= limit)
        q = statistics.median(o["ops_s"] / r["ops_s"] for o, r in both)
        row(f"operations per second, {w} workers, of the stand-in's", f"{q:.2f}", f"{statistics.median(r['ops_s'] for _, r in both):.0f}/s", ">= 0.6" if w == 64 else "", q >= 0.6 if w == 64 else None)
    both = [(load(our, "-w", 8, "-t", opt.seconds, "-b"), load(ref, "-w", 8, "-t", opt.seconds, "-b", ours=False)) for _ in range(opt.rounds)]
    a = statistics.median(o["server_cpu_us_trial"] for o, _ in both)
    row("server CPU per trial with 20 reports in one call, us", f"{a:.0f}", f"{statistics.median(r['server_cpu_us_trial'] for _, r in both):.0f}", "<= 300", a <= 300)
    both = [(load(our, "-w", 8, "-t", opt.seconds, "-k", 0), load(ref, "-w", 8, "-t", opt.seconds, "-k", 0, ours=False)) for _ in range(opt.rounds)]
    a = statistics.median(o["server_cpu_us_op"] for o, _ in both)
    row("server CPU per operation, a new connection each, us", f"{a:.1f}", f"{statistics.median(r['server_cpu_us_op'] for _, r in both):.1f}", "<= 130", a <= 130)
    ref.stop()
    our.stop()


def fsyncs():
    if not shutil.which("strace"):
        print("skipped: fsyncs per operation need strace")
        return
    for w, n, limit in ((1, 10, 1.1), (64, 640, 0.25)):
        counts = tempfile.NamedTemporaryFile(dir=opt.dir)
        s = hone(("strace", "--seccomp-bpf", "-f", "-c", "-e", "trace=fsync,fdatasync", "-o", counts.name))
        r = load(s, "-w", w, "-n", n, "-t", 60)
        s.stop()
        total = sum(int(m.group(1)) for m in re.finditer(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s.*f(?:data)?sync$", open(counts.name).read(), re.M))
        ops = r["trials"] * 22
        row(f"fsyncs per operation, {w} worker{'s' * (w > 1)}", f"{total / ops:.2f}", "", f"<= {limit}", total / ops <= limit)


def growth():
    s = hone()
    e = load(s, "-w", 1, "-n", 100, "-t", 60)["exp"]

    def ask():
        return load(s, "-x", "-e", e, "-w", 1, "-n", 60, "-t", 10)

    small = [ask() for _ in range(opt.rounds)]
    load(s, "-x", "-e", e, "-w", 8, "-b", "-n", opt.trials - 100 - 60 * opt.rounds, "-t", 600)
    big = [ask() for _ in range(opt.rounds)]
    q = statistics.median(r["server_cpu_us_op"] for r in big) / statistics.median(r["server_cpu_us_op"] for r in small)
    row(f"an ask, report or complete with {opt.trials} trials, of one with 100 (CPU)", f"{q:.2f}x", "", "<= 1.3x", q <= 1.3)
    q = statistics.median(r["ask_p50_ms"] for r in big) / statistics.median(r["ask_p50_ms"] for r in small)
    row("the same, median time of an ask", f"{q:.2f}x", "", "<= 1.3x", q <= 1.3)
    board = [load(s, "-g", f"{P}/{e}/leaderboard?limit=100", "-w", 1, "-n", 400, "-t", 10) for _ in range(opt.rounds)]
    ms = statistics.median(b["server_cpu_us_op"] for b in board) / 1000
    row("top-100 leaderboard, ms CPU", f"{ms:.2f}", "", "<= 1", ms <= 1)
    row("top-100 leaderboard, KB", f"{board[0]['payload_bytes'] / 1000:.1f}", "", "<= 20", board[0]["payload_bytes"] <= 20000)
    points = opt.trials * 20
    log = [load(s, "-g", f"{P}/{e}/trials/{opt.trials // 2}/measurements", "-w", 1, "-n", 2000, "-t", 10) for _ in range(opt.rounds)]
    ms = statistics.median(b["server_cpu_us_op"] for b in log) / 1000
    row(f"metric log of one trial out of {points} rows, ms CPU", f"{ms:.3f}", "", "<= 0.2", ms <= 0.2)
    load(s, "-x", "-e", e, "-w", 64, "-n", 640, "-t", 20)
    row(f"memory with {opt.trials} trials stored after 64 connections, MB", f"{rss_mb(s.pid):.1f}", "", "<= 20", rss_mb(s.pid) <= 20)
    d = s.dir
    s.stop(keep=True)
    start(f"start to the first answer with {opt.trials} trials stored, ms CPU", d)
    shutil.rmtree(d, ignore_errors=True)


def start(what="start to the first answer, ms CPU", directory=None):
    values = []
    for _ in range(max(3, opt.rounds)):
        s = hone(directory=directory)
        values.append(cpu_fine(s.pid) * 1000)
        memory = rss_mb(s.pid)
        s.stop(keep=directory is not None)
    row(what, f"{statistics.median(values):.1f}", "", "<= 30", statistics.median(values) <= 30)
    if not directory:
        row("memory idle, MB", f"{memory:.1f}", "", "<= 12", memory <= 12)
        stripped = os.path.join(opt.dir, "stripped")
        subprocess.check_call(["strip", "-o", stripped, opt.hone])
        mb = os.path.getsize(stripped) / 1e6
        row("binary, stripped, MB", f"{mb:.2f}", "", "<= 3", mb <= 3)


def processes():
    n = 100
    s = hone()

    def once(name):
        before, kids = cpu_fine(s.pid), children_cpu(s.pid)
        call(s, "POST", P, {"name": name, "objective": {"metric": "loss", "direction": "minimize"}, "algorithm": "random",
                            "parameters": {"x": {"type": "float", "min": 0, "max": 1}}, "trials": {"max": n, "parallel": 2, "max_failed": n},
                            "run": {"command": ["/bin/true"]}})
        while call(s, "GET", f"{P}/{name}?wait_for=state!=RUNNING&wait=20")["state"] in ("RUNNING", "STOPPING"):
            pass
        return (cpu_fine(s.pid) - before) / n * 1000, (children_cpu(s.pid) - kids) / n * 1000

    runs = [once(f"noop-{i}") for i in range(opt.rounds)]
    s.stop()
    server = statistics.median(a for a, _ in runs)
    bare = json.loads(subprocess.check_output([os.path.join(opt.tools, "spawn_bench"), "spawn", "0", "/bin/true"]))
    spawn = (bare["cpu_us_op"] + bare["child_us_op"]) / 1000
    total = statistics.median(a + b for a, b in runs)
    row("a no-op process trial, ms CPU of the service", f"{server:.2f}", "", "", None)
    row("a no-op process trial, ms CPU in all (service, helper, child)", f"{total:.2f}", f"bare spawn {spawn:.2f}", "<= 1.2", total <= 1.2)


def children_cpu(pid):
    """CPU of the waited-for children and theirs (helpers are children of the service until it ends)."""
    f = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(f[13]) + int(f[14])) / os.sysconf("SC_CLK_TCK")


def waits():
    """A GP suggestion with 200 finished trials in 10 dimensions: what another request waits meanwhile."""
    s = hone()
    space = {f"x{i}": {"type": "float", "min": 0, "max": 1} for i in range(10)}
    call(s, "POST", P, {"name": "gp", "objective": {"metric": "y", "direction": "minimize"}, "algorithm": "gp", "seed": 1, "parameters": space})
    call(s, "POST", P, {"name": "other", "objective": {"metric": "y", "direction": "minimize"}, "algorithm": "random", "seed": 1, "parameters": space})
    import random
    r = random.Random(1)
    for _ in range(200):
        x = {k: r.random() for k in space}
        call(s, "POST", f"{P}/gp/trials", {"params": x, "state": "SUCCEEDED", "metrics": {"y": sum((v - .3) ** 2 for v in x.values())}})

    def pings(until):
        c = http.client.HTTPConnection("127.0.0.1", s.port)
        out = []
        while not until():
            t = time.perf_counter()
            c.request("POST", f"{P}/other/trials:suggest", '{"worker":"w"}', {"Content-Type": "application/json"})
            c.getresponse().read()
            out.append((time.perf_counter() - t) * 1000)
        return out

    end = time.time() + 2
    quiet = pings(lambda: time.time() > end)
    took = []

    def ask():
        for i in range(20):
            t = time.perf_counter()
            call(s, "POST", f"{P}/gp/trials:suggest", {"worker": f"w{i}"})
            took.append((time.perf_counter() - t) * 1000)

    thread = threading.Thread(target=ask)
    thread.start()
    busy = pings(lambda: not thread.is_alive())
    thread.join()
    s.stop()
    q = statistics.median(busy) / statistics.median(quiet)
    row("another ask while a GP suggestion (n = 200, d = 10) is computed, median ms", f"{statistics.median(busy):.2f}",
        f"{statistics.median(quiet):.2f} quiet; the suggestion takes {statistics.median(took):.0f}", "does not wait for it",
        statistics.median(busy) < statistics.median(took) / 3)
    row("the same, slowest", f"{max(busy):.1f} ms", f"{max(quiet):.1f} quiet ({q:.2f}x in the median)")


def watchers():
    n = opt.watchers
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, n + 1000), hard))
    s = Server([opt.hone, "serve", "--data", "{dir}", "--listen", "127.0.0.1:{port}", "--no-auth", "--log-level", "error", "--max-connections", str(n + 500)], "/readyz")
    e = load(s, "-w", 8, "-n", 100, "-t", 60)["exp"]
    quiet = load(s, "-x", "-e", e, "-w", 8, "-t", opt.seconds)
    call(s, "POST", P, {"name": "still", "objective": {"metric": "y", "direction": "minimize"}, "parameters": {"x": {"type": "float", "min": 0, "max": 1}}})
    held = []
    for i in range(n):
        c = socket.socket()
        c.bind((f"127.0.0.{1 + i % 20}", 0))
        c.connect(("127.0.0.1", s.port))
        c.sendall(b"GET /api/v1/events?experiment=still&project=default HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n")
        held.append(c)
    time.sleep(2)
    mb = rss_mb(s.pid)
    row(f"memory with {n} idle watchers, MB", f"{mb:.0f}", "", "<= 150", mb <= 150)
    busy = load(s, "-x", "-e", e, "-w", 8, "-t", opt.seconds)
    q = busy["ops_s"] / quiet["ops_s"]
    row(f"operations per second with {n} idle watchers, of those without", f"{q:.2f}", "", "full rate", q >= 0.85)
    for c in held:
        c.close()
    s.stop()


PARTS = {"operations": operations, "fsyncs": fsyncs, "growth": growth, "start": start, "processes": processes, "waits": waits, "watchers": watchers}

a = argparse.ArgumentParser()
a.add_argument("--hone", required=True)
a.add_argument("--tools", required=True)
a.add_argument("--api", required=True)
a.add_argument("--rounds", type=int, default=3)
a.add_argument("--seconds", type=int, default=5)
a.add_argument("--trials", type=int, default=50000)
a.add_argument("--watchers", type=int, default=10000)
a.add_argument("--dir", default=os.environ.get("TMPDIR", "/tmp"), help="where the data goes: a real disk, for the fsyncs")
a.add_argument("--only", default=",".join(PARTS))
opt = a.parse_args()
opt.hone = os.path.abspath(opt.hone)
for name in opt.only.split(","):
    print(f"{name}:", flush=True)
    PARTS[name]()
cpu = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
print(f"\n{cpu.group(1) if cpu else 'unknown processor'}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {time.strftime('%Y-%m-%d')}\n")
print("| what | Hone | beside it | target | met |\n|---|---|---|---|---|")
for r in rows:
    print("| " + " | ".join(r) + " |")
