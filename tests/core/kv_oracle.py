"""Runs in the engine's environment, not in the tests': asks vLLM's own planner functions what a KV cache holds.

Reads a JSON list of {config, tensor_parallel_size, questions} on standard input and writes the list of answers to the
file named as argument (vLLM logs to standard output). A question is {block_tokens, kv_dtype, available_bytes,
max_model_len}.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import torch
from vllm.config import CacheConfig, ModelConfig, ParallelConfig, VllmConfig
from vllm.v1.core.kv_cache_utils import get_kv_cache_capacity, get_kv_cache_configs
from vllm.v1.kv_cache_interface import FullAttentionSpec

DTYPES = {"bfloat16": torch.bfloat16, "fp8": torch.uint8}


def answer(case: dict, folder: Path) -> dict:
    """What vLLM makes of one model and split: its derived maximum length, and an answer to each question."""
    (folder / "config.json").write_text(json.dumps(case["config"]))
    model = ModelConfig(str(folder), skip_tokenizer_init=True)
    parallel = ParallelConfig(tensor_parallel_size=case["tensor_parallel_size"], distributed_executor_backend="mp")
    config = VllmConfig(model_config=model, cache_config=CacheConfig(), parallel_config=parallel)
    config.cache_config.kv_cache_layout = "LBNHC"  # the engine core chooses it; the number of blocks is the same in all
    derived = model.max_model_len
    return {
        "derived_max_model_len": derived,
        "answers": [capacity(config, question) for question in case["questions"]],
    }


def capacity(config: VllmConfig, question: dict) -> dict:
    """Blocks, tokens and concurrency, or the sentence with which vLLM refuses to start."""
    model, block = config.model_config, question["block_tokens"]
    config.cache_config.block_size = block
    model.max_model_len = question["max_model_len"]
    spec = FullAttentionSpec(
        block_size=block,
        num_kv_heads=model.get_num_kv_heads(config.parallel_config),
        head_size=model.get_head_size(),
        dtype=DTYPES[question["kv_dtype"]],
    )
    layers = {f"model.layers.{n}.self_attn.attn": spec for n in range(model.get_num_layers(config.parallel_config))}
    try:
        cache = get_kv_cache_configs(config, [layers], [question["available_bytes"]])[0]
    except ValueError as error:
        return {"refusal": str(error)}
    tokens, concurrency = get_kv_cache_capacity(config, cache)
    return {"blocks": cache.num_blocks, "tokens": tokens, "concurrency": concurrency}


def main() -> None:
    """Answer all cases of standard input."""
    with tempfile.TemporaryDirectory() as folder:
        answers = [answer(case, Path(folder)) for case in json.load(sys.stdin)]
    Path(sys.argv[1]).write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
