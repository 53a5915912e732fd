from __future__ import annotations

from dataclasses import replace

import pytest

from infercli.core.architecture.arch import Weight
from infercli.core.shapes import shapes
from infercli.core.units import GIB
from infercli.core.vision import kept_by_encoder, least_batch

TEXT = shapes()["meta-llama/Llama-3.1-8B"].arch
PATCHES = Weight(name="patches", role="encoder", module="visual", outputs=1152, inputs=1152)


def wrapped(architecture: str, hidden: int = 4096):
    return replace(TEXT, architecture=architecture, hidden=hidden, encoders=(PATCHES,))


def kept(architecture: str, tokens=8192, length=8192, hidden=4096, v0=None):
    return kept_by_encoder(wrapped(architecture, hidden), tokens, length, 2, v0_sequences=v0)


def test_a_model_without_encoders_keeps_nothing():
    assert kept_by_encoder(TEXT, 8192, 8192, 2, v0_sequences=None).high == 0


def test_gemma_3_keeps_a_batch_of_images_and_their_outputs():
    # 8192 tokens are 32 images of 896 x 896 x 3 in 16 bits, and 8192 vectors: facts of 0.19 miss 0.15 GiB without them
    images = 32 * 3 * 896 * 896 * 2
    assert images / GIB == pytest.approx(0.144, abs=0.001)
    assert kept("Gemma3ForConditionalGeneration").typical == images + 8192 * 4096 * 2


def test_qwen3_vl_fills_the_context_with_video_and_feeds_three_layers_more():
    # Two runs of 0.12 with 65,536 tokens of context left 2.7 GiB: 65,536 x (4 x 2048 x 2 B + 4 x 1536 x 4 B) is 2.5
    found = kept("Qwen3VLMoeForConditionalGeneration", length=65536, hidden=2048)
    assert found.typical == 65536 * (4 * 2048 * 2 + 4 * 1536 * 4)
    assert found.low < 2.7 * GIB < found.high


def test_an_encoder_that_is_not_known_counts_its_outputs_and_widens_the_band():
    found = kept("SomeVisionForConditionalGeneration")
    assert found.typical == 8192 * 4096 * 2
    assert found.high > found.typical + 0.3 * GIB


def test_v0_profiles_an_image_of_every_sequence():
    # Gemma-3-27B on four A100 (0.8.0): 3.73 GiB printed, 0.98 of it for 16,384 tokens of text
    found = kept("Gemma3ForConditionalGeneration", v0=64)
    assert found.typical / GIB == pytest.approx(3.73 - 0.98, rel=0.06)
    assert kept("SomeVisionForConditionalGeneration", v0=64).high == 3 * GIB


@pytest.mark.parametrize("name", ["Gemma3For", "Qwen3VL", "Qwen3Omni", "Mistral3For", "Llama4For", "Some"])
def test_longer_and_larger_batches_never_keep_less(name):
    small, large = kept(name), kept(name, tokens=16384, length=32768)
    assert (small.low, small.typical, small.high) <= (large.low, large.typical, large.high)
    for band in (small, large):
        assert 0 <= band.low <= band.typical <= band.high


def test_a_batch_holds_a_whole_video_where_the_model_attends_to_all_of_it():
    # vLLM 0.25: "Raising max_num_batched_tokens from 2048 to 2496 to accommodate 'video' input for prefix-LM model"
    assert [least_batch(wrapped("Gemma4ForConditionalGeneration"), r) for r in ((0, 19), (0, 20), (0, 29))] == [
        0,
        2496,
        2496,
    ]
    assert least_batch(wrapped("Qwen3VLForConditionalGeneration"), (0, 29)) == 0
    assert least_batch(replace(TEXT, architecture="Gemma4ForCausalLM"), (0, 29)) == 0
