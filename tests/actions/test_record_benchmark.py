from __future__ import annotations

import pytest

from infercli.actions.deploy import deploy
from infercli.actions.record_benchmark import record_benchmark
from infercli.actions.status import status
from infercli.cli.endpoint import Aim
from infercli.cli.planned import record
from infercli.core.endpoint import parse_endpoint
from infercli.core.release import Measured
from infercli.core.traces import Stop
from infercli.errors import InputError, ReleaseBusy
from tests.actions.looking import GOOD, OTHER
from tests.actions.test_rollback import go_back
from tests.cli.test_learn_speed import result
from tests.report.test_html import rates


def found(rate=100.0):
    return Measured(
        result="3f9a1c3f9a1c", at="2026-01-02T00:00:00Z", load="16 at a time", answered=200, output_tokens_per_s=rate,
        ttft_p95_s=0.7, tpot_p50_s=0.02, client_limited=False,
    )  # fmt: skip


def shown(world):
    return status("chat", world.platform, world.store, world.compose).measured


def test_what_was_measured_is_shown_of_the_engine_that_serves_and_of_no_other(world, request_for):
    deploy(request_for(), world)
    assert shown(world) is None
    assert record_benchmark("chat", found(100), world.store, GOOD) == 1
    assert shown(world).output_tokens_per_s == 100
    deploy(request_for("int8"), world)
    assert shown(world) is None
    record_benchmark("chat", found(50), world.store, OTHER)
    assert shown(world).output_tokens_per_s == 50


def test_the_newest_benchmark_replaces_the_one_before_and_leaves_the_outcome(world, request_for):
    deploy(request_for(), world)
    before = world.store.entries("chat")[0].progress
    record_benchmark("chat", found(1), world.store, None)
    record_benchmark("chat", found(2), world.store, None)
    after = world.store.entries("chat")[0].progress
    assert after == before.model_copy(update={"measured": found(2)})


def test_a_benchmark_that_was_cut_short_leaves_the_one_before(world, request_for, capsys):
    deploy(request_for(), world)
    aim = Aim(parse_endpoint("http://127.0.0.1:8000"), None, "m", "chat", world)
    record(result(), "a" * 64, aim)
    whole = shown(world)
    assert whole.answered == 8
    stopped = Stop(kind="interrupted", detail="Ctrl-C")
    record(result(stage={"stopped": stopped}), "b" * 64, aim)
    assert shown(world) == whole
    assert "not recorded with chat: interrupted" in capsys.readouterr().err


def test_of_a_search_the_rate_that_it_found_is_kept_and_no_level_that_broke(world, request_for):
    deploy(request_for(), world)
    search = rates(1, 2, 2)
    search = search.model_copy(update={"searched": search.searched.model_copy(update={"highest_rate_per_s": 1.0})})
    record(search, "a" * 64, Aim(parse_endpoint("http://127.0.0.1:8000"), None, "m", "chat", world))
    assert shown(world).load == "1 requests/s"


def test_an_engine_that_is_brought_back_brings_what_was_measured_of_it(world, request_for):
    deploy(request_for(), world)
    record_benchmark("chat", found(100), world.store, GOOD)
    deploy(request_for("int8"), world)
    go_back(world)
    assert shown(world).output_tokens_per_s == 100


def test_a_result_of_an_engine_that_serves_no_more_is_not_recorded(world, request_for):
    deploy(request_for(), world)
    with pytest.raises(InputError, match=f"{OTHER} answered, and {GOOD} serves now"):
        record_benchmark("chat", found(), world.store, OTHER)
    with world.store.changing("chat", "deploy"), pytest.raises(ReleaseBusy):
        record_benchmark("chat", found(), world.store, GOOD)
    assert shown(world) is None
