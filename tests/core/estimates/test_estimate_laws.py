"""What holds of every estimate, whatever the model, the GPU and the settings."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from infercli.core.estimates.answer import Estimate, EstimateError
from infercli.core.estimates.estimate import estimate, read_request
from infercli.core.estimates.model import shipped_model
from infercli.core.estimates.request import EstimateRequest
from infercli.core.gpus import GPUS
from infercli.core.memory.compressed_attention import compressed
from infercli.core.shapes import shapes
from tests.core.estimates.estimates import bytes_of
from tests.core.estimates.test_estimate import BASES, answer

VERSIONS = ("0.8.5", "0.11.0", "0.19.0", "0.29.0")


ORDER = {False: 0, None: 1, True: 2}
"""Of what is said of the start: no, cannot be told, yes."""


layers = st.integers(1, 96)


gpus = st.sampled_from(["T4", "L4", "RTX-4090", "L40S", "A100-80-SXM", "H100", "H200", "B200", "MI300X"])


requests = st.fixed_dictionaries({
    "gpu": gpus,
    "engine_version": st.sampled_from(VERSIONS),
    "max_num_seqs": st.integers(1, 1024),
    "max_num_batched_tokens": st.sampled_from([2048, 8192, 16384]),
    "max_model_len": st.integers(16, 32768),
})  # fmt: skip


questions = st.tuples(st.sampled_from(BASES), layers, requests)


def fits_no_less(more: Estimate, less: Estimate) -> bool:
    """Whether the cheaper question is answered at least as kindly, and lacks no more."""
    return ORDER[less.starts] >= ORDER[more.starts] and less.missing_bytes <= more.missing_bytes


@given(questions)
@settings(max_examples=60)
def test_the_terms_inside_the_budget_add_up_to_it(question):
    found = answer(*question)
    assert sum(t.bytes for t in found.memory.terms if t.inside_budget) == found.memory.budget_bytes
    assert found.kv_cache.bytes == bytes_of(found, "kv_cache")
    for term in found.memory.terms:
        assert term.low_bytes <= term.bytes <= term.high_bytes, term


@given(questions, st.integers(1, 32))
@settings(max_examples=60)
def test_more_layers_never_cost_less(question, extra):
    base, count, asked = question
    less, more = answer(base, count, asked), answer(base, count + extra, asked)
    assert bytes_of(more, "weights") > bytes_of(less, "weights")
    assert more.kv_cache.bytes_per_token > less.kv_cache.bytes_per_token
    assert more.kv_cache.tokens <= less.kv_cache.tokens
    assert fits_no_less(more, less)


@given(questions, st.integers(1, 1024), st.sampled_from([0, 1024, 8192]), st.integers(0, 8000))
@settings(max_examples=60)
def test_more_sequences_and_more_tokens_never_cost_less(question, seqs, tokens, length):
    base, count, asked = question
    less = answer(base, count, asked)
    more = answer(
        base, count, asked,
        max_num_seqs=asked["max_num_seqs"] + seqs,
        max_num_batched_tokens=asked["max_num_batched_tokens"] + tokens,
        max_model_len=min(32768, asked["max_model_len"] + length),  # no base takes less
    )  # fmt: skip
    assert bytes_of(more, "activation") >= bytes_of(less, "activation")
    assert more.kv_cache.bytes <= less.kv_cache.bytes
    assert fits_no_less(more, less)


@given(questions, st.sampled_from([1, 2, 4]))
@settings(max_examples=60)
def test_more_gpus_never_fit_less(question, size):
    base, count, asked = question
    assume(shapes()[base].arch.layers[0].mixer.heads % (2 * size) == 0)
    fewer, more = (answer(base, count, asked, tensor_parallel_size=n) for n in (size, 2 * size))
    assert bytes_of(more, "weights") < bytes_of(fewer, "weights")
    assert ORDER[more.starts] >= ORDER[fewer.starts]


@given(questions, st.floats(1, 100))
@settings(max_examples=60)
def test_what_starts_still_starts_on_the_same_gpu_with_more_memory(question, extra):
    base, count, asked = question
    memory = GPUS[asked["gpu"]].memory_bytes / 2**30
    less = answer(base, count, asked, gpu_memory_gib=memory)
    more = answer(base, count, asked, gpu_memory_gib=memory + extra)
    assert fits_no_less(less, more)
    assert more.kv_cache.tokens >= less.kv_cache.tokens


@given(questions)
@settings(max_examples=40)
def test_what_is_said_to_start_holds_one_request_at_every_bound(question):
    found = answer(*question)
    if found.starts:
        assert found.kv_cache.concurrency_low >= 1
        assert found.kv_cache.longest_max_model_len >= found.settings.max_model_len
    if found.starts is False:
        assert found.missing_bytes > 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


fields = st.sampled_from(list(EstimateRequest.model_fields))


@given(st.dictionaries(fields, json_values, max_size=6) | json_values)
@settings(max_examples=200)
def test_any_json_is_a_request_or_a_list_of_what_is_wrong_with_it(value):
    found = read_request(value)
    if isinstance(found, EstimateError):
        assert found.problems
        assert all(p.what for p in found.problems)


@pytest.mark.parametrize("model", sorted(shapes()))
def test_every_shipped_model_is_answered_on_its_own(model):
    shape = shapes()[model]
    asked = {"model": model, "gpu": "H200", "tensor_parallel_size": 1}
    only = {"kv_cache_dtype": "fp8"} if compressed(shape.arch) else {}  # without it vLLM stops
    found = estimate(EstimateRequest.model_validate(asked | only), shipped_model(model))
    if isinstance(found, EstimateError):  # a class that vLLM dropped, or has since: a version that has it is named
        named = re.fullmatch(r"choose vLLM ([0-9.]+)|vLLM ([0-9.]+) has it: .*", found.problems[0].hint)
        assert named, found
        has = named[1] or named[2]
        found = estimate(EstimateRequest.model_validate(asked | {"engine_version": has}), shipped_model(model))
    assert isinstance(found, Estimate), found
    assert found.settings.max_model_len == (shape.arch.short_model_len or shape.arch.max_model_len)


@given(questions, st.sampled_from([1, 8, 16, 64, 512]), st.integers(1, 8), st.sampled_from([1, 2]))
@settings(max_examples=60)
def test_more_slots_for_adapters_or_a_higher_rank_never_cost_less(question, rank, slots, ranks):
    enabled = {"enable_lora": True, "tensor_parallel_size": ranks}
    asked = enabled | {"max_loras": slots, "max_lora_rank": rank}
    here, none = answer(*question, **asked), answer(*question, tensor_parallel_size=ranks)
    for more in (asked | {"max_loras": slots + 1}, asked | {"max_lora_rank": {512: 512}.get(rank, 320)}):
        dearer = answer(*question, **more)
        assert bytes_of(dearer, "weights") >= bytes_of(here, "weights") > bytes_of(none, "weights")
        assert fits_no_less(dearer, here)
    assert fits_no_less(here, none)
    off = answer(*question, **(asked | {"enable_lora": False}))
    assert off.memory == none.memory
