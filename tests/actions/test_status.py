"""What status says serves, which is what whoever was woken up believes."""

from __future__ import annotations

import pytest

from infercli.actions.deploy import deploy
from infercli.core.release.observed import Answer, Application, Applications
from infercli.errors import ClusterError, DeployFailed, EndpointError, InputError, RayError, RayGone
from tests.actions.looking import raising, seen
from tests.core.builders import engine

APP, OTHER = engine().app, engine("int8").app


@pytest.fixture
def platform(world, request_for):
    """Of a release that serves."""
    deploy(request_for(), world)
    world.clock.sleep(1)
    return world.platform


def ray_says(platform, **states):
    apps = {name.replace("_", "-"): Application(state, "", ()) for name, state in states.items()}
    platform.applications = lambda: Applications(accepted=True, rejected=None, apps=apps)


@pytest.mark.parametrize(
    "states", [{}, {"front": "DEPLOYING"}, {"front": "RUNNING", APP.replace("-", "_"): "DEPLOYING"}]
)
def test_what_the_front_routes_to_is_not_down_while_a_cluster_or_replica_is_added(world, platform, states):
    ray_says(platform, **states)
    with world.store.changing("chat", "deploy"):
        found = seen(world)
    word = "DEPLOYING" if len(states) == 2 else "ABSENT"
    assert (found.state, found.summary) == ("changing", f"the front routes to {APP}, which Ray calls {word}")
    left = seen(world)
    assert (left.state, left.summary) == ("degraded", f"the front routes to {APP}, which Ray calls {word}")
    assert left.next == "`infercli logs chat` says more"  # and there is no revision to go back to


def test_what_serves_during_a_change_is_said(world, platform):
    with world.store.changing("chat", "deploy"):
        assert (seen(world).state, seen(world).summary) == ("changing", f"{APP} serves")


def test_a_step_that_is_recorded_and_not_yet_taken_is_no_drift_while_somebody_takes_it(world, platform):
    platform.config = lambda: {"applications": []}
    with world.store.changing("chat", "deploy"):
        assert seen(world).drift == ()
    assert seen(world).drift


def test_an_engine_that_every_front_replica_refuses_is_down_whatever_ray_says(world, platform):
    platform.refused[APP] = "no answer within 3 s"
    found = seen(world)
    assert (found.state, found.summary) == ("down", f"{APP} is refused: no answer within 3 s")
    assert found.next == "`infercli logs chat` says more; `infercli delete chat` takes it away"
    with world.store.changing("chat", "deploy"):
        assert (seen(world).state, seen(world).summary) == ("changing", f"{APP} is refused: no answer within 3 s")


def test_an_engine_that_one_front_replica_refuses_serves_and_is_degraded(world, platform):
    turns = iter(range(100))
    ask = platform.front

    def front(*words, **more):
        platform.refused = {APP: "no answer within 3 s"} if next(turns) % 2 else {}
        return ask(*words, **more)

    platform.front = front
    assert (seen(world).state, seen(world).summary) == (
        "degraded",
        f"{APP} serves; {APP} is refused: no answer within 3 s",
    )


def test_a_front_replica_with_an_older_table_is_not_up_to_date(world, platform, request_for):
    deploy(request_for("int8"), world)
    platform.flip_s = 1000
    found = seen(world)
    assert (found.state, found.front.current, found.front.wanted) == ("degraded", 0, 2)
    assert "0 of 2 front replicas are up to date" in found.summary


@pytest.mark.parametrize("error", [RayError("the dashboard is silent", "look there"), ClusterError("no", "look there")])
def test_a_look_that_failed_is_no_verdict(world, platform, error):
    platform.applications = raising(error)
    found = seen(world)
    assert (found.state, found.next) == ("unknown", "look there")
    assert found.summary == f"{error.message}; the front routes to {APP}"
    assert [e.status for e in found.engines] == ["UNKNOWN"]


