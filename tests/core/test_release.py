"""Which revision is good, and where a rollback goes."""

from __future__ import annotations

from infercli.core.release import next_number, rollback_target, serving, standing
from tests.core.builders import entry


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


def test_standings_tell_serving_superseded_rolled_back_and_failed_apart():
    history = [entry(1, "none"), entry(2, "int8"), entry(3, "none", points_at=1), entry(4, "awq", "failed")]
    assert [standing(e, history) for e in history] == ["superseded", "rolled back", "serving", "failed"]
    assert number(serving(history)) == 3


def test_numbers_grow_past_failed_revisions():
    assert next_number([entry(1), entry(2, "int8", "failed")]) == 3
    assert next_number([]) == 1
