from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core.load.conversation import single
from infercli.core.load.sending import Sending, cut_prompts, fresh, prefix_sent, spread_over, unfit
from infercli.core.load.synthetic import synthetic, synthetic_words
from infercli.core.load.workload import Synthetic
from infercli.errors import InputError
from tests.core.results import trace
from tests.parts.bpe import Counted, common_beginning


@pytest.fixture(scope="module")
def lengths():
    return Counted("byte level")


def made(lengths=None, seed=1, count=6, **fields) -> Sending:
    return synthetic(Synthetic.model_validate({"input_tokens": 80, **fields}), lengths, seed, count)


def firsts(sending) -> list[str]:
    return [c.turns[0].prompt for c in sending]


def test_the_same_seed_gives_the_same_conversations_and_another_seed_others(lengths):
    assert made(lengths) == made(lengths)
    assert not set(firsts(made(lengths).conversations)) & set(firsts(made(lengths, seed=2).conversations))


def test_the_first_conversations_do_not_depend_on_how_many_are_asked_for(lengths):
    spread = {"mean": 90, "stdev": 30, "min": 40}
    many = made(lengths, count=40, input_tokens=spread, turns=[1, 2, 3], shared_prefix={"tokens": 20, "groups": 3})
    few = made(lengths, count=4, input_tokens=spread, turns=[1, 2, 3], shared_prefix={"tokens": 20, "groups": 3})
    assert many.conversations[:4] == few.conversations


@settings(max_examples=25)
@given(
    tokens=st.lists(st.integers(30, 300), min_size=1, max_size=4),
    prefix=st.integers(1, 29),
    groups=st.integers(1, 4),
    seed=st.integers(0, 50),
    suffix=st.booleans(),
)
def test_every_first_prompt_has_one_of_the_lengths_exactly(lengths, tokens, prefix, groups, seed, suffix):
    more = {"suffix": "No."} if suffix else {}
    shared = {"tokens": prefix, "groups": groups}
    sent = made(lengths, seed, count=5, input_tokens=[t + 20 for t in tokens], shared_prefix=shared, **more)
    assert set(lengths.lengths(firsts(sent.conversations))) <= {t + 20 for t in tokens}


def test_of_a_range_every_length_is_as_likely_as_another(lengths):
    spread = {"min": 60, "max": 100}
    drawn = lengths.lengths(firsts(made(lengths, count=400, input_tokens=spread).conversations))
    assert min(drawn) in range(60, 63)
    assert max(drawn) in range(98, 101)
    # Of 400 draws each quarter has 100 on average, and 9 more or fewer by chance.
    for low in (60, 70, 80, 90):
        assert 60 < sum(low < tokens < low + 10 for tokens in drawn) * 10 / 9 < 140
    assert Synthetic.model_validate({"input_tokens": spread}).input_tokens.average == 80


def test_turns_lengths_and_thinking_are_as_described(lengths):
    sent = made(lengths, count=3, turns=3, turn_tokens=25, output_tokens=[7, 9], think_s=1.5)
    for conversation in sent.conversations:
        assert lengths.lengths([t.prompt for t in conversation.turns]) == [80, 25, 25]
        assert [t.think_s for t in conversation.turns] == [0.0, 1.5, 1.5]
        assert {t.max_tokens for t in conversation.turns} <= {7, 9}


def test_later_turns_are_as_long_as_the_first_without_the_shared_prefix(lengths):
    for more, later in (({}, 80), ({"shared_prefix": {"tokens": 30}}, 50)):
        for conversation in made(lengths, count=2, turns=2, **more).conversations:
            assert lengths.lengths([turn.prompt for turn in conversation.turns]) == [80, later]


def test_every_turn_ends_with_the_suffix_and_is_as_long_as_described(lengths):
    sent = made(lengths, count=2, turns=2, turn_tokens=25, suffix="Answer in one word.")
    for conversation in sent.conversations:
        assert all(turn.prompt.endswith(" Answer in one word.") for turn in conversation.turns)
        assert lengths.lengths([turn.prompt for turn in conversation.turns]) == [80, 25]


def test_a_prompt_with_room_for_its_suffix_and_no_number_has_no_number(lengths):
    suffix = "Answer in one word."
    (with_it,) = lengths.lengths([f" {suffix}"])
    (prompt,) = firsts(made(lengths, count=1, input_tokens=with_it + 2, suffix=suffix).conversations)
    assert lengths.lengths([prompt]) == [with_it + 2]
    assert prompt.endswith(suffix)


