from __future__ import annotations

import pytest

from infercli.core.bench.levels import Levels
from infercli.core.bench.stage import stage_result
from infercli.core.traces import Load, Stop
from infercli.errors import InputError
from tests.core.bench.test_rate_search import rate
from tests.core.bench.test_sweep import CLIENT, client_limited, trace, users

SHARED = {"warmup_requests": 4, "max_tokens": 8}


def test_levels_that_were_given_come_one_after_another_each_with_what_is_shared():
    levels = Levels(shared=SHARED, levels=({"concurrency": 2}, {"concurrency": 4}))
    first = levels.next([])
    second = levels.next([users(2, most=8)])
    assert (first.load.concurrency, first.load.requests, first.load.warmup_requests, first.why) == (2, 64, 4, None)
    assert (second.load.concurrency, second.load.max_tokens) == (4, 8)
    assert levels.next([users(2, most=8), users(4, most=8)]) is None
    assert levels.most == 2


def test_a_closed_loop_has_four_requests_a_user_unless_it_is_said_otherwise():
    levels = ({"concurrency": 200}, {"arrivals": "poisson", "rate_per_s": 1.0, "concurrency": 200})
    assert Levels(shared={}, levels=levels).next([]).load.requests == 800
    assert Levels(shared={"requests": 20}, levels=levels).next([]).load.requests == 20
    assert Levels(shared={}, levels=levels).next([users(200, most=800)]).load.requests == 64  # a cap is no user


def test_a_load_by_time_or_of_a_trace_has_no_number_of_requests_unless_one_was_asked_for():
    by_time = Levels(shared={"duration_s": 30.0}, levels=({"concurrency": 2},)).next([]).load
    assert (by_time.duration_s, by_time.requests) == (30.0, None)
    trace = ({"arrivals": "trace", "speed": 1.0},)
    assert Levels(shared={}, levels=trace).next([]).load.requests is None
    assert Levels(shared={"requests": 5}, levels=trace).next([]).load.requests == 5


def test_a_load_that_contradicts_itself_is_refused_in_words():
    with pytest.raises(InputError, match="a closed loop needs a concurrency"):
        Levels(shared={}, levels=({},)).next([])


def test_a_sweep_gives_each_user_four_requests_and_never_fewer_than_32_in_all():
    levels = Levels(shared=SHARED, sweep=True)
    done = []
    while (level := levels.next(done)) is not None:
        done.append(users(level.load.concurrency, most=1000))
        assert level.load.requests == max(32, 4 * level.load.concurrency)
        if level.load.concurrency == 64:
            break
    assert [s.load.concurrency for s in done] == [1, 2, 4, 8, 16, 32, 64]
    # 1, 2, 4, ... 4096: the thirteenth is the last; each is sent three times at most.
    assert levels.most == 39


def test_a_sweep_sends_a_level_again_that_the_client_limited_and_says_so():
    levels = Levels(shared=SHARED, sweep=True)
    late = client_limited(users(2, most=1000))
    first, second = levels.next([users(1, most=1000)]), levels.next([users(1, most=1000), late])
    assert (first.load, first.why) == (second.load, None)
    assert second.why == "2 at a time: again, for the client was the limit"


def test_a_sweep_sends_no_level_whose_users_its_requests_never_reach():
    levels = Levels(shared={**SHARED, "requests": 30}, sweep=True)
    done = []
    while (level := levels.next(done)) is not None:
        done.append(users(level.load.concurrency, most=1000))
    assert [s.load.concurrency for s in done] == [1, 2, 4, 8, 16]


def test_a_search_begins_with_a_closed_loop_and_goes_on_at_half_of_what_that_brought():
    levels = Levels(shared={**SHARED, "seed": 3, "arrivals": "constant"}, search=True)
    probe = levels.next([])
    assert (probe.load.arrivals, probe.load.concurrency, probe.load.requests) == (None, 8, 32)
    # Eight users, one second each: 8 requests/s.
    done = [users(8, most=8)]
    first = levels.next(done)
    assert (first.load.rate_per_s, first.load.arrivals, first.load.seed) == (4.0, "constant", 3)
    assert (first.load.requests, first.load.warmup_requests, first.load.stop_when_saturated) == (100, 0, True)
    assert first.why == "4 requests/s: the first guess"
    talks = Levels(shared={**SHARED, "multi_turn": True}, search=True, turns=2).next(done)
    assert talks.why == "2 conversations/s: the first guess"
    second = levels.next([*done, rate(4.0, holds_below=100)])
    assert (second.load.rate_per_s, second.load.seed) == (8.0, 4)
    # Ten seconds of it: queues that grow take so long to show.
    assert levels.next([*done, rate(4.0, 100), rate(8.0, 100), rate(16.0, 100)]).load.requests == 320


def test_a_search_by_bursts_begins_with_a_closed_loop_all_the_same():
    levels = Levels(shared={**SHARED, "arrivals": "gamma", "burstiness": 0.5}, search=True)
    assert (levels.next([]).load.arrivals, levels.next([]).load.burstiness) == (None, None)
    first = levels.next([users(8, most=8)]).load
    assert (first.arrivals, first.burstiness) == ("gamma", 0.5)


def test_a_rate_is_confirmed_for_longer_and_without_the_beginning_of_each_run():
    done = [users(8, most=8), rate(4.0, 100), rate(4.3, 1)]
    load = Levels(shared=SHARED, search=True).next(done).load
    # Three times 100 requests at 4 a second: 75 s, of which the first fifth is not measured.
    assert (load.rate_per_s, load.requests, load.warmup_s) == (4.0, 300, 15.0)
    asked = Levels(shared={**SHARED, "requests": 40}, search=True).next(done).load
    assert (asked.requests, asked.warmup_s) == (40, 2.0)
    by_time = Levels(shared={**SHARED, "duration_s": 30.0, "warmup_s": 8.0}, search=True).next(done).load
    assert (by_time.requests, by_time.duration_s, by_time.warmup_s) == (None, 30.0, 8.0)
    cooled = Levels(shared={**SHARED, "duration_s": 30.0, "cooldown_s": 25.0}, search=True).next(done).load
    assert cooled.warmup_s == 1.0


def test_a_search_of_conversations_begins_at_as_many_fewer_as_they_have_turns():
    # 8 requests/s of conversations of 4 turns are 2 conversations/s: half of that.
    levels = Levels(shared=SHARED, search=True, turns=4.0)
    assert levels.next([users(8, most=8)]).load.rate_per_s == 1.0


def test_a_search_whose_probe_brought_nothing_ends():
    stopped = users(8, most=8).model_copy(update={"stopped": Stop(kind="interrupted")})
    refused = stage_result(
        Load(concurrency=8, requests=1), CLIENT, [trace(0, 0.1, error="http", status=503)], began_s=0, ended_s=1
    )
    assert refused.metrics.requests_per_s == 0
    for probe in (stopped, refused):
        assert Levels(shared=SHARED, search=True).next([probe]) is None


def test_what_was_asked_for_survives_as_json():
    levels = Levels(shared=SHARED, levels=({"arrivals": "poisson", "rate_per_s": 0.1},))
    assert Levels.model_validate_json(levels.model_dump_json()) == levels
