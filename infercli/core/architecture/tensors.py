"""Layers -> weights of one tensor-parallel rank, merged and split as vLLM merges and splits them.

The one thing to know: a split must be valid (core/tensor_parallel.py), so widths divide evenly; only KV heads are
replicated instead, once there are more ranks than heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from infercli.core.architecture.layers import (
    Attention,
    Dense,
    Experts,
    FeedForward,
    LayerGroup,
    Mixer,
    Role,
    Weight,
)
from infercli.errors import Unsupported


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How an engine's ranks share the model."""

    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    data_parallel_size: int = 1
    """Ranks that hold the attention whole each, and share the experts."""
    expert_parallel: bool = False
    """Experts are dealt out to the ranks, instead of each being cut."""


class RankTensor(NamedTuple):
    """A weight as one rank holds it, `copies` times: `outputs` x `inputs` elements."""

    name: str
    role: Role
    modules: tuple[str, ...]
    """The checkpoint's names of what is merged here, below the layer: `self_attn.q_proj`; experts without a number."""
    indices: tuple[int, ...]
    """The layers it stands in; () outside them."""
    copies: int
    outputs: int
    inputs: int
    linear: bool = False
    """A linear layer, which a quantization may touch."""


class _Group:
    """The tensors of equal layers, one rank's. Collects; knows the layers' indices and the layout."""

    def __init__(self, group: LayerGroup, hidden: int, layout: Layout) -> None:
        self.indices, self.hidden, self.layout = group.indices, hidden, layout
        self.tp = layout.tensor_parallel_size
        self.tensors: list[RankTensor] = []

    def add(
        self,
        name: str,
        role: Role,
        modules: tuple[str, ...],
        outputs: int,
        inputs: int = 1,
        *,
        linear: bool = False,
        each: int = 1,
    ) -> None:
        """`each` copies per layer; nothing where there are no elements."""
        if outputs and inputs and each:
            copies = each * len(self.indices)
            self.tensors.append(RankTensor(name, role, modules, self.indices, copies, outputs, inputs, linear))

    def mixer(self, mixer: Mixer) -> None:
        if isinstance(mixer, Attention):
            self._attention(mixer)
        else:
            raise Unsupported(f"{type(mixer).__name__} layers cannot be planned yet", "to teach it: core/architecture/")

    def feed_forward(self, feed_forward: FeedForward) -> None:
        if isinstance(feed_forward, Dense):
            self._dense(feed_forward)
        else:
            self._experts(feed_forward)

    def _attention(self, a: Attention) -> None:
        heads, kv = a.heads // self.tp, kv_heads_per_rank(a, self.tp)
        q, v = heads * a.head_dim, heads * a.v_head_dim
        qkv = q + kv * (a.head_dim + a.v_head_dim)
        *parts, out = (f"{a.module}.{n}" for n in a.names)
        self.add("qkv", "attention", tuple(parts), qkv, self.hidden, linear=True)
        self.add("attention output", "attention", (out,), self.hidden, v, linear=True)
        self.add("qkv bias", "attention", tuple(parts), qkv if a.qkv_bias else 0)
        self.add("attention output bias", "attention", (out,), self.hidden if a.output_bias else 0)
        if a.qk_norm == "head":
            norms = (f"{a.module}.q_norm", f"{a.module}.k_norm")
            self.add("query and key norms", "norm", norms, a.head_dim, each=2)

    def _dense(self, d: Dense) -> None:
        width, parts = d.intermediate // self.tp, 2 if d.gated else 1
        *ups, down = (f"{d.module}.{n}" for n in d.names)
        self.add("gate-up" if d.gated else "up", "mlp", tuple(ups), parts * width, self.hidden, linear=True)
        self.add("down", "mlp", (down,), self.hidden, width, linear=True)
        if d.bias:
            self.add("feed-forward biases", "mlp", (*ups, down), parts * width + self.hidden)

    def _experts(self, e: Experts) -> None:
        experts, width = expert_share(e, self.layout)
        parts = 2 if e.gated else 1
        *ups, down = (f"{e.module}.experts.{n}" for n in e.names)
        self.add("router", "router", (f"{e.module}.gate",), e.experts, self.hidden)
        self.add("expert gate-up", "experts", tuple(ups), experts * parts * width, self.hidden, linear=True)
        self.add("expert down", "experts", (down,), experts * self.hidden, width, linear=True)


def kv_heads_per_rank(attention: Attention, tensor_parallel_size: int) -> int:
    """KV heads are replicated once there are more ranks than heads (vLLM config/model.py get_num_kv_heads)."""
    return max(1, attention.kv_heads // tensor_parallel_size)


def expert_share(experts: Experts, layout: Layout) -> tuple[int, int]:
    """(experts on one rank, width of each there).

    Ranks that split data split the experts as well, as more tensor parallelism or as more expert parallelism
    (vLLM fused_moe/config.py FusedMoEParallelConfig.make).
    """
    ranks = layout.tensor_parallel_size * layout.data_parallel_size
    if layout.expert_parallel:
        return -(-experts.experts // ranks), experts.intermediate
    return experts.experts, experts.intermediate // ranks


def layer_tensors(group: LayerGroup, hidden: int, layout: Layout) -> list[RankTensor]:
    """Weights of one rank in these layers."""
    found = _Group(group, hidden, layout)
    if group.mixer is not None:
        found.mixer(group.mixer)
    found.add("norms", "norm", (), hidden, each=group.norms)
    if group.feed_forward is not None:
        found.feed_forward(group.feed_forward)
    return found.tensors


def outside_tensor(weight: Weight, layout: Layout) -> RankTensor:
    """A weight outside the layers as one rank holds it."""
    tp = layout.tensor_parallel_size
    outputs = -(-weight.outputs // tp) if weight.split == "outputs" else weight.outputs
    inputs = -(-weight.inputs // tp) if weight.split == "inputs" else weight.inputs
    return RankTensor(weight.name, weight.role, (weight.module,), (), weight.copies, outputs, inputs, weight.linear)
