"""What a reader must know before believing the numbers of a result, weightiest first."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

from infercli.core.bench.metrics import Span, counted_in, span_of, tpot_s
from infercli.core.bench.result import P99_MIN_REQUESTS, BenchResult
from infercli.core.bench.samples import answered_of
from infercli.core.bench.saturation import fell_behind
from infercli.core.bench.self_check import ADVICE
from infercli.core.bench.stage import StageResult
from infercli.core.traces import RETRY_FIRST_S, RETRY_MOST_S, Trace
from infercli.core.units import counted

FAILED_FRACTION = 0.01
"""Of the requests of a level: above it the latencies are of a choice that the failures made. Our choice."""
SHARED_FRACTION = 0.01
"""Of the tokens: of fewer, the gaps that are unknown move no number that is shown."""

FIRST_FRACTION = 0.05
"""Of the tokens that TPOT divides by, which came with the first: a number that is off by more is not the server's pace.
The field's definition all the same (vLLM's `bench serve`). Our choice."""
MOST_A_FRAME = 10
"""Tokens, on average. Drafts bring up to 8 or so, an engine that batches its stream perhaps more. Our choice."""
FOUND_FRACTION = 0.5
"""Of the prompts' tokens, in the prefix cache: more than a chat template makes of short ones. Our choice."""
EMPTYING_FRACTION = 0.1
"""Of the measured time, in which nothing was sent any more: rates are lower by as much. Our choice."""
FILLING_FRACTION = EMPTYING_FRACTION
"""Of the measured time, in which nothing could have come yet of what was sent in it, nor of what was sent before."""
IDLE_FRACTION = 0.15
"""Of the users of a closed loop, on average, because no request was left for them. Four requests a user, the default,
leave up to a tenth idle where answers differ in length. Our choice."""

_NAMED = 3
"""Levels, engines or models that one caution names."""


def cautions(result: BenchResult, *, p99: bool = True) -> tuple[str, ...]:
    """Empty where there is nothing. `p99`: whether one is shown beside them."""
    if not result.answered:
        return (*_stopped(result), "no request was answered: there is nothing to measure")
    # A search goes beyond what the endpoint keeps up with on purpose.
    unsearched = () if result.searched is not None else (_behind, _emptying, _filling)
    judges = (_single, _short, _never_reached, *unsearched, _idle, _client)
    return (
        *_stopped(result),
        *_failed(result.stages),
        *_empty(result),
        *(said for judge in judges for said in _of_levels(result, judge)),
        *_one_of_many(result.stages),
        *_proxied(result.stages),
        *_mixed(result),
        *_engine(result),
        *_repeated(result),
        *_found(result),
        *_counted(result),
        *_otherwise(result),
        *(_few(result.stages) if p99 else ()),
    )


def failed_many(stage: StageResult) -> bool:
    """Whether so many requests failed that the latencies are of a choice."""
    return stage.metrics.failed > FAILED_FRACTION * stage.metrics.requests


def _stopped(result: BenchResult) -> Iterator[str]:
    if result.stopped is not None:
        yield f"the run is not complete: {result.stopped}"


