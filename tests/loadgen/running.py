"""Runs for tests: one call from words to a measurement of a fake server."""

from __future__ import annotations

from infercli.core.endpoint import parse_endpoint
from infercli.core.load.conversation import single
from infercli.core.traces import Load
from infercli.loadgen import Target, run
from tests.fakes.openai_server import FakeOpenAiServer


def go(server: FakeOpenAiServer, *, prompts=("hello",), on_progress=lambda _: None, api="chat", **load):
    fields = {"concurrency": 1, "max_tokens": 8, "timeout_s": 20.0, **load}
    if "duration_s" not in fields:
        fields.setdefault("requests", 1)
    target = Target(parse_endpoint(server.url), "tiny", api)
    return run(target, Load(**fields), [single(p) for p in prompts], on_progress)


def only(measurement):
    (trace,) = measurement.traces
    return trace
