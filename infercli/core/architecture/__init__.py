"""config.json -> ModelArch, parsed once: no formula sees the dict.

The tables list the model classes whose arithmetic is taught here. Any other class is refused by name: a model that
only resembles a taught one would be sized wrongly without a word.
"""

from __future__ import annotations

from collections.abc import Callable

from infercli.core.architecture import hybrid, latent
from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import parse_decoder
from infercli.core.architecture.families import ROWS
from infercli.core.record import Json
from infercli.errors import Unsupported

FAMILIES: dict[str, Callable[[Json], ModelArch]] = {
    "DeepseekV2ForCausalLM": latent.deepseek,
    "DeepseekV3ForCausalLM": latent.deepseek,
    "DeepseekV32ForCausalLM": latent.deepseek,
    "GlmMoeDsaForCausalLM": latent.deepseek,
    "Glm4MoeLiteForCausalLM": latent.deepseek,
    "KimiK2ForCausalLM": latent.deepseek,
    "DeepseekV4ForCausalLM": latent.deepseek_v4,
    "Qwen3NextForCausalLM": hybrid.qwen3_next,
    "Qwen3_5ForCausalLM": hybrid.qwen3_next,
    "Qwen3_5MoeForCausalLM": hybrid.qwen3_next,
    "NemotronHForCausalLM": hybrid.nemotron_h,
    "GraniteMoeHybridForCausalLM": hybrid.granite_hybrid,
    "BambaForCausalLM": hybrid.bamba,
    "JambaForCausalLM": hybrid.jamba,
    "MambaForCausalLM": hybrid.mamba,
    "FalconMambaForCausalLM": hybrid.mamba,
    "Mamba2ForCausalLM": hybrid.mamba2,
    "KimiLinearForCausalLM": hybrid.kimi_linear,
    "DeciLMForCausalLM": hybrid.nemotron_nas,
}
"""Classes with a parser of their own; those of the Llama type have a row in ROWS."""


def parse(config: Json) -> ModelArch:
    """The architecture of a config.json. Raises Unsupported for a class or a feature that is not taught."""
    classes = config.get("architectures") or []
    name = str(classes[0]) if classes else ""
    if name in FAMILIES:
        return FAMILIES[name](config)
    if name in ROWS:
        return parse_decoder(config, ROWS[name])
    raise Unsupported(
        f"the architecture {name or 'of this config.json is not named: it'} cannot be planned yet",
        "to add one: a row in core/architecture/families.py or a parser in FAMILIES of core/architecture, and a shape "
        "in core/shapes.py",
    )
