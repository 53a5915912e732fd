"""PLaMo 2, which has Mamba with heads but without groups beside its attention, and PLaMo 3, which has windows."""

from __future__ import annotations

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import Row, attention, parse_decoder
from infercli.core.architecture.fields import EXTEND, HIDDEN, LAYERS, Layer, entries, integer
from infercli.core.architecture.hybrid import model
from infercli.core.architecture.layers import Dense, StateSpace, Weight
from infercli.core.record import Json
from infercli.errors import Unsupported

_NAMES = ("gate_up_proj", "down_proj")
_PLAMO2 = Row(qk_norm="full", attention="mixer", names=("qkv_proj", "o_proj"))
_PLAMO3 = Row(
    qk_norm="head", norms=4, tied=True, kv_heads=4, head_dim=128, attention="mixer", names=("qkv_proj", "o_proj"),
    mlp_names=("gate_up_proj", "down_proj"),
)  # fmt: skip


def plamo2(config: Json) -> ModelArch:
    """PLaMo 2 (vLLM 0.8 to 0.26 models/plamo2.py): attention in the middle of every `mamba_step` layers."""
    count, hidden, width = integer(config, LAYERS), integer(config, HIDDEN), integer(config, "hidden_size_per_head")
    step = integer(config, "mamba_step", 2)
    full = attention(config, _PLAMO2, width, None, None)
    mamba = _mamba(config, hidden, width)
    dense = Dense(intermediate=integer(config, "intermediate_size"), names=_NAMES)
    few = count <= step // 2
    attends = [index == count - 1 if few else index % step == step // 2 for index in range(count)]
    layers = [Layer(full if here else mamba, dense, 4) for here in attends]
    return model(config, hidden, layers, rope=full, tied_default=True)


def _mamba(config: Json, hidden: int, width: int) -> StateSpace:
    """What decides the state is Mamba-2's; the projections are of their own."""
    heads, state = integer(config, "mamba_num_heads"), integer(config, "mamba_d_state", 64)
    inner, steps, kernel = heads * width, max(64, hidden // 16), integer(config, "mamba_d_conv", 4)

    def weight(name: str, outputs: int, inputs: int, *, by_rows: bool = False) -> Weight:
        return Weight(
            name=f"state-space {name}", role="linear_attention", module=f"mixer.{name}", outputs=outputs, inputs=inputs,
            split="inputs" if by_rows else "outputs", linear=name.endswith("_proj"),
        )  # fmt: skip

    norms = Weight(name="state-space norms", role="norm", module="mixer.dt_norm", outputs=steps + 2 * state, inputs=1)
    return StateSpace(
        version=2, heads=heads, head_dim=width, groups=0, state=state, conv_kernel=kernel,
        chunk=integer(config, "mamba_chunk_size", 256),
        projections=(
            weight("in_proj", 2 * inner, hidden), weight("conv1d", inner, kernel),
            weight("bcdt_proj", steps + 2 * state, inner, by_rows=True), weight("dt_proj", heads, steps),
            weight("numbers", heads, 3), weight("out_proj", hidden, inner, by_rows=True), norms,
        ),
    )  # fmt: skip


def plamo3(config: Json) -> ModelArch:
    """PLaMo 3 (vLLM 0.29 models/plamo3.py): `interleaved_sliding_window` has the window of each layer, null for none.

    Where it is silent all layers but every `sliding_window_pattern`-th have `window_size` (the checkpoint's own class).
    """
    count = integer(config, LAYERS)
    windows = entries(config, "interleaved_sliding_window", count)
    if windows is None:
        window, every = integer(config, "window_size"), integer(config, "sliding_window_pattern", 8)
        windows = [window if (index + 1) % every else None for index in range(count)]
    several = sorted({int(window) for window in windows if window})
    if len(several) > 1:
        raise Unsupported("config.json: interleaved_sliding_window: one width of window is known here", EXTEND)
    kinds = ["sliding_attention" if window else "full_attention" for window in windows]
    return parse_decoder(config | {"layer_types": kinds, "sliding_window": next(iter(several), None)}, _PLAMO3)
