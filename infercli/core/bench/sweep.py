"""A sweep from one user to saturation.

Pure: what was measured so far goes in, the next level or the conclusion comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

from infercli.core.bench.stage import StageResult, client_limits
from infercli.core.record import Record

GAIN_FRACTION = 0.05
"""Doubling the users must bring this much more throughput, or the endpoint is saturated. Our choice: runs of the same
load differ by 1 to 3 % on a quiet machine."""
MOST_USERS = 4096


class Swept(Record):
    """What a sweep came to."""

    saturated_from_users: int | None
    """The fewest that bring the highest throughput, to GAIN_FRACTION; None: see `unfinished`."""
    unfinished: str | None = None
    """Why it ended before it was seen where more users bring no more."""


def next_users(done: Sequence[StageResult]) -> int | None:
    """The users of a sweep's next level; None: it is over. Doubles, and ends after a level that brought little more.

    It ends as well where a level failed in part, was interrupted, or was limited by the client as often as it was sent.
    """
    if not done:
        return 1
    last = done[-1]
    users = last.load.concurrency or 1
    if last.stopped or client_limits(done) or last.metrics.failed or not last.metrics.answered:
        return None
    if last.check.client_limited:
        return users
    if users * 2 > MOST_USERS or _gained_little(done):
        return None
    return users * 2


def _gained_little(done: Sequence[StageResult]) -> bool:
    """Whether the last level's users brought no more than half as many did.

    Neither as it was measured nor as it would be had all users been busy: where few requests are left for each, most of
    a level is the wait for its last answers, and a rate that falls with the users says nothing of the endpoint.
    """
    of_the_endpoint = _of_the_endpoint(done)
    if len(of_the_endpoint) < 2:
        return False
    before, last = of_the_endpoint[-2:]
    return all(rate(last) < rate(before) * (1 + GAIN_FRACTION) for rate in (_throughput, _with_all_busy))


def swept(done: Sequence[StageResult]) -> Swept:
    """What the levels of a sweep say."""
    last, best, more = done[-1], saturation(done), next_users(done)
    why = None
    if last.stopped:
        why = str(last.stopped)
    elif client_limits(done):
        why = "the client was the limit"
    elif last.metrics.failed or best is None:
        why = f"{last.metrics.failed:,} of {last.metrics.requests:,} requests failed"
    elif more is not None:
        why = f"{more:,} need more --requests than {last.load.requests:,}"
    elif not _gained_little(done):
        why = f"it goes to {MOST_USERS:,}"
    users = None if why is not None or best is None else best.load.concurrency
    return Swept(saturated_from_users=users, unfinished=why)


def saturation(done: Sequence[StageResult]) -> StageResult | None:
    """The level of a sweep with the fewest users within GAIN_FRACTION of its highest throughput; None: nothing came.

    Of those that the client did not limit, where there are any.
    """
    rates = [(_throughput(s), s) for s in _of_the_endpoint(done) or done]
    best = max((rate for rate, _ in rates), default=0.0)
    return next((s for rate, s in rates if rate > 0 and rate >= best * (1 - GAIN_FRACTION)), None)


def _of_the_endpoint(done: Sequence[StageResult]) -> list[StageResult]:
    """Without those that the client limited, which say nothing of it."""
    return [s for s in done if not s.check.client_limited]


def _with_all_busy(stage: StageResult) -> float:
    """The throughput of a user that waits for an answer, for all of them.

    Too high rather than too low: the fewer wait, the faster is each answer.
    """
    in_flight = stage.metrics.in_flight
    return _throughput(stage) * (stage.load.concurrency or 1) / in_flight if in_flight else _throughput(stage)


def _throughput(stage: StageResult) -> float:
    """Output tokens/s; requests/s where nothing is generated (embeddings)."""
    return stage.metrics.output_tokens_per_s or stage.metrics.requests_per_s or 0.0
