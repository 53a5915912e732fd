"""Scrapes what engines, Ray and DCGM exporters say of themselves, while a load runs.

The one thing to know: nothing is read while the load runs. A thread for each address fetches and packs (both let go of
the interpreter's lock) and sleeps; a process of its own could not be given the caller's way of asking a front for the
metrics of one engine. What came back is parsed when the run is over.

Our own parser (core/telemetry/exposition.py) and not prometheus_client's: that one ends at the first bad line, and has
to be installed for this alone.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from infercli.adapters.http import request
from infercli.core.endpoint import parse_endpoint
from infercli.core.telemetry import dcgm, engine
from infercli.core.telemetry.engine import EngineTelemetry
from infercli.core.telemetry.exposition import Exposition, Scrape, parse
from infercli.core.telemetry.gpus import Telemetry
from infercli.errors import EndpointError, InferError

INTERVAL_S = 1.0
"""As NVML is sampled. vLLM renews its gauges with every step, Ray's exporter every 10 s, DCGM's every 30 s. A scrape of
vLLM 0.29 is 47 KiB of text that the engine's own process has to print, and 0.6 ms of CPU here, as measured."""
TIMEOUT_S = 5.0
"""For one scrape, from its sending to its end. Our choice: a slower exporter is in trouble itself."""
_PACKING = 1
"""zlib's fastest level: metrics repeat themselves so much that more is not worth its time."""


@dataclass(frozen=True)
class Source:
    """An address to scrape."""

    name: str
    """For people: an address, or the name of an engine. Holds no secret."""
    fetch: Callable[[], bytes] = field(repr=False)
    """One answer's body. May raise InferError; is called from a thread of its own, one call at a time."""


class Scraped(NamedTuple):
    """What the sources said."""

    engines: tuple[EngineTelemetry, ...]
    """One for each source that is an engine, or Ray's exporter."""
    gpus: tuple[Telemetry, ...]
    """One for each source that is a DCGM exporter."""
    reasons: dict[str, str]
    """Name of a source that gave nothing -> why."""


def at_url(url: str, *, headers: Mapping[str, str] | None = None) -> Source:
    """A source that is asked by HTTP: an engine's base URL, or the address of metrics itself.

    `headers` may carry a key: they are sent, and kept nowhere else. Raises InputError for what is no such address.
    """
    whole = f"{parse_endpoint(url.strip().rstrip('/').removesuffix('/metrics')).url}/metrics"
    sent = dict(headers or {})

    def fetch() -> bytes:
        answer = request("GET", whole, headers=sent, timeout_s=TIMEOUT_S)
        if answer.status != 200:
            raise EndpointError(f"it answered HTTP {answer.status}")
        return answer.body

    return Source(name=whole, fetch=fetch)


def no_engine(source: Source) -> str | None:
    """Why there is no engine to watch at an address, asked once; None: there is one."""
    try:
        answer = parse(source.fetch().decode("utf-8", "replace"), _wanted)
    except InferError as error:
        return error.message
    return None if engine.is_engine(answer) else _reason((), (answer,))


