"""vLLM and we must agree to the token on what a KV cache holds, for every kind of cache and every real config.json.

vLLM's side begins with config.json: its own model classes say what their layers keep (kv_oracle.py). Where
INFERCLI_TRUTH names a folder with real files, those are asked about too, besides the small ones of kv_models.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Attention, CompressedAttention, Layout, ModelArch, mixers
from infercli.core.architecture.inkling import drafted_by
from infercli.core.kv_cache.blocks import backend_block_tokens
from infercli.core.kv_cache.pool import CacheLayout, cache_layout
from infercli.core.kv_cache.specs import CacheSettings
from infercli.core.shapes import shapes
from infercli.core.units import GIB
from infercli.errors import Unsupported
from tests.core.against_vllm.class_models import CLASSES, padding
from tests.core.against_vllm.kv_models import COMPRESSED, MODELS, NO_STAGES
from tests.core.configs import config_of, counted_ids
from tests.parts.engine_python import ask_vllm

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
LINEAR = {"rope_type": "linear", "factor": 2.0}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
PLAIN = {
    "tp": 1, "pp": 1, "dcp": 1, "kv_dtype": "auto", "block_tokens": 16, "max_num_batched_tokens": 8192,
    "prefix_caching": True, "async_scheduling": True, "speculative_tokens": 0, "packed_latent": False,
    "runner": "auto", "by_kind": True,
}  # fmt: skip
VARIANTS = (
    {},
    {"tp": 2},
    {"tp": 8, "max_num_batched_tokens": 2048},  # more ranks than KV heads
    {"pp": 2, "tp": 2},
    {"pp": 3, "async_scheduling": False},  # stages of unequal length
    {"block_tokens": 64, "prefix_caching": False, "async_scheduling": False},
    {"block_tokens": 128, "tp": 4, "max_num_batched_tokens": 512},
    {"kv_dtype": "fp8"},
    {"kv_dtype": "fp8", "packed_latent": True, "tp": 4},
)
COMPRESSED_ONLY = {"kv_dtype": "fp8", "block_tokens": 256}
"""What compressed attention runs with, and nothing else."""
COMPRESSED_VARIANTS = (
    {},
    {"tp": 8, "max_num_batched_tokens": 2048},
    {"pp": 2, "tp": 2},
    {"pp": 3, "async_scheduling": False},
    {"prefix_caching": False, "max_num_batched_tokens": 100},
    {"speculative_tokens": 1},
    {"speculative_tokens": 3, "tp": 2},
)
PICKED = "Qwen4ExpForCausalLM"
PICKED_VARIANTS = (
    {},
    {"tp": 8, "max_num_batched_tokens": 2048},
    {"block_tokens": 64, "prefix_caching": False, "async_scheduling": False},
    {"block_tokens": 128, "tp": 4, "max_num_batched_tokens": 512},
    {"speculative_tokens": 1},
    {"speculative_tokens": 3, "tp": 2},
)
"""Of attention whose indexer scores compressed keys: no pipeline stages, and no FP8 before 0.31."""
UNBUILT = {
    "stepfun-ai--Step-3.7-Flash-FP8": "vLLM 0.29 does not have the class",
    "sgl-project--DeepSeek-V4": "vLLM 0.29 does not know its model_type",
}
"""Real files that the oracle cannot build, by name or a part of it."""


class Case:
    """One model in one setting: what is asked, and what vLLM answers."""

    def __init__(self, name: str, config: dict, **settings: object) -> None:
        self.name, self.arch = name, architecture.parse(config)
        if self.arch.architecture.startswith("Inkling") and "speculative_tokens" in settings:
            self.arch = drafted_by(self.arch, int(str(settings["speculative_tokens"])))
        dropped = ("quantization_config", "auto_map")  # methods and classes that this machine lacks; no cache depends
        config = {k: v for k, v in config.items() if k not in dropped}
        self.asked = PLAIN | settings | {"config": config, "questions": questions(self.arch)}
        self.answer: dict = {}

    def layout(self) -> CacheLayout | None:
        """Our side."""
        asked = self.asked
        packed = asked["packed_latent"] and asked["kv_dtype"] == "fp8" and has_indexer(self.arch)
        dtype = self.arch.dtype if self.arch.dtype in ("bfloat16", "float16") else "bfloat16"
        return cache_layout(
            self.arch,
            Layout(tensor_parallel_size=asked["tp"], pipeline_parallel_size=asked["pp"]),
            CacheSettings(
                engine_version="0.29.0",
                dtype=dtype,
                kv_dtype="fp8_ds_mla" if packed else asked["kv_dtype"],
                block_tokens=asked["block_tokens"],
                max_num_batched_tokens=asked["max_num_batched_tokens"],
                prefix_caching=asked["prefix_caching"],
                by_kind=asked["by_kind"],
                async_scheduling=asked["async_scheduling"],
                speculative_tokens=asked["speculative_tokens"],
                draft_layers=self.arch.draft_layers if asked["speculative_tokens"] else (),
                decode_context_parallel_size=asked["dcp"],
            ),
        )

    def __str__(self) -> str:
        changed = {k: v for k, v in self.asked.items() if PLAIN.get(k, v) != v}
        return f"{self.name} {changed}"


def has_indexer(arch: ModelArch) -> bool:
    return any(getattr(group.mixer, "indexer", None) for group in arch.layers)


def questions(arch: ModelArch) -> list[dict]:
    longest = arch.max_model_len
    asked = [(48 * GIB + 1, longest), (int(111.1 * GIB), longest - 1), (int(9.87 * GIB), 4097), (GIB + 12345, 17)]
    # Too little for one request of the longest length: vLLM must refuse, and name the length that fits.
    asked += [(256 * 2**20, longest), (2**20, longest)]
    return [{"available_bytes": available, "max_model_len": length} for available, length in asked]


def cases() -> Iterator[Case]:
    for name, config in MODELS.items():
        for variant in VARIANTS:
            if "pp" not in variant or name not in NO_STAGES:
                yield Case(name, config, **variant)
        kept = {(getattr(m, "window", None), getattr(m, "chunk", None)) for m in mixers(architecture.parse(config))}
        if len(kept) > 1 and "states" not in name:
            yield Case(name, config, by_kind=False)
            yield Case(name, config, by_kind=False, tp=2, block_tokens=64)
        if architecture.parse(config).draft_layers:
            yield Case(name, config, speculative_tokens=1)
            yield Case(name, config, speculative_tokens=3, tp=2)
        if "latent attention" in name and "states" not in name:
            yield Case(name, config, tp=8, dcp=8)
    for name, config in CLASSES.items():
        arch = architecture.parse(config)
        only = COMPRESSED_ONLY if any(isinstance(m, CompressedAttention) for m in mixers(arch)) else {}
        yield Case(name, config, tp=2, runner="pooling" if arch.pooling else "auto", **only)
    yield Case("full attention", MODELS["full attention"], tp=8, dcp=2)
    for ratios in (None, [4, 4, 4, 4, 4, 4, 4, 128, 128], [0] * 9):
        config = COMPRESSED | ({"compress_ratios": ratios} if ratios else {})
        for variant in COMPRESSED_VARIANTS:
            yield Case("compressed attention", config, **COMPRESSED_ONLY | variant)
    more = [*["linear_attention"] * 4, "full_attention", *["linear_attention"] * 5, "full_attention"]
    for config in (CLASSES[PICKED], CLASSES[PICKED] | {"layer_types": more, "num_hidden_layers": len(more)}):
        for variant in PICKED_VARIANTS:
            yield Case(PICKED, config, **variant)
    for arch in dict.fromkeys(shapes()[model_id].arch for model_id in counted_ids()):
        odd = any(isinstance(m, Attention) and m.heads % 2 for m in mixers(arch))  # SmolLM2 has 9, and 15
        yield Case(arch.architecture, config_of(arch), tp=1 if odd else 2)
    qwen = config_of(shapes()["Qwen/Qwen3-8B"].arch)
    for scaling in (YARN, LINEAR, LLAMA3):
        yield Case("Qwen3 with scaled RoPE", qwen | {"rope_scaling": scaling})
    yield from real_cases()


def real_cases() -> Iterator[Case]:
    """Whole and split eightfold, with draft layers where the file has some; one file of each architecture."""
    seen: set[ModelArch] = set()
    for path in sorted(Path(os.environ.get("INFERCLI_TRUTH", ""), "configs").glob("*_config.json")):
        if path.name.endswith("hf_quant_config.json"):
            continue
        name, config = path.name.removesuffix("_config.json"), json.loads(path.read_text())
        try:
            arch = architecture.parse(config)
        except Unsupported as refusal:
            print(f"\n{name}: not asked, because we refuse it: {refusal}")
            continue
        if arch in seen:  # the same model in another quantization, which no cache depends on
            continue
        seen.add(arch)
        only = COMPRESSED_ONLY if any(isinstance(m, CompressedAttention) for m in mixers(arch)) else {}
        for tp in (1, 8):
            yield Case(name, config, tp=tp, **only)
        if arch.draft_layers:
            yield Case(name, config, tp=4, speculative_tokens=2, **only)


@pytest.fixture(scope="module")
def answered(tmp_path_factory) -> list[Case]:
    if "INFERCLI_TRUTH" not in os.environ:
        print("\nINFERCLI_TRUTH is not set: no real config.json is asked about")
    asked = list(cases())
    oracle, folder = Path(__file__).with_name("kv_oracle.py"), tmp_path_factory.mktemp("oracle")
    for case, answer in zip(asked, ask_vllm(oracle, [case.asked for case in asked], folder), strict=True):
        case.answer = answer
    return asked


def built(answered: list[Case]) -> list[Case]:
    """Those that vLLM builds and we answer."""
    return [case for case in answered if "not_built" not in case.answer and not refused(case)]


def refused(case: Case) -> bool:
    try:
        case.layout()
    except Unsupported:
        return True
    return False


def test_vllm_plans_no_cache_where_we_refuse_to(answered):
    ours = [case for case in answered if refused(case)]
    assert {(case.name.split()[0], case.asked["by_kind"]) for case in ours} == {("short", False)}
    for case in ours:
        for said in case.answer["answers"]:
            assert "same window size" in said["refusal"], f"{case} {said}"


def test_vllm_builds_every_model_but_those_that_are_known_not_to(answered):
    unbuilt = [c for c in answered if "not_built" in c.answer and not any(part in c.name for part in UNBUILT)]
    assert not unbuilt, "\n".join(f"{case}: {case.answer['not_built'][:200]}" for case in unbuilt)
    print(f"\n{len(built(answered))} of {len(answered)} models and splits were built by vLLM")


def test_the_length_that_vllm_derives_from_config_json_is_ours(answered):
    for case in built(answered):
        before = padding(case.arch)
        length = case.arch.short_model_len or case.arch.max_model_len
        assert length + before == case.answer["derived_max_model_len"], case


def test_the_block_that_vllm_chooses_is_ours(answered):
    # On a Hopper, where the stand-ins for what needs a GPU declare what its first backends do: 16.
    chosen = set()
    # A stage without an indexer would ask the stand-in of sparse attention, which does not: whole models only.
    for case in (c for c in built(answered) if c.asked["pp"] == 1):
        arch, preferred = case.arch, case.answer["preferred_block"]
        ours = backend_block_tokens(arch, (0, 29), (9, 0), fp8=False) or 16
        if any(isinstance(m, Attention) and m.indexer and m.indexer.pool == 1 for m in mixers(arch)):
            assert (ours, preferred) == (128, 16), case  # vLLM's choice does not run: see core/kv_cache/blocks.py
        elif preferred is not None:
            assert ours == preferred, case
            chosen.add(ours)
    assert chosen == {16, 64, 256}


def test_blocks_tokens_and_concurrency_are_vllms_for_every_cache_and_split(answered):
    compared, kinds = 0, set()
    for case in built(answered):
        layout = case.layout()
        for question, said in zip(case.asked["questions"], case.answer["answers"], strict=True):
            if "refusal" in said:
                continue
            if layout is None:
                assert said.get("no_cache"), case
                continue
            ours = layout.capacity(question["available_bytes"], question["max_model_len"])
            assert (ours.blocks, ours.tokens, ours.concurrency) == (
                said["blocks"],
                said["tokens"],
                said["concurrency"],
            ), f"{case} {question}"
            compared += 1
        kinds |= {placed.cache.kind for group in layout.groups for placed in group.layers} if layout else {"none"}
    print(f"\n{compared} answers of vLLM equal to the token over {len(built(answered))} models and splits")
    assert compared > 400
    assert kinds >= {"full", "sliding", "chunked", "state", "encoder", "ring", "none"}


def test_vllm_refuses_exactly_where_we_say_that_one_request_does_not_fit(answered):
    refused = 0
    for case in built(answered):
        layout = case.layout()
        if layout is None:
            continue
        for question, said in zip(case.asked["questions"], case.answer["answers"], strict=True):
            need = layout.bytes_to_admit(question["max_model_len"])
            assert ("refusal" in said) == (need > question["available_bytes"]), f"{case} {question}"
            longest = layout.longest_that_fits(question["available_bytes"], question["max_model_len"])
            assert longest == said["longest"], f"{case} {question}"
            refused += "refusal" in said
            if said.get("printed_longest") is not None and case.asked["pp"] == 1:
                assert longest == said["printed_longest"], f"{case} {question}"
    print(f"\n{refused} refusals of vLLM predicted, with the length that fits")
    assert refused > 100
