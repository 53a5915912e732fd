"""What is watched beside a benchmark: this machine's GPUs, and what engines and exporters say of themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

from infercli.errors import EndpointError, InputError

if TYPE_CHECKING:
    from infercli.adapters.nvml import GpuSampler
    from infercli.adapters.prometheus import Scraper, Source
    from infercli.cli.endpoint import Aim
    from infercli.core.bench.levels import BenchRun

ELSEWHERE = "no GPU telemetry: the endpoint is on another machine; --metrics-url reads a DCGM exporter there"
UNASKED = "no GPU telemetry: none was asked for"


class Watch:
    """`with Watch(...) as watch: ...`, then `watch.fields(ran)`: the fields of a BenchResult that it fills.

    `telemetry`: `auto` watches what is there: GPUs where the endpoint is on this machine, and the engines of a release
    or the one at the URL, where it has metrics;
    `nvml` and `prometheus` insist on theirs, `none` watches nothing. Raises InputError for what cannot be watched.
    """

    def __init__(self, telemetry: str, aim: Aim, metrics_urls: Sequence[str]) -> None:
        if telemetry == "nvml" and not aim.endpoint.is_loopback:
            raise InputError(f"--telemetry nvml: {aim.endpoint.url} is on another machine", "`--telemetry prometheus`")
        self.telemetry, self.aim = telemetry, aim
        self.sources = _sources(telemetry, aim, metrics_urls)
        self.absent = self._find_engine() if telemetry == "auto" and aim.release is None and not self.sources else {}
        self.gpus = telemetry in ("auto", "nvml") and aim.endpoint.is_loopback
        self._stack = contextlib.ExitStack()
        self._sampler: GpuSampler | None = None
        self._scraper: Scraper | None = None

    def _find_engine(self) -> dict[str, str]:
        """Watch the engine at the endpoint itself; where it has no metrics, its address and why."""
        from infercli.adapters.prometheus import no_engine

        source = _at_endpoint(self.aim)
        why = no_engine(source)
        if why is None:
            self.sources.append(source)
            return {}
        return {source.name: f"{why}; --metrics-url names the engine's own address"}

    def __enter__(self) -> Self:
        from infercli.adapters.nvml import GpuSampler
        from infercli.adapters.prometheus import Scraper

        with contextlib.ExitStack() as stack:
            if self.sources:
                self._scraper = stack.enter_context(Scraper(self.sources))
            if self.gpus:
                self._sampler = stack.enter_context(GpuSampler())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def fields(self, ran: BenchRun) -> dict[str, Any]:
        """After the block."""
        from infercli.core.bench.result import EngineTokens
        from infercli.core.telemetry.gpus import together

        fields: dict[str, Any] = {"unwatched": self.absent}
        gpus = None if self._sampler is None else self._sampler.telemetry_since(ran.origin_monotonic_ns)
        why = ELSEWHERE if self.telemetry == "auto" else UNASKED
        reason = why if self._sampler is None else self._sampler.reason
        if self._scraper is not None:
            scraped = self._scraper.scraped(ran.origin_monotonic_ns)
            fields |= {"engines": scraped.engines, "unwatched": scraped.reasons}
            # An exporter was named by somebody; this machine's own GPUs need not be those behind a forwarded port.
            gpus = together(scraped.gpus) or gpus
            tokens = [engine.generation_tokens for engine in scraped.engines]
            if tokens and None not in tokens and not scraped.reasons:
                names = sorted({engine.names["generation_tokens"] for engine in scraped.engines})
                source = f"{', '.join(names)}, difference over the run"
                fields["engine_tokens"] = EngineTokens(source=source, output_tokens=sum(t or 0 for t in tokens))
        return fields | ({"telemetry": gpus} if gpus is not None else {"telemetry_reason": reason or why})


def _sources(telemetry: str, aim: Aim, metrics_urls: Sequence[str]) -> list[Source]:
    from infercli.adapters.prometheus import at_url

    if telemetry in ("none", "nvml"):
        return []
    try:
        sources = [at_url(url) for url in metrics_urls]
    except InputError as error:
        raise InputError(f"--metrics-url: {error.message}", error.hint) from error
    if aim.world is not None and aim.release is not None:
        sources += _engines(aim)
    elif telemetry == "prometheus" and not metrics_urls:
        sources.append(_at_endpoint(aim))
    return sources


def _at_endpoint(aim: Aim) -> Source:
    from infercli.adapters.prometheus import at_url

    return at_url(aim.endpoint.url, headers={} if aim.api_key is None else {"Authorization": f"Bearer {aim.api_key}"})


def _engines(aim: Aim) -> list[Source]:
    """Those of the release that take requests, each asked through the front."""
    from infercli.adapters.prometheus import Source
    from infercli.core.release import live

    world, release = aim.world, aim.release
    assert world is not None  # whoever asks has a release
    assert release is not None

    def asking(app: str) -> Callable[[], bytes]:
        def fetch() -> bytes:
            answer = world.platform.front("GET", "/metrics", engine=app)
            if answer.status != 200:
                raise EndpointError(f"its metrics answered HTTP {answer.status}")
            return answer.body

        return fetch

    serving = live(world.store.entries(release))
    return [Source(app, asking(app)) for app in serving.routed] if serving else []
