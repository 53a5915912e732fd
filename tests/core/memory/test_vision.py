from __future__ import annotations

from dataclasses import replace

import pytest

from infercli.core.architecture.arch import Layout, Weight, rank_tensors
from infercli.core.engines import find_engine
from infercli.core.gpus import GPUS
from infercli.core.memory.batch import Batch
from infercli.core.memory.vision import (
    ANYTHING,
    Items,
    as_loaded,
    fewer_pixels,
    items_of,
    kept_by_encoder,
    least_batch,
    max_pixels_of,
    peak_of_encoder,
    uncounted_kwargs,
)
from infercli.core.shapes import shapes
from infercli.core.units import GIB

TEXT = shapes()["meta-llama/Llama-3.1-8B"].arch
PATCHES = Weight(name="patches", role="encoder", module="visual", outputs=1152, inputs=1152)


def wrapped(architecture: str, hidden: int = 4096):
    return replace(TEXT, architecture=architecture, hidden=hidden, encoders=(PATCHES,))


def batch(tokens=8192, length=8192, *, ranks=1, seqs=256, items=ANYTHING) -> Batch:
    return Batch(
        layout=Layout(tensor_parallel_size=ranks), gpu=GPUS["H100"], max_num_seqs=seqs, max_num_batched_tokens=tokens,
        max_model_len=length, element_bytes=2, items=items,
    )  # fmt: skip


def kept(architecture: str, tokens=8192, length=8192, hidden=4096, version="0.19.0"):
    return kept_by_encoder(wrapped(architecture, hidden), batch(tokens, length), find_engine(version))


def kept_by_v0(architecture: str, seqs: int):
    v0 = find_engine("0.8.0")._replace(v1_from="never")
    return kept_by_encoder(wrapped(architecture), batch(seqs=seqs), v0)


def peak(model: str, tokens: int, length: int, version: str, **fields):
    return peak_of_encoder(shapes()[model].arch, batch(tokens, length, **fields), find_engine(version))


def test_a_model_without_encoders_keeps_nothing():
    facts = find_engine("0.19.0")
    assert kept_by_encoder(TEXT, batch(), facts).high == 0
    assert peak_of_encoder(TEXT, batch(), facts).high == 0


def test_gemma_3_keeps_a_batch_of_images_and_their_outputs():
    # 8192 tokens are 32 images of 896 x 896 x 3 in 16 bits, and 8192 vectors: facts of 0.19 miss 0.15 GiB without them
    images = 32 * 3 * 896 * 896 * 2
    assert images / GIB == pytest.approx(0.144, abs=0.001)
    assert kept("Gemma3ForConditionalGeneration").typical == images + 8192 * 4096 * 2


def test_qwen3_vl_keeps_room_for_padded_videos_until_0_12_and_feeds_three_layers_more():
    # Two runs of 0.12 with 65,536 tokens of context left 2.7 GiB: 12.5 x 12,288 tokens are 153,600
    found = kept("Qwen3VLMoeForConditionalGeneration", length=65536, hidden=2048, version="0.12.0")
    assert found.typical == 153600 * 4 * 2048 * 2 + 12288 * 4 * 1536 * 2
    assert found.low < 2.7 * GIB < found.high
    # From 0.13 on an image is larger than a video, whatever the context
    later = kept("Qwen3VLMoeForConditionalGeneration", length=262144, hidden=2048, version="0.13.0")
    assert later.typical == 16384 * (4 * 2048 * 2 + 4 * 1536 * 2)


def test_the_encoder_of_qwen2_5_vl_peaks_on_a_video_of_seven_images():
    # Qwen2.5-VL-7B on A100 80GB, 0.23, 128,000 tokens of context: -14.28 GiB were left at a utilization of 0.22, which
    # is 15.4 beside the weights, the graphs and 0.1
    assert peak("Qwen/Qwen2.5-VL-7B-Instruct", 2048, 128000, "0.23.0").typical / GIB == pytest.approx(15.4, rel=0.02)
    whole, half = (peak("Qwen/Qwen2.5-VL-7B-Instruct", 2048, n, "0.23.0").typical for n in (65536, 32768))
    assert whole == 2 * half
    assert peak("Qwen/Qwen2.5-VL-7B-Instruct", 2048, 8192, "0.23.0").typical == half / 2


def test_the_encoder_of_qwen3_5_peaks_above_its_decoder():
    # Qwen3.5-9B on L40S, 0.18 and 0.19: 2.02 GiB beside weights and KV cache, of which about 0.1 is not PyTorch's
    assert peak("Qwen/Qwen3.5-9B", 8192, 262144, "0.19.0").typical / GIB == pytest.approx(1.92, rel=0.04)


