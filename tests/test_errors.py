from __future__ import annotations

import pytest

from infercli.errors import UnknownName, any_of


@pytest.mark.parametrize(
    ("names", "text"), [(["a"], "`a`"), (["a", "b"], "`a` or `b`"), (["a", "b", "c"], "`a`, `b` or `c`")]
)
def test_names_that_may_have_been_meant_are_listed_as_people_do(names, text):
    assert any_of(names) == text


def test_the_nearest_names_are_a_question_and_the_hint_a_sentence_after_it():
    assert UnknownName("thing", "ab", ["abc", "xyz"], "`x` lists them").hint == "did you mean `abc`? `x` lists them"
    assert UnknownName("thing", "ab", ["abc"], "add it; or not").hint == "did you mean `abc`? Add it; or not"
    assert UnknownName("thing", "ab", ["abc"]).hint == "did you mean `abc`?"
    assert UnknownName("thing", "ab", [f"x{n}" for n in range(20)], "add it").hint == "add it"
    assert UnknownName("thing", "ab", []).hint is None