def test_the_source_says_from_where_to_where_lengths_reach(lengths):
    assert "first prompts of 70 to 90 tokens" in made(lengths, count=20, input_tokens=[70, 90]).source


def test_prompts_share_nothing_unless_it_is_asked_for(lengths):
    prompts = firsts(made(lengths, count=60).conversations)
    assert len({p.split()[0] for p in prompts}) == 60


def test_a_shared_prefix_is_what_prompts_of_its_group_have_in_common(lengths):
    prompts = firsts(made(lengths, count=9, input_tokens=100, shared_prefix={"tokens": 60, "groups": 3}).conversations)
    for group in range(3):
        common = common_beginning(prompts[group::3])
        assert 60 <= lengths.lengths([common.rstrip()])[0] <= 62  # the next number may begin with the same digit
    assert len({p.split()[0] for p in prompts}) == 3


def seen_before(prompts: list[str], lengths) -> int:
    """Tokens of each prompt that an endless cache of whole texts has seen: its longest beginning in an earlier one."""
    hits = 0
    for i, prompt in enumerate(prompts):
        best = max((common_beginning([prompt, earlier]) for earlier in prompts[:i]), key=len, default="")
        hits += lengths.lengths([best.rpartition(" ")[0]])[0] if best else 0
    return hits


@pytest.mark.parametrize(("groups", "share"), [(1, 0.3), (2, 0.5)])
def test_a_stated_share_of_the_input_was_sent_before(lengths, groups, share):
    sent = made(lengths, count=20, input_tokens=150, shared_prefix={"hit_fraction": share, "groups": groups})
    prompts = firsts(sent.conversations)
    assert seen_before(prompts, lengths) / (20 * 150) == pytest.approx(share, abs=0.01)
    assert sent.prefix is not None
    assert (sent.prefix.tokens * (20 - groups)) / (20 * 150) == pytest.approx(share, abs=0.01)


def begun(*conversations, phase="measured", turn=0):
    return [trace(float(at), conversation=c, phase=phase, turn=turn) for at, c in enumerate(conversations)]


def test_a_prefix_counts_as_sent_before_only_where_it_was(lengths):
    sent = made(lengths, count=10, input_tokens=100, shared_prefix={"tokens": 50, "groups": 2})
    assert sent.source.endswith("; a shared prefix of 50 tokens, 2 different ones in turn")
    assert seen_before(firsts(sent.conversations), lengths) / 1000 == pytest.approx(0.4, abs=0.01)

    def said(*levels):
        found = prefix_sent(sent, levels)
        return found.tokens, found.first_prompts, found.sent_before

    assert said(begun(*range(10))) == (50, 10, 8)
    assert said(begun(0, 1)) == (50, 2, 0)
    assert said(begun(0, 1, phase="warmup") + begun(2, 3)) == (50, 2, 2)
    assert said(begun(0, 1) + begun(0, 1, turn=1)) == (50, 2, 0)
    # What stands beyond the pool, and another level, begin with other numbers.
    assert said(begun(0, 1, 10, 11)) == (50, 4, 0)
    assert said(begun(0, 2), begun(0, 2)) == (50, 4, 2)
    assert prefix_sent(made(lengths), [begun(0, 1)]) is None


def test_a_prompt_of_fewer_tokens_than_words_was_cut():
    asked = ("one two three four " * 25, ({"role": "user", "content": "hi " * 100}, {"role": "user", "content": [{}]}))
    sent = Sending(conversations=tuple(single(prompt) for prompt in asked), source="test")

    def cut(tokens, conversation=0, **more):
        at = {"conversation": conversation, "prompt_tokens": tokens, **more}
        return cut_prompts(sent, [[trace(0.0, (1.0,), **at)]])

    assert cut(60) == cut(60, 1) == cut(60, 3) == 1  # 3: the second once more
    assert cut(80) == cut(None) == 0  # some tokenizers join words
    # Each is held against its own words, of which one has 100 and the other 8.
    short = Sending(conversations=(single("word " * 100), single("word " * 8)), source="test")
    assert [cut_prompts(short, [[trace(0.0, conversation=i, prompt_tokens=8)]]) for i in (0, 1)] == [1, 0]
    assert cut(60, phase="warmup") == cut(60, turn=1) == cut(60, error="timeout") == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"input_tokens": [500, 50], "suffix": "What is it? " * 30},
            "the suffix of .* leaves nothing of a prompt of 50",
        ),
        ({"input_tokens": [60, 500], "shared_prefix": {"hit_fraction": 0.9}}, "leaves nothing of a prompt of 60"),
        ({"shared_prefix": {"hit_fraction": 0.5, "groups": 6}}, "6 conversations in 6 groups: each is a first one"),
    ],
)
def test_what_leaves_no_room_is_refused(lengths, fields, words):
    with pytest.raises(InputError, match=words):
        made(lengths, count=6, seed=3, **fields)


