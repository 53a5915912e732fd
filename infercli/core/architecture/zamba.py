"""Zamba 2: Mamba-2 in every layer, and before some of them one of a few blocks of attention that they share.

The one thing to know: each use of a block has a KV cache and small matrices of its own; the block is there once.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.fields import EXTEND, HEADS, HIDDEN, LAYERS, Layer, entries, integer, optional
from infercli.core.architecture.hybrid import mamba2_mixer, model
from infercli.core.architecture.layers import Attention, Role, Split, Weight
from infercli.core.record import Json
from infercli.errors import Unsupported

_BLOCK = "shared_transformer"
_NAMES = {"hybrid": True, "mamba": False, "linear_attention": False}
"""Kinds of layers, the last two one and the same under an older and a newer name, and whether a block is before it."""


def zamba2(config: Json) -> ModelArch:
    """Zamba2ForCausalLM (vLLM 0.29 models/zamba2.py, transformers zamba2)."""
    count, hidden, heads = integer(config, LAYERS), integer(config, HIDDEN), integer(config, HEADS)
    kinds = entries(config, "layers_block_type", count)
    if kinds is None or set(kinds) - set(_NAMES):
        raise Unsupported("config.json: layers_block_type: `hybrid` or `mamba` of each layer is known here", EXTEND)
    width, rank = 2 * hidden, integer(config, "adapter_rank", 128)
    wide, biased = optional(config, "intermediate_size") or 4 * hidden, bool(config.get("add_bias_linear"))
    own = config | {
        "mamba_headdim": None,
        "use_bias": biased,
        "mamba_d_state": integer(config, "mamba_d_state", 64),
        "n_mamba_heads": integer(config, "n_mamba_heads", 8),
    }
    mamba = mamba2_mixer(own, "n_mamba_heads", "mamba_headdim", "mamba_ngroups", "mamba_d_state")
    adapters = _adapter("attention", "self_attn.linear_qkv_adapter", rank, width, width, 3)
    attention = Attention(
        heads=heads, kv_heads=heads, head_dim=width // heads, v_head_dim=width // heads,
        projections=adapters if config.get("use_shared_attention_adapter") else (),
    )  # fmt: skip
    others = (
        _linear("mlp", "linear", hidden, hidden),
        *_adapter("mlp", "feed_forward.gate_up_proj_adapter", rank, 2 * wide, hidden, 1),
    )
    plain, hybrid = Layer(mamba, None, 1), Layer(mamba, None, 1, others, attention)
    arch = model(config, hidden, [hybrid if _NAMES[str(kind)] else plain for kind in kinds], tied_default=True)
    blocks = integer(config, "num_mem_blocks", 1)
    uses = sum(_NAMES[str(kind)] for kind in kinds) / blocks
    shared = _shared(hidden, width, wide, biased=biased)
    arch = replace(arch, outside=tuple(w._replace(copies=blocks, uses=uses) for w in shared), tied=True)
    if config.get("use_long_context"):
        arch = replace(arch, max_model_len=16384)
    if not config.get("use_mem_rope"):
        return arch
    return replace(arch, rope_positions=arch.max_model_len, rope_width=width // heads)


def _shared(hidden: int, width: int, wide: int, *, biased: bool) -> list[Weight]:
    """A block; its attention is over the hidden state beside the embedding, twice the hidden width."""
    norms = Weight(name="shared norms", role="norm", module=_BLOCK, outputs=3 * hidden, inputs=1)
    found = [
        _linear("attention", f"{_BLOCK}.self_attn.qkv_proj", 3 * width, width, "outputs"),
        _linear("attention", f"{_BLOCK}.self_attn.o_proj", hidden, width, "inputs"),
        _linear("mlp", f"{_BLOCK}.feed_forward.gate_up_proj", 2 * wide, hidden, "outputs"),
        _linear("mlp", f"{_BLOCK}.feed_forward.down_proj", hidden, wide, "inputs"),
        norms,
    ]
    if biased:
        ups = norms._replace(name="shared biases", role="mlp", outputs=2 * wide, split="outputs")
        found += [ups, ups._replace(outputs=hidden, split="replicated")]
    return found


def _adapter(role: Role, module: str, rank: int, outputs: int, inputs: int, copies: int) -> tuple[Weight, ...]:
    """What one use of a block adds to its projections, through a small vector."""
    down = _linear(role, f"{module}.A", rank, inputs, "outputs")._replace(copies=copies)
    return (down, down._replace(name=f"{module}.B", module=f"{module}.B", outputs=outputs, inputs=rank))


def _linear(role: Role, module: str, outputs: int, inputs: int, split: Split = "replicated") -> Weight:
    return Weight(name=module, role=role, module=module, outputs=outputs, inputs=inputs, split=split, linear=True)
