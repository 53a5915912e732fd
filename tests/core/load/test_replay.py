from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core.load.replay import TraceRequest, hit_tokens, replay
from infercli.core.load.sending import fresh
from infercli.errors import InputError
from tests.parts.bpe import Counted, common_beginning


@pytest.fixture(scope="module", params=["byte level", "metaspace"])
def lengths(request):
    return Counted(request.param)


def texts(conversations) -> list[str]:
    return [c.turns[0].prompt for c in conversations]


REQUESTS = (
    TraceRequest(0.0, 150, 7, (1, 2, 3)),
    TraceRequest(0.5, 130, 8, (1, 2, 9)),
    TraceRequest(0.5, 128, 9, (1, 2)),
    TraceRequest(2.0, 70, 1, (5, 6)),
    TraceRequest(3.0, 90, 4),
    TraceRequest(3.0, 3, 4),
)


def test_requests_keep_their_times_lengths_and_answers(lengths):
    sent = replay(REQUESTS, 64, lengths, seed=0)
    assert [c.at_s for c in sent.conversations] == [0.0, 0.5, 0.5, 2.0, 3.0, 3.0]
    assert [c.turns[0].max_tokens for c in sent.conversations] == [7, 8, 9, 1, 4, 4]
    assert lengths.lengths(texts(sent.conversations)) == [150, 130, 128, 70, 90, 3]


def test_equal_blocks_give_equal_text_and_others_differ(lengths):
    first, second, third, fourth, fifth, _ = texts(replay(REQUESTS, 64, lengths, seed=0).conversations)
    shared = common_beginning([first, second])
    assert 128 <= lengths.lengths([shared.rstrip()])[0] <= 134  # two blocks; the third begins with other words
    assert lengths.lengths([common_beginning([first, third])])[0] >= 120  # all but the mended end of the last block
    assert len({text.split()[0] for text in (first, fourth, fifth)}) == 3


def test_the_share_of_prefixes_that_were_sent_before_is_said(lengths):
    # Requests 2 and 3 find two blocks of 64: 128 + 128 of 571 tokens.
    assert hit_tokens(REQUESTS, 64) == 256
    assert "45% of them in prefixes that were sent before" in replay(REQUESTS, 64, lengths, seed=0).source


def test_a_hit_ends_at_the_first_block_that_was_not_sent():
    requests = (TraceRequest(0, 48, 1, ("a", "b", "c")), TraceRequest(0, 48, 1, ("a", "x", "c")))
    assert hit_tokens(requests, 16) == 16


def test_another_stage_shares_nothing_with_the_first_and_the_same_within_itself(lengths):
    sent = replay(REQUESTS, 64, lengths, seed=0)
    first, other = texts(sent.conversations), texts(fresh(sent, 1))
    assert lengths.lengths(other) == lengths.lengths(first)
    assert all(a.split()[0] != b.split()[0] for a, b in zip(first[:5], other[:5], strict=True))
    assert common_beginning([other[0], other[1]])[11:] == common_beginning([first[0], first[1]])[11:]


@settings(max_examples=20)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 400), st.integers(0, 5)), min_size=1, max_size=5),
    block_tokens=st.sampled_from([32, 64]),
)
def test_whatever_a_trace_says_every_prompt_has_its_length(lengths, sizes, block_tokens):
    requests = [
        TraceRequest(0.0, tokens, 1, tuple(range(start, start + -(-tokens // block_tokens)))) for tokens, start in sizes
    ]
    sent = replay(requests, block_tokens, lengths, seed=3)
    assert lengths.lengths(texts(sent.conversations)) == [tokens for tokens, _ in sizes]


def test_blocks_too_short_for_a_number_are_refused(lengths):
    with pytest.raises(InputError, match="blocks of 2 tokens are too short"):
        replay([TraceRequest(0.0, 40, 1, tuple(range(20)))], 2, lengths, seed=0)


def test_without_blocks_and_a_tokenizer_prompts_are_about_as_long_and_share_nothing():
    requests = [TraceRequest(i, 100, 5) for i in range(20)]
    sent = replay(requests, None, None, seed=0)
    assert {len(t.split()) for t in texts(sent.conversations)} == {95}  # a number that stands for six tokens, 94 words
    assert len({t.split()[0] for t in texts(sent.conversations)}) == 20
    assert "about, at a token a word" in sent.source
    assert "prefixes" not in sent.source
    assert sent.source.startswith("20 requests over 19 s, 2,000 input tokens")
    assert replay(requests[:1], None, None, seed=0).source.startswith("1 request over 0 s, 100 input tokens")
