# SPDX-License-Identifier: GPL-3.0-or-later
"""A map of 10,000 items: it ends, in bounded memory, and what is larger is refused by name."""
from hone import BIN, Case, name, until

P = "/api/v1/projects/default"
SANITIZED = any(word in BIN for word in ("-asan/", "-tsan/"))  # their memory is mostly not ours


def memory(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:")) // 1024


class Big(Case):
    def run_it(self, over, state):
        doc = {"name": name("p"), "steps": {"list": {"run": {"shell": f"seq -s, 1 {over} | sed 's/.*/[&]/' > ${{out.l}}"}, "outputs": {"l": {"type": "list", "items": "int"}}},
                                            "each": {"map": {"over": "${steps.list.outputs.l}", "as": "k", "max_parallel": 4}, "run": ["true"]}}}
        run = self.ok(self.s.post(P + "/runs", {"pipeline": doc}), 201)
        got = until(lambda: (lambda r: r if r["end_time"] else None)(self.ok(self.s.get(f"{P}/runs/{run['uid']}?wait=30"))), "the run to end", 1200)
        self.assertEqual(got["state"], state, got)
        return got

    def test_ten_thousand_items(self):
        before = memory(self.s.pid)
        got = self.run_it(10000, "SUCCEEDED")
        if not SANITIZED:
            self.assertLess(memory(self.s.pid) - before, 200)
        steps = self.ok(self.s.get(f"{P}/runs/{got['uid']}/steps?limit=20000"))["steps"]
        self.assertEqual(len(steps), 10002)

    def test_more_items_than_are_allowed_are_refused_by_name(self):
        got = self.run_it(10001, "FAILED")
        self.assertRegex(got["message"], "each.*10001 items, at most 10000")
