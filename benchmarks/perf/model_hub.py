"""A Hub on this machine for planners that ask it how large a model is: started by planner.py as a child.

It has each model's config.json and the headers of its safetensors files, with every tensor's name, type and shape, in
as many files as the public model; no weights follow. Prints its address when it is ready, and ends when its standard
input does.
"""

from __future__ import annotations

import json
import math
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.parts.hub_server import HubServer  # noqa: E402

BFLOAT16_BYTES = 2
MODELS: dict[str, tuple[int, dict[str, Any]]] = {
    "Qwen/Qwen3-32B": (17, {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "torch_dtype": "bfloat16", "vocab_size": 151936,
        "hidden_size": 5120, "intermediate_size": 25600, "num_hidden_layers": 64, "num_attention_heads": 64,
        "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 40960, "rope_theta": 1000000,
        "tie_word_embeddings": False,
    }),
    "meta-llama/Llama-3.1-8B-Instruct": (4, {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "vocab_size": 128256,
        "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 131072, "rope_theta": 500000.0,
        "tie_word_embeddings": False,
    }),
}  # fmt: skip
"""Safetensors files and config.json of the public models."""


def tensors(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of an untied Llama or Qwen3, under its name in transformers."""
    hidden, inner, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    layer: dict[str, tuple[int, ...]] = {
        "input_layernorm": (hidden,),
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        "post_attention_layernorm": (hidden,),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    if config["model_type"] == "qwen3":
        layer |= {"self_attn.q_norm": (head,), "self_attn.k_norm": (head,)}
    layers = range(config["num_hidden_layers"])
    return {
        "model.embed_tokens.weight": (config["vocab_size"], hidden),
        **{f"model.layers.{i}.{name}.weight": shape for i in layers for name, shape in layer.items()},
        "model.norm.weight": (hidden,),
        "lm_head.weight": (config["vocab_size"], hidden),
    }


def header(shapes: dict[str, tuple[int, ...]]) -> bytes:
    """A safetensors file up to its first weight: the length of the JSON in 8 bytes, little-endian, and the JSON."""
    described: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, shape in shapes.items():
        end = start + math.prod(shape) * BFLOAT16_BYTES
        described[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}
        start = end
    text = json.dumps(described).encode()
    return struct.pack("<Q", len(text)) + text


def files(count: int, config: dict[str, Any]) -> dict[str, bytes]:
    """What the Hub has of a model: config.json, the index, and `count` safetensors files of about the same size."""
    shapes = tensors(config)
    total = sum(map(math.prod, shapes.values()))
    parts: list[dict[str, tuple[int, ...]]] = [{} for _ in range(count)]
    before = 0
    for name, shape in shapes.items():
        parts[before * count // total][name] = shape
        before += math.prod(shape)
    named = {f"model-{i:05}-of-{count:05}.safetensors": part for i, part in enumerate(parts, 1)}
    index = {
        "metadata": {"total_size": total * BFLOAT16_BYTES},
        "weight_map": {name: file for file, part in named.items() for name in part},
    }
    return {
        "config.json": json.dumps(config).encode(),
        "model.safetensors.index.json": json.dumps(index).encode(),
        **{file: header(part) for file, part in named.items()},
    }


def main() -> None:
    """Runs until standard input ends."""
    with tempfile.TemporaryDirectory(prefix="model-hub-") as folder, HubServer(Path(folder)) as hub:
        for model_id, (count, config) in MODELS.items():
            hub.commit(model_id, files(count, config))
        print(hub.endpoint, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