def _of_levels(result: BenchResult, judge: Callable[[StageResult], str | None]) -> Iterator[str]:
    """Each named by its load where there are several; of a load that was sent again, the first."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for stage in result.stages:
        said = judge(stage)
        if said is not None:
            found[stage.load.label].append(said)
    for label, (first, *again) in found.items():
        runs = f", the first of {len(again) + 1} such runs" if again else ""
        yield f"{label}{runs}: {first}" if len(result.stages) > 1 else first


def _failed(stages: Sequence[StageResult]) -> Iterator[str]:
    bad = [s for s in stages if failed_many(s)]
    if not bad:
        return
    failed, requests = (sum(getattr(s.metrics, name) for s in bad) for name in ("failed", "requests"))
    levels = list(dict.fromkeys(s.load.label for s in bad))
    more = f" and {len(levels) - _NAMED} more" if len(levels) > _NAMED else ""
    at = f" at {', '.join(levels[:_NAMED])}{more}" if len(stages) > 1 else ""
    rested = ""
    if any(s.load.arrivals is None for s in bad):
        rested = f", and a user waited {RETRY_FIRST_S * 1000:.0f} to {RETRY_MOST_S * 1000:.0f} ms after each"
    yield f"{failed:,} of {requests:,} requests failed{at}: the latencies are of those that were answered{rested}"


def _empty(result: BenchResult) -> Iterator[str]:
    if not result.generates:
        return
    empty = sum(not t.arrivals_s for t in _answered(result))
    if empty:
        yield f"{counted(empty, 'answer was', plural='answers were')} empty: HTTP 200 and no token"


def _single(stage: StageResult) -> str | None:
    """A TPOT objective that holds by answers of one token alone: they meet any."""
    if stage.goodput is None:
        return None
    single = sum(t.shown_tokens < 2 and bool(t.arrivals_s) for t in answered_of(stage))
    for a in stage.goodput.attained:
        if a.objective.latency != "tpot" or not a.holds or not single:
            continue
        met, others = a.met - single, a.requests - single
        if a.objective.held_by(met, others):
            continue
        rest = f"of the {others:,} others {met:,} met it" if others else "there were no others"
        return (
            f"{a.objective.words} holds by {counted(single, 'answer')} of one token, to which it does not apply: {rest}"
        )
    return None


def _short(stage: StageResult) -> str | None:
    """Answers of fewer tokens than the load asked for, of which servers that do not know how say nothing."""
    load = stage.load
    if not load.ignore_eos and load.min_tokens is None:
        return None
    pairs = [
        (t.completion_tokens, t.max_tokens or load.max_tokens)
        for t in answered_of(stage)
        if t.finish_reason != "length"  # the model's own limit came first
    ]
    known = [(tokens, most) for tokens, most in pairs if tokens is not None]
    short = sum(tokens < (most if load.ignore_eos else min(load.min_tokens or 0, most)) for tokens, most in known)
    if not short:
        return None
    asked = "--ignore-eos" if load.ignore_eos else "--min-tokens"
    deaf = ": the server takes no notice of it" if 2 * short > len(answered_of(stage)) else ""
    return f"{short:,} of {counted(len(answered_of(stage)), 'answer')} ended before {asked} allows{deaf}"


def _behind(stage: StageResult) -> str | None:
    if stage.stopped is not None:
        return None  # it says why itself
    why = fell_behind(stage.traces, stage.load)
    return None if why is None else f"the endpoint fell behind: {why}; the longer the run, the longer the latencies"


def _emptying(stage: StageResult) -> str | None:
    """Of an open loop that was sent for a time: what was asked for is a rate, and the rates are not that."""
    load, span_s = stage.load, stage.metrics.duration_s
    if load.arrivals is None or load.duration_s is None or load.cooldown_s or stage.stopped or not span_s:
        return None
    sent = [t for t in stage.traces if t.phase == "measured" and t.sent_s is not None]
    empties_s = max(t.ended_s for t in sent) - max(t.sent_s or 0.0 for t in sent)
    if empties_s <= EMPTYING_FRACTION * span_s or fell_behind(stage.traces, load) is not None:
        return None
    share, cooldown_s = empties_s / span_s, math.ceil(empties_s)
    longer = "" if load.warmup_s + cooldown_s < load.duration_s else "longer --duration with a "
    return (
        f"in {share:.0%} of the measured time nothing was sent any more and the last answers were waited for: rates "
        f"are lower by as much; a {longer}--cooldown of {cooldown_s}s leaves it out"
    )


def _filling(stage: StageResult) -> str | None:
    """Of an open loop with a cool-down, whose rates are of what came in a time: at first nothing could come."""
    load, m = stage.load, stage.metrics
    span = span_of(stage.traces)
    if load.arrivals is None or stage.stopped or span is None or not span.steady or m.e2e_s is None or not m.duration_s:
        return None
    # Warm-up requests come before the load; a warm-up of seconds is its beginning.
    began_s = min(t.intended_s for t in stage.traces if t.phase != "warmup" or load.warmup_s)
    share = min(1.0, (m.e2e_s.p50 - (span.start_s - began_s)) / m.duration_s)
    if share <= FILLING_FRACTION or fell_behind(stage.traces, load) is not None:
        return None
    warmup_s = math.ceil(m.e2e_s.p50)
    longer = "longer --duration with a "
    if load.duration_s is None or warmup_s + load.cooldown_s < load.duration_s:
        longer = ""
    return (
        f"in {share:.0%} of the measured time the first answers were still waited for: requests/s are lower by about "
        f"as much, and tokens/s by half of it; a {longer}--warmup of {warmup_s}s leaves it out"
    )


def _idle(stage: StageResult) -> str | None:
    """Of a closed loop: its rates are taken for those of so many users."""
    load, duration_s, span = stage.load, stage.metrics.duration_s, span_of(stage.traces)
    users, asked = load.concurrency, load.requests
    if load.arrivals is not None or not users or not duration_s or span is None or span.steady or load.multi_turn:
        return None
    if stage.stopped or stage.metrics.failed or stage.check.client_limited or (asked is not None and asked < users):
        return None  # that is said, and is why
    # Since the last sending: before it who is not in flight waits for a connection, and has something to send.
    last_s = max(t.sent_s for t in stage.traces if t.phase == "measured" and t.sent_s is not None)
    end = Span(last_s, span.end_s, steady=True)
    idle_s = users * (end.end_s - end.start_s) - math.fsum(end.overlap_s(t) for t in counted_in(stage.traces, span))
    idle = idle_s / (users * duration_s)
    if idle <= IDLE_FRACTION:
        return None
    cure = "a --cooldown leaves the end out"
    if asked is not None:
        cure = f"more --requests than {asked:,}, the last {users:,} of them as --cooldown, leave the end out"
    return (
        f"{idle:.0%} of the users were idle on average, for nothing was left to send while the last answers came: "
        f"rates are lower by up to as much; {cure}"
    )


def _client(stage: StageResult) -> str | None:
    check = stage.check
    if check.client_limited:
        return f"the client was the limit, not the server: {'; '.join(check.reasons)}; {ADVICE}"
    if check.client_limited is None and stage.metrics.answered:
        return f"whether the client was the limit is unknown: {'; '.join(check.reasons)}"
    return None


def _one_of_many(stages: Sequence[StageResult]) -> Iterator[str]:
    """A name of several servers (a headless Service): clients differ in whether they spread over them."""
    others = max(stage.client.other_addresses for stage in stages)
    if others:
        yield (
            f"the host name has {others + 1} addresses, and every request went to one of them: where they are several "
            "servers, give the address of what spreads requests over them"
        )


def _proxied(stages: Sequence[StageResult]) -> Iterator[str]:
    """An environment variable that was set for browsing: what a proxy holds back is booked as the server's."""
    for proxy in dict.fromkeys(s.client.proxy for s in stages if s.client.proxy is not None):
        yield (
            f"every request went through the proxy {proxy}: times are those at which it passed things on; a host that "
            "NO_PROXY names is asked without it"
        )


