"""What proves that an engine answers, and what ends the asking."""

from __future__ import annotations

import pytest

from infercli.actions.verifying import CHAT, verify
from infercli.actions.waiting import Deadline
from infercli.core.release.observed import Answer
from infercli.errors import DeployFailed, EndpointError, RayGone, TimedOut
from tests.actions.looking import raising
from tests.core.builders import engine

ENGINE = engine("none").app


COMPLETION = b'{"choices": [{"message": {"content": "hello"}}], "usage": {"completion_tokens": 1}}'


def verified(world, *answers):
    """What `verify` makes of these answers, one after the other."""
    left = [*answers]
    world.platform.front = lambda *_, **more: left.pop(0)
    return verify(world.platform, ENGINE, "chat", Deadline(world.clock, 60))


@pytest.mark.parametrize("status", [404, 429, 503])
def test_a_front_that_is_busy_or_has_not_found_the_engine_is_asked_again(world, status):
    assert verified(world, *[Answer(status, {}, b"{}")] * 100, Answer(200, {}, COMPLETION)) == CHAT
    assert world.clock.time > 20


@pytest.mark.parametrize(("left_s", "timeout_s"), [(600.0, 60.0), (5.0, 5.0), (0.0, 0.1)])
def test_an_answer_is_waited_for_no_longer_than_the_whole_may_take(world, left_s, timeout_s):
    given = []
    world.platform.front = lambda *_, **more: given.append(more["timeout_s"]) or Answer(200, {}, COMPLETION)
    verify(world.platform, ENGINE, "chat", Deadline(world.clock, left_s))
    assert given == [timeout_s]


def test_a_verification_that_gives_up_says_why_it_failed_and_not_that_its_last_moment_was_short(world):
    def front(*_, timeout_s, **more):
        if timeout_s < 1:
            raise EndpointError("timed out")
        return Answer(503, {}, b"no replica is free")

    world.platform.front = front
    with pytest.raises(TimedOut, match="no replica is free"):
        verify(world.platform, ENGINE, "chat", Deadline(world.clock, 20.1))
    world.platform.front = raising(EndpointError("nobody listens"))
    with pytest.raises(TimedOut, match="nobody listens"):
        verify(world.platform, ENGINE, "chat", Deadline(world.clock, 0.5))


def test_an_engine_that_does_not_know_the_model_is_not_asked_again(world):
    with pytest.raises(DeployFailed, match=f"{ENGINE} does not serve the model `chat`"):
        verified(world, Answer(404, {}, b'{"error": {"message": "The model `chat` does not exist."}}'))


def test_nobody_waits_for_the_answer_of_an_engine_whose_ray_is_gone(world):
    world.platform.front, world.platform.applications = raising(EndpointError("no")), raising(RayGone("no Ray runs"))
    with pytest.raises(RayGone):
        verify(world.platform, ENGINE, "chat", Deadline(world.clock, 60))
    assert world.clock.time == 0
