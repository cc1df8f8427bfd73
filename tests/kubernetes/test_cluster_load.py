# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred Jobs, twenty at once: what the service takes of a processor, and what it asks of the API server (`make bench`)."""
import os
import re
import time

from cluster import ENV, ClusterCase, api, jobs, spec, until

JOBS = int(os.environ.get("HONE_CLUSTER_JOBS", "100"))
PARALLEL = int(os.environ.get("HONE_CLUSTER_PARALLEL", "20"))
SCRIPT = 'i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo "step=$i loss=$X"; sleep 0.5; done'


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connections(pid, port):
    """TCP connections of the process to the port."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found = re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            continue
        if found:
            inodes.add(found.group(1))
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return sum(1 for row in rows if row[9] in inodes and int(row[2].split(":")[1], 16) == port and row[3] == "01")


def metric(text, name, **labels):
    total = 0.0
    for line in text.splitlines():
        if line.startswith(name + "{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            total += float(line.rsplit(" ", 1)[1])
    return total


class Load(ClusterCase):
    def api_metrics(self):
        return api("GET", "/metrics")[1]

    def test_a_hundred_jobs_need_one_watch(self):
        port = int(ENV["K8S_URL"].rsplit(":", 1)[1])
        before, began, wall = self.api_metrics(), cpu_seconds(self.s.pid), time.monotonic()
        e = self.s.create(spec(SCRIPT, self.space, trials=JOBS, parallel=PARALLEL))
        watches, open_connections, most = 0, 0, 0
        while e.state() == "RUNNING":
            running = sum(1 for job in jobs(self.space) if job.get("status", {}).get("active"))
            most = max(most, running)
            now = self.api_metrics()
            watches = max(watches, metric(now, "apiserver_longrunning_requests", verb="WATCH", resource="jobs", scope="namespace"))
            open_connections = max(open_connections, connections(self.s.pid, port))
            time.sleep(2)
        used, wall = cpu_seconds(self.s.pid) - began, time.monotonic() - wall
        after = self.api_metrics()
        lists = {resource: metric(after, "apiserver_request_total", verb="LIST", resource=resource, scope="namespace")
                 - metric(before, "apiserver_request_total", verb="LIST", resource=resource, scope="namespace") for resource in ("pods", "events")}
        trials = e.trials()
        self.assertEqual([t["state"] for t in trials], ["SUCCEEDED"] * JOBS)
        for t in trials:
            self.assertEqual([step for step, _ in self.steps(e, t["number"])], list(range(1, 21)))
        self.assertEqual(watches, 1)
        self.assertLessEqual(lists["pods"], 2)
        print(f"kubernetes: {JOBS} jobs, at most {most} at once, {wall:.0f} s; the service: {used:.2f} s of CPU, {100 * used / wall:.2f} % of one core; "
              f"{watches:.0f} watch of jobs, {lists['pods']:.0f} lists of pods, {lists['events']:.0f} of events, at most {open_connections} connections", flush=True)
        until(lambda: not jobs(self.space), "the objects to be removed")
