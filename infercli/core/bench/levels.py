"""Which levels of load a run sends, one after another: those that were given, a sweep, or a search.

Pure: what was measured so far goes in, the next level comes out. The same on this machine and in a Job.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import Field, ValidationError

from infercli.core.bench.goodput import Objectives
from infercli.core.bench.search import MOST_LEVELS, next_rate
from infercli.core.bench.stage import CLIENT_REPEATS, StageResult
from infercli.core.bench.sweep import MOST_USERS, next_users
from infercli.core.record import Json, Record
from infercli.core.traces import Load
from infercli.core.units import number
from infercli.core.validation import problems_of
from infercli.errors import InputError

USERS = 8
REQUESTS = 64
PROBE_REQUESTS = 32
"""Of the closed loop that a search begins with: half of what it brings is the first rate that is tried."""
SEARCH_REQUESTS = 100
"""Of each level of a search: of fewer, a p95 rests on fewer than five requests."""
SEARCH_S = 10.0
"""And at least so long: queues that grow take seconds to show."""
CONFIRMATION_TIMES = 3
"""So many times as long is a level that confirms a rate: what makes requests miss near the limit comes seldom."""
FILLING_FRACTION = 0.2
"""Of such a level, at its beginning: the queue fills, and it is not measured. Our choice."""
ROUNDS = 4
"""Requests per user of a closed loop, at least: the first round meets an empty engine, the last one a leaving crowd."""


def requests_of(users: int | None) -> int:
    """How many requests a level has that does not say it; `users`: of a closed loop."""
    return max(REQUESTS, ROUNDS * (users or 0))


class Level(NamedTuple):
    """A level to send."""

    load: Load
    why: str | None = None
    """Of a search: `4 requests/s: the first guess`; of a sweep where a level is sent again."""


class BenchRun(Record):
    """What the levels of one run brought."""

    started_at: str
    """UTC, ISO 8601, by the clock of the machine that measured."""
    origin_monotonic_ns: int
    """CLOCK_MONOTONIC when the first level began: of the machine that measured, or of the one that scraped meanwhile,
    where that is another (a Job's run, whose beginning is known there to the delay of its log)."""
    stages: tuple[StageResult, ...] = Field(min_length=1)


class Levels(Record):
    """What was asked for, understood."""

    shared: dict[str, Json]
    """Fields of every level's Load."""
    levels: tuple[dict[str, Json], ...] = ()
    """Where the levels are given, what each has besides."""
    sweep: bool = False
    search: bool = False
    turns: float = Field(default=1.0, ge=1)
    """Of a conversation, on average: a closed loop counts requests, and a rate is of conversations."""
    objectives: Objectives | None = None

    def next(self, done: Sequence[StageResult]) -> Level | None:
        """The next level; None: that was all. Raises InputError for a load that contradicts itself."""
        if self.search:
            return self._next_of_search(done)
        if self.sweep:
            users = next_users(done)
            if users is None or self.too_few_for(users):
                return None
            many = max(REQUESTS // 2, ROUNDS * users)
            load = self._load(many, concurrency=users)
            again = bool(done) and done[-1].load.concurrency == users
            return Level(load, f"{load.label}: again, for the client was the limit" if again else None)
        return None if len(done) == len(self.levels) else Level(self._given(self.levels[len(done)]))

    @property
    def given(self) -> tuple[Load, ...]:
        """The loads that are known before anything is measured; none of a sweep or a search."""
        return tuple(map(self._given, self.levels))

    def _given(self, level: dict[str, Json]) -> Load:
        closed = level.get("arrivals") is None
        return self._load(requests_of(level.get("concurrency") if closed else None), **level)

    def too_few_for(self, users: int) -> bool:
        """Whether the requests that were asked for never reach so many users: what they brought would say nothing."""
        requests = self.shared.get("requests")
        return requests is not None and requests < users

    @property
    def most(self) -> int:
        """How many levels there can be, repeated ones too; a sweep doubles its users from 1 on."""
        if self.search:
            return 1 + MOST_LEVELS
        return MOST_USERS.bit_length() * (1 + CLIENT_REPEATS) if self.sweep else len(self.levels)

    def _next_of_search(self, done: Sequence[StageResult]) -> Level | None:
        if not done:
            return Level(self._load(PROBE_REQUESTS, concurrency=USERS, arrivals=None, burstiness=None))
        probed = done[0].metrics.requests_per_s
        if not probed or done[0].stopped is not None:
            return None
        following = next_rate(done[1:], float(f"{probed / self.turns / 2:.2g}"))
        if following is None:
            return None
        rate = following.rate_per_s
        seed = self.shared.get("seed", 0) + following.seed
        many = max(SEARCH_REQUESTS, round(rate * SEARCH_S))
        # The probe has warmed the endpoint, and a level that is not held need not be sat through.
        more: dict[str, Json] = {"seed": seed, "warmup_requests": 0, "stop_when_saturated": True}
        if following.confirms:
            more["confirms"] = True
            many *= CONFIRMATION_TIMES
            lasts_s = self.shared.get("duration_s") or (self.shared.get("requests") or many) / rate
            measured_s = lasts_s - self.shared.get("cooldown_s", 0.0) - self.shared.get("cooldown_requests", 0) / rate
            more["warmup_s"] = max(self.shared.get("warmup_s", 0.0), FILLING_FRACTION * measured_s)
        load = self._load(many, rate_per_s=rate, arrivals=self.shared.get("arrivals") or "poisson", **more)
        return Level(load, f"{number(rate)} {load.begins}/s: {following.why}")

    def _load(self, many: int, **more: Json) -> Load:
        fields: dict[str, Json] = {"requests": many} | self.shared | more
        if fields.get("duration_s") is not None or (
            fields.get("arrivals") == "trace" and "requests" not in self.shared
        ):
            fields["requests"] = self.shared.get("requests")
        try:
            return Load(**fields)
        except ValidationError as error:
            raise InputError("\n".join(what for _, what in problems_of(error)), "`infercli bench --help`") from None
