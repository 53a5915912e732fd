from __future__ import annotations

import random

import pytest

from infercli.core.bench.cautions import cautions, failed_many
from infercli.core.bench.goodput import Objectives, parse_objective
from infercli.core.bench.result import BenchTarget, EngineTokens
from infercli.core.bench.saturation import fell_behind
from infercli.core.bench.search import searched
from infercli.core.load.conversation import PrefixSent
from infercli.core.traces import Load, Stop
from tests.core.results import client, engine, result, stage, trace

BUSY = client(busiest_cpu_fraction=0.95)


def answered(n=1, tokens=2, **more):
    fields = {"arrivals": (0.1, 0.3), "tokens": tokens, "lags_s": (0.0, 0.0)}
    return [trace(0.0, **{**fields, **more}) for _ in range(n)]


def numbered(traces, repeats=0):
    """Each of a conversation of its own, but the last `repeats`."""
    return [t.model_copy(update={"conversation": i % (len(traces) - repeats)}) for i, t in enumerate(traces)]


def bench(traces, repeats=0, **more):
    own = {name: more.pop(name) for name in ("client", "stopped", "load") if name in more}
    return result(stage(numbered(traces, repeats), **own), **more)


FAILED = answered(1, arrivals=(), tokens=None, lags_s=(), error="http", ended_s=0.3)


def test_a_clean_long_run_has_none():
    assert cautions(bench(answered(1000))) == ()
    assert cautions(bench(answered(1000) + FAILED * 10)) == ()  # under 1 %
    assert cautions(bench(answered(1000, served_model="what `chat` stands for", engine="one"))) == ()
    assert cautions(bench(answered(999, frames=(1, 1)) + answered(1, frames=(1, 3), tokens=4))) == ()


def test_answers_as_long_as_was_asked_are_not_short():
    for asked in ({"ignore_eos": True, "max_tokens": 2}, {"min_tokens": 2}, {"min_tokens": 1}):
        assert cautions(bench(answered(1000), load=Load(concurrency=8, requests=1000, **asked))) == ()
    own = answered(1000, max_tokens=2)
    assert cautions(bench(own, load=Load(concurrency=8, requests=1000, min_tokens=5, max_tokens=9))) == ()


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (bench(answered(1000), stopped=Stop(kind="interrupted")), "interrupted"),
        (bench(FAILED * 1000), "nothing to measure"),
        (bench(answered(1000) + FAILED * 11), "11 of 1,011 requests failed: the latencies are of those"),
        (bench(answered(1000) + answered(12, arrivals=(), tokens=0, lags_s=())), "12 answers were empty: HTTP 200"),
        (bench(answered(1000), client=BUSY), "a worker used 95% of a core"),
        (bench(answered(1000), client=client(busiest_cpu_fraction=0.98)), "98%"),
        (bench(answered(1000, tokens=22, hidden_tokens=20)), "20,000 of 22,000 output tokens were never sent"),
        (bench(answered(1000), client=client(reconnects=1)), "1 request was sent again"),
        (bench(answered(999) + answered(tokens=2, max_tokens=1)), "1 answer had more tokens than it was asked for"),
        (bench(answered(1000), load=Load(concurrency=1, requests=1000, temperature=None)), "it sampled at its own"),
        (bench(answered(1000), client=client(other_addresses=3)), "the host name has 4 addresses"),
        (bench(answered(1000), client=client(proxy="squid.corp:3128")), "through the proxy squid.corp:3128: times"),
        (bench(answered(1000), client=client(clock="user", clock_reason="TLS here")), "TLS here"),
        (
            bench(answered(900, engine="old") + answered(100, engine="new")),
            "2 engines answered (old: 900, new: 100): the numbers are of all of them together",
        ),
        (
            bench(answered(900) + answered(100, served_model="small")),
            "Qwen/Qwen3-0.6B was asked, and 2 models answered (Qwen/Qwen3-0.6B: 900, small: 100)",
        ),
        (bench(answered(1000, tokens=1)), "in doubt"),
        (bench(answered(1000, tokens=6)), "several tokens"),
        (bench(answered(1000, tokens=None)), "no `usage`"),
        (bench(answered(999)), "p99 of 999 requests"),
        (bench(answered(1)), "p99 of 1 request rests"),
        (bench(answered(1000, frames=(1, 3), tokens=4)), "75% of the tokens"),
        (bench(answered(1000), engine_tokens=EngineTokens(source="x", output_tokens=1)), "counted 1 output"),
        (bench(answered(1003), repeats=3), "3 of 1,003 prompts had been sent before in their level"),
        (
            bench(answered(1000), load=Load(concurrency=8, requests=1000, max_tokens=3, ignore_eos=True)),
            "1,000 of 1,000 answers ended before --ignore-eos allows",
        ),
        (
            bench(answered(1000), load=Load(concurrency=8, requests=1000, max_tokens=9, min_tokens=3)),
            "ended before --min-tokens allows",
        ),
        (
            bench(answered(1000), load=Load(concurrency=8, requests=4)),
            "8 at a time were never reached: there were only 4",
        ),
    ],
)
def test_what_a_reader_must_know_is_said_and_nothing_else(made, words):
    (line,) = cautions(made)
    assert words in line