class Scraper:
    """`with Scraper(sources) as scraper: ...`, then `scraper.scraped()`.

    Every source is asked once before the block begins and once after it ends, so that the load lies between the two.
    A source that fails costs neither the run nor the others: it becomes a reason.

    Whoever forks inside the block should do it in its first moments: the threads sleep then.
    """

    def __init__(self, sources: Sequence[Source], interval_s: float = INTERVAL_S) -> None:
        self.interval_s = interval_s
        self._started_ns = 0
        self._watched = [_Watched(source, interval_s) for source in sources]

    def __enter__(self) -> Self:
        self._started_ns = time.monotonic_ns()
        for watched in self._watched:
            watched.thread.start()
        until = time.monotonic() + TIMEOUT_S
        for watched in self._watched:
            watched.began.wait(max(0.0, until - time.monotonic()))
        return self

    def __exit__(self, *_: object) -> None:
        for watched in self._watched:
            watched.stop.set()
        # One that is under way, and the last one.
        until = time.monotonic() + 2 * TIMEOUT_S
        for watched in self._watched:
            watched.thread.join(max(0.0, until - time.monotonic()))

    def scraped(self, origin_ns: int | None = None) -> Scraped:
        """What was said, with its time counted from an instant of CLOCK_MONOTONIC; None: from the block's beginning."""
        origin_ns = self._started_ns if origin_ns is None else origin_ns
        engines, gpus, reasons = [], [], {}
        for watched in self._watched:
            source = watched.source
            scrapes = watched.scrapes(origin_ns)
            answers = [scrape.exposition for scrape in scrapes if scrape.exposition is not None]
            is_engine = any(engine.is_engine(answer) for answer in answers)
            is_dcgm = any(dcgm.is_dcgm(answer) for answer in answers)
            if is_engine:
                engines.append(engine.engine_telemetry(source.name, scrapes, interval_s=self.interval_s))
            if is_dcgm:
                gpus.append(dcgm.telemetry(source.name, scrapes, interval_s=self.interval_s))
            if not is_engine and not is_dcgm:
                reasons[source.name] = _reason(scrapes, answers)
        return Scraped(tuple(engines), tuple(gpus), reasons)


def _reason(scrapes: Sequence[Scrape], answers: Sequence[Exposition]) -> str:
    failed = [scrape.reason for scrape in scrapes if scrape.reason is not None]
    if not answers:
        return failed[-1] if failed else f"it did not answer within {TIMEOUT_S:g} s"
    bad = [problem for answer in answers for problem in answer.problems.values()]
    return bad[0] if bad else "it answers, and says nothing of vLLM, Ray's vLLM or DCGM"


class _Watched:
    """A source, its thread, and what came back: (when it was asked in ns, the packed body or the reason)."""

    def __init__(self, source: Source, interval_s: float) -> None:
        self.source = source
        self.interval_s = interval_s
        self.began = threading.Event()
        """Set when the first answer is there, or has failed."""
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"scrape {source.name}", daemon=True)
        self._answers: list[tuple[int, bytes | str]] = []

    def _run(self) -> None:
        started, tick = time.monotonic(), 0
        self._scrape()
        self.began.set()
        while True:
            # On a grid from the start; what a slow answer made late is left out.
            tick = max(tick + 1, int((time.monotonic() - started) / self.interval_s) + 1)
            stopped = self.stop.wait(max(0.0, started + tick * self.interval_s - time.monotonic()))
            self._scrape()
            if stopped:
                return

    def _scrape(self) -> None:
        at_ns = time.monotonic_ns()
        try:
            answer: bytes | str = zlib.compress(self.source.fetch(), _PACKING)
        except InferError as error:
            answer = error.message
        except Exception as error:  # noqa: BLE001 - the caller's own way of asking; its words may hold what it sent
            answer = f"asking failed: {type(error).__name__}"
        took_s = (time.monotonic_ns() - at_ns) / 1e9
        if took_s > TIMEOUT_S and not isinstance(answer, str):
            answer = f"it took {took_s:.1f} s to answer"  # a little at a time: nobody knows of when it speaks
        self._answers.append((at_ns, answer))

    def scrapes(self, origin_ns: int) -> list[Scrape]:
        """Parsed. A last one that is still awaited has failed: what there is from before would pass for the end."""
        answers = list(self._answers)
        if self.thread.is_alive():
            answers.append((time.monotonic_ns(), f"it did not answer within {TIMEOUT_S:g} s"))
        return [_scrape(round((at_ns - origin_ns) / 1e9, 3), answer) for at_ns, answer in answers]


def _scrape(at_s: float, answer: bytes | str) -> Scrape:
    if isinstance(answer, str):
        return Scrape(at_s, None, answer)
    return Scrape(at_s, parse(zlib.decompress(answer).decode("utf-8", "replace"), _wanted), None)


def _wanted(name: str) -> bool:
    return engine.wanted(name) or dcgm.wanted(name)
