"""What an engine said of itself during a run: its own counters and histograms, as differences between two scrapes.

The one thing to know: a difference is of everything that the engine did between the first and the last scrape, warm-up
and other clients included, and it is only known where every scrape in between agrees that the counter only grew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from pydantic import Field, model_validator

from infercli.core.engines import metrics
from infercli.core.record import Record
from infercli.core.telemetry.exposition import Exposition, Labels, Scrape

PROCESS = "process_start_time_seconds"
"""When the process that answers began, in Unix time: every exporter of prometheus_client's says it."""


class EngineSamples(Record):
    """One column per gauge, one row per scrape; a None is a scrape that failed."""

    at_s: tuple[float, ...]
    """Seconds since an instant of this machine's monotonic clock that the caller chose."""
    running: tuple[int | None, ...]
    """Requests in the batch, of all engines behind the address."""
    waiting: tuple[int | None, ...]
    """Requests in the queue, of all engines behind the address."""
    kv_cache_usage_fraction: tuple[float | None, ...]
    """Of the fullest engine: it is the one that preempts."""


class Histogram(Record):
    """What was observed between two scrapes."""

    edges_s: tuple[float, ...] = Field(min_length=1)
    """Upper edges, which belong to their bucket."""
    counts: tuple[int, ...]
    """One more than edges: the last is of what lies above all of them."""
    sum_s: float | None
    """None: the exporter does not keep it."""

    @model_validator(mode="after")
    def _shape(self) -> Histogram:
        if len(self.counts) != len(self.edges_s) + 1 or list(self.edges_s) != sorted(set(self.edges_s)):
            raise ValueError("edges_s must ascend, and counts be one more than they are")
        return self

    @property
    def count(self) -> int:
        """How many were observed."""
        return sum(self.counts)

    @property
    def mean_s(self) -> float | None:
        """None: nothing was observed, or the sum is not known."""
        return self.sum_s / self.count if self.sum_s is not None and self.count else None


class EngineTelemetry(Record):
    """One engine, or all engines behind one address, over the run. None: unknown, see `absent`."""

    source: str
    """The address that was asked, or the name of the engine."""
    interval_s: float
    scrapes: int
    failed_scrapes: int
    start_s: float | None
    """The counters are of what happened between these two, on the clock of `samples`; None: no scrape worked."""
    end_s: float | None
    samples: EngineSamples
    preemptions: int | None
    prefix_cache_query_tokens: int | None
    prefix_cache_hit_tokens: int | None
    prompt_tokens: int | None
    generation_tokens: int | None
    finished: dict[str, int] | None
    """Requests by `finished_reason`: stop, length, abort, ..."""
    ttft_s: Histogram | None
    itl_s: Histogram | None
    """Between two outputs; an output has several tokens under speculative decoding."""
    tpot_s: Histogram | None
    """One per request: (end to end - TTFT) / (output tokens - 1); 0 for a request of one token."""
    e2e_s: Histogram | None
    queue_s: Histogram | None
    """Waiting before the first scheduling; one per request."""
    names: dict[str, str]
    """Field -> the metric that it was read from."""
    absent: dict[str, str]
    """Field -> why it is None."""
    notes: tuple[str, ...] = ()
    """What a reader must know of these numbers."""

    @property
    def prefix_cache_hit_fraction(self) -> float | None:
        """Of the prompt tokens that were looked up, those that were found; None: unknown, or none was looked up."""
        if self.prefix_cache_hit_tokens is None or not self.prefix_cache_query_tokens:
            return None
        return self.prefix_cache_hit_tokens / self.prefix_cache_query_tokens


def is_engine(exposition: Exposition) -> bool:
    """Whether vLLM answered, itself or through Ray's exporter."""
    said = {*exposition.series, *exposition.problems}
    return any(name.startswith(("vllm:", metrics.RAY_PREFIX)) for name in said)


def wanted(name: str) -> bool:
    """Whether a series is one that `engine_telemetry` reads."""
    return name in _WANTED


