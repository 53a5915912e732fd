"""Where two values differ."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infercli.core.differences import differences, differs

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


def paths(was, becomes, **words):
    return [(d.path, d.was, d.becomes) for d in differences(was, becomes, **words)]


def test_values_are_named_by_their_path():
    assert paths({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "d": 4}) == [("a.b", 1, 3), ("c", 2, None), ("d", None, 4)]


def test_named_things_are_found_by_name_whatever_their_order():
    was = [{"name": "front", "cpu": 1}, {"name": "chat", "cpu": 2}]
    becomes = [{"name": "chat", "cpu": 3}, {"name": "front", "cpu": 1}]
    assert paths({"apps": was}, {"apps": becomes}) == [("apps[chat].cpu", 2, 3)]
    assert [p for p, _, _ in paths(was, was[:1])] == ["[chat]"]


def test_lists_of_one_length_are_compared_place_by_place_and_others_as_a_whole():
    assert paths({"a": [1, 2]}, {"a": [1, 3]}) == [("a[1]", 2, 3)]
    assert paths({"a": [1, 2]}, {"a": [1]}) == [("a", [1, 2], [1])]


def test_what_only_the_other_side_has_is_not_meant():
    held = {"a": 1, "uid": "x", "apps": [{"name": "chat", "status": "RUNNING"}, {"name": "stray"}]}
    assert differs(held, {"a": 1, "apps": [{"name": "chat"}]}) == ("apps[stray]",)
    assert differs(held, {"a": None}) == ("a",)


def test_absent_null_and_empty_are_the_same():
    assert paths({"a": None, "b": {}, "c": []}, {}) == []


@given(JSON)
def test_nothing_differs_from_itself(value):
    assert differences(value, value) == []


@given(JSON, JSON)
def test_a_difference_is_found_from_both_sides(one, other):
    there, back = differences(one, other), differences(other, one)
    assert sorted(d.path for d in there) == sorted(d.path for d in back)
