from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core.load.prompt_files import Asked, read_prompt_lines, read_promptfoo, read_sharegpt
from infercli.errors import InvalidFile


def said(*messages: tuple[str, str]) -> dict:
    return {"conversations": [{"from": who, "value": what} for who, what in messages]}


def sharegpt(*entries, **more):
    return read_sharegpt(json.dumps(entries), "s", **more)


def prompts(conversations) -> list:
    return [t.prompt for c in conversations for t in c.turns]


def test_a_line_is_a_prompt_or_messages_with_a_limit_under_either_name():
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    lines = [
        '{"prompt": "Hello", "output_tokens": 9}\n',
        "\n",
        json.dumps({"messages": messages, "max_tokens": 5, "note": "kept out"}),
        '{"prompt": "And?"}',
    ]
    found = read_prompt_lines(lines, "j")
    assert prompts(found) == ["Hello", tuple(messages), "And?"]
    assert [c.turns[0].max_tokens for c in found] == [9, 5, None]
    assert read_prompt_lines(lines, "j", limit=1) == found[:1]


def test_every_damaged_line_of_prompts_is_named():
    lines = [
        '{"prompt": "a", "messages": []}',
        "{}",
        '{"prompt": ""}',
        '{"messages": "x"}',
        '{"messages": []}',
        '{"prompt": "a", "max_tokens": 0}',
        '{"prompt": "\\ud800"}',
        "nothing",
    ]
    with pytest.raises(InvalidFile) as caught:
        read_prompt_lines(lines, "j")
    found = dict(caught.value.problems)
    assert found["line 1"] == found["line 2"] == "must have either `prompt` or `messages`"
    assert found["line 3"] == "prompt: is empty"
    assert found["line 4"] == "messages: must be a list of {role, content}"
    assert found["line 5"] == "messages: is empty"
    assert found["line 6"] == "max_tokens must be a whole number, at least 1"
    assert "half of a character" in found["line 7"]
    assert found["line 8"].startswith("is not JSON")


def test_sharegpt_conversations_become_turns_with_their_answers():
    talk = said(("human", "Hi"), ("gpt", "Hello."), ("human", "Why?"), ("gpt", "So."), ("human", "Bye"))
    (turns,), silent = sharegpt(talk)
    assert turns == (Asked("Hi", "Hello."), Asked("Why?", "So."), Asked("Bye", None))
    assert silent == 0
    assert sharegpt(talk, max_turns=1)[0] == ((Asked("Hi", "Hello."),),)


def test_a_cut_conversation_is_taken_up_from_its_first_question():
    (turns,), _ = sharegpt(said(("gpt", "(and so on)"), ("human", "Go on"), ("gpt", "Well.")))
    assert turns == (Asked("Go on", "Well."),)


def test_a_system_message_and_a_doubled_question_are_messages_of_their_own():
    (turns,), _ = sharegpt(said(("system", "Be brief."), ("human", "Hi"), ("human", "There?"), ("gpt", "Yes.")))
    assert turns[0].prompt == (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "user", "content": "There?"},
    )


def test_conversations_without_a_question_are_left_out_and_counted():
    found, silent = sharegpt(
        said(), said(("gpt", "Hello")), said(("human", "")), said(("user", "Hi")), said(("human", "x"))
    )
    assert [turns[0].prompt for turns in found] == ["Hi", "x"]
    assert silent == 3
    assert sharegpt(said(("human", "a")), said(("human", "b")), limit=1)[0] == ((Asked("a", None),),)


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("", "", "is not JSON"),
        ("{}", "", "must be a list"),
        ("[]", "", "has no conversation in it"),
        ('[{"conversations": [{"from": "gpt", "value": "x"}]}]', "", "has 1 conversations, and none asks anything"),
        ("[7]", "[0]", "must have `conversations`"),
        ('[{"conversations": [{"from": "cat", "value": "x"}]}]', "[0]", "conversations[0]: must have `value`"),
        ('[{"conversations": [{"from": "human", "value": 1}]}]', "[0]", "conversations[0]: must have `value`"),
    ],
)
def test_what_is_no_sharegpt_file_is_said(text, where, words):
    with pytest.raises(InvalidFile) as caught:
        read_sharegpt(text, "s")
    assert caught.value.problems[0][0] == where
    assert words in caught.value.problems[0][1]