def engine_telemetry(source: str, scrapes: Sequence[Scrape], *, interval_s: float) -> EngineTelemetry:
    """Scrapes in order of time; the first should lie before the load and the last after it."""
    reader = _Reader(scrapes)
    absent: dict[str, str] = {}
    names: dict[str, str] = {}

    def told(field: str, read: Callable[[str], object]) -> object:
        try:
            names[field] = reader.name_of(field)
            return read(names[field])
        except _UnknownError as error:
            absent[field] = str(error)
            return None

    samples = EngineSamples.model_validate(
        {
            "at_s": tuple(scrape.at_s for scrape in scrapes),
            "running": told("running", lambda name: reader.gauge(name, math.fsum)) or (None,) * len(scrapes),
            "waiting": told("waiting", lambda name: reader.gauge(name, math.fsum)) or (None,) * len(scrapes),
            "kv_cache_usage_fraction": told("kv_cache_usage_fraction", lambda name: reader.gauge(name, max))
            or (None,) * len(scrapes),
        }
    )
    counted = {f: told(f, lambda name: round(math.fsum(reader.growth(name).values()))) for f in metrics.COUNTERS}
    good = [scrape.at_s for scrape in scrapes if scrape.exposition is not None]
    return EngineTelemetry.model_validate(
        {
            "source": source,
            "interval_s": interval_s,
            "scrapes": len(scrapes),
            "failed_scrapes": len(scrapes) - len(good),
            "start_s": good[0] if good else None,
            "end_s": good[-1] if good else None,
            "samples": samples,
            **counted,
            "finished": told("finished", reader.finished),
            **{field: told(field, reader.histogram) for field in metrics.HISTOGRAMS},
            "names": {field: name for field, name in names.items() if field not in absent},
            "absent": absent,
            "notes": reader.notes(),
        }
    )


class _UnknownError(Exception):
    """Why a field is not known."""