def test_ranks_share_vllms_own_encoders_and_not_those_of_transformers():
    qwen, gemma = ("Qwen/Qwen3.5-9B", 8192, 65536, "0.22.1"), ("google/gemma-4-31B-it", 8192, 65536, "0.22.1")
    assert peak(*qwen, ranks=2).typical < peak(*qwen).typical
    assert peak(*gemma, ranks=2).typical == peak(*gemma).typical
    # Frames pass one by one before 0.20
    assert peak(*gemma[:3], "0.19.0").typical == 0


def test_an_encoder_that_is_not_known_counts_its_outputs_and_widens_the_band():
    found = kept("SomeVisionForConditionalGeneration")
    assert found.typical == 8192 * 4096 * 2
    assert found.high > found.typical + 0.3 * GIB


def test_v0_profiles_an_image_of_every_sequence():
    # Gemma-3-27B on four A100 (0.8.0): 3.73 GiB printed, 0.98 of it for 16,384 tokens of text
    found = kept_by_v0("Gemma3ForConditionalGeneration", 64)
    assert found.typical / GIB == pytest.approx(3.73 - 0.98, rel=0.06)
    assert kept_by_v0("SomeVisionForConditionalGeneration", 64).high == 3 * GIB


@pytest.mark.parametrize("name", ["Gemma3For", "Qwen3VL", "Qwen3Omni", "Mistral3For", "Llama4For", "Some"])
def test_longer_and_larger_batches_never_keep_less(name):
    small, large = kept(name), kept(name, tokens=16384, length=32768)
    assert (small.low, small.typical, small.high) <= (large.low, large.typical, large.high)
    for band in (small, large):
        assert 0 <= band.low <= band.typical <= band.high


def test_a_batch_holds_a_whole_video_where_the_model_attends_to_all_of_it():
    # vLLM 0.25: "Raising max_num_batched_tokens from 2048 to 2496 to accommodate 'video' input for prefix-LM model"
    gemma = replace(wrapped("Gemma4ForConditionalGeneration"), image_prefix=True)
    assert least_batch(replace(gemma, image_prefix=False), (0, 29)) == 0
    assert [least_batch(gemma, release) for release in ((0, 19), (0, 20), (0, 29))] == [0, 2496, 2496]
    assert least_batch(replace(gemma, architecture="Gemma4UnifiedForConditionalGeneration"), (0, 29)) == 2496
    assert least_batch(wrapped("Qwen3VLForConditionalGeneration"), (0, 29)) == 0
    assert least_batch(replace(TEXT, architecture="Gemma4ForCausalLM"), (0, 29)) == 0


def test_limits_say_what_a_prompt_may_hold():
    qwen, gemma, unknown = (wrapped(f"{n}ForConditionalGeneration") for n in ("Qwen3VL", "Gemma3", "Unheard"))

    def items(arch, limits, *, text_only=False):
        return items_of(arch, language_model_only=text_only, limits=limits)

    assert items(qwen, None) == Items("all")
    assert items(qwen, None, text_only=True) == Items("none")
    assert items(qwen, {"image": 0}) == Items("all")  # a kind that is not named is allowed
    assert items(qwen, {"video": 0, "image": {"count": 2, "width": 512}}) == Items("images", 2)
    assert items(qwen, {"video": 1, "image": 4}) == Items("all", 4)
    assert items(qwen, {"video": 0, "image": {"count": 0}}) == Items("none")
    assert items(gemma, {"image": 0}) == Items("none")
    assert items(unknown, {"image": 0, "video": 0}) == Items("images")
    assert items(unknown, {"image": 0, "video": 0, "audio": 0}) == Items("none")


def test_encoders_that_no_prompt_needs_are_left_out_by_the_versions_that_do_so():
    # Qwen3.5-35B-A3B, 0.20, language_model_only: 64.69 GiB were loaded, 0.83 less than with the encoder
    qwen, gemma = (wrapped(f"{n}ForConditionalGeneration") for n in ("Qwen3VL", "Gemma3"))
    left = {
        v: [bool(as_loaded(arch, Items("none"), v).encoders) for arch in (qwen, gemma)]
        for v in ((0, 9), (0, 11), (0, 16))
    }
    assert left == {(0, 9): [True, True], (0, 11): [False, True], (0, 16): [False, False]}
    assert as_loaded(qwen, Items("images"), (0, 29)) is qwen


def test_without_videos_an_image_is_the_largest_item():
    both, images, none = (
        peak("Qwen/Qwen2.5-VL-7B-Instruct", 2048, 128000, "0.23.0", items=items).typical
        for items in (Items("all"), Items("images"), Items("none"))
    )
    assert (both, none) == (7 * images, 0)
    gemma = replace(wrapped("Gemma4ForConditionalGeneration"), image_prefix=True)
    assert [least_batch(gemma, (0, 29), Items(kinds)) for kinds in ("all", "images", "none")] == [2496, 0, 0]


