"""Plans for tests: one call from words to a Plan, with profiles as they are shipped."""

from __future__ import annotations

from pathlib import Path

import yaml

from infercli.core.documents.deployment import ModelDeployment
from infercli.core.documents.model import LockedFile, LockedModel
from infercli.core.documents.plan import Plan
from infercli.core.documents.profile import HardwareProfile
from infercli.core.planning.plan import planned

PROFILES = Path(__file__).resolve().parents[2] / "profiles"
LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"
LLAMA_70B = "meta-llama/Llama-3.1-70B-Instruct"
MIXTRAL = "mistralai/Mixtral-8x7B-Instruct-v0.1"
COMMIT = "0e9e39f249a16976918f6564b8830bc894c89659"

TINY_CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "vocab_size": 8192,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
    "torch_dtype": "float32",
}


def profile(name: str, **changed) -> HardwareProfile:
    return HardwareProfile.model_validate(yaml.safe_load((PROFILES / f"{name}.yaml").read_text()) | changed)


def deployment(model: str = LLAMA_8B, **fields) -> ModelDeployment:
    return ModelDeployment.model_validate({"name": "chat", "model": model, "profile": "any"} | fields)


def plan(model: str = LLAMA_8B, on: str | HardwareProfile = "l4", locked: LockedModel | None = None, **fields) -> Plan:
    return planned(
        deployment(model, **fields),
        profile(on) if isinstance(on, str) else on,
        locked,
        infercli_version="0.1.0",
        engine_code_digest="e" * 12,
        front_code_digest="f" * 12,
    ).plan


def term(made: Plan, name: str):
    return next(t for t in made.memory.terms if t.name == name)


def choice(made: Plan, name: str):
    return next(c for c in made.choices if c.name == name)


def locked(config: dict, quantization_config: dict | None = None, **fields) -> LockedModel:
    return LockedModel(
        **{
            "id": "some/model",
            "source": "hub",
            "commit": COMMIT,
            "files": (LockedFile(path="model.safetensors", size_bytes=1, sha256="0" * 64),),
            "config": config,
            "quantization_config": quantization_config,
        }
        | fields
    )


def tiny_directory(quantization_config: dict | None = None, **config) -> LockedModel:
    return locked(
        TINY_CONFIG | config, quantization_config, id="./tiny", source="directory", directory="/srv/tiny", commit=None
    )