class _Reader:
    """The scrapes of one source, and how its metrics are called."""

    def __init__(self, scrapes: Sequence[Scrape]) -> None:
        self.scrapes = scrapes
        self.answers = [(s.at_s, s.exposition) for s in scrapes if s.exposition is not None]
        seen = {name for _, exposition in self.answers for name in exposition.series}
        self.seen = seen
        self.ray = not any(name.startswith("vllm:") for name in seen) and any(
            name.startswith(metrics.RAY_PREFIX) for name in seen
        )
        # Ray's exporter is one process for all engines of a machine: its age says nothing about theirs.
        starts = [exposition.series.get(PROCESS, {}) for _, exposition in self.answers]
        self.processes = {value for rows in starts for value in rows.values()}

    def name_of(self, field: str) -> str:
        """The first of the names of a field that was seen. A bad line counts: then that is the reason."""
        if not self.answers:
            reasons = dict.fromkeys(scrape.reason or "no answer" for scrape in self.scrapes)
            raise _UnknownError("; ".join(reasons) or "it was never asked")
        names = [self._spelt(row.name) for row in metrics.ROWS[field]]
        suffix = "_bucket" if field in metrics.HISTOGRAMS else ""
        for name in names:
            if name + suffix in self.seen:
                return name
        for _, exposition in self.answers:
            for name in names:
                if name + suffix in exposition.problems:
                    raise _UnknownError(exposition.problems[name + suffix])
        first = metrics.ROWS[field][0]
        said = f"{names[0]} is not there; vLLM has it since {first.since}"
        raise _UnknownError(said + (", and Ray's exporter once it has counted" if self.ray else ""))

    def _spelt(self, name: str) -> str:
        return metrics.ray_name(name) if self.ray else name

    def gauge(self, name: str, pool: Callable[[list[float]], float]) -> tuple[float | None, ...]:
        """One value per scrape; None where it failed or did not say it."""
        column: list[float | None] = []
        for scrape in self.scrapes:
            rows = scrape.exposition.series.get(name, {}) if scrape.exposition is not None else {}
            values = [value for value in rows.values() if math.isfinite(value)]
            column.append(pool(values) if values else None)
        if not any(value is not None for value in column):
            raise _UnknownError(f"{name} has no number")
        return tuple(column)

    def growth(self, name: str) -> dict[Labels, float]:
        """How much each series of a counter grew from the first scrape to the last. Raises _UnknownError."""
        for scrape, which in ((self.scrapes[0], "before"), (self.scrapes[-1], "after")):
            if scrape.exposition is None:
                raise _UnknownError(f"the scrape {which} the load failed: {scrape.reason}")
            if name in scrape.exposition.problems:
                raise _UnknownError(scrape.exposition.problems[name])
        if len(self.answers) < 2:
            raise _UnknownError("it takes two scrapes")
        if len(self.processes) > 1 and not self.ray:
            raise _UnknownError(
                "several processes answered: the engine began anew, or one address has several replicas"
            )
        grown: dict[Labels, float] = {}
        last: Mapping[Labels, float] = {}
        for number, (at_s, exposition) in enumerate(self.answers):
            rows = exposition.series.get(name, {})
            if name in exposition.problems:
                continue  # neither gone nor there; the last scrape has all of it
            gone = last.keys() - rows.keys()
            if gone:
                raise _UnknownError(
                    f"{name} was gone {at_s:z.1f} s after the start: the engine began anew or was dropped"
                )
            for labels, value in rows.items():
                # A series that turns up during the run counts from 0, as its process does.
                before = last.get(labels, value if number == 0 else 0.0)
                if not math.isfinite(value):
                    raise _UnknownError(f"{name} was no number {at_s:z.1f} s after the start")
                if value < before:
                    raise _UnknownError(f"{name} went backwards {at_s:z.1f} s after the start: the engine began anew")
                grown[labels] = grown.get(labels, 0.0) + value - before
            last = rows
        if not grown:
            raise _UnknownError(f"{name} has no number")
        return grown

    def finished(self, name: str) -> dict[str, int]:
        """A counter by its `finished_reason`."""
        total: dict[str, float] = {}
        for labels, grown in self.growth(name).items():
            reason = dict(labels).get("finished_reason", "unknown")
            total[reason] = total.get(reason, 0.0) + grown
        return {reason: round(count) for reason, count in sorted(total.items())}

    def histogram(self, name: str) -> Histogram:
        """The buckets' growth, pooled over the series."""
        cumulative: dict[Labels, dict[float, float]] = {}
        for labels, grown in self.growth(f"{name}_bucket").items():
            rest = tuple(pair for pair in labels if pair[0] != "le")
            try:
                cumulative.setdefault(rest, {})[float(dict(labels)["le"])] = grown
            except (KeyError, ValueError):
                raise _UnknownError(f"{name}_bucket has a bucket without an edge") from None
        edges = {tuple(sorted(row)) for row in cumulative.values()}
        if len(edges) != 1:
            raise _UnknownError(f"the engines behind this address do not share the buckets of {name}")
        (shared,) = edges
        if not math.isinf(shared[-1]):
            raise _UnknownError(f"{name}_bucket lacks its last bucket")
        if len(shared) < 2:
            raise _UnknownError(f"{name}_bucket has no bucket but the last")
        totals = [round(math.fsum(row[edge] for row in cumulative.values())) for edge in shared]
        counts = [totals[0], *(b - a for a, b in pairwise(totals))]
        if min(counts) < 0:
            raise _UnknownError(f"the buckets of {name} do not add up: they were read while they were written")
        sum_s = None if self.ray else math.fsum(self.growth(f"{name}_sum").values())
        return Histogram(edges_s=shared[:-1], counts=tuple(counts), sum_s=sum_s)

    def notes(self) -> tuple[str, ...]:
        """What a reader must know."""
        said = []
        if self.ray:
            said.append(f"Ray's exporter is told every {metrics.RAY_EXPORT_S:g} s: its numbers may be as old as that")
            said.append("Ray's exporter knows buckets only: histograms have no sum and no mean")
        if len(self.processes) > 1 and not self.ray:
            said.append("several processes answered: each sample is of one of them")
        return tuple(said)


_WANTED = frozenset(
    spelt + suffix
    for field, rows in metrics.ROWS.items()
    for row in rows
    for spelt in (row.name, metrics.ray_name(row.name))
    for suffix in (("_bucket", "_sum") if field in metrics.HISTOGRAMS else ("",))
) | {PROCESS}