def test_an_image_has_no_more_pixels_than_the_processor_lets_through():
    # vLLM 0.29 models/qwen2_vl.py get_image_size_with_most_features: 262,144 pixels are 334 tokens of 28 x 28
    model = "Qwen/Qwen2.5-VL-7B-Instruct"
    one, small = (peak(model, 2048, 1024, "0.29.0", seqs=1, items=Items("images", 1, n)) for n in (None, 262_144))
    assert small.typical == pytest.approx(one.typical * 334 / 16384)
    videos = (peak(model, 2048, 128000, "0.29.0", seqs=1, items=Items("all", 1, n)) for n in (None, 262_144))
    assert next(videos).typical * 334 / 16384 == pytest.approx(next(videos).typical)
    # It may be more than the processor lets through by itself, and no image is less than a token.
    larger = peak(model, 2048, 1024, "0.29.0", seqs=1, items=Items("images", 1, 2 * 16384 * 28 * 28))
    assert larger.typical == pytest.approx(2 * one.typical)
    assert peak(model, 2048, 1024, "0.29.0", seqs=1, items=Items("images", 1, 1)).typical > 0
    qwen3 = (peak("Qwen/Qwen3.5-9B", 2048, 1024, "0.29.0", seqs=1, items=Items("all", 1, n)) for n in (None, 262_144))
    assert next(qwen3).typical * 256 / 16384 == pytest.approx(next(qwen3).typical)


def test_fewer_pixels_are_halves_down_to_256_tokens():
    qwen, gemma = (wrapped(f"{n}ForConditionalGeneration") for n in ("Qwen2_5_VL", "Gemma3"))
    assert fewer_pixels(qwen) == [n * 28 * 28 for n in (8192, 4096, 2048, 1024, 512, 256)]
    assert fewer_pixels(gemma) == fewer_pixels(TEXT) == []


def test_no_more_items_are_profiled_than_requests_may_hold():
    # vLLM 0.29 multimodal/encoder_budget.py _get_max_items: requests x items of each, which the context holds
    def images(seqs, most, length=8192):
        found = kept_by_encoder(
            wrapped("Gemma3ForConditionalGeneration"), batch(length=length, seqs=seqs, items=Items("images", most)),
            find_engine("0.29.0"),
        )  # fmt: skip
        return (found.typical - 8192 * 4096 * 2) / (3 * 896 * 896 * 2)

    assert [images(256, 1), images(4, 1), images(4, 3), images(4, None)] == [32, 4, 12, 32]
    assert [images(4, 3, length=512), images(4, None, length=512), images(1, 1, length=128)] == [8, 8, 1]


def test_what_of_a_processor_is_not_counted_is_named():
    qwen, gemma = (wrapped(f"{n}ForConditionalGeneration") for n in ("Qwen3VL", "Gemma3"))
    said = {"max_pixels": 1, "fps": 2, "size": {"longest_edge": 3}}

    def uncounted(arch, items=ANYTHING, version="0.29.0"):
        return uncounted_kwargs(arch, items, said, find_engine(version))

    assert uncounted(qwen) == ["fps"]
    assert uncounted(gemma) == ["fps", "max_pixels", "size"]
    assert uncounted(gemma, Items("none")) == uncounted(TEXT) == []
    # 0.12 pads videos to a size of its own, and images as they are.
    assert uncounted(qwen, version="0.12.0") == ["fps", "max_pixels", "size"]
    assert uncounted(qwen, Items("images"), "0.12.0") == ["fps"]
    assert [max_pixels_of(s) for s in (said, {"size": {"longest_edge": 3}}, {"fps": 2}, {"size": 3})] == [
        1,
        3,
        None,
        None,
    ]


def test_encoders_that_every_rank_holds_whole_are_not_cut():
    # Kimi K2.5 on eight H100, 0.15: 72.02 GiB a rank with mm_encoder_tp_mode=data, where cut encoders make it 71.19
    arch = shapes()["Qwen/Qwen2.5-VL-7B-Instruct"].arch
    whole = as_loaded(arch, ANYTHING, (0, 29), encoders_whole=True)
    one, cut, data = (
        sum(
            t.copies * t.outputs * t.inputs
            for t in rank_tensors(a, Layout(tensor_parallel_size=n))
            if t.role == "encoder"
        )
        for a, n in ((arch, 1), (arch, 4), (whole, 4))
    )
    assert cut < one == data
