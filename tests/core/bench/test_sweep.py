"""Sweeps against endpoints of known capacity, which answer here by arithmetic."""

from __future__ import annotations

import pytest

from infercli.core.bench.self_check import Client, check_client
from infercli.core.bench.stage import CLIENT_REPEATS, stage_result
from infercli.core.bench.sweep import MOST_USERS, Swept, next_users, saturation, swept
from infercli.core.traces import Load, Trace

CLIENT = Client(
    infercli_version="1", python="3.11", cpu=None, cpus=2, kernel="6", clock="kernel", pacing="timerfd", workers=1,
    wall_s=5.0, cpu_s=0.1, busiest_cpu_fraction=0.02, reads=1, unstamped_reads=0, reconnects=0,
)  # fmt: skip


def trace(i, ttft_s, duration_s=1.0, **more):
    fields = {"request": i, "conversation": 0, "intended_s": 0.0, "sent_s": 0.0, "ended_s": duration_s, "status": 200}
    fields |= {"arrivals_s": (ttft_s, duration_s), "frames": (1, 1), "lags_s": (0.0, 0.0), "completion_tokens": 2}
    return Trace(**{**fields, **more})


def users(n, most, **more):
    """A level of n users against an endpoint that serves `most` at once: beyond, each waits its turn."""
    lasts = max(1.0, n / most)
    traces = [trace(i, 0.1, lasts, **more) for i in range(n)]
    return stage_result(Load(concurrency=n, requests=n), CLIENT, traces, began_s=0, ended_s=lasts)


def test_a_sweep_doubles_its_users_until_they_bring_no_more():
    done = []
    while (n := next_users(done)) is not None:
        done.append(users(n, most=10))
    # 1, 2, 4, 8 at 2 tokens/s a user, 16 at 20 in all (25 % more than 8), 32 at 20.
    assert [s.load.concurrency for s in done] == [1, 2, 4, 8, 16, 32]
    assert [s.metrics.output_tokens_per_s for s in done] == [2, 4, 8, 16, 20, 20]
    assert saturation(done).load.concurrency == 16


def test_a_sweep_of_what_generates_nothing_goes_by_its_requests():
    embedded = {"arrivals_s": (), "frames": (), "lags_s": (), "completion_tokens": 0}
    done = []
    while (n := next_users(done)) is not None:
        done.append(users(n, most=10, **embedded))
    assert [s.load.concurrency for s in done] == [1, 2, 4, 8, 16, 32]
    assert saturation(done).load.concurrency == 16


def client_limited(level):
    late = CLIENT.model_copy(update={"busiest_cpu_fraction": 0.99})
    check = check_client(late, level.metrics, level.traces, closed=level.load.arrivals is None)
    return level.model_copy(update={"client": late, "check": check})


def test_a_level_that_the_client_limited_once_is_sent_again_and_does_not_end_a_sweep():
    sent: dict[int, int] = {}
    done = []
    while (n := next_users(done)) is not None:
        sent[n] = sent.get(n, 0) + 1
        # The first looks at 4 and at 16 users were late: they brought half, and would have saturated it.
        late = n in (4, 16) and sent[n] == 1
        done.append(client_limited(users(n, most=n / 2)) if late else users(n, most=10))
    assert [s.load.concurrency for s in done] == [1, 2, 4, 4, 8, 16, 16, 32]
    assert swept(done) == Swept(saturated_from_users=16)
    assert saturation(done) is done[6]
    # Also the very first, and one that brought no less for it: what it brings again is no level without a gain.
    assert next_users([client_limited(users(1, most=10))]) == 1
    assert next_users([users(1, most=10), client_limited(users(2, most=10)), users(2, most=10)]) == 4
    # One that it limits however often it is sent ends it, and the levels before it are no saturation.
    done = [users(1, most=10), *[client_limited(users(2, most=10))] * 2]
    assert next_users(done) == 2
    done.append(done[-1])
    assert next_users(done) is None
    assert swept(done) == Swept(saturated_from_users=None, unfinished="the client was the limit")
    assert saturation(done) is done[0]


def test_a_sweep_ends_where_requests_fail_or_the_client_is_the_limit():
    failed = stage_result(
        Load(concurrency=4, requests=2), CLIENT, [trace(0, 0.1), trace(1, 0.1, error="http", status=429)],
        began_s=0, ended_s=1,
    )  # fmt: skip
    limited = [client_limited(users(4, most=10))] * (1 + CLIENT_REPEATS)
    assert next_users([failed]) is None
    assert next_users(limited) is None
    assert saturation([]) is None
    assert saturation(limited) is limited[0]  # where there is nothing better
    assert swept([failed]) == Swept(saturated_from_users=None, unfinished="1 of 2 requests failed")
    assert swept(limited) == Swept(saturated_from_users=None, unfinished="the client was the limit")


def test_a_sweep_says_from_how_many_users_on_it_is_saturated_only_where_that_was_seen():
    levels = [users(2**n, most=10) for n in range(6)]
    assert swept(levels) == Swept(saturated_from_users=16)
    few = swept(levels[:3])
    assert (few.saturated_from_users, few.unfinished) == (
        None,
        f"8 need more --requests than {levels[2].load.requests}",
    )
    most = swept([users(2**n, most=2 * MOST_USERS) for n in range(MOST_USERS.bit_length())])
    assert (most.saturated_from_users, most.unfinished) == (None, "it goes to 4,096")


def waves(n, requests, lasts):
    """A level of n users whose answers take `lasts` each: the last wave has fewer than n."""
    times = [lasts * (i // n) for i in range(requests)]
    traces = [
        trace(i, 0, ended_s=at + lasts, intended_s=at, sent_s=at, arrivals_s=(at + lasts / 2, at + lasts))
        for i, at in enumerate(times)
    ]
    return stage_result(Load(concurrency=n, requests=requests), CLIENT, traces, began_s=0, ended_s=times[-1] + lasts)


def test_a_level_that_was_mostly_the_wait_for_its_last_answers_saturates_nothing():
    # 16 users in three waves: 16 answers/s. 32 in one and a half, of 1.7 s: 14.1 answers/s, though 32 busy ones
    # would have had 18.8.
    few = [waves(16, 48, 1.0), waves(32, 48, 1.7)]
    assert [s.metrics.requests_per_s for s in few] == pytest.approx([16, 48 / 3.4])
    assert next_users(few) == 64
    assert swept(few) == Swept(saturated_from_users=None, unfinished="64 need more --requests than 48")
    # With as many waves for both it is seen: 18.8 are 18 % more, and of 2 s a level brings nothing.
    assert next_users([waves(16, 64, 1.0), waves(32, 128, 1.7)]) == 64
    assert next_users([waves(16, 64, 1.0), waves(32, 128, 2.0)]) is None