def test_every_prompt_of_promptfoo_is_filled_in_with_every_tests_variables():
    config = {
        "prompts": ["Translate {{ text }} into {{language}}.", {"raw": "{{text}}?", "label": "short"}],
        "defaultTest": {"vars": {"language": "French", "text": "nothing"}},
        "tests": [{"vars": {"text": "yes"}, "assert": [{"type": "contains"}]}, {"vars": {"text": "no"}}, {}],
    }
    found = prompts(read_promptfoo(config, "p"))
    assert found[:2] == ["Translate yes into French.", "yes?"]
    assert found[2:] == ["Translate no into French.", "no?", "Translate nothing into French.", "nothing?"]
    assert prompts(read_promptfoo(config, "p", limit=3)) == found[:3]


def test_a_list_as_a_variable_stands_for_each_of_its_values():
    config = {"prompts": "{{a}}{{b}}", "tests": [{"vars": {"a": [1, 2], "b": ["x", True]}}]}
    assert prompts(read_promptfoo(config, "p")) == ["1x", "1true", "2x", "2true"]


def test_a_prompt_of_messages_is_filled_in_inside_them():
    template = '[{"role": "user", "content": "Say {{x.word}}"}]'
    config = {"prompts": [template], "tests": [{"vars": {"x": {"word": 'a "quote"'}}}]}
    assert prompts(read_promptfoo(config, "p")) == [({"role": "user", "content": 'Say a "quote"'},)]


def test_what_promptfoo_would_compute_is_refused_by_name():
    config = {
        "prompts": ["{% if x %}a{% endif %}", "{{ x | upper }}", "file://p.py", 7],
        "tests": [{"vars": {"x": "file://x.js"}}, "file://tests.csv", {"vars": [1]}],
    }
    with pytest.raises(InvalidFile) as caught:
        read_promptfoo(config, "p")
    found = dict(caught.value.problems)
    assert "`{% endif %}` is more than a variable" in found["prompts[0]"]
    assert "`{{ x | upper }}` is more than a variable" in found["prompts[1]"]
    assert "`file://p.py` is not a text file" in found["prompts[2]"]
    assert found["prompts[3]"] == "must be a text, or a mapping with `raw`"
    assert "names a file" in found["tests[0].vars.x"]
    assert found["tests[1]"] == "must be a mapping with vars"
    assert found["tests[2].vars"] == "must be a mapping of names to values"


def test_a_variable_that_no_test_has_is_named():
    config = {"prompts": ["{{a}} {{b}}"], "tests": [{"vars": {"a": 1}}]}
    with pytest.raises(InvalidFile, match=r"p: tests\[0\]: prompts\[0\]: `b` is not among the vars"):
        read_promptfoo(config, "p")


def test_a_damaged_test_before_the_limit_is_named_where_enough_prompts_were_found():
    config = {"prompts": ["{{a}}"], "tests": [7, {"vars": {"a": 1}}, {"vars": {"a": 2}}]}
    with pytest.raises(InvalidFile) as caught:
        read_promptfoo(config, "p", limit=1)
    assert caught.value.problems == (("tests[0]", "must be a mapping with vars"),)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("{{a}}") | st.just("human"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["conversations", "from", "value", "vars", "a", "raw"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def outcome(read):
    try:
        return read()
    except InvalidFile as error:
        return error.problems


@settings(max_examples=150)
@given(text=st.text() | _VALUES.map(json.dumps) | st.lists(_VALUES).map(json.dumps))
def test_no_text_whatever_ends_in_anything_but_prompts_or_problems(text):
    for read in (lambda: read_sharegpt(text, "s")[0], lambda: read_prompt_lines(text.splitlines(), "j")):
        assert outcome(read)


@settings(max_examples=150)
@given(config=st.fixed_dictionaries({}, optional=dict.fromkeys(("prompts", "tests", "defaultTest"), _VALUES)) | _VALUES)
def test_no_configuration_whatever_does_either(config):
    assert outcome(lambda: read_promptfoo(config, "p"))