def _mixed(result: BenchResult) -> Iterator[str]:
    """A release that was shifted meanwhile, or a gateway that fell back to another model."""
    answered = _answered(result)
    engines = Counter(t.engine for t in answered if t.engine is not None)
    if len(engines) > 1:
        yield f"{len(engines)} engines answered ({_shares(engines)}): the numbers are of all of them together"
    models: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for t in answered:
        asked = t.model or result.target.model
        models[asked][t.served_model or asked] += 1
    for asked, served in models.items():
        if len(served) > 1:
            yield f"{asked} was asked, and {len(served)} models answered ({_shares(served)}): the numbers are of all"


def _shares(counts: Counter[str]) -> str:
    more = len(counts) - _NAMED
    shown = [f"{name}: {count:,}" for name, count in counts.most_common(_NAMED)]
    return ", ".join(shown + ([f"{more} more"] if more > 0 else []))


def _engine(result: BenchResult) -> Iterator[str]:
    if result.engine_agrees is False and result.engine_tokens is not None:
        told = sum(t.output_tokens for t in result.traces)
        yield f"the engine counted {result.engine_tokens.output_tokens} output tokens, its answers say {told}"
    for engine in result.engines:
        # Its first counter stands for all: mostly the engine began anew, or was gone when the load ended.
        lost = engine.absent.get("generation_tokens")
        if lost is not None:
            yield f"what the engine {engine.source} counted is unknown: {lost}"


def _never_reached(stage: StageResult) -> str | None:
    users, requests = stage.load.concurrency, stage.load.requests
    if stage.load.arrivals is not None or not users or not requests or requests >= users:
        return None
    return f"{users:,} at a time were never reached: there {'was' if requests == 1 else 'were'} only " + counted(
        requests, "request"
    )


def _repeated(result: BenchResult) -> Iterator[str]:
    """Within a level: each has prompts of its own."""
    firsts = [[t.conversation for t in stage.traces if not t.turn] for stage in result.stages]
    repeats = sum(len(conversations) - len(set(conversations)) for conversations in firsts)
    if repeats:
        sent = counted(sum(map(len, firsts)), "prompt")
        yield f"{repeats:,} of {sent} had been sent before in their level: repeats hit the prefix cache"


def _found(result: BenchResult) -> Iterator[str]:
    """Prompts that an engine knew already, of those that nothing in the run itself explains.

    What is read from engines is of the whole run, and all its levels then have to explain it.
    """
    if result.prompts.prefix is not None and result.shared_fraction is None:
        return
    shares = [result.cached_fraction(stage) for stage in result.stages]
    levels = [[t.conversation for t in stage.traces] for stage in result.stages]
    repeats = any(len(set(conversations)) != len(conversations) for conversations in levels)
    cached = min((share for share in shares if share is not None), default=0.0)
    if repeats or cached - (result.shared_fraction or 0.0) <= FOUND_FRACTION:
        return
    other = ": another --seed sends others" if "seed" in result.prompts.source else ""
    yield (
        f"the prefix cache held {cached:.0%} of the prompts' tokens, and none was sent twice in this run: an earlier "
        f"one left them there, and TTFT is that of a repeat{other}"
    )


