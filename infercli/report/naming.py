"""How the numbers of a comparison or of a search are called and written, in text as on a page."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from infercli.core.bench.comparison import MetricDifference
from infercli.core.bench.metrics import Distribution
from infercli.core.bench.result import BenchResult
from infercli.core.bench.samples import answered_of, asked_tokens
from infercli.core.bench.search import Sure, sent_per_s
from infercli.core.bench.stage import StageResult
from infercli.core.units import counted, number, rounded

WORDS = {
    "ttft": "TTFT", "ttft_due": "TTFT from due", "tpot": "TPOT", "itl": "ITL", "e2e": "E2E",
    "e2e_due": "E2E from due", "output_tokens_per": "output tokens/s", "requests_per": "requests/s",
    "good_requests_per": "good requests/s",
}  # fmt: skip

_LITTLE_S, _LITTLE = 0.005, 0.02
"""Seconds, and a share of a latency, by which one from when a request was due may be longer without being shown. Our
choice."""
UNKNOWN = "unknown"


def ms(d: Distribution | None, field: str) -> str:
    """One field of a distribution, in milliseconds."""
    return UNKNOWN if d is None else f"{getattr(d, field) * 1000:,.1f}"


def name(metric: str) -> str:
    """`ttft_p95_s` -> `TTFT p95, ms`."""
    stem = metric.removesuffix("_s")
    if stem in WORDS:
        return WORDS[stem]
    latency, _, quantile = stem.rpartition("_")
    return f"{WORDS[latency]} {quantile}, ms"


def value(d: MetricDifference, number: float | None, *, sign: bool = False) -> str:
    """A number of this metric in the unit of its name; empty for None."""
    if number is None:
        return ""
    factor = 1.0 if d.metric.endswith("_per_s") else 1000.0
    digits = 2 if d.metric.startswith(("tpot", "itl", "good")) else 1
    return f"{number * factor:{'+' if sign else ''},.{digits}f}"


def share(d: MetricDifference, difference: float | None) -> str:
    """A difference as a share of the first run's number; empty where either is unknown."""
    return "" if difference is None or not d.a else f"{difference / d.a:+.1%}"


def interval(d: MetricDifference) -> str:
    """The interval of the difference as a share of the first run's number, else in its unit; empty where none is."""
    if d.low is None or d.high is None:
        return ""
    if not d.a:
        return f"{value(d, d.low, sign=True)} to {value(d, d.high, sign=True)}"
    low, high = 100 * d.low / d.a, 100 * d.high / d.a
    widest = max(abs(low), abs(high))
    digits = 0 if widest >= 10 else 1 if widest >= 1 else 2
    return f"{low:+.{digits}f} to {high:+.{digits}f} %"


def verdict(d: MetricDifference) -> str:
    """In words; better and worse are said only where a difference is shown."""
    if d.verdict in ("higher", "lower"):
        return f"{d.verdict}: {'better' if d.better else 'worse'}"
    return {
        "none shown": "no difference can be shown",
        "not steady": "cannot be told: not steady",
        "too few": "cannot be told: too few",
        "unknown": "unknown",
    }[d.verdict]


def brief(d: MetricDifference) -> str:
    """The verdict where there is little room: the sign of the change says which way."""
    if d.verdict in ("higher", "lower"):
        return "better" if d.better else "worse"
    return d.verdict


def reasons(differences: Sequence[MetricDifference]) -> Iterator[str]:
    """Why nothing can be told, once for all numbers of one verdict; where something is, of which numbers."""
    by_reason: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for d in differences:
        if d.reason is not None:
            by_reason["" if d.better is not None else verdict(d), d.reason].append(name(d.metric).partition(",")[0])
    for (told, why), names in by_reason.items():
        yield f"{told or ', '.join(names)}: {why}"


def latencies(result: BenchResult, stage: StageResult) -> list[tuple[str, Distribution | None]]:
    """The distributions of a level that its requests can have, by their names for people; None: unknown."""
    m = stage.metrics
    named = [("TTFT", m.ttft_s), ("TPOT", m.tpot_s), ("ITL", m.itl_s), ("end to end", m.e2e_s)]
    if shows_due(stage):
        named += [("TTFT from due", m.ttft_due_s), ("end to end from due", m.e2e_due_s)]
    return [(name, d) for name, d in named if result.generates or name.startswith("end")]


def shows_due(stage: StageResult) -> bool:
    """Whether latencies from when requests were due stand beside those from their sending.

    In a closed loop a user that is free waits only for a connection and for the client itself: mostly next to nothing.
    """
    m = stage.metrics
    pairs = ((m.ttft_s, m.ttft_due_s), (m.e2e_s, m.e2e_due_s))
    return stage.load.arrivals is not None or any(
        getattr(due, field) - getattr(plain, field) > max(_LITTLE_S, _LITTLE * getattr(plain, field))
        for plain, due in pairs
        if plain is not None and due is not None
        for field in ("mean", "p50", "p90", "p95", "p99", "max")
    )


def sent(result: BenchResult, rate_per_s: float) -> str:
    """`; 71.4 to 78.4 were sent`: what a search really sent at a rate; empty where none is known.

    Arrivals that come by chance are more or fewer than were asked.
    """
    at = [rate for s in result.stages if s.load.rate_per_s == rate_per_s and (rate := sent_per_s(s)) is not None]
    if not at:
        return ""
    return f"; {' to '.join(dict.fromkeys(number(rate) for rate in (min(at), max(at))))} were sent"


