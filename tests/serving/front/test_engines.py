"""The rules about the table, on engines that are functions; on a real Ray in test_front_on_ray.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from infercli.serving.front import engines as module
from infercli.serving.front.engines import EngineLeft, Engines
from infercli.serving.front.rules import parse_table


class Call:
    """An engine's handle: counts what it is asked, and answers as it is told."""

    def __init__(self, behave: Callable[[], Awaitable[Any]]) -> None:
        self.behave, self.asked, self.answered = behave, 0, False

    def remote(self, *_: Any) -> Call:
        self.asked += 1
        self.answered = False
        return self

    def __aiter__(self) -> Call:
        return self

    async def __anext__(self) -> Any:
        if self.answered:
            raise StopAsyncIteration
        answer = await self.behave()
        self.answered = True
        return answer

    def cancel(self) -> None:
        pass


async def well():
    return (200, "text/plain", b"")


async def ill():
    return (503, "text/plain", b"")


async def astray():
    return (404, "text/plain", b"")


async def silent():
    await asyncio.Event().wait()


async def failed():
    raise ConnectionError("no such deployment")


def table(generation: int, **weights: int) -> dict[str, Any]:
    return {"generation": generation, "routes": [{"app": app, "weight": weight} for app, weight in weights.items()]}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "PROBE_S", 0.1)
    monkeypatch.setattr(module, "RECOVER_S", 0.02)


def engines_with(**calls: Any) -> tuple[Engines, dict[str, Call]]:
    engines = Engines()
    engines._calls = {app: Call(behave) for app, behave in calls.items()}
    return engines, engines._calls


def test_a_table_is_in_force_once_its_engines_have_answered():
    async def scenario():
        engines, calls = engines_with(a=well, b=well)
        assert not engines.live
        await engines.adopt(table(1, a=1, b=0))
        assert (engines.table.generation, engines.refused, engines.live) == (1, {}, True)
        assert (calls["a"].asked, calls["b"].asked) == (1, 0)  # b gets no requests, so nobody waits for it

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("behave", "said"),
    [
        (ill, "answered 503"),
        (astray, "answered 404"),
        (silent, "no answer within"),
        (failed, "ConnectionError: no such"),
    ],
)
def test_p2_the_old_table_stays_while_no_engine_of_the_new_one_answers(behave, said):
    async def scenario():
        engines, _ = engines_with(a=well, b=behave)
        await engines.adopt(table(1, a=1))
        await engines.adopt(table(2, b=1))
        assert engines.table.generation == 1
        assert engines.live
        assert said in engines.refused["b"]

    asyncio.run(scenario())


def test_p2_an_engine_that_is_to_get_no_requests_does_not_stand_for_one_that_does_not_answer():
    async def scenario():
        engines, _ = engines_with(a=well, b=silent)
        await engines.adopt(table(1, a=1))
        await engines.adopt(table(2, a=0, b=1))
        assert engines.table.generation == 1
        assert engines.live

    asyncio.run(scenario())


def test_p2_a_refused_engine_is_tried_again_until_it_answers():
    async def scenario():
        engines, calls = engines_with(a=well, b=silent)
        await engines.adopt(table(1, a=1))
        await engines.adopt(table(2, b=1))
        calls["b"].behave = well
        await until(lambda: engines.table.generation == 2)
        assert engines.refused == {}

    asyncio.run(scenario())


def test_p2_at_a_cold_start_the_first_table_comes_into_force_by_itself():
    async def scenario():
        engines, calls = engines_with(a=failed)
        await engines.adopt(table(1, a=1))
        assert (engines.live, engines.table.generation) == (False, -1)
        calls["a"].behave = well
        await until(lambda: engines.live)
        assert engines.table.generation == 1

    asyncio.run(scenario())


def test_one_live_engine_is_enough_and_the_other_is_shown_as_refused():
    async def scenario():
        engines, _ = engines_with(a=well, b=silent)
        await engines.adopt(table(1, a=1, b=1))
        assert engines.table.generation == 1
        assert [*engines.refused] == ["b"]

    asyncio.run(scenario())


def test_a_table_that_sends_clients_nowhere_is_what_was_asked_for():
    async def scenario():
        engines, _ = engines_with(a=well)
        await engines.adopt(table(1, a=1))
        await engines.adopt(table(2, a=0))
        assert (engines.table.generation, engines.live, engines.refused) == (2, False, {})

    asyncio.run(scenario())


