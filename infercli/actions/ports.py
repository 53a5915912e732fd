"""What the verbs need of the world, as Protocols. Adapters fit them; nothing here knows which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from infercli.core.record import Json
from infercli.core.release import Entry, Lease, Progress, Revision
from infercli.core.release.observed import Answer, Applications, JobState


class Platform(Protocol):
    """Where a release runs: a Ray on this machine, or a RayService in a cluster."""

    @property
    def where(self) -> str:
        """For people: `the Ray on this machine` or `namespace chat of context prod`."""

    @property
    def kubectl(self) -> str | None:
        """How a command for a person begins: `kubectl --context prod -n chat`; None where there is no cluster."""

    @property
    def settle_s(self) -> float:
        """How long a status must hold before it is believed for an application whose name was there before."""

    def prepare(self, revision: Revision) -> None:
        """Everything that must stand before the Serve config is put: Ray itself, code, keys, static objects."""

    def put(self, revision: Revision, serve_config: Json) -> None:
        """Make `serve_config` the whole Serve config; returns once it is stored, before it takes effect."""

    def tidy(self, revision: Revision) -> None:
        """Take away the static objects of other revisions that `revision` does not have. Raises ClusterError."""

    def config(self) -> Json:
        """The Serve config that was put last, as the other side holds it; None where nothing runs."""

    def applications(self) -> Applications:
        """What runs. Raises RayError or ClusterError when that cannot be told."""

    def front(
        self,
        method: str,
        path: str,
        *,
        body: Json = None,
        engine: str | None = None,
        timeout_s: float = 10.0,
    ) -> Answer:
        """One request to the front with the operator token; `engine` pins it to one application.

        Raises EndpointError when nobody answers.
        """

    def root_cause(self, app: str) -> str | None:
        """Why an engine did not start, from its own log; None where it cannot be found."""

    def logs(self, app: str, lines: int) -> str:
        """The newest lines of an application's replicas."""

    def validate(self, objects: Sequence[dict[str, Json]], serve_config: Json) -> None:
        """Let the other side check what would be applied, without keeping it. Raises what applying would raise."""

    def held_objects(self, objects: Sequence[dict[str, Json]]) -> Sequence[Json]:
        """Each object as the other side has it now; None where it has none."""

    def endpoint(self) -> str | None:
        """The base URL for clients (without /v1); None while nothing serves."""

    def client_key(self) -> str | None:
        """One of the API keys that the front accepts, where they lie on this machine; None: whoever asks must know."""

    def remove(self) -> None:
        """Take everything away that `prepare` and `put` made; succeeds when there is nothing."""

    def left_over(self) -> str | None:
        """What runs of the release although its history is gone: `RayService chat`; None: nothing that can be seen."""


class ReleaseStore(Protocol):
    """The history of releases, where everybody who may change them can read it."""

    def names(self) -> Sequence[str]:
        """The releases that have a history."""

    def elsewhere(self, name: str | None = None) -> Sequence[str]:
        """Other places (namespaces) that have a release of that name, or any; () also where one may not look."""

    def entries(self, name: str) -> Sequence[Entry]:
        """The history, oldest first; empty where there is none."""

    def append(self, revision: Revision) -> None:
        """Record a revision with `Progress()`. Raises ReleaseBusy when that number is taken."""

    def progress(self, name: str, number: int, progress: Progress) -> None:
        """Replace what became of a revision."""

    def lease(self, name: str) -> Lease | None:
        """Who is changing the release, expired claims left out."""

    def changing(
        self, name: str, operation: str, *, break_lock: bool = False, patience_s: float = 0.0
    ) -> AbstractContextManager[None]:
        """Hold the lease, renewing it. Raises ReleaseBusy while somebody else holds it.

        `patience_s`: for how long in all an other side that went away is waited for inside, where it may come back.
        """

    def check_held(self, name: str) -> None:
        """Inside `changing`: raises ReleaseBusy when somebody else has the lease by now, or may have it."""

    def forget(self, name: str, number: int | None = None) -> None:
        """Delete a revision, or the whole history; succeeds when there is none."""


class BenchRunner(Protocol):
    """One benchmark as a Job beside its endpoint."""

    @property
    def what(self) -> str:
        """For people: `Job chat-bench-3f9a1c2b`."""

    @property
    def where(self) -> str:
        """For people: `namespace chat of context prod`."""

    @property
    def kubectl(self) -> str:
        """How a command for a person begins: `kubectl --context prod -n chat`."""

    def start(self) -> None:
        """Create it. Raises ClusterError where the same one runs already, InputError for what is missing."""

    def look(self) -> JobState:
        """How it stands. Raises ClusterError when that cannot be told."""

    def log(self) -> Iterator[str]:
        """Its log from the beginning, line by line as it is written, until its program ends.

        It is open when this returns. It may end early or raise ClusterError: then it is asked for again.
        """

    def remove(self) -> None:
        """Delete what `start` made; a program that runs is told to end. Succeeds when there is nothing."""


class Clock(Protocol):
    """Time."""

    def now(self) -> str:
        """UTC, ISO 8601, to the second."""

    def monotonic(self) -> float:
        """Seconds."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class Watcher(Protocol):
    """Who is told what happens."""

    def step(self, text: str) -> None:
        """A step begins."""

    def detail(self, text: str) -> None:
        """Something inside the step changed; the newest replaces the last."""

    def note(self, text: str) -> None:
        """Something that whoever waits has to know, also where no detail is shown; said once."""

    def done(self) -> None:
        """Nobody waits any more: the newest detail goes, before somebody else writes behind it."""
