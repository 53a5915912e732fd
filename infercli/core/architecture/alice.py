"""AliceAI: Qwen3-Next's attention and experts, Kimi's delta attention, and every half of a layer reads all before it.

The one thing to know: outputs of a few layers together are kept for every token of a batch until the last layer, as
wide as the hidden state each, and a half begins with a mean of them that it weighs itself.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import Row, attention
from infercli.core.architecture.experts import Mixture, experts
from infercli.core.architecture.fields import EXTEND, HIDDEN, LAYERS, Layer, entries, head_size, integer
from infercli.core.architecture.hybrid import by_name, model
from infercli.core.architecture.layers import GatedDelta, Weight
from infercli.core.record import Json
from infercli.errors import InputError

_EXPERTS = Mixture(router_bias=True, shared_module="mlp.shared_expert", shared_gate=True)
_MUST_BE: Json = {
    "kda_allow_negative_eigenvalues": False, "router_score_function": "sigmoid", "router_bias_correction": True,
}  # fmt: skip
"""Other values vLLM refuses (0.33 models/config.py AliceAIForCausalLMConfig)."""


def alice_ai(config: Json) -> ModelArch:
    """AliceAIForCausalLM (vLLM 0.33 models/alice_ai.py); the layer that drafts is not loaded."""
    for key, value in _MUST_BE.items():
        if config.get(key, value) != value:
            raise InputError(f"config.json: {key}: must be {value}, and vLLM refuses any other", EXTEND)
    count, hidden = integer(config, LAYERS), integer(config, HIDDEN)
    heads, width = integer(config, "linear_num_key_heads"), integer(config, "linear_key_head_dim")
    if (heads, width) != (integer(config, "linear_num_value_heads"), integer(config, "linear_value_head_dim")):
        raise InputError("config.json: linear_num_value_heads: values must have the heads and widths of keys", EXTEND)
    full = attention(config, Row(qk_norm="head", gate="elements"), head_size(config), None, None)
    delta = GatedDelta(
        variant="kda", key_heads=heads, value_heads=heads, key_dim=width, value_dim=width,
        conv_kernel=integer(config, "linear_conv_kernel_dim", 4),
    )  # fmt: skip
    kinds = entries(config, "layer_types", count)
    if kinds is None:
        raise InputError("config.json: layer_types: missing, and every layer needs its own", EXTEND)
    mixers = by_name(kinds, {"full_attention": full, "linear_attention": delta})
    moe = experts(config, _EXPERTS)
    before = {half: _weighing(half, hidden) for half in ("attn", "mlp")}
    layers = [
        Layer(mixer, moe, 2, (*(before["attn"] if index else ()), *before["mlp"])) for index, mixer in enumerate(mixers)
    ]
    kept = -(-count // integer(config, "block_attn_res_block_size"))
    return replace(
        model(config, hidden, layers, rope=full), tied=False, residual_blocks=kept, outside=_weighing("final", hidden)
    )


def _weighing(half: str, hidden: int) -> tuple[Weight, ...]:
    """A norm, and one score for each of the outputs."""
    norm = Weight(name="residual norm", role="norm", module=f"{half}_res_norm", outputs=hidden, inputs=1)
    return norm, norm._replace(name="residual scores", role="other", module=f"{half}_res_proj")
