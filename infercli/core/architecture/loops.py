"""Decoders that pass the same layers several times for each token: Ouro, IQuest's LoopCoder, HRM-Text and Dory.

The one thing to know: the weights are there once, and each pass of a layer keeps its own keys and values.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import Row, attention, parse_decoder
from infercli.core.architecture.fields import EXTEND, HEADS, HIDDEN, Layer, entries, head_size, integer
from infercli.core.architecture.hybrid import model
from infercli.core.architecture.layers import Attention, Dense, LayerGroup, Weight
from infercli.core.record import Json
from infercli.errors import Unsupported

_HRM = Row(
    qkv_bias="attention_bias", output_bias="attention_bias", gate="elements", attention="attn",
    names=("gqkv_proj", "o_proj"),
)  # fmt: skip


_MOST = 256
"""Passes, and layers of a stack: each is kept, and a damaged file must not take the machine's memory. Our choice."""


def ouro(config: Json) -> ModelArch:
    """Ouro (vLLM 0.11 to 0.26 models/ouro.py): all layers `total_ut_steps` times; a gate for leaving early, unused."""
    arch = parse_decoder(config | {"head_dim": None, "layer_types": None, "sliding_window": None}, Row(norms=4))
    gate = Weight(name="early exit gate", role="other", module="early_exit_gate", outputs=1, inputs=arch.hidden,
                  split="inputs")  # fmt: skip
    bias = gate._replace(name="early exit gate bias", inputs=1, split="replicated")
    passes = _times(config, "total_ut_steps", 4)
    return replace(arch, layers=tuple(_again(g, passes) for g in arch.layers), outside=(gate, bias))


def loop_coder(config: Json) -> ModelArch:
    """LoopCoder (vLLM 0.29 models/iquest_loopcoder.py): passes after the first see a window of their own besides.

    There they also read the first pass's cache, which is not counted in the time of a step.
    """
    arch = parse_decoder(config | {"head_dim": None}, Row())
    heads = integer(config, HEADS)
    gate = Weight(name="loop gate", role="attention", module="gate_projections", outputs=heads,
                  inputs=arch.hidden // heads + 1, split="outputs")  # fmt: skip
    passes, window = _times(config, "loop_num", 2), integer(config, "loop_window_size", 64)
    groups = (_again(g._replace(others=(gate,)), passes, window) for g in arch.layers)
    return replace(arch, layers=tuple(groups))


def _times(config: Json, names: str | tuple[str, ...], default: int | None = None) -> int:
    found = integer(config, names, default)
    if found > _MOST:
        raise ValueError(f"{names}: {found:,} is more than the {_MOST} that are planned")
    return found


def _again(group: LayerGroup, passes: int, window: int | None = None) -> LayerGroup:
    mixer = group.mixer
    assert isinstance(mixer, Attention)
    return group._replace(again=(mixer._replace(window=window or mixer.window),) * (passes - 1))


_DORY = Row(names=("q_proj", "g_proj", "k_proj", "v_proj", "o_proj"), gate="elements", attention="mixer", mlp="mixer")


def dory(config: Json) -> ModelArch:
    """Dory (vLLM 0.33 models/dory.py, configs/dory.py): attention and feed-forward by turns, each a layer to vLLM.

    Here two are one. It has no norms but scales, of queries, gates and what is added to the residual.
    """
    count, loops = _times(config, "num_hidden_layers"), _times(config, "n_recurrent_loops", 1)
    kinds = entries(config, "layer_types", count)
    if kinds is None:
        kinds = ["mlp" if i % 2 else "full_attention" if i % 8 == 6 else "sliding_attention" for i in range(count)]
    before, behind = int(config.get("n_input_layers") or 0), int(config.get("n_output_layers") or 0)
    if count % 2 or before % 2 or behind % 2 or any((kind == "mlp") != bool(i % 2) for i, kind in enumerate(kinds)):
        raise Unsupported("config.json: layer_types: other than attention and mlp by turns is not known here", EXTEND)
    mode = config.get("recurrent_kv_cache_mode", "per_loop")
    if mode not in ("per_loop", "last_loop"):
        raise Unsupported(f"config.json: recurrent_kv_cache_mode: {mode} is not known here", EXTEND)
    dense = Dense(intermediate=integer(config, "intermediate_size"), module="mixer")
    full, layers = attention(config, _DORY, head_size(config, 256), None, None), []
    for index, kind in enumerate(kinds[::2]):
        window = integer(config, "sliding_window", 1024) if kind == "sliding_attention" else None
        mixer = full._replace(window=window)
        later = mixer._replace(shares_kv=mode == "last_loop")
        inside = before <= 2 * index < count - behind
        inner = mixer.heads * mixer.head_dim
        scales = (("query and gate scales", 2 * inner), ("feed-forward scales", 2 * dense.intermediate))
        others = tuple(
            Weight(name=name, role="norm", module="mixer", outputs=size, inputs=1)
            for name, size in (*scales, ("residual scales", 2 * integer(config, "hidden_size")))
        )
        layers.append(Layer(mixer, dense, 0, others, again=(later,) * (loops - 1) if inside else ()))
    arch = model(config | {"tie_word_embeddings": False}, integer(config, HIDDEN), layers, rope=full)
    scale = Weight(name="logit scales", role="norm", module="lm_head.logit_scale", outputs=arch.vocab, inputs=1)
    return replace(arch, final_norm=0, outside=(scale,))


def hrm_text(config: Json) -> ModelArch:
    """HRM-Text (vLLM 0.29 models/hrm_text.py): a low stack, passed in each step of a cycle, and a high one after these.

    Its norms have no weights. `num_hidden_layers` is that of a stack where `num_layers_per_stack` is silent.
    """
    count = _times(config, ("num_layers_per_stack", "num_hidden_layers"))
    heads, hidden = integer(config, HEADS), integer(config, HIDDEN)
    full = attention(config | {"num_key_value_heads": heads}, _HRM, head_size(config, 128), None, None)
    dense = Dense(
        intermediate=integer(config, "intermediate_size"), bias=bool(config.get("mlp_bias")),
        names=("gate_up_proj", "down_proj"),
    )  # fmt: skip
    high, low = _times(config, "H_cycles", 2), _times(config, "L_cycles", 3)
    stacks = [[Layer(full, dense, 0, again=(full,) * (passes - 1))] * count for passes in (high * low, high)]
    arch = model(config, hidden, [layer for stack in stacks for layer in stack], rope=full)
    start = Weight(name="low start", role="other", module="z_L_init", outputs=hidden, inputs=1)
    return replace(arch, final_norm=0, outside=(start,))
