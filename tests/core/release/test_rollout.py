"""A rollout as a list of states."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infercli.core.release import Serving
from infercli.core.release.rollout import rollout, shift_back, strategy
from tests.core.builders import FRONT, engine

OLD, NEW = engine("none"), engine("int8")


def live(**routes: int) -> Serving:
    names = {"old": OLD.app, "new": NEW.app}
    engines = {names.get(k, k): 1 for k in routes}
    return Serving(
        generation=1000, front=FRONT, engines=engines, routes={names.get(k, k): v for k, v in routes.items()}
    )


def test_a_first_deploy_adds_without_traffic_and_then_shifts_everything():
    states = rollout(1, NEW, FRONT, None)
    assert [s.step for s in states] == ["add", "shift"]
    assert states[0].serving.routes == {NEW.app: 0}
    assert states[1].serving.routes == {NEW.app: 100}


def test_a_new_engine_comes_up_beside_the_old_one_which_stays_warm():
    states = rollout(2, NEW, FRONT, live(old=100))
    assert [s.step for s in states] == ["add", "shift"]
    assert states[0].serving.routes == {OLD.app: 100, NEW.app: 0}
    assert states[1].serving.routes == {OLD.app: 0, NEW.app: 100}
    assert set(states[1].serving.engines) == {OLD.app, NEW.app}


def test_shares_grow_in_the_steps_that_were_asked_for():
    states = rollout(2, NEW, FRONT, live(old=100), weights=(5, 25, 100))
    assert [s.serving.routes for s in states if s.step == "shift"] == [
        {OLD.app: 95, NEW.app: 5},
        {OLD.app: 75, NEW.app: 25},
        {OLD.app: 0, NEW.app: 100},
    ]


def test_old_engines_keep_the_proportion_in_which_they_share_what_is_left():
    states = rollout(2, NEW, FRONT, live(old=75, other=25), weights=(20, 100))
    assert [s.serving.routes for s in states if s.step == "shift"] == [
        {OLD.app: 60, "other": 20, NEW.app: 20},
        {OLD.app: 0, "other": 0, NEW.app: 100},
    ]


def test_shares_of_old_engines_and_the_new_one_are_a_hundred_per_cent():
    (first, *_) = [s for s in rollout(2, NEW, FRONT, live(old=50, other=50), weights=(25, 100)) if s.step == "shift"]
    assert first.serving.routes == {OLD.app: 38, "other": 37, NEW.app: 25}


def test_where_nothing_else_serves_there_is_nothing_to_share():
    assert [s.step for s in rollout(1, NEW, FRONT, None, weights=(5, 100))] == ["add", "shift"]


def test_an_engine_that_nothing_reaches_makes_room_first():
    states = rollout(3, engine("awq"), FRONT, live(old=0, new=100))
    assert [s.step for s in states] == ["make room", "add", "shift"]
    assert OLD.app not in states[0].serving.engines


def test_nothing_is_stopped_where_nothing_serves():
    states = rollout(2, NEW, FRONT, live(old=0), how="replace")
    assert [s.step for s in states] == ["make room", "add", "shift"]


def test_a_new_engine_has_nothing_to_drop_of_its_own():
    """`condition` speaks of what `before` has; one that was taken away since is only added."""
    states = rollout(2, NEW, FRONT, live(old=100), condition="failed")
    assert [s.step for s in states] == ["add", "shift"]


def test_dropping_the_previous_engine_is_a_step_of_its_own_after_the_shift():
    states = rollout(2, NEW, FRONT, live(old=100), drop_previous=True)
    assert [s.step for s in states] == ["add", "shift", "retire"]
    assert set(states[-1].serving.engines) == {NEW.app}


def test_where_nothing_served_there_is_no_previous_engine_to_drop():
    states = rollout(2, NEW, FRONT, None, drop_previous=True)
    assert [s.step for s in states] == ["add", "shift"]


def test_replacing_in_place_stops_the_old_engine_before_the_new_one_starts():
    tight = FRONT.model_copy(update={"max_in_flight": 8})
    states = rollout(2, NEW, tight, live(old=100), how="replace", weights=(5, 100))
    assert [s.step for s in states] == ["stop", "add", "shift"]
    assert states[0].serving.engines == {}
    assert [s.serving.routes for s in states] == [{}, {NEW.app: 0}, {NEW.app: 100}]
    assert [s.serving.front for s in states] == [FRONT, tight, tight]


def test_generations_grow_and_never_repeat():
    generations = [s.serving.generation for s in rollout(2, NEW, FRONT, live(old=100), weights=(5, 100))]
    assert generations == sorted(set(generations))
    assert generations[0] > live(old=100).generation


def test_going_back_to_a_warm_engine_shifts_first_and_drops_second():
    states = shift_back(3, OLD, FRONT, live(old=0, new=100), OLD)
    assert [s.step for s in states] == ["shift", "retire"]
    assert states[0].serving.routes == {OLD.app: 100, NEW.app: 0}
    assert set(states[0].serving.engines) == {OLD.app, NEW.app}, "dropping in the same step would cut its streams"
    assert set(states[1].serving.engines) == {OLD.app}


def test_going_back_moves_requests_before_replicas_and_front_come_back():
    more, tight = engine("none", replicas=4), FRONT.model_copy(update={"max_in_flight": 8})
    states = shift_back(3, more, tight, live(old=0, new=100), OLD, condition="short")
    assert [s.step for s in states] == ["shift", "retire", "add", "shift"]
    assert [s.serving.front for s in states] == [FRONT, FRONT, tight, tight]
    assert [s.serving.engines[OLD.app] for s in states] == [1, 1, 3, 3]
    assert all(s.serving.routes[OLD.app] == 100 for s in states)
    generations = [s.serving.generation for s in states]
    assert generations == sorted(set(generations))


def test_going_back_to_fewer_replicas_is_one_state_and_waits_for_none():
    states = shift_back(3, OLD, FRONT, live(old=100), engine("none", replicas=4))
    assert [(s.step, s.serving.engines, s.serving.routes) for s in states] == [
        ("shift", {OLD.app: 3}, {OLD.app: 100}),
    ]


def test_going_back_to_the_only_engine_that_runs_gives_it_all_requests():
    states = shift_back(3, OLD, FRONT, live(old=0), OLD)
    assert [(s.step, s.serving.routes) for s in states] == [("shift", {OLD.app: 100})]


def test_replicas_that_an_engine_lacks_come_up_while_it_goes_on_with_its_requests():
    states = rollout(2, NEW, FRONT, live(new=100), condition="short")
    assert [(s.step, s.serving.routes) for s in states] == [("add", {NEW.app: 100}), ("shift", {NEW.app: 100})]


def test_an_engine_that_failed_leaves_the_config_before_it_is_started_anew():
    states = rollout(2, NEW, FRONT, live(new=100), condition="failed")
    assert [(s.step, s.serving.routes) for s in states] == [
        ("make room", {}),
        ("add", {NEW.app: 0}),
        ("shift", {NEW.app: 100}),
    ]


def test_a_second_engine_is_started_beside_only_where_there_are_gpus_for_it():
    one = engine("int8", gpus=2)
    assert strategy(one, others_gpus=2, available_gpus=4) == "beside"
    assert strategy(one, others_gpus=2, available_gpus=3) == "replace"
    assert strategy(one, others_gpus=2, available_gpus=None) == "beside"
    assert strategy(engine("int8", gpus=2, replicas=2), others_gpus=2, available_gpus=5) == "replace"


@given(st.integers(0, 100), st.integers(1, 100), st.lists(st.integers(1, 99), max_size=3))
def test_every_shift_of_a_rollout_keeps_a_route_and_never_routes_to_an_absent_engine(a, b, steps):
    before = live(old=a, other=b)
    for state in rollout(2, NEW, FRONT, before, weights=(*sorted(steps), 100)):
        serving = state.serving
        assert set(serving.routes) <= set(serving.engines)
        if state.step == "shift":
            assert sum(serving.routes.values()) == 100
        if state.step == "add":
            assert sum(serving.routes.values()) > 0
