"""Runs in the engine's environment, not in the tests': asks vLLM's own model classes how many parameters they hold.

As kv_oracle.py, it builds each class on PyTorch's meta device for rank 0 of a split that is only pretended, but with
its experts.

Reads a JSON list of {config, tp} on standard input and writes the list of answers to the file named as argument: the
elements of every parameter by name, or why the class was not built.
"""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import MagicMock

import kv_oracle
import torch
from vllm.config import set_current_vllm_config
from vllm.model_executor.layers import fused_moe
from vllm.model_executor.layers.fused_moe import config as experts_config
from vllm.model_executor.layers.fused_moe import unquantized_fused_moe_method as experts_method
from vllm.model_executor.layers.fused_moe.oracle.unquantized import UnquantizedMoeBackend

SETTINGS = {
    "pp": 1, "dcp": 1, "kv_dtype": "auto", "block_tokens": 16, "max_num_batched_tokens": 8192,
    "prefix_caching": True, "async_scheduling": False, "speculative_tokens": 0, "packed_latent": False,
}  # fmt: skip


def pretend() -> None:
    """As kv_oracle.pretend, with experts."""
    factory = fused_moe.FusedMoEFactory
    kv_oracle.pretend()
    fused_moe.FusedMoEFactory = factory
    # What the CPU's kernels refuse, and a GPU's do not: experts without a gate, widths that are no multiple of 32.
    experts_config.current_platform = MagicMock(wraps=experts_config.current_platform, is_cuda_alike=lambda: True)
    experts_method.select_unquantized_moe_backend = lambda moe_config: (UnquantizedMoeBackend.TRITON, None)


def answer(case: dict, folder: Path) -> dict:
    """Elements of each parameter on one rank."""
    case = SETTINGS | case
    if "compress_ratios" in case["config"]:
        case |= {"kv_dtype": "fp8", "block_tokens": 256}  # what compressed attention runs with, and nothing else
    (folder / "config.json").write_text(json.dumps(case["config"]))
    try:
        kv_oracle.own_config(case["config"]["model_type"])
        kv_oracle.split(case, 0)
        config = kv_oracle.configured(case, folder)
        torch.set_default_dtype(config.model_config.dtype)
        with set_current_vllm_config(config), torch.device("meta"):
            model = kv_oracle.built(config)
    except Exception as error:  # noqa: BLE001 - the test says which class was not built
        return {"not_built": f"{type(error).__name__}: {str(error)[:500]}"}
    return {
        "parameters": {name: weight.numel() for name, weight in model.named_parameters()},
        "longest": config.model_config.max_model_len,
    }


if __name__ == "__main__":
    pretend()
    kv_oracle.answer_all(answer)