@pytest.mark.parametrize(("failed", "many"), [(0, False), (10, False), (11, True)])
def test_more_than_one_in_a_hundred_are_many(failed, many):
    assert failed_many(bench(answered(1000) + FAILED * failed).stages[0]) is many


def test_the_weightiest_comes_first_and_p99_only_where_one_is_shown():
    said = cautions(bench(answered(100) + FAILED * 50 + answered(2, arrivals=(), tokens=0, lags_s=()), client=BUSY))
    words = ("50 of 152 requests failed", "2 answers were empty", "the client was the limit", "p99 of 102 requests")
    assert [w in line for w, line in zip(words, said, strict=True)] == [True] * 4
    assert cautions(bench(answered(100)), p99=False) == ()


def test_an_embedding_has_no_tokens_and_is_not_empty():
    plain = bench(answered(1000, arrivals=(), tokens=None, lags_s=()))
    target = plain.target.model_copy(update={"api": "embeddings"})
    assert not any("empty" in line for line in cautions(plain.model_copy(update={"target": target})))


def test_what_several_levels_have_in_common_is_said_once():
    levels = [
        stage(numbered(answered(1000) + FAILED * bad), load=Load(concurrency=n, requests=1000),
              client=client(reconnects=n, busiest_cpu_fraction=busy))
        for n, busy, bad in ((1, 0.1, 0), (2, 0.1, 30), (4, 0.95, 20))
    ]  # fmt: skip
    lines = cautions(result(*levels))
    assert lines[0] == (
        "50 of 2,050 requests failed at 2 at a time, 4 at a time: the latencies are of those that were answered, "
        "and a user waited 4 to 250 ms after each"
    )
    assert [line.partition(":")[0] for line in lines if "of a core" in line] == ["4 at a time"]
    assert [line for line in lines if "sent again" in line] == [
        "7 requests were sent again: the server had closed kept connections"
    ]


def open_loop(rate, capacity, seconds=10.0, lasts=0.5):
    """Evenly spaced requests at an endpoint that ends `capacity` a second, each after `lasts` or when its turn is."""
    free, made = 0.0, []
    for i in range(int(rate * seconds)):
        due = i / rate
        free = max(free, due) + 1 / capacity
        end = max(free, due + lasts)
        made.append(trace(due, (end - 0.1, end), request=i))
    return made, Load(arrivals="constant", rate_per_s=rate, duration_s=seconds)


@pytest.mark.parametrize(
    ("made", "behind"),
    [
        (open_loop(80, 34), True),
        (open_loop(80, 100), False),
        (open_loop(20, 100, lasts=8.0), False),  # the first answer takes 8 of the 10 s: nothing piles up
        (open_loop(80, 34, seconds=4), True),
        (open_loop(80, 60, seconds=60), True),
        ((open_loop(80, 34)[0], Load(concurrency=8, requests=800)), False),  # a closed loop waits
        (([], Load(arrivals="constant", rate_per_s=1.0, duration_s=1.0)), False),
        (([trace(1.0, (1.5,))], Load(arrivals="constant", rate_per_s=1.0, requests=1)), False),
    ],
)
def test_an_endpoint_that_falls_behind_is_told_from_one_whose_answers_are_long(made, behind):
    traces, load = made
    assert (fell_behind(traces, load) is not None) is behind
    later = [
        t.model_copy(update={"intended_s": t.intended_s + 1000, "ended_s": t.ended_s + 1000}) for t in traces
    ]  # of a level that is not the first of its run
    assert (fell_behind(later, load) is not None) is behind


@pytest.mark.parametrize("seed", range(5))
def test_answers_of_many_lengths_do_not_fall_behind_while_the_first_are_written(seed):
    rng = random.Random(seed)
    due = [i / 8 for i in range(80)]
    traces = [trace(at, (at + 0.1, at + rng.uniform(4, 12)), request=i) for i, at in enumerate(due)]
    assert fell_behind(traces, Load(arrivals="constant", rate_per_s=8, duration_s=10)) is None


