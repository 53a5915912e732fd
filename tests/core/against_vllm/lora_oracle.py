"""Runs in the engine's environment, not in the tests': asks vLLM what it allocates for the slots of LoRA adapters.

It builds vLLM's own model class with its experts and encoders on PyTorch's meta device, as weights_oracle.py and
encoder_oracle.py do, for rank 0 of a split that is only pretended; vLLM's own LoRA manager then wraps its layers. What
is ours: experts get a kernel that only says that it takes adapters, since those that do need a GPU.

Reads a JSON list of {config, tp, ep, max_loras, max_lora_rank} on standard input and writes the list of answers to the
file named as argument: `tensors` is the bytes of each that the wrapped layers hold; or why there are none.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

import encoder_oracle
import kv_oracle
import torch
import weights_oracle
from vllm.config import (
    LoRAConfig,
    ModelConfig,
    ParallelConfig,
    SchedulerConfig,
    VllmConfig,
    set_current_vllm_config,
)
from vllm.lora import model_manager
from vllm.lora.layers import BaseLayerWithLoRA
from vllm.lora.layers import fused_moe as experts
from vllm.model_executor.layers.fused_moe.expert_map_manager import ExpertMapManager
from vllm.model_executor.layers.fused_moe.routed_experts import RoutedExperts
from vllm.model_executor.layers.fused_moe.unquantized_fused_moe_method import UnquantizedFusedMoEMethod
from vllm.model_executor.model_loader.utils import initialize_model


def pretend() -> None:
    """As weights_oracle.pretend, with kernels of experts that take adapters, and nothing that runs them."""
    weights_oracle.pretend()
    ExpertMapManager.get_compressed_map_string = lambda self: ""  # a line of the log, which reads tensors
    kernel = MagicMock()
    kernel.impl = MagicMock(spec=experts.FusedMoEKernelModularImpl)
    kernel.fused_experts = MagicMock(spec=experts.LoRAExpertsMixin)
    UnquantizedFusedMoEMethod.is_monolithic = False
    UnquantizedFusedMoEMethod.supports_internal_mk = True
    UnquantizedFusedMoEMethod.moe_kernel = property(lambda self: kernel, lambda self, none: None)
    RoutedExperts._ensure_moe_quant_config_init = lambda self: None
    experts.FusedMoEModularMethod = MagicMock()
    experts.MoERunner._replace_quant_method = lambda self, method: None
    model_manager.get_punica_wrapper = MagicMock()


def configured(case: dict, folder: Path) -> VllmConfig:
    """vLLM's own config of the case."""
    model = ModelConfig(str(folder), skip_tokenizer_init=True, tokenizer=None)
    adapters = LoRAConfig(max_loras=case["max_loras"], max_lora_rank=case["max_lora_rank"])
    adapters.verify_with_model_config(model)
    return VllmConfig(
        model_config=model,
        parallel_config=ParallelConfig(
            tensor_parallel_size=case["tp"],
            enable_expert_parallel=case["ep"],
            distributed_executor_backend="mp",
        ),
        scheduler_config=SchedulerConfig(max_model_len=model.max_model_len, is_encoder_decoder=False),
        lora_config=adapters,
    )


def held(module: BaseLayerWithLoRA) -> dict[int, torch.Tensor]:
    """What the layer keeps for adapters, each allocation once: views share one with what they look at."""
    found = {}
    for value in vars(module).values():
        for part in value if isinstance(value, list | tuple) else [value]:
            if isinstance(part, torch.Tensor):
                whole = part if part._base is None else part._base
                found[id(whole)] = whole
    return found


def answer(case: dict, folder: Path) -> dict:
    """The bytes of each tensor that vLLM allocates for adapters on one rank."""
    (folder / "config.json").write_text(json.dumps(case["config"]))
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": "Qwen2VLImageProcessor"}))
    try:
        named = case["config"]["model_type"]
        (encoder_oracle.stand_in if case["encoders"] else kv_oracle.own_config)(named)
        kv_oracle.split(case | {"pp": 1, "dcp": 1, "packed_latent": False}, 0)
        config = configured(case, folder)
        torch.set_default_dtype(config.model_config.dtype)
        model_class, _ = config.model_config.registry.resolve_model_cls(
            config.model_config.architectures, config.model_config
        )
        module = sys.modules[model_class.__module__]
        if hasattr(module, "cached_tokenizer_from_config"):
            module.cached_tokenizer_from_config = MagicMock()
        with set_current_vllm_config(config), torch.device("meta"):
            model = initialize_model(config)
            manager = model_manager.create_lora_manager(
                model,
                max_num_seqs=16,
                max_num_batched_tokens=8192,
                vocab_size=config.model_config.get_vocab_size(),
                lora_config=config.lora_config,
                vllm_config=config,
                device=torch.device("meta"),
            )
    except Exception as error:  # noqa: BLE001 - a class that takes no adapters, or is not built: the test says which
        return {"refused": f"{type(error).__name__}: {str(error)[:500]}"}
    found = {}
    for layer in manager.model.modules():
        if isinstance(layer, BaseLayerWithLoRA):
            found |= held(layer)
    return {"tensors": sorted(t.numel() * t.element_size() for t in found.values())}


if __name__ == "__main__":
    pretend()
    kv_oracle.answer_all(answer)
