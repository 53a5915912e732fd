"""What a failed start names instead does start, and what may fail for memory that no budget counts is said to."""

from __future__ import annotations

import re

import pytest

from infercli.core.estimates.answer import Estimate
from infercli.core.estimates.estimate import estimate
from infercli.core.estimates.model import shipped_model
from infercli.core.estimates.request import EstimateRequest

SETTING = r"(max_model_len|max_num_seqs|gpu_memory_utilization) ([\d,.]+\d)"


def ask(model: str, **asked) -> Estimate:
    found = estimate(EstimateRequest.model_validate({"model": model} | asked), shipped_model(model))
    assert isinstance(found, Estimate), found
    return found


def number(words: str) -> float:
    return float(words) if "." in words else int(words.replace(",", ""))


def named(words: str) -> dict[str, float]:
    return {name: number(value) for name, value in re.findall(SETTING, words)}


def instead(found: Estimate) -> str:
    """What the reason offers; empty where it offers nothing."""
    return found.reason.partition("it fits with ")[2]


@pytest.mark.parametrize(
    ("model", "asked", "names"),
    [
        (
            "Qwen/Qwen3-14B",
            {"gpu": "L40S", "gpu_memory_utilization": 0.75},
            ["max_model_len", "gpu_memory_utilization"],
        ),
        ("Qwen/Qwen3-14B", {"gpu": "L40S", "gpu_memory_utilization": 0.55}, ["gpu_memory_utilization"]),
        ("Qwen/Qwen3-32B", {"gpu": "H100"}, ["max_model_len", "gpu_memory_utilization"]),
        ("Qwen/Qwen3.8-27B", {"gpu": "H100-NVL", "max_num_seqs": 1024}, ["max_num_seqs"]),
        ("Qwen/Qwen3-32B", {"gpu": "L4"}, []),
    ],
)
def test_a_start_that_fails_names_what_fits(model, asked, names):
    found = ask(model, **asked)
    assert found.starts is False
    offers = re.sub(r" \([^)]*\)", "", instead(found))
    assert list(named(offers)) == names
    for name, value in named(offers).items():
        changed = ask(model, **asked | {name: value})
        assert changed.starts is not False
        assert changed.kv_cache.bytes >= found.kv_cache.bytes
        # and no setting that changes less
        more = -0.01 if name == "gpu_memory_utilization" else max(1, value // 20)
        less = ask(model, **asked | {name: value + more})
        assert less.starts is False or "does not" in less.reason


@pytest.mark.parametrize("share", [0.75, 0.80])
def test_with_what_fits_at_worst_it_starts(share):
    asked = {"gpu": "L40S", "gpu_memory_utilization": share}
    found = ask("Qwen/Qwen3-14B", **asked)
    assert found.starts is (False if share < 0.8 else None)
    words = instead(found)
    worst = re.findall(r"at worst ([\d,.]+\d)", words) or [str(v) for v in named(words).values()]
    for name, value in zip(named(words), worst, strict=True):
        assert ask("Qwen/Qwen3-14B", **asked | {name: number(value)}).starts is True


def test_a_share_that_is_not_free_is_lowered_to_one_that_is():
    asked = {"gpu": "H100", "gpu_memory_utilization": 0.995}
    found = ask("Qwen/Qwen3-0.6B", **asked)
    assert found.starts is None
    assert ask("Qwen/Qwen3-0.6B", **asked | named(instead(found))).starts is True


def test_a_cache_that_is_given_its_size_is_offered_nothing():
    found = ask("Qwen/Qwen3-14B", gpu="L40S", kv_cache_memory_bytes=2**30)
    assert found.starts is False
    assert not instead(found)


def test_cuda_graphs_beside_the_budget_are_said_to_leave_too_little():
    def notes(version: str, **asked) -> list[str]:
        found = ask("Qwen/Qwen3-14B-AWQ", gpu="RTX-3080-Ti", engine_version=version, max_model_len=2048, **asked)
        assert found.starts is True
        return [note for note in found.notes if "outside the budget" in note]

    # 11.66 GiB x 8 % = 0.93 GiB, for a context of 0.6 and graphs of 0.5
    asked = {"tensor_parallel_size": 2, "gpu_memory_utilization": 0.92}
    (note,) = notes("0.10.1.1", **asked)
    assert "0.93 GiB are left" in note
    assert "at its start" in note
    assert "max_num_seqs" in note
    assert not notes("0.10.1.1", **asked, enforce_eager=True)
    assert not notes("0.10.1.1", **asked | {"gpu_memory_utilization": 0.85})
    assert not notes("0.20.0", **asked)  # has the graphs in its budget


@pytest.mark.parametrize("max_model_len", [8192, 32768, None])
def test_where_images_are_in_the_way_smaller_ones_are_offered_and_start(max_model_len):
    """Qwen2.5-VL-7B on one L4, whose largest image takes 15 GiB where nothing shortens it."""
    asked = {"gpu": "L4"} | ({} if max_model_len is None else {"max_model_len": max_model_len})
    words = ask("Qwen/Qwen2.5-VL-7B-Instruct", **asked).reason
    said = re.search(r'mm_processor_kwargs \{"max_pixels": (\d+)\}', words)
    assert said is not None, words
    asked["mm_processor_kwargs"] = {"max_pixels": int(said[1])}
    beside = re.search(r"max_model_len ([\d,]+)(?: \(at worst ([\d,]+)\))?", words[said.end() :])
    if beside is not None:
        asked["max_model_len"] = number(beside[2] or beside[1])
    assert (beside is None) is (max_model_len == 8192)
    assert ask("Qwen/Qwen2.5-VL-7B-Instruct", **asked).starts is True


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("Qwen/Qwen2.5-VL-72B-Instruct", {"gpu": "L4"}),  # the weights are
        ("Qwen/Qwen2.5-VL-7B-Instruct", {"gpu": "L4", "mm_processor_kwargs": {"max_pixels": 12845056}}),  # was said
        ("Qwen/Qwen2.5-VL-7B-Instruct", {"gpu": "L4", "language_model_only": True}),
        ("google/gemma-3-27b-it", {"gpu": "RTX-4090"}),  # nothing is known to bound them
        ("Qwen/Qwen2.5-VL-7B-Instruct", {"gpu": "GB10", "max_model_len": 8192}),  # the machine's memory, held by others
    ],
)
def test_where_images_are_not_in_the_way_or_were_said_nothing_is_offered_of_them(model, asked):
    assert "max_pixels" not in ask(model, **asked).reason