def test_overload_is_a_caution_with_its_numbers_and_not_of_a_search_which_goes_there():
    traces, load = open_loop(80, 34)
    over = stage(traces, load=load)
    (line, *_) = cautions(result(over))
    assert line.startswith("the endpoint fell behind: in the last 10 s 799 requests came due and 340 were done")
    assert "the longer the run, the longer the latencies" in line
    assert not any("fell behind" in said for said in cautions(result(over, over, searched=searched([over]))))
    both = cautions(result(over, stage(answered(1000), began_s=30.0)))
    assert both[0].startswith("80 requests/s, evenly spaced: the endpoint fell behind")


@pytest.mark.parametrize(
    ("single", "fast", "slow", "said"),
    [
        (20, 0, 0, "there were no others"),
        (95, 1, 4, "of the 5 others 1 met it"),
        (50, 50, 0, None),  # held without them as well
        (50, 0, 50, None),  # missed with them as well
        (0, 95, 5, None),
    ],
)
def test_a_tpot_objective_that_holds_by_answers_without_a_tpot_is_said(single, fast, slow, said):
    one = answered(single, arrivals=(0.1,), tokens=1, lags_s=(0.0,))
    traces = [*one, *answered(fast), *answered(slow, arrivals=(0.1, 0.9))]  # 0.2 s and 0.8 s a token
    objectives = Objectives(objectives=(parse_objective("tpot_p90=300ms"), parse_objective("ttft_p90=1s")))
    lines = cautions(result(stage(numbered(traces), objectives=objectives), objectives=objectives), p99=False)
    found = [line for line in lines if "to which it does not apply" in line]
    answers = f"{single} answers of one token"
    assert found == ([] if said is None else [
        f"TPOT p90 within 300 ms holds by {answers}, to which it does not apply: {said}"
    ])  # fmt: skip


def test_first_tokens_that_come_together_make_tpot_too_low_and_that_is_said():
    # A frame every 80 ms. Four tokens each, 16 in all: TPOT is 240 ms / 15, and 20 ms are between the others.
    four = [trace(0.0, (0.1, 0.18, 0.26, 0.34), tokens=16) for _ in range(1000)]
    assert any(line.endswith("TPOT, which counts them as one, is 20% too low") for line in cautions(bench(four)))
    reads = [t.model_copy(update={"frames": (4, 4, 4, 4)}) for t in four]
    assert (
        "the first tokens of an answer came together in one read: TPOT, which counts them as one, is 20% too low"
        in (cautions(bench(reads)))
    )
    # As vLLM does with --stream-interval: the first token alone.
    alone = [t.model_copy(update={"frames": (1, 5, 5, 5)}) for t in four]
    long = [trace(0.0, (0.1, 0.18, *(0.2 + 0.08 * i for i in range(30))), tokens=128) for _ in range(1000)]
    assert not any("too low" in line for made in (alone, long) for line in cautions(bench(made)))


def test_embeddings_have_usage_where_it_says_the_prompts_tokens():
    target = BenchTarget(url="http://127.0.0.1:8000", model="tiny", api="embeddings")
    vectors = answered(1000, arrivals=(), tokens=None, lags_s=(), frames=(), ended_s=0.3)
    assert cautions(bench([t.model_copy(update={"prompt_tokens": 7}) for t in vectors], target=target)) == ()
    (line,) = cautions(bench([t.model_copy(update={"prompt_tokens": None}) for t in vectors], target=target))
    assert line == "1,000 answers carried no `usage`: how many tokens were embedded is unknown"


def test_an_engine_that_began_anew_in_the_middle_is_said():
    whole = engine(7.0)
    anew = whole.model_copy(update={"generation_tokens": None, "absent": {"generation_tokens": "it began anew"}})
    assert cautions(bench(answered(1000), engines=(whole,))) == ()
    (line,) = cautions(bench(answered(1000), engines=(whole, anew)))
    assert line == f"what the engine {anew.source} counted is unknown: it began anew"


@pytest.mark.parametrize(
    ("answer_s", "more", "said"), [(2.0, {}, True), (0.5, {}, False), (2.0, {"cooldown_s": 4.0}, False)]
)
def test_waiting_for_the_last_answers_is_said_where_it_lowers_the_rate_that_was_asked_for(answer_s, more, said):
    load = Load(arrivals="constant", rate_per_s=100, duration_s=12, **more)
    traces = numbered([trace(i / 100, (i / 100 + 0.1, i / 100 + answer_s)) for i in range(1200)])
    lines = cautions(result(stage(traces, load=load)), p99=False)
    # 2 s of 14 s
    assert any(line.startswith("in 14% of the measured time nothing was sent") for line in lines) == said
    assert any("a --cooldown of 2s leaves it out" in line for line in lines) == said


