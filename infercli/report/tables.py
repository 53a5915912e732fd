"""The tables of a report: every number that is drawn, and those that are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from infercli.core.bench.efficiency import run_telemetry, stage_telemetry, usd_per_million_output_tokens
from infercli.core.bench.failures import first_messages
from infercli.core.bench.metrics import DEFINITIONS
from infercli.core.bench.result import BenchResult
from infercli.core.bench.search import Sure, holds, keeps
from infercli.core.bench.stage import StageResult
from infercli.core.telemetry.gpus import GpuSummary
from infercli.core.units import counted, number, rounded
from infercli.report.markup import Child, h, outside, table
from infercli.report.naming import UNKNOWN, latencies, ms, searched


def stages(result: BenchResult) -> ET.Element:
    """A row a level of load."""
    judged, tokens = result.objectives is not None, result.generates
    titles: list[Child] = ["", "load", "answered", *(["output tokens/s"] if tokens else []), "requests/s"]
    titles += ["TTFT p50", "TTFT p95", "TPOT p50", "TPOT p95"] if tokens else ["E2E p50"]
    titles += ["E2E p95", *(["good requests/s", "objectives"] if judged else [])]
    rows = []
    for n, stage in enumerate(result.stages, 1):
        m = stage.metrics
        row: list[Child] = [str(n), stage.load.label, f"{m.answered:,} of {m.requests:,}"]
        row += [rate(m.output_tokens_per_s)] if tokens else []
        row.append(rate(m.requests_per_s))
        both = ((m.ttft_s, "p50"), (m.ttft_s, "p95"), (m.tpot_s, "p50"), (m.tpot_s, "p95"), (m.e2e_s, "p95"))
        row += [ms(d, p) for d, p in (both if tokens else ((m.e2e_s, "p50"), (m.e2e_s, "p95")))]
        if judged:
            row += [rate(stage.goodput.good_requests_per_s), _kept_to_the_end(stage)] if stage.goodput else ["", ""]
        rows.append(row)
    return table(titles, rows, "Levels of load in the order in which they ran; latencies in ms", (1,))


def percentiles(result: BenchResult, stage: StageResult) -> ET.Element:
    """The distributions of one stage."""
    fields = ("mean", "p50", "p90", "p95", "p99", "max")
    rows: list[list[Child]] = [
        [name, f"{d.count:,}" if d else "0", *(ms(d, field) for field in fields)]
        for name, d in latencies(result, stage)
    ]
    return table(["", "values", *fields], rows, "Latencies in ms")


def objectives(result: BenchResult) -> Iterator[ET.Element]:
    """What was promised and what was kept: a row a level, a column an objective."""
    asked = result.objectives
    if asked is None:
        return
    rows: list[list[Child]] = []
    for n, stage in enumerate(result.stages, 1):
        m, good = stage.metrics, stage.goodput
        if good is None:
            continue
        met = [_kept(a.met, a.requests, holds=a.holds) for a in good.attained]
        answered = _kept(m.answered, m.requests, holds=good.success_holds)
        rows.append([str(n), stage.load.label, *met, answered, rate(good.good_requests_per_s)])
    yield h("h3", "Objectives")
    if result.searched is not None:
        yield from _searched(result)
    must = f"answered, at least {100 * asked.success_fraction:.4g} %"
    titles = ["", "load", *(o.words for o in asked.objectives), must, "good requests/s"]
    yield table(titles, rows, "Share of the requests that met each; failed requests are misses", (1,))


def _searched(result: BenchResult) -> Iterator[ET.Element]:
    for said, sure in searched(result):
        yield h("p", f"{said[0].upper()}{said[1:]}.")
        yield from _how_sure(sure)


def _how_sure(sure: Sequence[Sure]) -> Iterator[ET.Element]:
    rows: list[list[Child]] = [
        [s.objective, f"{s.met:,} of {s.requests:,}", f"{s.at_least_fraction:.2%}", f"{s.fraction:.2%}",
         "sure" if s.sure else "not sure"]
        for s in sure
    ]  # fmt: skip
    if rows:
        titles = ["objective", "met by", "at least, by the 95 % bound", "must be", ""]
        yield table(titles, rows, "How sure that is, over all runs at that rate")


def efficiency(result: BenchResult) -> Iterator[ET.Element]:
    """Energy and money, a row a level."""
    if result.telemetry is None and result.price is None:
        yield h("p", result.telemetry_reason or UNKNOWN, class_="dim")
        return
    rows: list[list[Child]] = []
    for index, stage in enumerate(result.stages):
        seen, usd = stage_telemetry(result, index), usd_per_million_output_tokens(result, index)
        energy = None if seen is None else seen.energy_j
        each = None if seen is None else seen.joules_per_output_token
        joules = UNKNOWN if energy is None else f"{energy:,.0f}"
        per_token = UNKNOWN if each is None else number(each)
        dollars = UNKNOWN if usd is None else f"{usd.value:,.2f}"
        rows.append([stage.load.label, joules, per_token, dollars, "" if usd is None else usd.ends(1, 2)])
    titles = ["load", "energy, J", "J per output token", "$ per 1M output tokens", "by the quotes"]
    yield table(titles, rows, "Energy is of the GPUs that were watched, over the whole level, warm-up and all")
    price = result.price
    if price is not None:
        gpus, quotes = counted(price.gpus, "GPU"), counted(price.quotes, "quote")
        said = f"${price.median_usd_per_h:,.2f} an hour for {gpus}, median of {quotes} of {price.as_of}: "
        yield h("p", said, outside(price.source), class_="dim")
    if result.telemetry is None:
        yield h("p", result.telemetry_reason or UNKNOWN, class_="dim")


def gpus(result: BenchResult) -> Iterator[ET.Element]:
    """A row a GPU, over the whole run."""
    seen = run_telemetry(result)
    if seen is None:
        return
    columns: tuple[tuple[str, str, float, str], ...] = (
        ("busy time, %", "busy_fraction", 100, ".0f"), ("SMs active, %", "sm_active_fraction", 100, ".0f"),
        ("tensor active, %", "tensor_active_fraction", 100, ".0f"),
        ("memory bandwidth, %", "dram_active_fraction", 100, ".0f"),
        ("memory at most, GiB", "memory_peak_bytes", 2.0**-30, ".1f"), ("power, W", "mean_power_w", 1, ",.0f"),
        ("energy, J", "energy_j", 1, ",.0f"), ("SM clock, MHz", "mean_sm_clock_mhz", 1, ",.0f"),
        ("C at most", "max_temperature_c", 1, ".0f"),
    )  # fmt: skip
    rows: list[list[Child]] = []
    for gpu in seen.gpus:
        where = f"GPU {gpu.index}" + (f" of {gpu.host}" if gpu.host else "")
        name = h("span", where, " ", outside(gpu.name) if gpu.name else None)
        values = [(getattr(gpu, field), factor, form) for _, field, factor, form in columns]
        rows.append([name, *(UNKNOWN if v is None else f"{v * factor:{form}}" for v, factor, form in values)])
    yield h("h3", "GPUs")
    yield table(["", *(title for title, *_ in columns)], rows, f"Over the whole run, by {seen.source}")
    said = [f"{name}: {line}" for gpu in seen.gpus for name, line in _remarks(gpu)]
    # One reason often holds for all GPUs, and is said once.
    why: dict[str, list[str]] = {}
    for gpu in seen.gpus:
        for title, field, _, _ in columns:
            if field in gpu.absent:
                why.setdefault(f"{title.partition(',')[0]}: {gpu.absent[field]}", []).append(str(gpu.index))
    said += [f"unknown of GPU {', '.join(those)}: {reason}" for reason, those in why.items()]
    if said:
        yield h("ul", *(h("li", outside(line)) for line in said), class_="dim")


def _remarks(gpu: GpuSummary) -> Iterator[tuple[str, str]]:
    name = f"GPU {gpu.index}"
    for event, share in (gpu.clock_events or {}).items():
        yield name, f"clocks held by {event} in {share:.0%} of the samples"
    if gpu.xids:
        yield name, f"XID errors {', '.join(map(str, gpu.xids))}"
    if gpu.ecc_uncorrected:
        yield name, counted(gpu.ecc_uncorrected, "uncorrected memory error")


def engines(result: BenchResult) -> Iterator[ET.Element]:
    """What the engines said of themselves, a row an engine, and what was asked and gave nothing."""
    rows: list[list[Child]] = []
    why: list[str] = [f"{what}: {reason}" for what, reason in result.unwatched.items()]
    for e in result.engines:
        hits = e.prefix_cache_hit_fraction
        most = [_most(e.samples.running), _most(e.samples.waiting), _most(e.samples.kv_cache_usage_fraction, 100)]
        queue = UNKNOWN if e.queue_s is None or e.queue_s.mean_s is None else f"{e.queue_s.mean_s * 1000:,.1f}"
        preempted = UNKNOWN if e.preemptions is None else f"{e.preemptions:,}"
        rows.append([outside(e.source), preempted, UNKNOWN if hits is None else f"{hits:.1%}", *most, queue])
        why += [f"{e.source}: {field}: {reason}" for field, reason in e.absent.items()]
        why += [f"{e.source}: {note}" for note in e.notes]
    if not rows and not why:
        return
    yield h("h3", "The engine's own account")
    if rows:
        titles = [
            "", "preemptions", "prompt tokens from the prefix cache", "running, at most", "waiting, at most",
            "KV cache at most, %", "mean wait in the queue, ms",
        ]  # fmt: skip
        yield table(titles, rows, "From the first scrape to the last, other clients and warm-up included")
    if why:
        yield h("ul", *(h("li", outside(line)) for line in why), class_="dim")


def _most(values: Sequence[float | None], factor: float = 1) -> str:
    known = [v for v in values if v is not None]
    return f"{max(known) * factor:,.0f}" if known else UNKNOWN


def errors(result: BenchResult) -> Iterator[ET.Element]:
    """What failed, counted, with the first message of each kind."""
    rows: list[list[Child]] = []
    for stage in result.stages:
        first = first_messages([stage])
        for label, count in stage.metrics.errors.items():
            rows.append([label, stage.load.label, f"{count:,}", outside(first[label]) if label in first else ""])
    if rows:
        yield h("h3", "Failures")
        yield table(["kind", "load", "requests", "the first said"], rows, "Failed requests have no latency", (1, 3))


def client(result: BenchResult) -> ET.Element:
    """What the measuring side says of itself."""
    rows: list[list[Child]] = []
    for stage in result.stages:
        m, check, one = stage.metrics, stage.check, stage.client
        rows.append(
            [stage.load.label, _limited(check.client_limited),
             ms(m.client_lag_s, "p99"), ms(m.send_lag_s, "p99"),
             UNKNOWN if one.busiest_cpu_fraction is None else f"{one.busiest_cpu_fraction:.0%}",
             UNKNOWN if check.cpu_us_per_token is None else f"{check.cpu_us_per_token:.1f}", str(one.workers),
             f"{m.token_check.equal:,} of {m.token_check.with_usage:,}",
             UNKNOWN if check.merged_fraction is None else f"{check.merged_fraction:.1%}",
             UNKNOWN if m.multi_token_read_fraction is None else f"{m.multi_token_read_fraction:.1%}"]
        )  # fmt: skip
    titles = [
        "load", "client was the limit", "read late, p99 ms", "sent late, p99 ms", "busiest worker's CPU",
        "CPU us per token", "workers", "answers whose frames are tokens", "tokens that it may have merged",
        "tokens that shared a read",
    ]  # fmt: skip
    clocks = {"kernel": "the kernel's receive times", "user": "the client's own times"}
    clock = clocks[result.stages[0].client.clock]
    return table(titles, rows, f"Times are {clock}", (1,))


def _limited(limited: bool | None) -> Child:
    return h("span", "yes", class_="bad") if limited else UNKNOWN if limited is None else "no"


def definitions() -> ET.Element:
    """What the names mean."""
    parts = [part for name, means in DEFINITIONS.items() for part in (h("dt", name), h("dd", means))]
    return h("dl", parts, class_="names")


def rate(value: float | None) -> str:
    """Per second."""
    return UNKNOWN if value is None else rounded(value, 1)


def _kept(met: int, requests: int, *, holds: bool) -> ET.Element:
    share = f"{met / requests:.2%}" if requests else UNKNOWN
    return h("span", share, " ", _holds(holds))


def _kept_to_the_end(stage: StageResult) -> ET.Element:
    if stage.stopped is not None:
        return h("span", stage.stopped.kind, class_="bad")
    if holds(stage) and not keeps(stage):
        return h("span", "falls behind", class_="bad")
    return _holds(holds(stage))


def _holds(well: bool) -> ET.Element:
    return h("span", "holds" if well else "missed", class_="good" if well else "bad")
