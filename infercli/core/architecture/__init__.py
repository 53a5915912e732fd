"""config.json -> ModelArch, parsed once: no formula sees the dict.

FAMILIES lists the model classes whose arithmetic is taught here. Any other class is refused by name: a model that only
resembles a taught one (sliding windows, latent attention, state-space layers) would be sized wrongly without a word.
"""

from __future__ import annotations

from collections.abc import Callable

from infercli.core.architecture import moe, standard
from infercli.core.architecture.arch import ModelArch
from infercli.core.record import Json
from infercli.errors import Unsupported

FAMILIES: dict[str, Callable[[Json], ModelArch]] = {
    "LlamaForCausalLM": standard.llama,
    "MistralForCausalLM": standard.mistral,
    "Qwen2ForCausalLM": standard.qwen2,
    "Qwen3ForCausalLM": standard.qwen3,
    "MixtralForCausalLM": moe.mixtral,
    "Qwen3MoeForCausalLM": moe.qwen3_moe,
}


def parse(config: Json) -> ModelArch:
    """The architecture of a config.json. Raises Unsupported for a class or a feature that is not taught."""
    classes = config.get("architectures") or []
    name = str(classes[0]) if classes else ""
    family = FAMILIES.get(name)
    if family is None:
        raise Unsupported(
            f"the architecture {name or 'of this config.json is not named: it'} cannot be planned yet",
            f"taught are {', '.join(sorted(FAMILIES))}; to add one: a function in core/architecture/ and a line in "
            "FAMILIES there, and a shape in core/shapes.py",
        )
    return family(config)
