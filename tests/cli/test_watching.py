"""What is watched beside a benchmark where nobody says what."""

from __future__ import annotations

import pytest

from infercli.cli.endpoint import Aim
from infercli.cli.watching import Watch
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
