"""What is watched beside a benchmark where nobody says what."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from infercli.cli.endpoint import Aim
from infercli.cli.watching import ELSEWHERE, UNASKED, Watch
from infercli.core.endpoint import parse_endpoint
from tests.adapters.test_prometheus import Exporter, engine


@pytest.fixture
def watching():
    """Watch an endpoint whose /metrics answers so."""
    servers = []

    def watch(answer, telemetry="auto", urls=()):
        servers.append(Exporter(answer))
        aim = Aim(parse_endpoint(servers[-1].url), "sk-1", "m", None, None)
        return Watch(telemetry, aim, urls), servers[-1]

    yield watch
    for server in servers:
        server.close()


def test_the_engine_at_a_url_is_watched_where_it_has_metrics(watching):
    watch, server = watching(engine)
    assert [source.name for source in watch.sources] == [f"{server.url}/metrics"]
    assert watch.absent == {}
    ((path, headers),) = server.seen
    assert (path, headers["Authorization"]) == ("/metrics", "Bearer sk-1")


@pytest.mark.parametrize(
    ("answer", "why"), [(lambda _: 404, "it answered HTTP 404"), (lambda _: "node_load1 3\n", "says nothing of vLLM")]
)
def test_where_it_has_none_it_is_said_how_to_name_them(watching, answer, why):
    watch, server = watching(answer)
    assert watch.sources == []
    assert why in watch.absent[f"{server.url}/metrics"]
    assert "--metrics-url" in watch.absent[f"{server.url}/metrics"]


def test_it_is_not_asked_where_something_else_was_named_or_nothing_wanted(watching):
    for telemetry, urls in (("none", ()), ("auto", ("http://127.0.0.1:1",))):
        watch, server = watching(engine, telemetry, urls)
        assert server.seen == []
        assert watch.absent == {}
        assert len(watch.sources) == len(urls)


def exporter_of(host):
    labels = f'gpu="0",UUID="GPU-{host}",modelName="NVIDIA H100",hostname="{host}"'
    return lambda number: f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{labels}}} {number * 1000}\n"


def test_the_gpus_of_every_exporter_that_was_named_are_kept_and_not_those_of_the_first_alone():
    servers = [Exporter(exporter_of(host)) for host in ("node-a", "node-b", "node-a")]
    try:
        aim = Aim(parse_endpoint("http://127.0.0.1:1"), None, "m", None, None)
        with Watch("prometheus", aim, [server.url for server in servers]) as watch:
            pass
        found = watch.fields(SimpleNamespace(origin_monotonic_ns=time.monotonic_ns()))["telemetry"]
    finally:
        for server in servers:
            server.close()
    assert [(gpu.host, gpu.uuid) for gpu in found.gpus] == [("node-a", "GPU-node-a"), ("node-b", "GPU-node-b")]
    assert all(server.url in found.source for server in servers)


def test_an_exporter_that_was_named_goes_before_this_machines_own_gpus(monkeypatch):
    """A forwarded port looks as if the engine were here."""

    class Here:
        reason = None

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def telemetry_since(self, _):
            return "a workstation's GPU"

    monkeypatch.setattr("infercli.adapters.nvml.GpuSampler", Here)
    server = Exporter(exporter_of("node-a"))
    try:
        aim = Aim(parse_endpoint("http://127.0.0.1:1"), None, "m", None, None)
        with Watch("auto", aim, [server.url]) as watch:
            pass
        found = watch.fields(SimpleNamespace(origin_monotonic_ns=time.monotonic_ns()))["telemetry"]
    finally:
        server.close()
    assert [gpu.host for gpu in found.gpus] == ["node-a"]


@pytest.mark.parametrize(
    ("host", "telemetry", "sampled", "reason"),
    [
        ("127.0.0.1", "auto", True, "the fake says nothing"),
        ("127.0.0.1", "nvml", True, "the fake says nothing"),
        ("model.invalid", "auto", False, ELSEWHERE),
        ("127.0.0.1", "none", False, UNASKED),
        ("model.invalid", "none", False, UNASKED),
    ],
)
def test_the_gpus_of_this_machine_are_those_of_an_endpoint_on_it_alone(monkeypatch, host, telemetry, sampled, reason):
    happened = []

    class Sampler:
        reason = "the fake says nothing"

        def __enter__(self):
            happened.append("begun")
            return self

        def __exit__(self, *_):
            happened.append("ended")

        def telemetry_since(self, _origin_ns):
            return None

    monkeypatch.setattr("infercli.adapters.nvml.GpuSampler", Sampler)
    urls = () if telemetry in ("none", "nvml") else ("http://127.0.0.1:1",)
    watch = Watch(telemetry, Aim(parse_endpoint(f"http://{host}:1"), None, "m", None, None), urls)
    with watch:
        assert happened == ["begun"] * sampled
    assert happened == ["begun", "ended"] * sampled
    assert watch.fields(SimpleNamespace(origin_monotonic_ns=0))["telemetry_reason"] == reason
