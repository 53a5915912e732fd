from __future__ import annotations

import pytest

from infercli.actions.deploy import Request
from infercli.actions.steps import World
from infercli.adapters.local.release_directory import ReleaseDirectory
from infercli.core.release import engines_of
from infercli.render.serve_config import local_layout, serve_config
from tests.core.builders import plan
from tests.fakes.platform import FakeClock, FakePlatform, Quiet


@pytest.fixture
def world(tmp_path):
    layout = local_layout("/code", "/keys", 8000)

    def compose(serving, history):
        engines = engines_of(serving, history)
        return serve_config(serving.front, engines, serving.generation, serving.routes, layout=layout)

    clock = FakeClock()
    return World(FakePlatform(clock), ReleaseDirectory(tmp_path), clock, Quiet(), compose)


@pytest.fixture
def request_for():
    def make(quantization="none", **changes):
        values = {"who": "a test", "infercli_version": "0", "timeout_s": 600.0, "objects": ()} | changes
        return Request(plan=values.pop("plan", None) or plan(quantization), **values)

    return make