def searched(result: BenchResult) -> Iterator[tuple[str, Sequence[Sure]]]:
    """What a search found, a sentence each, and how sure that is; nothing of any other run."""
    found, unit = result.searched, f"{result.stages[-1].load.begins}/s"
    if found is None:
        return
    if found.highest_rate_per_s is not None:
        least = "" if found.unfinished is None else "at least "
        rate = f"{least}{number(found.highest_rate_per_s)} {unit}"
        runs = f"in {counted(found.runs, 'run')}{sent(result, found.highest_rate_per_s)}"
        yield f"the highest rate that holds: {rate}, {runs}", found.sure
    elif found.hopeless is not None or found.unfinished is None:
        yield found.hopeless or "no rate that was tried holds the objectives", ()
    if found.broke_at_rate_per_s is not None:
        runs = counted(found.broke_runs, "run")
        yield f"the lowest that did not: {number(found.broke_at_rate_per_s)} {unit}, in {runs}", ()
    if found.assured is not None and found.assured.rate_per_s != found.highest_rate_per_s:
        rate, runs = f"{number(found.assured.rate_per_s)} {unit}", counted(found.assured.runs, "run")
        yield f"surely holds: {rate}, in {runs}{sent(result, found.assured.rate_per_s)}", found.assured.objectives
    if found.unfinished is not None:
        yield f"the search is not finished: {found.unfinished}", ()


def swept(result: BenchResult) -> Iterator[str]:
    """`saturated from 16 at a time on: 2,498 output tokens/s`, of a sweep; nothing of any other run."""
    if result.swept is None:
        return
    users = result.swept.saturated_from_users
    for stage in result.stages:
        if stage.load.concurrency == users and not stage.check.client_limited:
            m = stage.metrics
            pairs = ((m.requests_per_s, "requests"), (m.output_tokens_per_s, "output tokens"))
            rate, unit = pairs[result.generates]
            yield f"saturated from {stage.load.label} on" + ("" if rate is None else f": {rounded(rate, 0)} {unit}/s")
    if result.swept.unfinished is not None:
        label = result.stages[-1].load.label
        yield (
            f"the sweep ended at {label}, before it was seen where more users bring no more: {result.swept.unfinished}"
        )


def load_sent(result: BenchResult) -> str:
    """`sent: 200 requests with 64 prompt tokens on average by the server's usage; ...`: all levels, without warm-up."""
    ms = [stage.metrics for stage in result.stages]
    measured = sum(m.requests + m.cut for m in ms)
    warmup = sum(t.phase == "warmup" for t in result.traces)
    if warmup and not measured:
        return f"sent: {counted(warmup, 'request')} of the warm-up, which was not over; none was measured"
    answered = [t for stage in result.stages for t in answered_of(stage)]
    known = [t.prompt_tokens for t in answered if t.prompt_tokens is not None]
    prompt = "prompts of unknown length: the server sent no usage" if answered else "none was answered"
    if known:
        of = "" if len(known) == len(answered) else f", which {len(known):,} of {len(answered):,} answers had"
        prompt = f"{sum(known) / len(known):,.1f} prompt tokens on average by the server's usage{of}"
    parts = [f"sent: {counted(measured, 'request')}{_models(result)}", prompt]
    tokens = sum(m.output_tokens for m in ms)
    if tokens:
        limits = [limit for stage in result.stages for limit in asked_tokens(stage)]
        most = " to ".join(dict.fromkeys(f"{limit:,}" for limit in (min(limits), max(limits))))
        parts.append(f"{tokens / len(answered):,.1f} output tokens on average (max_tokens {most})")
    used = f"prompts: {result.prompts.source}, of a pool of {result.prompts.count:,}"
    return "; ".join([*parts, used, *_prefix(result), *_besides(result)])


def _besides(result: BenchResult) -> Iterator[str]:
    """`each body with {"top_p":0.9}`: what requests said that they do not say by themselves."""
    load = result.stages[0].load
    body = ({"temperature": load.temperature} if load.temperature else {}) | load.extra_body
    if body:
        yield f"each body with {json.dumps(body, ensure_ascii=False)}"
    if result.target.headers:
        yield f"each head with {', '.join(result.target.headers)}"


def _models(result: BenchResult) -> str:
    """` (48 to tiny, 16 to sql)`: of a run that asked adapters."""
    asked = Counter(t.model or result.target.model for t in result.traces if t.phase == "measured")
    if set(asked) <= {result.target.model}:
        return ""
    return f" ({', '.join(f'{count:,} to {model}' for model, count in asked.most_common())})"


def _prefix(result: BenchResult) -> Iterator[str]:
    """`15 of 20 first prompts began with a shared prefix that had been sent before, 38% of their tokens`."""
    prefix = result.prompts.prefix
    if prefix is None or not prefix.first_prompts:
        return
    shared = result.shared_fraction
    share = "" if shared is None else f", {shared:.0%} of their tokens"
    of = counted(prefix.first_prompts, "first prompt")
    yield f"{prefix.sent_before:,} of {of} began with a shared prefix that had been sent before{share}"