@pytest.mark.parametrize(
    ("answer_s", "more", "said"),
    [
        (2.0, {"cooldown_s": 2.0}, True),  # 2 s of the 10 s before the cool-down
        (2.0, {"cooldown_s": 2.0, "warmup_s": 2.0}, False),
        (0.9, {"cooldown_s": 2.0}, False),  # 9 %
        (2.0, {}, False),  # all answers count, and the time until the last of them came
    ],
)
def test_waiting_for_the_first_answers_is_said_where_it_lowers_the_rate_of_what_came(answer_s, more, said):
    load = Load(arrivals="constant", rate_per_s=100, duration_s=12, **more)
    at_s = [i / 100 for i in range(1200)]
    traces = numbered([trace(s, (s + answer_s / 2, s + answer_s), phase=load.phase_at(s)) for s in at_s])
    made = stage(traces, load=load)
    lines = [line for line in cautions(result(made), p99=False) if "the first answers were still waited for" in line]
    assert len(lines) == said
    if said:
        assert lines[0].startswith("in 20% of the measured time")
        assert lines[0].endswith("; a --warmup of 2s leaves it out")
        # Of 100 a second none came for 2 s of 10; with a warm-up of 2 s all rates are those of the load.
        assert made.metrics.requests_per_s == pytest.approx(80, rel=0.01)


def test_a_warm_up_that_the_duration_has_no_room_for_is_not_offered_alone():
    load = Load(arrivals="constant", rate_per_s=100, duration_s=4, cooldown_s=2)
    sent = [trace(i / 100, (i / 100 + 1, i / 100 + 2), phase=load.phase_at(i / 100)) for i in range(400)]
    lines = cautions(result(stage(numbered(sent), load=load)), p99=False)
    assert any(line.endswith("; a longer --duration with a --warmup of 2s leaves it out") for line in lines)


def test_a_cool_down_that_the_duration_has_no_room_for_is_not_offered_alone():
    load = Load(arrivals="constant", rate_per_s=10, duration_s=2)
    traces = numbered([trace(i / 10, (i / 10 + 0.1, i / 10 + 2.9)) for i in range(20)])
    lines = cautions(result(stage(traces, load=load)), p99=False)
    assert any(line.endswith("; a longer --duration with a --cooldown of 3s leaves it out") for line in lines)


@pytest.mark.parametrize(
    ("hits", "repeats", "prefix", "said"),
    [(900, 0, None, True), (500, 0, None, False), (900, 3, None, False), (900, 0, 60, False)],
)
def test_prompts_that_an_earlier_run_left_in_the_cache_are_said(hits, repeats, prefix, said):
    seen = engine(7.0).model_copy(update={"prefix_cache_query_tokens": 1000, "prefix_cache_hit_tokens": hits})
    made = bench([t.model_copy(update={"prompt_tokens": 100}) for t in answered(1000)], repeats, engines=(seen,))
    if prefix is not None:
        shared = PrefixSent(tokens=prefix, first_prompts=1000, sent_before=999)
        made = made.model_copy(update={"prompts": made.prompts.model_copy(update={"prefix": shared})})
    lines = [line for line in cautions(made) if "prefix cache held 90%" in line]
    assert len(lines) == said
    assert all(line.endswith("another --seed sends others") for line in lines)


def test_of_several_levels_one_that_repeats_its_prompts_explains_what_the_engine_counted():
    seen = engine(7.0).model_copy(update={"prefix_cache_query_tokens": 1000, "prefix_cache_hit_tokens": 900})
    once, again = numbered(answered(20)), answered(20)  # these all of one conversation
    for levels, said in (((once, once), True), ((once, again), False)):
        stages = tuple(stage(level, load=Load(concurrency=1, requests=20)) for level in levels)
        lines = cautions(result(*stages, engines=(seen,)), p99=False)
        assert sum("an earlier one left them there" in line for line in lines) == said


