# SPDX-License-Identifier: GPL-3.0-or-later
"""The event log: ordered, without gaps, resumable; by long poll and by SSE; 410 when it does not reach back."""
import http.client
import json
import sqlite3
import threading
import time
import unittest

from hone import PATIENCE, Case, ask_spec, service


class Stream:
    """An SSE connection; next() gives (id, event, data)."""

    def __init__(self, s, path, headers=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", s.port, timeout=PATIENCE)
        self.connection.request("GET", path, headers={"Authorization": "Bearer " + s.token, "Accept": "text/event-stream", **(headers or {})})
        self.answer = self.connection.getresponse()
        self.status = self.answer.status

    def next(self):
        fields = {}
        while True:
            line = self.answer.readline()
            if not line:
                raise EOFError
            line = line.decode().rstrip("\r\n")
            if not line:
                if "event" in fields or "data" in fields:
                    return int(fields["id"]) if "id" in fields else None, fields.get("event"), json.loads(fields.get("data", "null"))
                fields = {}
            elif not line.startswith(":"):
                key, _, value = line.partition(":")
                fields[key] = value[1:] if value.startswith(" ") else value

    def change(self):
        while True:
            got = self.next()
            if got[1] != "bookmark":
                return got

    def close(self):
        self.connection.close()


class Events(Case):
    def all(self, path="/api/v1/events", after=0, limit=7):
        events = []
        while True:
            page = self.ok(self.s.get(f"{path}?after={after}&limit={limit}"))
            self.assertLessEqual(len(page["events"]), limit)
            events += page["events"]
            if not page["events"]:
                return events
            after = page["next_revision"]

    def test_log_has_no_gaps(self):
        e = self.s.create(ask_spec())
        for _ in range(5):
            e.complete(e.ask()["number"], loss=1)
        revisions = [x["revision"] for x in self.all()]
        self.assertEqual(revisions, list(range(revisions[0], revisions[0] + len(revisions))))

    def test_events_of_one_experiment_tell_its_story(self):
        e = self.s.create(ask_spec(trials={"max": 1}))
        other = self.s.create(ask_spec())
        other.ask()
        n = e.ask()["number"]
        e.report(n, 3, 0.5)
        e.complete(n)
        for path in (e.path + "/events", f"/api/v1/events?project=default&experiment={e.name}"):
            events = self.all(path) if "?" not in path else self.ok(self.s.get(path + "&after=0"))["events"]
            self.assertEqual([(x["kind"], x["trial"]) for x in events], [("experiment.created", None), ("trial.created", 1), ("trial.running", 1), ("trial.reported", 1),
                                                                        ("trial.succeeded", 1), ("experiment.succeeded", None)])
            self.assertTrue(all(x["experiment"] == e.name and x["project"] == "default" and x["time"].endswith("Z") for x in events))
        self.assertEqual(events[-1]["revision"], e.get().json["revision"])

    def test_long_poll_answers_on_a_change(self):
        e = self.s.create(ask_spec())
        after, got = e.get().json["revision"], []
        waiter = threading.Thread(target=lambda: got.append(e.get(f"/events?after={after}&wait=30")))
        waiter.start()
        time.sleep(0.1)
        self.s.create(ask_spec())  # another experiment's change does not wake it for nothing
        time.sleep(0.1)
        self.assertFalse(got)
        e.ask()
        waiter.join(40)
        self.assertEqual(got[0].json["events"][0]["kind"], "trial.created")

    def test_long_poll_comes_to_an_end(self):
        e = self.s.create(ask_spec())
        after = e.get().json["revision"]
        page = self.ok(e.get(f"/events?after={after}&wait=0.2"))
        self.assertEqual(page["events"], [])
        self.assertGreaterEqual(page["next_revision"], after)

    def test_wrong_queries_are_refused(self):
        for query in ("after=x", "after=-1", "wait=x", "wait=1000000", "limit=0"):
            with self.subTest(query):
                self.assertIn(self.s.get("/api/v1/events?" + query).status, (400, 422))
        self.problem(self.s.get("/api/v1/events?experiment=nope&after=0"), 404)

    def test_stream_gives_changes_as_they_come(self):
        e = self.s.create(ask_spec())
        stream = Stream(self.s, e.path + f"/events?after={e.get().json['revision']}")
        self.assertEqual((stream.status, stream.answer.headers.get_content_type()), (200, "text/event-stream"))
        t = e.ask()
        self.assertEqual([stream.change()[1] for _ in range(2)], ["trial.created", "trial.running"])
        e.complete(t["number"], loss=0.5)
        revision, kind, data = stream.change()
        self.assertEqual((kind, data["trial"], data["revision"]), ("trial.succeeded", 1, revision))
        stream.close()

    def test_stream_resumes_after_the_last_id(self):
        e = self.s.create(ask_spec())
        start = e.get().json["revision"]
        a = Stream(self.s, e.path + f"/events?after={start}")
        for _ in range(3):
            e.complete(e.ask(worker="a")["number"], loss=1)
        first = [a.change()[0] for _ in range(4)]
        a.close()
        b = Stream(self.s, e.path + f"/events?after={start}", {"Last-Event-ID": str(first[-1])})
        rest = [b.change()[0] for _ in range(5)]
        b.close()
        self.assertEqual(first + rest, sorted(set(first + rest)))
        self.assertEqual(first + rest, [x["revision"] for x in self.all(e.path + "/events", start)])

    def test_many_streams_hear_the_same(self):
        e = self.s.create(ask_spec())
        streams = [Stream(self.s, e.path + f"/events?after={e.get().json['revision']}") for _ in range(20)]
        e.complete(e.ask()["number"], loss=1)
        heard = [[s.change()[0] for _ in range(3)] for s in streams]
        for s in streams:
            s.close()
        self.assertEqual(len({tuple(h) for h in heard}), 1)

    def test_stream_that_nobody_reads_harms_nobody(self):
        e = self.s.create(ask_spec())
        stuck = [Stream(self.s, "/api/v1/events?after=0") for _ in range(5)]
        n = e.ask()["number"]
        for step in range(300):
            self.ok(e.report(n, step, step))
        self.ok(e.complete(n))
        for s in stuck:
            s.close()


class Pruned(unittest.TestCase):
    def test_gone_when_the_log_does_not_reach_back(self):
        with service() as s:
            e = s.create(ask_spec())
            for _ in range(5):
                e.complete(e.ask()["number"], loss=1)
            s.stop()
            with sqlite3.connect(s.data + "/hone.db") as db:
                db.execute("DELETE FROM events WHERE revision <= 4")
            db.close()
            s.start()
            answer = s.get("/api/v1/events?after=2")
            self.assertEqual(answer.status, 410, answer)
            self.assertEqual(Stream(s, "/api/v1/events?after=2").status, 410)
            self.assertEqual(s.get("/api/v1/events?after=4").json["events"][0]["revision"], 5)


if __name__ == "__main__":
    unittest.main()