def test_p2_a_request_that_waits_for_an_engine_that_leaves_the_table_is_woken():
    async def scenario():
        engines, calls = engines_with(a=well, b=well)
        await engines.adopt(table(1, a=1))
        calls["a"].behave = silent
        waiting = asyncio.create_task(engines.first(calls["a"].remote(), "a"))
        await asyncio.sleep(0)
        await engines.adopt(table(2, a=0, b=1))  # it is still in the table: it may finish what it has
        assert not waiting.done()
        await engines.adopt(table(3, b=1))
        with pytest.raises(EngineLeft):
            await asyncio.wait_for(waiting, 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("also_the_engine", [False, True])
def test_a_client_that_leaves_is_not_taken_for_an_engine_that_left(also_the_engine):
    async def scenario():
        engines, calls = engines_with(a=well, b=well)
        await engines.adopt(table(1, a=1))
        calls["a"].behave = silent
        waiting = asyncio.create_task(engines.first(calls["a"].remote(), "a"))
        await asyncio.sleep(0)
        if also_the_engine:
            engines._put_in_force(parse_table(table(2, b=1)))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(scenario())


def test_an_answer_that_is_cancelled_while_its_engine_is_in_the_table_does_not_say_that_it_left():
    async def cancelled():
        raise asyncio.CancelledError

    async def scenario():
        engines, calls = engines_with(a=well)
        await engines.adopt(table(1, a=1))
        calls["a"].behave = cancelled
        with pytest.raises(asyncio.CancelledError):
            await engines.first(calls["a"].remote(), "a")

    asyncio.run(scenario())


@pytest.mark.parametrize("config", [None, {}, {"generation": 2, "routes": "all"}, {"generation": 2, "routes": [{}]}])
def test_p4_a_bad_user_config_changes_nothing_and_is_shown(config):
    async def scenario():
        engines, _ = engines_with(a=well)
        await engines.adopt(table(1, a=1))
        await engines.adopt(config)
        assert (engines.table.generation, engines.live) == (1, True)
        assert "ValueError" in engines.refused["user_config"]
        engines.lost("a", "killed")
        await until(lambda: engines.live)
        assert "ValueError" in engines.refused["user_config"]  # that an engine came back does not make it a table
        await engines.adopt(table(3, a=1))
        assert (engines.table.generation, engines.refused) == (3, {})

    asyncio.run(scenario())


def test_p4_adopting_a_table_never_raises_and_is_tried_again_whatever_breaks(monkeypatch):
    async def scenario():
        engines, _ = engines_with(a=well)

        async def broken(_: Any) -> None:
            raise MemoryError("anything")

        monkeypatch.setattr(engines, "_settle", broken)
        await engines.adopt(table(1, a=1))
        assert engines.table.generation == -1
        monkeypatch.undo()
        await until(lambda: engines.table.generation == 1)

    asyncio.run(scenario())


def test_an_engine_whose_failed_call_cannot_even_be_cancelled_is_refused_like_any_other():
    async def scenario():
        engines, calls = engines_with(a=failed)

        def cancel() -> None:
            raise ConnectionError("no such deployment")

        calls["a"].cancel = cancel
        await engines.adopt(table(1, a=1))
        assert "ConnectionError" in engines.refused["a"]

    asyncio.run(scenario())


def test_the_newest_of_two_tables_wins_when_the_older_one_is_slower():
    async def scenario():
        engines, _ = engines_with(slow=silent, a=well)
        older = asyncio.create_task(engines.adopt(table(1, slow=1, a=1)))
        await asyncio.sleep(0.01)
        await engines.adopt(table(2, a=1))
        await older
        assert engines.table.generation == 2
        assert engines.refused == {}

    asyncio.run(scenario())


def test_many_who_wait_for_a_cold_engine_share_one_probe():
    async def scenario():
        engines, calls = engines_with(a=well)
        assert await asyncio.gather(*(engines.probe("a") for _ in range(50))) == [True] * 50
        assert calls["a"].asked == 1

    asyncio.run(scenario())


def test_an_engine_that_was_lost_gets_no_requests_until_it_answers_again():
    async def scenario():
        engines, calls = engines_with(a=well)
        await engines.adopt(table(1, a=1))
        calls["a"].behave = failed
        engines.lost("a", "ActorDiedError: killed")
        assert not engines.live
        assert engines.refused == {"a": "ActorDiedError: killed"}
        calls["a"].behave = well
        await until(lambda: engines.live)
        assert engines.refused == {}

    asyncio.run(scenario())


def test_an_engine_that_comes_back_under_its_name_must_answer_again():
    async def scenario():
        engines, calls = engines_with(a=well, b=well)
        await engines.adopt(table(1, a=1))
        await engines.adopt(table(2, b=1))
        calls["a"].behave = silent
        await engines.adopt(table(3, a=1))
        assert engines.table.generation == 2

    asyncio.run(scenario())