def test_a_few_answers_that_end_early_are_no_server_that_takes_no_notice():
    load = Load(concurrency=1, requests=10, max_tokens=9, ignore_eos=True)

    def said(*ends):
        traces = [t.model_copy(update={"completion_tokens": n, "finish_reason": why})
                  for t, (n, why) in zip(answered(len(ends)), ends, strict=True)]  # fmt: skip
        return [line for line in cautions(result(stage(traces, load=load)), p99=False) if "eos" in line]

    whole, early, limit = (9, "length"), (3, "stop"), (3, "length")  # the last: the model takes no more
    assert said(whole, whole, limit) == []
    assert said(whole, whole, early) == ["1 of 3 answers ended before --ignore-eos allows"]
    (line,) = said(early, early, whole)
    assert line == "2 of 3 answers ended before --ignore-eos allows: the server takes no notice of it"


def test_what_is_true_of_every_run_of_a_load_is_said_once():
    slow = {"client": client(busiest_cpu_fraction=0.98)}
    levels = [stage(numbered(answered(1000)), load=Load(concurrency=n, requests=1000), **slow) for n in (8, 16, 16)]
    said = cautions(result(*levels))
    assert [line.partition(": ")[0] for line in said] == ["8 at a time", "16 at a time, the first of 2 such runs"]


def in_waves(users, requests, lasts=1.0):
    """Each wave begins when the one before has ended; the last may have fewer."""
    starts = [lasts * (i // users) for i in range(requests)]
    return [trace(at, (at + lasts / 2, at + lasts), intended_s=at, ended_s=at + lasts) for at in starts]


@pytest.mark.parametrize(
    ("load", "said"),
    [
        ({"requests": 12}, True),  # 8 users, then 4: six on average, a quarter idle
        ({"requests": 12, "multi_turn": True}, False),  # they may pause
        ({"requests": 32}, False),
        ({"requests": 36}, False),  # four waves of 8, and one of 4: a tenth idle
        ({"duration_s": 2.0}, True),
    ],
)
def test_a_closed_loop_whose_users_ran_out_of_requests_says_that_rates_are_lower(load, said):
    requests = load.get("requests", 12)
    level = stage(numbered(in_waves(8, requests)), load=Load(concurrency=8, **load))
    lines = [line for line in cautions(result(level), p99=False) if "users were idle" in line]
    assert bool(lines) is said
    if said:
        assert lines[0].startswith("25% of the users were idle on average")
        more = "more --requests than 12, the last 8 of them as --cooldown, leave the end out"
        assert lines[0].endswith("a --cooldown leaves the end out" if "duration_s" in load else more)


def test_users_who_wait_for_a_connection_are_not_without_a_request():
    # Eight users, ten requests each: 0.3 s until it is sent, and a second until its answer. A fifth of their time they
    # are not in flight, and at the end all of them are.
    at_s = [round(1.3 * wave, 1) for wave in range(10) for _ in range(8)]
    slow = [trace(s + 0.3, (s + 0.8, s + 1.3), intended_s=s, ended_s=s + 1.3) for s in at_s]
    level = stage(numbered(slow), load=Load(concurrency=8, requests=80))
    assert level.metrics.in_flight == pytest.approx(80 / 12.7)
    assert not any("idle" in line for line in cautions(result(level)))


def test_a_single_token_that_was_sent_of_an_answer_has_no_tpot_either():
    hidden = answered(20, arrivals=(0.1,), tokens=5, hidden_tokens=4, lags_s=(0.0,))
    objectives = Objectives(objectives=(parse_objective("tpot_p90=300ms"),))
    (line, *_) = cautions(result(stage(numbered(hidden), objectives=objectives), objectives=objectives))
    assert line.startswith("TPOT p90 within 300 ms holds by 20 answers of one token")


def test_warm_up_requests_leave_the_first_answers_to_be_waited_for():
    # They were over 5 s before the load, of which answers take 2 s: of the 10 s until the cool-down, 20 %.
    load = Load(arrivals="constant", rate_per_s=100, duration_s=12, cooldown_s=2.0, warmup_requests=1)
    at_s = [5 + i / 100 for i in range(1200)]
    sent = [trace(s, (s + 1, s + 2), phase=load.phase_at(s - 5)) for s in at_s]
    traces = numbered([trace(0.0, (0.1, 0.2), phase="warmup"), *sent])
    lines = cautions(result(stage(traces, load=load)), p99=False)
    assert any(line.startswith("in 20% of the measured time the first answers were still") for line in lines)


def test_prompts_that_the_endpoint_cut_are_said():
    whole = bench(answered(1000))
    assert not any("words" in line for line in cautions(whole))
    cut = whole.model_copy(update={"prompts": whole.prompts.model_copy(update={"cut": 12})})
    assert "of 12 prompts `usage` says far fewer tokens" in cautions(cut)[0]
