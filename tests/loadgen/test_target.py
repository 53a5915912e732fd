"""The bodies of requests: what a conversation, and where it says nothing the load, asks of an answer."""

from __future__ import annotations

import json

import pytest

from infercli.core.endpoint import parse_endpoint
from infercli.core.load.conversation import Conversation, Turn
from infercli.core.traces import Load
from infercli.loadgen.target import Requests, Target


def body(conversation, *, api="chat", answers=(), **asked):
    """Of the last turn, after `answers` to those before."""
    load = Load(concurrency=1, requests=1, **asked)
    made = Requests(Target(parse_endpoint("http://127.0.0.1:1"), "chat", api), load, [conversation])
    last = len(conversation.turns) - 1
    return json.loads((made.turn(0, last, answers) if last else made.first[0]).partition(b"\r\n\r\n")[2])


def asked_of(*limits, **more):
    return Conversation(turns=tuple(Turn(prompt="hi", max_tokens=limit) for limit in limits), **more)


def test_a_turn_with_a_limit_of_its_own_is_asked_for_that_and_not_for_the_loads():
    assert body(asked_of(None), max_tokens=64)["max_tokens"] == 64
    assert body(asked_of(9), max_tokens=64)["max_tokens"] == 9
    assert body(asked_of(9, 5), answers=["hello"], max_tokens=64)["max_tokens"] == 5


def test_no_answer_is_asked_for_more_tokens_than_it_may_have():
    assert body(asked_of(None), max_tokens=64, min_tokens=32)["min_tokens"] == 32
    assert body(asked_of(9), max_tokens=64, min_tokens=32)["min_tokens"] == 9


def test_what_only_some_servers_know_is_sent_only_where_it_is_asked_for():
    assert not {"min_tokens", "ignore_eos"} & set(body(asked_of(None)))
    assert body(asked_of(None), ignore_eos=True)["ignore_eos"] is True


@pytest.mark.parametrize(("model", "said"), [(None, "chat"), ("sql", "sql")])
def test_a_conversation_may_ask_another_model_of_the_endpoint(model, said):
    assert body(asked_of(None, model=model))["model"] == said


def test_a_later_turn_of_plain_text_has_the_answers_between_its_parts():
    asked = Conversation(turns=(Turn(prompt="one "), Turn(prompt=" three")))
    assert body(asked, api="completions", answers=["two"])["prompt"] == "one two three"
    assert [m["content"] for m in body(asked, answers=["two"])["messages"]] == ["one ", "two", " three"]