def test_without_a_tokenizer_the_source_says_that_lengths_are_approximate(lengths):
    assert "about, at a token a word, chat template not counted" in made().source
    assert "exactly, by byte level, chat template not counted" in made(lengths).source


def test_every_stage_begins_otherwise_at_the_same_length_and_keeps_what_was_shared(lengths):
    sent = made(lengths, count=8, input_tokens=[60, 90], shared_prefix={"tokens": 30, "groups": 2}, turns=2)
    assert fresh(sent, 0) == sent.conversations
    stages = [fresh(sent, stage) for stage in range(4)]
    whole = [firsts(stage) for stage in stages]
    assert len({tuple(prompt.split()[:3]) for prompts in whole for prompt in prompts}) == 4 * 2
    for prompts in whole:
        assert lengths.lengths(prompts) == lengths.lengths(whole[0])
        assert seen_before(prompts, lengths) == pytest.approx(6 * 30, abs=8)
    assert [c.turns[1] for c in stages[3]] == [c.turns[1] for c in sent.conversations]


def test_text_of_the_users_gets_one_number_a_stage_so_that_it_shares_what_it_shared():
    messages = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"})
    parts = ({"role": "user", "content": [{"type": "image_url"}, {"type": "text", "text": "What is it?"}]},)
    tools = ({"role": "user", "content": None},)
    given = [{"turns": [{"prompt": p, "max_tokens": 5}]} for p in ("Hello", "Hello", messages, parts, tools)]
    sent = Sending.model_validate({"conversations": given, "source": "mine"})
    first, second = fresh(sent, 0), fresh(sent, 1)
    hello, again, *rest = firsts(first)
    number = hello.removesuffix(" Hello")
    assert hello == again
    assert number.isdigit()
    assert rest[0][0]["content"] == f"{number} Be brief."
    assert rest[0][1] == messages[1]
    assert rest[1][0]["content"][1]["text"] == f"{number} What is it?"
    assert rest[2][0] == {"role": "system", "content": number}
    assert firsts(second)[0] != hello
    assert {t.max_tokens for c in second for t in c.turns} == {5}


def test_what_was_made_reads_back_from_json_as_it_was(lengths):
    sent = made(lengths, shared_prefix={"tokens": 30})
    back = Sending.model_validate_json(sent.model_dump_json(exclude_defaults=True))
    assert back == sent
    assert fresh(back, 2) == fresh(sent, 2)


def test_prompts_of_words_have_the_words_asked_for_and_no_two_share_their_first():
    sent = synthetic_words(12, 3, 50)
    prompts = firsts(sent.conversations)
    assert {len(p.split()) for p in prompts} == {12}
    assert len({p.split()[0] for p in prompts}) == 50
    assert firsts(synthetic_words(12, 3, 5).conversations) == prompts[:5]
    assert firsts(synthetic_words(1, 3, 2).conversations)[0].isdigit()
    assert not set(prompts) & set(firsts(fresh(sent, 1)))


def test_adapters_get_their_shares_and_the_base_model_its_own():
    sent = made(count=2000, input_tokens=3)
    mixed = spread_over(sent, {"base": 1, "a": 2, "b": 1}, seed=5)
    models = [c.model for c in mixed.conversations]
    assert [models.count(name) for name in (None, "a", "b")] == [500, 1000, 500]
    assert mixed == spread_over(sent, {"base": 1, "a": 2, "b": 1}, seed=5)


def test_what_an_api_cannot_carry_is_said():
    talk = made(count=1, turns=2).conversations
    assert unfit(talk, "chat") is None
    assert unfit(talk, "completions") is None
    assert "several turns" in str(unfit(talk, "embeddings"))
    messages = Sending.model_validate(
        {"conversations": [{"turns": [{"prompt": [{"role": "user", "content": "x"}]}]}], "source": "x"}
    ).conversations
    assert unfit(messages, "chat") is None
    assert "messages" in str(unfit(messages, "completions"))
