from __future__ import annotations

import pytest

from infercli.core.load import repeats
from infercli.core.load.conversation import single
from infercli.core.load.repeats import enough, planned
from infercli.core.load.sending import Sending, fresh
from infercli.core.load.synthetic import synthetic, synthetic_words
from infercli.core.load.workload import Synthetic
from infercli.core.traces import Load
from tests.parts.bpe import Counted


def firsts(conversations) -> list[str]:
    return [c.turns[0].prompt for c in conversations]


def test_a_level_has_a_prompt_for_each_of_its_requests_that_begins_like_no_other_at_the_same_length():
    lengths = Counted("metaspace")
    described = Synthetic.model_validate({"input_tokens": {"mean": 40}})
    sent = synthetic(described, lengths, 0, 20)
    load = Load(concurrency=2, requests=90, warmup_requests=4)
    stages = [firsts(enough(sent, load, stage, 3)) for stage in range(3)]
    assert [len(prompts) for prompts in stages] == [100] * 3
    every = [prompt for prompts in stages for prompt in prompts]
    assert len({tuple(prompt.split()[:3]) for prompt in every}) == 300
    assert set(lengths.lengths(every)) == {40}
    assert stages[1][:20] == firsts(fresh(sent, 1))


def test_one_that_is_sent_once_is_what_it_was():
    sent = synthetic_words(12, 3, 50)
    assert enough(sent, Load(concurrency=1, requests=46, warmup_requests=4), 0, 1) == sent.conversations


def test_text_of_the_users_and_a_trace_are_not_made_more():
    mine = Sending(conversations=(single("Hello"),), source="mine")
    assert enough(mine, Load(concurrency=1, requests=9), 0, 1) == mine.conversations
    assert enough(mine, Load(concurrency=1, requests=9), 1, 2) == fresh(mine, 1)
    made = synthetic_words(12, 3, 5)
    assert enough(made, Load(arrivals="trace", requests=9), 0, 1) == made.conversations


def test_what_all_would_take_is_bounded(monkeypatch):
    sent, load = synthetic_words(12, 3, 5), Load(concurrency=1, requests=10_000)
    monkeypatch.setattr(repeats, "MOST", 30)
    assert len(enough(sent, load, 0, 1)) == 30
    monkeypatch.setattr(repeats, "MOST_CHARACTERS", 20 * sum(map(len, firsts(sent.conversations))) // 5)
    assert len(enough(sent, load, 0, 1)) == 20


@pytest.mark.parametrize(
    ("load", "least", "most"),
    [
        (Load(arrivals="poisson", rate_per_s=10, duration_s=60, warmup_requests=4), 700, 1000),
        (Load(arrivals="constant", rate_per_s=10, ramp_to_per_s=30, duration_s=60), 1200, 1500),
        # Two seconds of 8 users whose answers of 128 tokens take 0.3 s or more.
        (Load(concurrency=8, duration_s=2), 50, 100),
        (Load(concurrency=8, duration_s=1e12), repeats.MOST, repeats.MOST),
    ],
)
def test_a_load_by_time_is_taken_to_send_more_than_is_to_be_expected(load, least, most):
    assert least <= planned(load) <= most


def test_embeddings_take_no_time_for_tokens_that_they_do_not_have():
    load = Load(concurrency=8, duration_s=2)
    assert planned(load, "embeddings") == 8 * (1 + 500)  # two seconds of 4 ms
    sent = synthetic_words(12, 3, 5)
    assert len(enough(sent, load, 0, 1, "embeddings")) >= 4008
