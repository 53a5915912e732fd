"""Objectives, which requests meet them, and whether a level of load holds them. Failures are misses.

Goodput (DistServe, arXiv 2401.09670): requests per second that meet every objective. A level *holds* when, of every
objective `ttft_p95=1s`, at least 95 % of all requests, the failed ones among them, were within 1 s.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from infercli.core.bench.metrics import e2e_s, from_due, tpot_s, ttft_s
from infercli.core.record import Document, Record
from infercli.core.traces import Trace
from infercli.core.units import parse_duration_s

Latency = Literal["ttft", "tpot", "e2e"]
LATENCIES: tuple[Latency, ...] = ("ttft", "tpot", "e2e")
SUCCESS_FRACTION = 0.999
"""Of all requests, where nobody says. Our choice: one in a thousand may fail."""
_SLO = re.compile(r"(?P<latency>[a-z0-9]+)_p(?P<percent>\d{1,2}(?:\.\d+)?)=(?P<limit>.+)")


class Objective(Record):
    """One service-level objective: this share of all requests within this time."""

    latency: Latency
    fraction: float = Field(gt=0, lt=1)
    """0.95 for p95."""
    limit_s: float = Field(gt=0)

    @property
    def words(self) -> str:
        """`TTFT p95 within 1 s`, `TPOT p95 within 25 ms`: the limit to its last digit."""
        limit = f"{self.limit_s * 1000:g} ms" if self.limit_s < 1 else f"{self.limit_s:g} s"
        return f"{self.latency.upper()} p{self.fraction * 100:g} within {limit}"

    @property
    def name(self) -> str:
        """`ttft_p95`."""
        return f"{self.latency}_p{self.fraction * 100:g}"

    def held_by(self, met: int, requests: int) -> bool:
        """Whether so many of the requests are enough to meet it; none are of none."""
        return bool(requests) and met >= math.ceil(self.fraction * requests - 1e-9)


class Objectives(Document):
    """A set of objectives (benchmarks/objectives/*.yaml). The share that must be answered is always among them."""

    kind: Literal["Objectives"] = "Objectives"
    name: str = "given"
    description: str | None = None
    objectives: tuple[Objective, ...] = ()
    success_fraction: float = Field(default=SUCCESS_FRACTION, gt=0, le=1)


class Attainment(Record):
    """One objective over the measured requests of one level."""

    objective: Objective
    met: int
    """Requests within the limit. One with a single token has no TPOT, and meets any; one without a token meets none;
    one whose tokens all came in one read meets a TPOT that it cannot have exceeded."""
    requests: int
    """Answered and failed."""
    holds: bool


class Goodput(Record):
    """What a level of load is worth under a set of objectives."""

    attained: tuple[Attainment, ...]
    success_holds: bool
    """The share that was answered is what it must be."""
    good: int
    """Requests that met all."""
    good_requests_per_s: float | None
    """`good` per second of the measured time."""
    holds: bool
    """Every objective, and the share that must be answered."""


def parse_objective(text: str) -> Objective:
    """`ttft_p95=1s` -> Objective. Raises ValueError in words for users."""
    match = _SLO.fullmatch(text.strip())
    if match is None or match["latency"] not in LATENCIES:
        raise ValueError(
            f"`{text}` is not an objective: write one of {', '.join(LATENCIES)}, a percentile and a time, as in "
            "ttft_p95=1s"
        )
    limit = match["limit"].strip()
    if limit and not limit[-1].isalpha():
        # Milliseconds are as usual as seconds here: 50 is a TPOT of the one and a wait of the other.
        name = text.strip().rpartition("=")[0].strip()
        raise ValueError(f"`{text}` has no unit: write {name}={limit}s or {name}={limit}ms")
    limit_s = parse_duration_s(limit)
    fraction = float(match["percent"]) / 100
    if not 0 < fraction < 1 or limit_s <= 0:
        raise ValueError(f"`{text}`: the percentile must lie between 0 and 100 and the time be above 0")
    return Objective.model_validate({"latency": match["latency"], "fraction": fraction, "limit_s": limit_s})


def within(trace: Trace, objective: Objective) -> bool:
    """Whether one request meets one objective. TTFT and end to end count from when the request was due."""
    value = judged_s(trace, objective)
    return value is not None and value <= objective.limit_s


def judged_s(trace: Trace, objective: Objective) -> float | None:
    """What of a request is held against an objective's limit; None: it misses any."""
    if not trace.answered:
        return None
    if objective.latency == "tpot":
        if trace.shown_tokens < 2:
            return 0.0 if trace.arrivals_s else None  # an empty answer is no fast one
        most = tpot_s(trace)
        if most is None and trace.arrivals_s and trace.sent_s is not None:
            # All tokens came in one read: none can lie further from the first than the request was sent before it.
            most = (trace.arrivals_s[-1] - trace.sent_s) / (trace.shown_tokens - 1)
        return most
    return from_due(ttft_s if objective.latency == "ttft" else e2e_s, trace)


def goodput(traces: Sequence[Trace], duration_s: float | None, objectives: Objectives) -> Goodput:
    """`duration_s`: the measured time (`Metrics.duration_s`). Without a request nothing holds."""
    requests = [t for t in traces if t.counts]
    attained = []
    for objective in objectives.objectives:
        met = sum(within(t, objective) for t in requests)
        holds = objective.held_by(met, len(requests))
        attained.append(Attainment(objective=objective, met=met, requests=len(requests), holds=holds))
    answered = sum(t.answered for t in requests)
    success_holds = bool(requests) and answered >= objectives.success_fraction * len(requests)
    good = sum(t.answered and all(within(t, o) for o in objectives.objectives) for t in requests)
    return Goodput(
        attained=tuple(attained),
        success_holds=success_holds,
        good=good,
        good_requests_per_s=good / duration_s if duration_s else None,
        holds=success_holds and all(a.holds for a in attained),
    )
