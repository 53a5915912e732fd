from __future__ import annotations

import hashlib
import hmac

import pytest

from infercli.core.bench.recheck import recheck
from infercli.core.bench.result import (
    BenchResult,
    BenchTarget,
    EngineTokens,
    recompute,
)
from infercli.core.bench.search import searched
from infercli.core.bench.stage import stage_result
from infercli.core.bench.sweep import Swept
from infercli.core.load.conversation import digest_conversations, single
from infercli.core.traces import Load, Stop, Trace
from tests.core.results import KEY, client

SATURATED = Stop(kind="saturated", detail="70 wait")


def answered(n: int = 1, tokens: int = 2, lag: float = 0.0, **more) -> tuple[Trace, ...]:
    fields = {"intended_s": 0.0, "sent_s": 0.0, "ended_s": 0.3, "arrivals_s": (0.1, 0.3), "frames": (1, 1)}
    fields |= {"lags_s": (lag, lag), "completion_tokens": tokens, "status": 200}
    return tuple(Trace(**{"request": i, "conversation": i, **fields, **more}) for i in range(n))


def prompts(*texts):
    return digest_conversations([single(text) for text in texts], "test", KEY)


def stage(traces, **more):
    fields = {"load": Load(concurrency=1, requests=1), "client": client(), "traces": traces}
    return stage_result(**{**fields, "began_s": 0.0, "ended_s": 1.0, **more})


def result(traces: tuple[Trace, ...], **more) -> BenchResult:
    own = {name: more.pop(name) for name in ("client", "stopped", "load") if name in more}
    fields = {
        "infercli_version": "1",
        "started_at": "2026-11-21T00:00:00+00:00",
        "target": BenchTarget(url="http://h", model="m", api="chat"),
        "origin_monotonic_ns": 1,
        "prompts": prompts(*["a"] * max(len(traces), 1)),
        "stages": (stage(traces, **own),),
        "telemetry_reason": "no GPU telemetry: none here",
    }
    return BenchResult(**{**fields, **more})


def test_metrics_follow_from_the_traces_also_after_a_round_trip_through_json():
    bench = result(answered(3))
    back = BenchResult.model_validate_json(bench.model_dump_json())
    assert back == bench
    assert recompute(back) == back.stages


def test_a_result_has_telemetry_or_the_reason_why_not():
    with pytest.raises(ValueError, match="telemetry"):
        result(answered(), telemetry_reason=None)


def test_prompts_are_named_by_a_keyed_digest_over_their_canonical_json():
    used = prompts("hello", ({"role": "user", "content": "x"},))
    text = b'[{"turns":[{"prompt":"hello"}]},{"turns":[{"prompt":[{"content":"x","role":"user"}]}]}]'
    assert used.digest == hmac.new(KEY, text, hashlib.sha256).hexdigest()
    assert used.count == 2
    both = [single("hello"), single(({"role": "user", "content": "x"},))]
    other = digest_conversations(both, "test", KEY[::-1])
    assert (other.digest, other.key_id) != (used.digest, used.key_id)
    assert prompts("hello").digest != used.digest


def test_a_key_that_can_be_guessed_is_refused():
    with pytest.raises(ValueError, match="16 bytes"):
        digest_conversations([single("x")], "test", b"short")


def test_the_engine_agrees_only_when_its_count_is_that_of_all_answers():
    traces = answered(3, tokens=2) + answered(1, tokens=5, phase="warmup")
    assert result(traces).engine_agrees is None
    assert result(traces, engine_tokens=EngineTokens(source="x", output_tokens=11)).engine_agrees is True
    assert result(traces, engine_tokens=EngineTokens(source="x", output_tokens=12)).engine_agrees is False


def test_agreement_cannot_be_told_when_a_request_failed():
    traces = answered(1) + answered(1, error="truncated")
    assert result(traces, engine_tokens=EngineTokens(source="x", output_tokens=4)).engine_agrees is None


def test_a_search_that_breaks_a_level_off_is_complete_and_one_that_is_interrupted_is_not():
    load = Load(arrivals="poisson", rate_per_s=8.0, requests=1000)
    broken_off = stage(answered(1000), load=load, stopped=SATURATED)
    found = searched([broken_off])
    assert result((), stages=(broken_off,)).stopped == SATURATED
    assert result((), stages=(broken_off,), searched=found).stopped is None
    cut = stage(answered(1000), load=load, stopped=Stop(kind="interrupted"))
    assert result((), stages=(broken_off, cut), searched=found).stopped == Stop(kind="interrupted")


@pytest.mark.parametrize(("unfinished", "limited"), [(None, False), ("interrupted", True)])
def test_a_level_that_the_client_limited_speaks_for_a_search_or_sweep_that_did_not_send_it_again(unfinished, limited):
    fine, busy = stage(answered(3)), stage(answered(3), client=client(busiest_cpu_fraction=0.99))
    found = searched([fine, busy]).model_copy(update={"unfinished": unfinished})
    assert result((), stages=(fine, busy)).client_limited is True
    assert result((), stages=(fine, busy), searched=found).client_limited is limited
    over = Swept(saturated_from_users=None, unfinished=unfinished)
    assert result((), stages=(fine, busy), swept=over).client_limited is limited


def differing(load, *traces):
    ended_s = max(t.ended_s for t in traces)
    found = recheck(result((), stages=(stage(traces, load=load, ended_s=ended_s),)), "r.json")
    assert found.same is not bool(found.differences)
    return {(d.path, d.was, d.becomes) for d in found.differences}


def test_a_trace_may_have_fewer_requests_than_were_asked_for_and_not_more():
    assert differing(Load(arrivals="trace", requests=3), *answered(2)) == set()
    assert differing(Load(arrivals="trace"), *answered(2)) == set()
    assert differing(Load(arrivals="trace", requests=1), *answered(2)) == {("stages[0].load.requests", 1, 2)}


def test_later_turns_are_requests_of_a_closed_loop_and_none_that_arrive_in_an_open_one():
    first, later = answered(1), answered(1, turn=1, intended_s=0.5, sent_s=0.5, ended_s=0.9, arrivals_s=(0.6, 0.9))
    cool = tuple(t.model_copy(update={"phase": "cooldown"}) for t in later)
    closed = Load(concurrency=1, requests=2, cooldown_requests=1, multi_turn=True)
    assert differing(closed, *first, *cool) == set()
    assert ("stages[0].load.cooldown_requests", 1, 0) in differing(closed, *first, *later)
    opened = Load(arrivals="constant", rate_per_s=1.0, requests=2, cooldown_requests=1, multi_turn=True)
    second = answered(1, intended_s=1.0, sent_s=1.0, ended_s=1.3, arrivals_s=(1.1, 1.3), phase="cooldown")
    assert differing(opened, *first, *cool, *second) == set()


def test_a_cap_is_no_lower_than_what_was_in_flight():
    opened = Load(arrivals="constant", rate_per_s=1.0, requests=2, concurrency=2)
    assert differing(opened, *answered(2)) == set()
    assert differing(opened.model_copy(update={"concurrency": 1}), *answered(2)) == {
        ("stages[0].load.concurrency", 1, 2)
    }