def _answered(result: BenchResult) -> list[Trace]:
    return [t for stage in result.stages for t in answered_of(stage)]


def _together_at_first(answered: Sequence[Trace]) -> float:
    """Of the tokens after the first, by which TPOT divides, those that came with it: no time was between them."""
    known = [t for t in answered if tpot_s(t) is not None]
    after = sum(t.shown_tokens - 1 for t in known)
    return sum(t.frames[0] * t.shown_tokens / sum(t.frames) - 1 for t in known) / after if after else 0.0


def _counted(result: BenchResult) -> Iterator[str]:
    """Where tokens are counted by frames, or by `usage`, or by neither; of all levels together: a search has dozens."""
    stages = result.stages
    checks = [stage.metrics.token_check for stage in stages]
    more = sum(c.more_frames for c in checks)
    if more:
        doubted = "TTFT, TPOT, ITL and tokens/s are in doubt"
        yield f"{counted(more, 'request')} had more token frames than `usage` says: {doubted}"
    silent = sum(s.metrics.answered - s.metrics.token_check.with_usage for s in stages)
    if not result.generates:
        silent = sum(t.prompt_tokens is None for t in _answered(result))
        if silent:
            yield f"{counted(silent, 'answer')} carried no `usage`: how many tokens were embedded is unknown"
    elif silent:
        yield f"{counted(silent, 'answer')} carried no `usage`: their tokens are frames counted"
    if result.prompts.cut:
        yield (
            f"of {counted(result.prompts.cut, 'prompt')} `usage` says far fewer tokens than it has words: the endpoint "
            "cut what is longer than its context, and times are of the rest, or it counts otherwise"
        )
    fewer = sum(c.fewer_frames for c in checks)
    answered = _answered(result)
    low = _together_at_first(answered)
    too_low = f"TPOT, which counts them as one, is {low:.0%} too low" if low > FIRST_FRACTION else ""
    if fewer:
        also = f"; the first tokens of an answer came together: {too_low}" if too_low else ""
        yield f"in {counted(fewer, 'request')} a frame carried several tokens: ITL is between frames{also}"
    elif too_low:
        yield f"the first tokens of an answer came together in one read: {too_low}"
    hidden, told = sum(t.hidden_tokens for t in answered), sum(t.output_tokens for t in answered)
    frames = sum(sum(t.frames) for t in answered)
    if hidden:
        yield (
            f"{hidden:,} of {told:,} output tokens were never sent (reasoning, by `usage`): TTFT lasts until the first "
            "that was, TPOT and ITL are of those, tokens/s of all"
        )
    elif fewer and told > MOST_A_FRAME * frames > 0:
        yield (
            f"there are {told / frames:,.0f} tokens a frame: where some of them were never sent (reasoning that is not "
            "shown), TPOT is too low"
        )


def _otherwise(result: BenchResult) -> Iterator[str]:
    """What went otherwise than it was asked for, of all levels together."""
    stages = result.stages
    over = sum(t.output_tokens > (t.max_tokens or s.load.max_tokens) for s in stages for t in answered_of(s))
    if over and result.generates:
        yield f"{counted(over, 'answer')} had more tokens than it was asked for at most: the endpoint heeds no limit"
    if any(s.load.temperature is None for s in stages):
        yield "the endpoint refuses a temperature of 0: it sampled at its own, and another run has other answers"
    again = sum(s.client.reconnects for s in stages)
    if again:
        those = counted(again, "request was", plural="requests were")
        yield f"{those} sent again: the server had closed kept connections"
    shared = max((s.metrics.multi_token_read_fraction or 0.0 for s in stages), default=0.0)
    if shared >= SHARED_FRACTION:
        most = "up to " if len(stages) > 1 else ""
        yield f"{most}{shared:.0%} of the tokens shared a read with another: the gaps between those are unknown"


def _few(stages: Sequence[StageResult]) -> Iterator[str]:
    fewest = min(stage.metrics.answered for stage in stages if stage.metrics.answered)
    if fewest < P99_MIN_REQUESTS:
        of = f"p99 of {counted(fewest, 'request')}" + (", as one level has," if len(stages) > 1 else "")
        yield f"{of} rests on the few slowest; it takes about {P99_MIN_REQUESTS:,}"
