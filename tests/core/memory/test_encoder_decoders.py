"""Llama 3.2 Vision and Whisper, whose images and clips decide what the older engine has left for its KV cache."""

from __future__ import annotations

import pytest

from infercli.core.estimates.answer import Estimate
from infercli.core.estimates.estimate import estimate
from infercli.core.estimates.model import shipped_model
from infercli.core.estimates.request import EstimateRequest
from infercli.core.units import GIB
from tests.core.estimates.estimates import bytes_of

INSTRUCT = "meta-llama/Llama-3.2-11B-Vision-Instruct"
TURBO = "openai/whisper-large-v3-turbo"


def said(model: str = INSTRUCT, gpu: str = "H100", version: str = "0.6.6", **asked) -> Estimate:
    request = EstimateRequest(model=model, gpu=gpu, engine_version=version, enforce_eager=True, **asked)
    found = estimate(request, shipped_model(model))
    assert isinstance(found, Estimate), found
    return found


def test_an_image_of_each_request_is_in_the_encoder_at_once():
    # vllm-project/vllm#12126 on one H100: 19.86 GiB of weights, a peak of 36.63, 14.65 GiB and 6,001 blocks
    found = said(
        "meta-llama/Llama-3.2-11B-Vision", version="0.7.0", max_model_len=65536, max_num_seqs=128,
        gpu_memory_gib=79.22, gpu_memory_utilization=0.9,
    )  # fmt: skip
    assert bytes_of(found, "weights") / GIB == pytest.approx(19.86, abs=0.01)
    assert bytes_of(found, "activation") / GIB == pytest.approx(36.63, rel=0.005)
    assert found.kv_cache.blocks == pytest.approx(6001, rel=0.01)


def test_the_default_number_of_requests_starts_on_no_gpu_of_80_gb():
    by_default = said(max_model_len=8192)
    assert by_default.starts is False
    assert said(max_model_len=8192, max_num_seqs=16).starts is True
    assert said(max_model_len=8192, limit_mm_per_prompt={"image": 0}).starts is True


def test_images_of_a_prompt_count_and_ranks_share_the_inner_layer():
    def peak(**asked) -> int:
        return bytes_of(said(max_model_len=8192, max_num_seqs=16, **asked), "activation")

    assert peak(limit_mm_per_prompt={"image": 2}) == pytest.approx(2 * peak(), abs=1)
    # 16 images x 4 tiles: two of 5,120 for each of 1,608 patches, and the 1,280 of 1,600 that are not gathered
    shared = 16 * 4 * 2 * (1608 * 2 * 5120 + 1600 * 1280)
    assert peak() - peak(tensor_parallel_size=2) == pytest.approx(shared / 2, abs=1)


def test_a_clip_of_each_request_is_in_whispers_encoder_at_once():
    # vllm-project/vllm#15216: turbo on one RTX 3060 of 12 GB ran out of memory, and started with fewer requests
    assert said(TURBO, gpu="RTX-3060", version="0.8.0").starts is False
    assert said(TURBO, gpu="RTX-3060", version="0.8.0", max_num_seqs=16).starts is True
    # 64 clips x 1,500 frames: three of the width of 1,280 and two of 5,120, in two bytes; the inner ones are shared
    frames, whole, inner = 64 * 1500, 2 * 3 * 1280, 2 * 2 * 5120
    spectra = 64 * 3000 * 128 * (4 + 2)

    def peak(**asked) -> int:
        return bytes_of(said(TURBO, gpu="L4", version="0.9.1", max_num_seqs=64, **asked), "activation")

    assert peak() == pytest.approx(frames * (whole + inner) + spectra, abs=1)
    assert peak(tensor_parallel_size=2) == pytest.approx(frames * (whole + inner / 2) + spectra, abs=1)
