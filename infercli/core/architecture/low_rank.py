"""Decoders whose queries, or keys and values too, come out of a smaller vector, while their KV cache is a plain one.

The one thing to know: latent attention (core/architecture/latent.py) keeps the small vector; these keep what they make
of it.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.experts import Mixture, experts, sparse_layers
from infercli.core.architecture.fields import HEADS, HIDDEN, LAYERS, Layer, integer
from infercli.core.architecture.hybrid import model
from infercli.core.architecture.layers import Attention, Dense, Split, Weight
from infercli.core.record import Json

_STEP3 = Mixture(module="moe", shared_module="share_expert")


def minicpm3(config: Json) -> ModelArch:
    """MiniCPM 3 (vLLM 0.29 models/minicpm3.py): values are padded to the width of the keys where they are kept."""
    heads, hidden = integer(config, HEADS), integer(config, HIDDEN)
    queries, latent = integer(config, "q_lora_rank", 768), integer(config, "kv_lora_rank", 256)
    rope, nope = integer(config, "qk_rope_head_dim", 32), integer(config, "qk_nope_head_dim", 64)
    value, key = integer(config, "v_head_dim", hidden // heads), nope + rope
    full = Attention(
        heads=heads, kv_heads=heads, head_dim=key, v_head_dim=key,
        projections=(
            _linear("q_a_proj", queries, hidden), _norm("q_a_layernorm", queries),
            _linear("q_b_proj", heads * key, queries, "outputs"),
            _linear("kv_a_proj_with_mqa", latent + rope, hidden), _norm("kv_a_layernorm", latent),
            _linear("kv_b_proj", heads * (nope + value), latent, "outputs"),
            _linear("o_proj", hidden, heads * value, "inputs"),
        ),
    )  # fmt: skip
    layer = Layer(full, Dense(intermediate=integer(config, "intermediate_size")))
    arch = model(config, hidden, [layer] * integer(config, LAYERS), rope=full, tied_default=True)
    return replace(arch, rope_width=rope)


def step3(config: Json) -> ModelArch:
    """Step 3 (vLLM 0.29 models/step3_text.py): one key-value head, whole on every rank, and queries made in two steps.

    Where `moe_layers_enum` is silent, all layers but the first four and the last have experts (Step3TextConfig).
    """
    count, heads, hidden = integer(config, LAYERS), integer(config, HEADS), integer(config, HIDDEN)
    width, shared = integer(config, "head_dim", 256), integer(config, "share_q_dim", 2048)
    full = Attention(
        heads=heads, kv_heads=1, head_dim=width, v_head_dim=width,
        projections=(
            _linear("qkv_proj", shared + 2 * width, hidden), _norm("inter_norm", shared),
            _linear("wq", heads * width, shared, "outputs"), _linear("o_proj", hidden, heads * width, "inputs"),
        ),
    )  # fmt: skip
    silent: Json = {"moe_layers_enum": ",".join(map(str, range(4, 60))), "share_expert_dim": 5120}
    own = silent | config
    sparse, moe = sparse_layers(own, count), experts(own, _STEP3)
    dense = Dense(intermediate=integer(config, "intermediate_size"))
    layers = [Layer(full, moe if index in sparse else dense) for index in range(count)]
    rows = integer(config, "max_position_embedding", 65536)
    return replace(model(config, hidden, layers, rope=full), rope_positions=rows, tied=False)


def _linear(name: str, outputs: int, inputs: int, split: Split = "replicated") -> Weight:
    return Weight(
        name=name, role="attention", module=f"self_attn.{name}", outputs=outputs, inputs=inputs, split=split,
        linear=True,
    )  # fmt: skip


def _norm(name: str, width: int) -> Weight:
    return Weight(name=name, role="norm", module=f"self_attn.{name}", outputs=width, inputs=1)