@pytest.mark.parametrize("error", [InputError("no Secret", "make it"), ClusterError("may not ask", "make it")])
def test_a_front_that_cannot_be_asked_is_no_verdict(world, platform, error):
    platform.front = raising(error)
    found = seen(world)
    assert (found.state, found.summary, found.next) == (
        "unknown",
        f"{error.message}; Ray says that {APP} runs",
        "make it",
    )


def test_a_front_that_does_not_answer_is_down_unless_ray_cannot_be_asked_either(world, platform):
    platform.front = raising(EndpointError("nobody listens"))
    assert (seen(world).state, seen(world).summary) == ("down", "nobody listens")
    with world.store.changing("chat", "deploy"):
        assert (seen(world).state, seen(world).summary) == ("changing", "nobody listens")
    platform.applications = raising(RayError("the dashboard is silent"))
    assert (seen(world).state, seen(world).summary) == ("unknown", "the dashboard is silent; nobody listens")


@pytest.mark.parametrize(
    ("front", "state", "why"),
    [
        ({}, "down", "the front is ABSENT"),
        ({"front": "DEPLOY_FAILED"}, "down", "the front is DEPLOY_FAILED"),
        ({"front": "RUNNING"}, "unknown", "the front answers and does not say how it routes"),  # another token, say
    ],
)
@pytest.mark.parametrize(
    "answer", [Answer(403, {}, b""), Answer(200, {}, b"<html>please log in</html>"), Answer(200, {}, b'["ok"]')]
)
def test_a_proxy_that_answers_in_place_of_the_front_is_not_the_front(world, platform, front, state, why, answer):
    platform.front = lambda *_, **more: answer
    ray_says(platform, **front)
    assert (seen(world).state, seen(world).summary) == (state, why)


def test_a_ray_that_is_gone_is_down_and_what_served_can_be_started_again_whatever_the_file_says(world, platform):
    platform.applications = raising(RayGone("no Ray runs"))
    found = seen(world)
    assert (found.state, found.summary) == ("down", "no Ray runs")
    assert found.next == (
        "`infercli rollback chat --to 1` starts revision 1 again, as it was; `infercli deploy` starts what "
        "deployment.yaml says; `infercli delete chat` takes it away"
    )


def test_an_engine_that_no_record_asks_for_is_shown(world, platform):
    ray_says(platform, front="RUNNING", **{APP.replace("-", "_"): "RUNNING"}, stray="RUNNING")
    found = seen(world)
    assert [(e.app, e.revision, e.weight_percent) for e in found.engines] == [(APP, 1, 100), ("stray", None, 0)]
    assert found.state == "serving"


def test_an_idle_engine_that_is_down_degrades_nothing(world, platform, request_for):
    deploy(request_for("int8"), world)
    platform.status[APP] = "DEPLOY_FAILED"
    world.clock.sleep(1)
    assert (seen(world).state, seen(world).summary) == ("serving", f"{OTHER} serves")


def test_what_is_degraded_can_be_taken_back(world, platform, request_for):
    deploy(request_for("int8"), world)
    world.clock.sleep(1)
    ray_says(platform, front="RUNNING", **{OTHER.replace("-", "_"): "UNHEALTHY"})
    found = seen(world)
    assert found.state == "degraded"
    assert found.next == "`infercli logs chat` says more; `infercli rollback chat` goes back to revision 1"


def test_what_served_and_is_down_after_a_failed_deploy_can_be_started_again_by_going_back(world, platform, request_for):
    platform.fail_start[OTHER] = "A replica failed to start"
    with pytest.raises(DeployFailed):
        deploy(request_for("int8"), world)
    platform.refused[APP] = "no replica"
    world.clock.sleep(1)
    found = seen(world)
    assert found.state == "down"
    assert found.next == "`infercli deploy` tries again; `infercli rollback chat` goes back to revision 1"
