from __future__ import annotations

import pytest

from infercli.core.load import texts
from infercli.core.load.conversation import Conversation, PrefixSent, Turn, single
from infercli.core.load.sending import Prefix, Sending, capped, prefix_sent, spread_over
from infercli.errors import InputError
from tests.core.results import trace


def sending(count=8, **fields) -> Sending:
    return Sending(conversations=tuple(single(f"prompt {i}") for i in range(count)), source="test", **fields)


def limited(*limits) -> Sending:
    turns = tuple(Turn(prompt="x", max_tokens=limit) for limit in limits)
    return Sending(conversations=(Conversation(turns=turns),), source="test")


def limits(sent: Sending) -> list[int | None]:
    return [turn.max_tokens for c in sent.conversations for turn in c.turns]


def test_answers_are_cut_to_the_most_that_was_asked_for_and_it_is_said():
    cut = capped(limited(None, 30, 8), 20)
    assert limits(cut) == [None, 20, 8]
    assert cut.source == "test; answers of more than 20 tokens cut to that"


@pytest.mark.parametrize("given", [(None, 20, 8), (None,)])
def test_nothing_is_said_where_no_answer_is_cut(given):
    assert capped(limited(*given), 20) == limited(*given)


def test_every_hand_of_the_mix_has_the_shares_whatever_their_size():
    models = [c.model for c in spread_over(sending(24), {"base": 5, "a": 1, "b": 2}, seed=3).conversations]
    for hand in (models[:8], models[8:16], models[16:]):
        assert [hand.count(name) for name in (None, "a", "b")] == [5, 1, 2]


def test_the_model_with_the_smallest_share_meets_every_user_in_time():
    models = [c.model for c in spread_over(sending(160), {"base": 3, "a": 1}, seed=3).conversations]
    assert {at % 4 for at, model in enumerate(models) if model == "a"} == {0, 1, 2, 3}


def test_a_prefix_was_sent_before_by_the_times_and_not_by_the_order_of_the_records():
    sent = sending(prefix=Prefix(tokens=50, groups=1))
    warm, measured = trace(0.0, conversation=0, phase="warmup"), trace(5.0, conversation=1)
    assert prefix_sent(sent, [[measured, warm]]) == PrefixSent(tokens=50, first_prompts=1, sent_before=1)
    warm, measured = trace(5.0, conversation=0, phase="warmup"), trace(0.0, conversation=1)
    assert prefix_sent(sent, [[warm, measured]]) == PrefixSent(tokens=50, first_prompts=1, sent_before=0)


def test_more_text_than_memory_holds_is_refused_before_it_is_written():
    texts.check_held([texts.MOST_TOKENS])
    with pytest.raises(InputError, match="2 prompts of 500,000,001 tokens"):
        texts.check_held([texts.MOST_TOKENS, 1])
