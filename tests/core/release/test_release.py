"""Which revision is good, and where a rollback goes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.actions.deploy import LAST_STEP
from infercli.core import release
from infercli.core.release import (
    Measured,
    Serving,
    engines_of,
    forgettable,
    live,
    measured,
    next_number,
    rollback_target,
    routing_generation,
    serving,
    standing,
    standings,
    takes_all_requests,
    took_back,
    unfinished_rollback,
    ways_on,
)
from tests.core.builders import FRONT, engine, entry


def number(found):
    return found.number if found is not None else None


def test_the_first_revision_has_nothing_to_go_back_to():
    assert rollback_target([]) is None
    assert rollback_target([entry(1)]) is None


def test_after_a_good_deploy_a_rollback_goes_to_the_one_before():
    assert number(rollback_target([entry(1, "none"), entry(2, "int8")])) == 1


def test_after_a_failed_deploy_a_rollback_goes_to_what_still_serves():
    history = [entry(1, "none"), entry(2, "int8"), entry(3, "awq", "failed"), entry(4, "gptq", "failed")]
    assert number(rollback_target(history)) == 2


def test_failed_revisions_are_never_a_target():
    assert number(rollback_target([entry(1, "none"), entry(2, "int8", "failed"), entry(3, "awq")])) == 1


def test_a_second_rollback_does_not_bounce_back_to_what_was_taken_back():
    history = [entry(1, "none"), entry(2, "int8"), entry(3, "none", points_at=1)]
    assert rollback_target(history) is None


def test_two_rollbacks_walk_back_through_three_revisions():
    history = [entry(1, "none"), entry(2, "int8"), entry(3, "awq"), entry(4, "int8", points_at=2)]
    assert number(rollback_target(history)) == 1


def test_after_a_rollback_and_a_new_deploy_the_rollback_is_the_newest_good_one():
    history = [entry(1, "none"), entry(2, "int8"), entry(3, "none", points_at=1), entry(4, "awq")]
    found = rollback_target(history)
    assert found is not None
    assert found.revision.engine.spec.quantization == "none"


def test_what_was_taken_back_and_deployed_again_on_purpose_counts_again():
    history = [entry(1, "none"), entry(2, "int8"), entry(3, "none", points_at=1), entry(4, "int8"), entry(5, "awq")]
    assert number(rollback_target(history)) == 4


def test_who_went_back_from_an_engine_is_known_until_it_is_good_again():
    bad = engine("int8").app
    history = [entry(1, "none"), entry(2, "int8"), entry(3, "none", points_at=1)]
    assert number(took_back(bad, history)) == 3
    assert number(took_back(bad, [*history, entry(4, "int8", "failed"), entry(5, "awq")])) == 3
    assert took_back(bad, [*history, entry(4, "int8")]) is None
    assert took_back(engine("none").app, history) is None
    assert took_back(bad, history[:2]) is None


def test_replicas_alone_and_the_front_alone_can_be_taken_back():
    wide = FRONT.model_copy(update={"max_in_flight": 1024})
    history = [entry(1), entry(2, replicas=4), entry(3, replicas=4, front=wide)]
    assert number(rollback_target(history)) == 2
    assert number(rollback_target(history[:2])) == 1
    assert rollback_target([*history, entry(4, points_at=1)]) is None


def test_the_revision_that_serves_is_the_one_whose_replicas_and_front_are_live():
    wide = FRONT.model_copy(update={"max_in_flight": 1024})
    history = [entry(1), entry(2, replicas=4, front=wide)]
    one = Serving(generation=1, front=FRONT, engines={engine().app: 3}, routes={engine().app: 100})
    back = entry(3, outcome="interrupted", points_at=1, serving=one)
    assert number(serving([*history, back])) == 1
    assert takes_all_requests(history[0], [*history, back])
    four = one.model_copy(update={"front": wide, "engines": {engine().app: 2}})
    waiting = entry(3, outcome="interrupted", points_at=1, serving=four)
    assert number(serving([*history, waiting])) == 2
    assert not takes_all_requests(history[0], [*history, waiting])
    between = entry(3, outcome="interrupted", points_at=1, serving=one.model_copy(update={"front": wide}))
    assert number(serving([*history, between])) == 2, "of both a part is live: the newest"


def test_more_replicas_that_were_taken_back_are_not_said_to_have_begun():
    app = engine().app
    live = Serving(generation=2, front=FRONT, engines={app: 1}, routes={app: 100})
    history = [entry(1), entry(2, outcome="failed", replicas=4, serving=live)]
    assert ways_on("chat", history) == "`infercli deploy` tries again"


def test_standings_tell_serving_superseded_rolled_back_and_failed_apart():
    history = [entry(1, "none"), entry(2, "int8"), entry(3, "none", points_at=1), entry(4, "awq", "failed")]
    assert [standing(e, history) for e in history] == ["superseded", "rolled back", "serving", "failed"]
    assert number(serving(history)) == 3


def test_what_was_measured_of_an_engine_last_is_what_is_known_of_it():
    def benchmarked(number, quantization, result):
        made = entry(number, quantization)
        found = Measured(
            result=result, at="2026-01-01T00:00:00Z", load="1 at a time", answered=1, output_tokens_per_s=1.0,
            ttft_p95_s=None, tpot_p50_s=None, client_limited=None,
        )  # fmt: skip
        return made.model_copy(update={"progress": made.progress.model_copy(update={"measured": found})})

    history = [benchmarked(1, "none", "a"), benchmarked(2, "int8", "b"), benchmarked(3, "none", "c"), entry(4, "none")]
    assert measured(history).result == "c"
    assert measured(history[:2]).result == "b"
    assert measured([*history, entry(5, "awq")]) is None


def test_tables_of_a_later_revision_are_newer_than_any_of_an_earlier_one():
    assert routing_generation(2, 0) > routing_generation(1, LAST_STEP) > routing_generation(1, 0)


def test_numbers_grow_past_failed_revisions():
    assert next_number([entry(1), entry(2, "int8", "failed")]) == 3
    assert next_number([]) == 1


def routed(**weights):
    """What is live: quantization of revision 1, 2, ... -> its weight."""
    apps = {engine(quantization).app: weight for quantization, weight in weights.items()}
    numbers = {app: number for number, app in enumerate(apps, 1)}
    return Serving(generation=1, front=FRONT, engines=numbers, routes=apps)


def test_the_standings_of_a_long_history_take_one_look_at_it(monkeypatch):
    # Hundreds of revisions are a year of deploys; a look at all of them for each of them took 12 s for 300.
    looked = []
    monkeypatch.setattr(release, "engines_of", lambda now, history: looked.append(1) or engines_of(now, history))
    one = entry(1, "none", serving=routed(none=100))
    copies = [one.model_copy(update={"revision": one.revision.model_copy(update={"number": n})}) for n in range(1, 300)]
    assert standings(copies, copies) == ["superseded"] * 298 + ["serving"]
    assert len(looked) == 1


@pytest.mark.parametrize("outcome", ["pending", "interrupted", "abandoned", "failed"])
def test_a_rollback_that_did_not_come_to_its_end_is_what_the_next_one_finishes(outcome):
    one, two = entry(1, "none"), entry(2, "int8")
    back = entry(3, "none", outcome, points_at=1)
    assert number(rollback_target([one, two, back])) == 1
    # A deploy after it that did not become good changes nothing of that; one that did is what is taken back.
    assert number(rollback_target([one, two, back, entry(4, "awq", "failed")])) == 1
    assert number(rollback_target([one, two, back, entry(4, "awq")])) == 1
    assert number(rollback_target([one, two, back, entry(4, "int8")])) == 1
    after = [one, two, back, entry(4, "awq"), entry(5, "gptq", "failed")]
    assert number(rollback_target(after)) == 4
    assert number(unfinished_rollback([one, two, back, entry(4, "awq", "failed")])) == 1
    assert unfinished_rollback(after) is None
    # While nothing is live, what it took back is not what serves.
    assert number(serving([one, two, back])) == 1


def test_a_rollback_that_came_to_its_end_is_not_gone_on_with():
    history = [entry(1, "none"), entry(2, "int8"), entry(3, "none", points_at=1)]
    assert unfinished_rollback(history) is None
    assert unfinished_rollback([*history, entry(4, "awq", "failed")]) is None


def test_a_rollback_forward_to_what_was_taken_back_counts_also_unfinished():
    history = [entry(1, "none"), entry(2, "int8"), entry(3, "none", points_at=1)]
    forward = [*history, entry(4, "int8", "interrupted", points_at=2)]
    assert number(rollback_target(forward)) == 2
    assert number(rollback_target([*forward, entry(5, "awq")])) == 2


def test_the_revision_that_serves_is_the_one_whose_engine_takes_the_requests():
    history = [entry(1, "none"), entry(2, "int8")]
    moved = [*history, entry(3, "none", "interrupted", points_at=1, serving=routed(none=100, int8=0))]
    assert number(serving(moved)) == 1
    assert [standing(e, moved) for e in moved] == ["serving", "rolled back", "interrupted"]
    before = [*history, entry(3, "none", "interrupted", points_at=1, serving=routed(none=0, int8=100))]
    assert number(serving(before)) == 2
    assert [standing(e, before) for e in before] == ["superseded", "serving", "interrupted"]


def test_a_good_revision_is_not_said_to_serve_while_another_engine_takes_every_request():
    history = [entry(1, "none"), entry(2, "int8", "interrupted", serving=routed(none=0, int8=100))]
    assert [standing(e, history) for e in history] == ["superseded", "interrupted"]


def test_only_what_works_is_offered():
    begun = routed(int8=0)
    assert (
        ways_on("chat", [entry(1, "int8", "failed")])
        == "`infercli deploy` tries again; `infercli delete chat` takes it away"
    )
    first = entry(1, "int8", "interrupted", serving=begun)
    assert ways_on("chat", [first]) == "`infercli deploy` goes on; `infercli delete chat` takes it away"
    later = [entry(1), entry(2, "int8", "interrupted", serving=routed(none=0, int8=100))]
    assert ways_on("chat", later) == "`infercli deploy` goes on; `infercli rollback chat` goes back to revision 1"
    before = [entry(1, "awq"), entry(2, "none"), entry(3, "int8", serving=routed(int8=100))]
    cut = [*before, entry(4, "none", "interrupted", points_at=2)]
    assert ways_on("chat", cut) == "`infercli rollback chat` goes on, to revision 2"
    failed = [*before, entry(4, "none", "failed", points_at=2)]
    on = "`infercli rollback chat` goes on, to revision 2; where that cannot be, `infercli rollback chat --to 1`"
    assert ways_on("chat", failed) == on
    assert ways_on("chat", failed[1:]) == "`infercli rollback chat` goes on, to revision 2"
    undone = [entry(1), entry(2, "int8", "failed", serving=routed(none=100))]
    assert ways_on("chat", undone) == "`infercli deploy` tries again"
    both = "`infercli deploy` tries again; `infercli rollback chat` goes back to revision 1"
    assert ways_on("chat", undone, down=True) == both


def test_a_release_of_as_many_revisions_as_are_kept_forgets_none_and_of_one_more_the_oldest():
    many = [entry(n, "none", serving=routed(none=100)) for n in range(1, release.KEPT + 2)]
    assert forgettable(many[:-1]) == []
    assert forgettable([*many[:-1], entry(len(many), "int8", "failed")]) == []  # it started the engine that serves
    newer = many[-1].model_copy(update={"progress": many[-1].progress.model_copy(update={"serving": live_since(2)})})
    assert forgettable([*many[:-1], newer]) == [1]


def live_since(number):
    now = routed(none=100)
    return now.model_copy(update={"engines": dict.fromkeys(now.engines, number)})


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["none", "int8", "awq"]), st.sampled_from(["good", "failed", "interrupted"]), st.booleans()
    ),
    max_size=14,
)


@settings(max_examples=100)
@given(STEPS)
def test_who_reads_what_is_kept_finds_what_is_live_and_goes_back_to_the_same(steps):
    history = []
    for number_, (quantization, outcome, back) in enumerate(steps, 1):
        now, target = live(history), rollback_target(history) if back else None
        if outcome == "good":
            app = engine(quantization if target is None else target.revision.plan.engine.quantization).app
            now = Serving(generation=number_, front=FRONT, engines={app: number_}, routes={app: 100})
        what = quantization if target is None else target.revision.plan.engine.quantization
        points_at = target.number if target is not None else None
        history.append(entry(number_, what, outcome, points_at=points_at, serving=now))
    before, release.KEPT = release.KEPT, 3
    try:
        gone = set(forgettable(history))
    finally:
        release.KEPT = before
    kept = [e for e in history if e.number not in gone]
    for look in (live, lambda h: number(serving(h)), lambda h: number(rollback_target(h)), next_number):
        assert look(kept) == look(history)
    assert number(unfinished_rollback(kept)) == number(unfinished_rollback(history))
    assert len(kept) <= 3 + 7
    if live(kept) is not None:
        assert engines_of(live(kept), kept)
