"""A Serve in memory with faults on demand: the actions are tested against it, by rules that the real one follows."""

from __future__ import annotations

import json

from infercli.core.release.observed import Answer, Application, Applications
from infercli.errors import EndpointError


class FakeClock:
    def __init__(self):
        self.time = 0.0

    def now(self):
        return f"2026-01-01T00:00:{int(self.time) % 60:02}Z"

    def monotonic(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds


class Quiet:
    def __init__(self):
        self.said = []
        self.pending = None
        """The detail that a terminal still shows."""

    def step(self, text):
        self.done()
        self.said.append(text)

    def detail(self, text):
        self.pending = text

    def note(self, text):
        self.done()
        self.said.append(f"note: {text}")

    def done(self):
        self.pending = None


NOT_PLACED = "taken more than 30s to be scheduled. This may be due to waiting for the cluster to auto-scale"
"""Ray 2.60's words, as far as they do not depend on the replica."""


class FakePlatform:
    """Applications become RUNNING after `start_s`; the front follows the table that was put last after `flip_s`."""

    where = "a fake"
    kubectl = None
    settle_s = 0.0

    def __init__(self, clock, *, start_s=5.0, flip_s=0.3, drain_s=1.0):
        self.clock, self.start_s, self.flip_s, self.drain_s = clock, start_s, flip_s, drain_s
        self.puts = []
        self.held = []
        self.began = {}
        self.grows = {}
        """app -> since when it has been starting more replicas."""
        self.ran = set()
        """Those that ran when they were given more replicas: what they had goes on."""
        self.leaving = {}
        self.at = 0.0
        self.fail_start = {}
        """app -> message of a replica that cannot start."""
        self.placed_after_s = {}
        """app -> seconds until Ray finds room for it; after 30 s it says that it found none yet."""
        self.status = {}
        """app -> Ray's word for it, until it is taken out of the config: the same config put again changes nothing."""
        self.answers = {}
        """app -> (status, body) instead of a completion."""
        self.refused = {}
        """app -> why the front does not route to it."""
        self.faults = {}
        """method name -> exception to raise, once."""
        self.on_put = None
        self.put_by = []
        """The numbers of the revisions with whose objects configs were put."""
        self.prepared = []
        """The numbers of the revisions whose objects were applied."""
        self.objects = {}
        """(kind, name) -> the object as it was applied last, or as somebody made it since."""
        self.tidied = []
        """The numbers of the revisions beside whose objects no others were left."""

    def _fault(self, name):
        if name in self.faults:
            raise self.faults.pop(name)

    def prepare(self, revision):
        self._fault("prepare")
        self.prepared.append(revision.number)
        self.objects |= {self._key(o): o for o in revision.objects}

    def tidy(self, revision):
        self._fault("tidy")
        self.tidied.append(revision.number)

    def validate(self, objects, serve_config):
        self._fault("validate")

    def put(self, revision, serve_config):
        self._fault("put")
        before, had = set(self.began), self.replicas()
        running = {name for name in before if self._status(name) == "RUNNING"}
        names = {a["name"] for a in serve_config["applications"]}
        for name in names:
            self.began.setdefault(name, self.clock.time)
            self.leaving.pop(name, None)
        for name in before - names:
            self.began.pop(name)
            self.grows.pop(name, None)
            self.ran.discard(name)
            self.status.pop(name, None)
            self.leaving[name] = self.clock.time + self.drain_s
        self.put_by.append(revision.number)
        self.puts.append(json.loads(json.dumps(serve_config)))
        self.held.append(self.puts[-1])
        for name, count in self.replicas().items():
            if count < had.get(name, count):
                self.grows.pop(name, None)
            elif count > had.get(name, count):
                self.grows[name] = self.clock.time
                self.ran |= {name} & running
        self.at = self.clock.time
        if self.on_put:
            self.on_put(self)

    def config(self):
        return self.held[-1] if self.held else None

    def replicas(self):
        """app -> how many the config that is held asks for."""
        held = self.config() or {"applications": ()}
        return {a["name"]: a["deployments"][0]["num_replicas"] for a in held["applications"]}

    def _starts_for(self, name):
        return self.clock.time - max(self.began[name], self.grows.get(name, 0))

    def _status(self, name):
        if name in self.status:
            return self.status[name]
        if name in self.ran and name not in self.grows:
            return "RUNNING"
        starts_s = self.start_s + self.placed_after_s.get(name, 0)
        return "RUNNING" if name not in self.fail_start and self._starts_for(name) >= starts_s else "DEPLOYING"

    def _answers(self, name):
        """A replica of it runs, whether or not more are to come."""
        return name in self.began and (self._status(name) == "RUNNING" or name in self.ran - set(self.status))

    def _messages(self, name):
        if name in self.fail_start:
            return (self.fail_start[name],)
        if 30 < self._starts_for(name) < self.placed_after_s.get(name, 0):
            return (f"Deployment 'engine' in application '{name}' has 1 replicas that have {NOT_PLACED}",)
        return ()

    def applications(self):
        self._fault("applications")
        apps = {}
        for name in self.began:
            apps[name] = Application(self._status(name), "", self._messages(name))
        for name, until in list(self.leaving.items()):
            if self.clock.time < until:
                apps[name] = Application("DELETING", "", ())
            else:
                self.leaving.pop(name)
        return Applications(accepted=True, rejected=None, apps=apps)

    def _table(self, config):
        front = next(a for a in config["applications"] if a["name"] == "front")
        return front["deployments"][0]["user_config"]

    def front(self, method, path, *, body=None, engine=None, timeout_s=10.0):
        self._fault("front")
        if not self.held:
            raise EndpointError("nobody listens")
        if path == "/front":
            flipped = self.clock.time - self.at >= self.flip_s or len(self.held) == 1
            shown = self.held[-1 if flipped else -2]
            pid = self._next_pid()
            table = self._table(shown)
            silent = [r["app"] for r in table["routes"] if r["weight"] and not self._answers(r["app"])]
            refused = {**dict.fromkeys(silent, "no replica answers"), **self.refused}
            state = {"pid": pid, "generation": table["generation"], "refused": refused}
            return Answer(200, {}, json.dumps(state).encode())
        if engine in self.answers:
            status, answer = self.answers[engine]
            return Answer(status, {}, answer)
        if engine is not None and not self._answers(engine):
            return Answer(503, {}, b'{"error": {"message": "not up"}}')
        choice = {"message": {"content": "hello"}}
        return Answer(200, {}, json.dumps({"choices": [choice], "usage": {"completion_tokens": 3}}).encode())

    def _next_pid(self):
        self._turn = getattr(self, "_turn", 0) + 1
        return 100 + self._turn % 2

    def root_cause(self, app):
        return "ValueError: the root cause" if app in self.fail_start else None

    def logs(self, app, lines):
        return "a log"

    def held_objects(self, objects):
        return [self.objects.get(self._key(o)) for o in objects]

    def _key(self, body):
        return body["kind"], body.get("metadata", {}).get("name")

    def endpoint(self):
        return "http://fake"

    def client_key(self):
        return None

    def left_over(self):
        return "a fake config" if self.held else None

    def remove(self):
        self._fault("remove")
        self.puts.clear()
        self.held.clear()
        self.began.clear()
