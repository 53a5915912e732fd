"""Runs in the engine's environment, not in the tests': asks vLLM what one rank holds of a model with encoders.

It builds vLLM's own model class as kv_oracle.py does (on the meta device, one rank of a split that is only
pretended), with its encoders, and answers each parameter with its shape; experts are left out, and so are what their
kernels need. A config class that only a repository's own code defines gets a plain stand-in, which holds config.json.

Reads a JSON list of {config, tp} on standard input, and writes the list of answers to the file named as argument: one
has `parameters` (name -> shape), those of another dtype than the model's in `wide`, `caches` (for each cache, its kind,
KV heads and head width) and `max_model_len`; or `not_built`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

import kv_oracle
import torch
import transformers.models.pixtral.modeling_pixtral as pixtral
from transformers import AutoConfig, PretrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from vllm.config import ModelConfig, ParallelConfig, SchedulerConfig, VllmConfig
from vllm.model_executor.layers.rotary_embedding import fope
from vllm.model_executor.models import conformer_encoder, gemma3n_mm, moss_audio
from vllm.transformers_utils import processor
from vllm.transformers_utils.config import _CONFIG_REGISTRY
from vllm.v1.worker.gpu.attn_utils import get_kv_cache_spec

# Names of older transformers, which hold no weights; without them vLLM 0.29 cannot import its LLaVA classes.
pixtral.PixtralRotaryEmbedding = getattr(pixtral, "PixtralRotaryEmbedding", lambda *arguments: torch.nn.Module())
pixtral.position_ids_in_meshgrid = getattr(pixtral, "position_ids_in_meshgrid", None)


_to = torch.nn.Module.to


def _moved(module, *arguments, **named):
    """Some classes move an encoder to the device that they run on; on the meta device there is nothing to move."""
    try:
        return _to(module, *arguments, **named)
    except NotImplementedError:
        return module


torch.nn.Module.to = _moved


class Counting:
    """PyTorch for classes that work out a width as a tensor and ask for the number: on the meta device it is lost."""

    tensor = staticmethod(lambda data, **named: torch.tensor(data, device="cpu", **named))

    def __getattr__(self, name):
        return getattr(torch, name)


conformer_encoder.torch = moss_audio.torch = Counting()


class MobileNet(torch.nn.Module):
    """Instead of Gemma 3n's encoder: timm, which has it, is not in the engine (1.0.31: mobilenetv5_300m_enc)."""

    def __init__(self, config):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(294_126_912))


_from_config = gemma3n_mm.AutoModel.from_config
gemma3n_mm.AutoModel = MagicMock(
    from_config=lambda config: (MobileNet if config.model_type == "gemma3n_vision" else _from_config)(config)
)

# What looks at numbers, and what loads a processor, which some classes ask while they are built.
fope.FourierRotaryEmbedding._compute_inv_freq = lambda rope, base: torch.empty(rope.num_inv_freq)
processor.cached_get_processor_without_dynamic_kwargs = MagicMock()

OF_ITS_REPOSITORY = ("molmo2", "step3p7")
"""Types of which vLLM reads the names that the repository's own class gives, and not those of transformers."""


def stand_in(model_type: str) -> None:
    """A config class for a type that neither vLLM nor transformers know: attributes, and objects within them."""
    if model_type not in OF_ITS_REPOSITORY and (model_type in CONFIG_MAPPING or model_type in _CONFIG_REGISTRY):
        return

    class Plain(PretrainedConfig):
        def __init__(self, **fields):
            parts = {k: v for k, v in fields.items() if isinstance(v, dict) and k.endswith("_config")}
            for key, part in parts.items():
                inner = part.get("model_type")
                known = _CONFIG_REGISTRY[inner] if inner in _CONFIG_REGISTRY else PretrainedConfig  # noqa: SIM401 - it imports
                if inner in CONFIG_MAPPING and model_type not in OF_ITS_REPOSITORY:
                    known = CONFIG_MAPPING[inner]
                setattr(self, key, known(**part))
            super().__init__(**{k: v for k, v in fields.items() if k not in parts})

    Plain.model_type = model_type
    AutoConfig.register(model_type, Plain, exist_ok=True)


def answer(case: dict, folder: Path) -> dict:
    """What vLLM makes of one model and split."""
    (folder / "config.json").write_text(json.dumps(case["config"]))
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": "Qwen2VLImageProcessor"}))
    kv_oracle.split(case | {"pp": 1, "dcp": 1, "packed_latent": False}, 0)
    try:
        stand_in(case["config"]["model_type"])
        model = ModelConfig(str(folder), skip_tokenizer_init=True, tokenizer=None)
        config = VllmConfig(
            model_config=model,
            parallel_config=ParallelConfig(tensor_parallel_size=case["tp"], distributed_executor_backend="mp"),
            scheduler_config=SchedulerConfig(max_model_len=model.max_model_len, is_encoder_decoder=False),
        )
        torch.set_default_dtype(model.dtype)
        model_class, _ = model.registry.resolve_model_cls(model.architectures, model)
        module = sys.modules[model_class.__module__]
        if hasattr(module, "cached_tokenizer_from_config"):  # some classes look up the numbers of their own tokens
            module.cached_tokenizer_from_config = MagicMock()
        with torch.device("meta"):
            built = kv_oracle.built(config)
        specs = get_kv_cache_spec(config)
    except Exception as error:  # noqa: BLE001 - a class that this machine cannot build: the test says which
        return {"not_built": f"{type(error).__name__}: {str(error)[:500]}"}
    caches = sorted(
        [type(s).__name__, getattr(s, "num_kv_heads", 0), getattr(s, "head_size", 0)] for s in specs.values()
    )
    parameters = {name: list(p.shape) for name, p in built.named_parameters()}
    wide = [name for name, p in built.named_parameters() if p.dtype != model.dtype]
    return {"parameters": parameters, "wide": wide, "caches": caches, "max_model_len": model.max_model_len}


if __name__ == "__main__":
    kv_oracle.pretend()
    kv_oracle.answer_all(answer)
