"""What the front counts: for `/front`, and for Prometheus through Ray. Never what a request or an answer said."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from .rules import path_label

BUCKETS_S = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]  # first byte ... long streams


@dataclass
class Ask:
    """One request on its way through the front."""

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    """Only those that engines get."""
    pin: str | None = None
    """The engine that an operator named."""
    engine: str = "none"
    """Which one answers; `none` until one does."""
    outcome: str = "aborted"
    """The class of the status (`2xx`); `aborted` until the last byte was handed over."""
    began_s: float = field(default_factory=time.monotonic)


class Metrics:
    """Requests, retries and copies of this replica."""

    def __init__(self) -> None:
        from ray.serve import metrics

        self.requests: dict[str, dict[str, int]] = {}
        self.in_flight = 0
        self.retries = 0
        self.shadows = {"sent": 0, "failed": 0, "dropped": 0}
        tags = ("engine", "path")
        self._count = metrics.Counter(
            "infercli_front_requests_total", "Requests by engine, path and outcome.", tag_keys=(*tags, "outcome")
        )
        self._first = metrics.Histogram(
            "infercli_front_ttft_seconds", "Request to first byte of a stream.", boundaries=BUCKETS_S, tag_keys=tags
        )
        self._whole = metrics.Histogram(
            "infercli_front_request_seconds", "Request to last byte.", boundaries=BUCKETS_S, tag_keys=tags
        )
        self._in_flight = metrics.Gauge("infercli_front_in_flight", "Requests that are not answered to the end yet.")

    def began(self) -> None:
        """A request was let in."""
        self.in_flight += 1
        self._in_flight.set(self.in_flight)

    def first_byte(self, ask: Ask) -> None:
        """The first byte of its stream is there."""
        self._first.observe(_since(ask), tags=_tags(ask))

    def ended(self, ask: Ask) -> None:
        """It is over, however it ended."""
        self.in_flight -= 1
        self._in_flight.set(self.in_flight)
        self.count(ask)
        self._whole.observe(_since(ask), tags=_tags(ask))

    def count(self, ask: Ask) -> None:
        """It is over, let in or not."""
        outcomes = self.requests.setdefault(ask.engine, {})
        outcomes[ask.outcome] = outcomes.get(ask.outcome, 0) + 1
        self._count.inc(tags={**_tags(ask), "outcome": ask.outcome})


def _since(ask: Ask) -> float:
    return max(time.monotonic() - ask.began_s, 1e-6)  # Ray refuses a zero


def _tags(ask: Ask) -> dict[str, str]:
    return {"engine": ask.engine, "path": path_label(ask.path)}
