"""vLLM's own LoRA manager and we must agree on every tensor that it allocates for adapters (lora_oracle.py)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout
from infercli.core.estimates.tensor_parallel import layout_problems
from infercli.core.memory.lora import WRAPPED, Adapters, slot_tensors
from infercli.core.quantization.schemes import UNQUANTIZED
from infercli.core.shapes import find_shape
from tests.core.against_vllm.class_models import CLASSES
from tests.core.against_vllm.encoder_models import MODELS
from tests.core.configs import config_of
from tests.parts.engine_python import ask_vllm

ORACLE = Path(__file__).with_name("lora_oracle.py")
PUBLIC = (
    "meta-llama/Llama-3.1-8B",
    "mistralai/Mistral-7B-Instruct-v0.3",
    "Qwen/Qwen2.5-7B-Instruct",
    "Qwen/Qwen3-8B",
    "mistralai/Mixtral-8x7B-v0.1",
    "Qwen/Qwen3-30B-A3B",
)
"""Asked about at their own size."""
ASKED_MOST = (
    "Gemma2ForCausalLM", "Gemma3ForCausalLM", "Phi3ForCausalLM", "GraniteForCausalLM", "GraniteMoeForCausalLM",
    "DeepseekV2ForCausalLM",
)  # fmt: skip
"""Asked about with several slots, besides PUBLIC."""
DEALT = ("MixtralForCausalLM", "Qwen3MoeForCausalLM")
"""Asked about with expert parallelism as well."""


def every_config() -> dict[str, dict]:
    """Small configs of the classes that are told, those with encoders too, and public models."""
    found = {n: c for n, c in (CLASSES | MODELS).items() if c["architectures"][0] in WRAPPED}
    return found | {name: config_of(find_shape(name).arch) for name in PUBLIC}


CONFIGS = every_config()


def cases() -> list[tuple[str, int, bool, Adapters]]:
    """(name, ranks, whether experts are dealt out, slots)."""
    found = []
    for name, config in CONFIGS.items():
        arch = architecture.parse(config)
        for ranks in (1, 2, 4):
            for dealt in (False, True) if name in DEALT and ranks > 1 else (False,):
                if layout_problems(arch, UNQUANTIZED, Layout(tensor_parallel_size=ranks, expert_parallel=dealt)):
                    continue
                most = name in PUBLIC or name in ASKED_MOST
                sizes = ((1, 16), (1, 64), (4, 16), (4, 64)) if most else ((4, 64),)
                found += [(name, ranks, dealt, Adapters(*slots)) for slots in sizes]
    return found


CASES = cases()


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[tuple[str, int, bool, Adapters], dict]:
    asked = [
        {"config": CONFIGS[name], "encoders": name in MODELS, "tp": ranks, "ep": dealt, **slots._asdict()}
        for name, ranks, dealt, slots in CASES
    ]
    return dict(zip(CASES, ask_vllm(ORACLE, asked, tmp_path_factory.mktemp("oracle")), strict=True))


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_every_tensor_that_vllm_allocates_for_adapters_is_counted_and_no_other(answers, case):
    name, ranks, dealt, slots = case
    arch = architecture.parse(CONFIGS[name])
    ours: Counter[int] = Counter()
    for copies, size in slot_tensors(arch, Layout(tensor_parallel_size=ranks, expert_parallel=dealt), 0, slots, 2):
        ours[size] += copies
    assert ours == Counter(answers[case].get("tensors")), answers[case].get("refused")


def test_every_class_that_is_told_is_asked_about():
    assert set(WRAPPED) == {config["architectures"][0] for config in CONFIGS.values()}
