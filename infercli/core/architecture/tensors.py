"""Layers -> weights of one tensor-parallel rank, merged and split as vLLM merges and splits them.

The one thing to know: a split must be valid (estimates/tensor_parallel.py), so widths divide evenly; only KV heads are
replicated instead, once there are more ranks than heads.
"""

from typing import NamedTuple

from infercli.core.architecture.layers import (
    SKIPS_INDEXERS,
    Attention,
    CompressedAttention,
    Dense,
    Experts,
    FeedForward,
    GatedDelta,
    Indexer,
    LatentAttention,
    LayerGroup,
    Mixer,
    Role,
    ShortConvolution,
    StateSpace,
    Weight,
)


class Layout(NamedTuple):
    """How an engine's ranks share the model."""

    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    data_parallel_size: int = 1
    """Ranks that hold the attention whole each, and share the experts."""
    expert_parallel: bool = False
    """Experts are dealt out to the ranks, instead of each being cut."""
    release: tuple[int, int] = (0, 29)
    """vLLM's: which encoders and feed-forwards are cut depends on it, and which layers have an indexer."""

    @property
    def sequence_parallel(self) -> bool:
        """Whether ranks share out the tokens of a step between attentions, in models that do so (Kimi).

        VLLM 0.27 to 0.33 models/kimi_k3/nvidia/model.py KimiDecoderLayer.use_sequence_parallel; deep_gemm_mega_moe,
        which has to be asked for, does so without data parallelism too.
        """
        several = self.tensor_parallel_size > 1 and self.data_parallel_size > 1 and self.pipeline_parallel_size == 1
        return several and self.expert_parallel and self.release >= (0, 27)


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
    float32: bool = False
    """Kept in fp32, whatever the model's dtype is."""
    parts: tuple[int, ...] = ()
    """Outputs of each matrix that is merged here and that an adapter changes by itself; (): of all as one."""
    uses: float = 1
    """Times that a token passes it."""
    fp8: bool = False
    """A table that checkpoints in FP8 store so as well, with one scale."""


_LINEAR: Role = "linear_attention"
OUTPUT_GROUPS = "attention output down"
"""The name of DeepSeek-V4's first output projection, which multiplies each group of heads by itself."""


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
        float32: bool = False,
        each: int = 1,
        parts: tuple[int, ...] = (),
    ) -> None:
        """`each` copies per layer; nothing where there are no elements."""
        if outputs and inputs and each:
            copies = each * len(self.indices)
            found = RankTensor(name, role, modules, self.indices, copies, outputs, inputs, linear, float32, parts)
            self.tensors.append(found)

    def mixer(self, mixer: Mixer) -> None:
        if isinstance(mixer, Attention):
            self._attention(mixer)
        elif isinstance(mixer, LatentAttention):
            self._latent(mixer)
        elif isinstance(mixer, CompressedAttention):
            self._compressed(mixer)
        elif isinstance(mixer, StateSpace):
            self._state_space(mixer)
        elif isinstance(mixer, ShortConvolution):
            self._short_convolution(mixer)
        else:
            self._gated_delta(mixer)

    def feed_forward(self, feed_forward: FeedForward) -> None:
        if isinstance(feed_forward, Dense):
            self._dense(feed_forward)
        else:
            self._experts(feed_forward)

    def weights(self, weights: tuple[Weight, ...]) -> None:
        for weight in weights:
            if not weight.on_host(self.layout.release):
                self.tensors.append(weight_tensor(weight, self.layout, self.indices))

    def _attention(self, a: Attention) -> None:
        if a.projections is not None:
            self.weights(a.projections)
            return
        heads, kv = a.heads // self.tp, kv_heads_per_rank(a, self.tp)
        q, v = heads * a.head_dim, heads * a.v_head_dim
        each = (q * (2 if a.gate == "elements" else 1), kv * a.head_dim, kv * a.v_head_dim)
        qkv = sum(each)
        *parts, out = (f"{a.module}.{n}" for n in a.names)
        own = each if len(parts) == len(each) else ()
        self.add("qkv", "attention", tuple(parts), qkv, a.inputs or self.hidden, linear=True, parts=own)
        self.add("attention output", "attention", (out,), self.hidden, v, linear=True)
        self.add("qkv bias", "attention", tuple(parts), qkv if a.qkv_bias else 0)
        self.add("attention output bias", "attention", (out,), self.hidden if a.output_bias else 0)
        norms = (f"{a.module}.q_norm", f"{a.module}.k_norm")
        if a.qk_norm == "head":
            self.add("query and key norms", "norm", norms, a.head_dim, each=2)
        elif a.qk_norm == "full":
            self.add("query and key norms", "norm", norms, q + kv * a.head_dim)
        elif a.qk_norm == "whole":
            self.add("query and key norms", "norm", norms, (a.heads + a.kv_heads) * a.head_dim)
        if a.gate == "heads":
            self.add("attention gate", "attention", (f"{a.module}.g_proj",), heads, self.hidden, linear=True)
        self.add("sinks", "attention", (f"{a.module}.sinks",), heads if a.sinks else 0)
        if a.indexer is not None:
            self._merged_indexer(a.indexer, a.module)

    def _merged_indexer(self, i: Indexer, module: str) -> None:
        """Part of the qkv projection: its queries are cut as KV heads are (vLLM 0.29 models/minimax_m3/).

        With pooled keys it is whole on every rank (0.29 models/qwen4_exp/nvidia/indexer_qsa.py).
        """
        if i.pool > 1:
            name = f"{module}.indexer"
            self.add("indexer queries and keys", "indexer", (f"{name}.index_qk_proj",), (i.heads + 1) * i.head_dim,
                     self.hidden, linear=True)  # fmt: skip
            norms = (f"{name}.q_layernorm", f"{name}.k_layernorm")
            self.add("indexer norms", "indexer", norms, i.head_dim, each=2)
            return
        parts = (f"{module}.index_q_proj", f"{module}.index_k_proj")
        width = (max(1, i.heads // self.tp) + 1) * i.head_dim
        self.add("indexer queries and keys", "indexer", parts, width, self.hidden, linear=True)
        norms = (f"{module}.index_q_norm", f"{module}.index_k_norm")
        self.add("indexer norms", "indexer", norms, i.head_dim, each=2)

    def _indexer(self, i: Indexer, module: str, linear: bool) -> None:
        """Whole on every rank (vLLM deepseek_v2.py Indexer: ReplicatedLinear; 0.33 models/glm5next/ pools its keys)."""
        if not i.cached and self.layout.release >= SKIPS_INDEXERS:
            return
        name = f"{module}.indexer"
        self.add("indexer queries", "indexer", (f"{name}.wq_b",), i.heads * i.head_dim, i.query_inputs, linear=linear)
        self.add("indexer keys", "indexer", (f"{name}.wk",), i.head_dim, self.hidden, linear=linear)
        self.add("indexer weights", "indexer", (f"{name}.weights_proj",), i.heads, self.hidden)
        pools = i.pool > 1
        self.add("indexer norm", "indexer", (f"{name}.k_norm",), 2 * i.head_dim, float32=pools)
        if pools:
            self.add("indexer pooling", "indexer", (f"{name}.index_kpool_compress_gate",), i.head_dim, self.hidden)
            positions = (f"{name}.index_kpool_compress_ape",)
            self.add("indexer positions", "indexer", positions, i.pool, i.head_dim, float32=True)

    def _latent(self, a: LatentAttention) -> None:
        """What goes down to the latent vectors is whole on every rank, what comes up from them is cut by heads."""
        heads, m = a.heads // self.tp, a.module
        key, rope = a.nope_dim + a.rope_dim, a.kv_lora_rank + a.rope_dim
        down: tuple[str, ...] = (f"{m}.kv_a_proj_with_mqa",)
        if a.q_lora_rank is None:
            self.add("queries", "attention", (f"{m}.q_proj",), heads * key, self.hidden, linear=a.linear)
            self.add("latent down", "attention", down, rope, self.hidden, linear=a.linear)
        else:
            down = (f"{m}.q_a_proj", *down)
            self.add("latent down", "attention", down, a.q_lora_rank + rope, self.hidden, linear=a.linear,
                     parts=(a.q_lora_rank, rope))  # fmt: skip
            self.add("query up", "attention", (f"{m}.q_b_proj",), heads * key, a.q_lora_rank, linear=a.linear)
            self.add("query norm", "norm", (f"{m}.q_a_layernorm",), a.q_lora_rank)
        up = heads * (a.nope_dim + a.v_head_dim)
        self.add("key-value up", "attention", (f"{m}.kv_b_proj",), up, a.kv_lora_rank, linear=a.linear)
        self.add("key-value norm", "norm", (f"{m}.kv_a_layernorm",), a.kv_lora_rank)
        self.add("attention output", "attention", (f"{m}.o_proj",), self.hidden, heads * a.v_head_dim, linear=a.linear)
        if a.indexer is not None:
            self._indexer(a.indexer, m, a.linear)

    def _compressed(self, a: CompressedAttention) -> None:
        """VLLM 0.29 models/deepseek_v4/attention.py and compressor.py, 0.33 models/deepseek_v41/ of the same names."""
        heads, groups, m = a.heads // self.tp, -(-a.o_groups // self.tp), a.module
        self.add(
            "latent down", "attention", (f"{m}.wq_a", f"{m}.wkv"), a.q_lora_rank + a.head_dim, self.hidden, linear=True
        )
        self.add("query up", "attention", (f"{m}.wq_b",), heads * a.head_dim, a.q_lora_rank, linear=True)
        self.add(
            OUTPUT_GROUPS, "attention", (f"{m}.wo_a",), groups * a.o_lora_rank,
            a.heads * a.head_dim // a.o_groups, linear=True,
        )  # fmt: skip
        self.add("attention output up", "attention", (f"{m}.wo_b",), self.hidden, groups * a.o_lora_rank, linear=True)
        self.add("latent norms", "norm", (f"{m}.q_norm", f"{m}.kv_norm"), a.q_lora_rank + a.head_dim)
        # Padded as the kernels need the heads (models/deepseek_v4/nvidia/flashmla.py get_padded_num_q_heads)
        self.add("sinks", "attention", (f"{m}.attn_sink",), 64 if heads <= 64 else 128, float32=True)
        alone = a.owns_keys is None
        if a.owns_keys:
            self._shared_compressor(f"{m}.compressor", a)
        elif a.compress_ratio and alone:
            self._compressor(f"{m}.compressor", "attention", a.head_dim, a.compress_ratio)
        if a.indexer is not None and a.indexer.cached:
            i, name = a.indexer, f"{m}.indexer"
            self.add("indexer queries", "indexer", (f"{name}.wq_b",), i.heads * i.head_dim, i.query_inputs, linear=True)
            self.add("indexer weights", "indexer", (f"{name}.weights_proj",), i.heads, self.hidden)
            if alone:
                self._compressor(f"{name}.compressor", "indexer", i.head_dim, a.compress_ratio)
            elif a.owns_keys:
                self.add("indexer keys", "indexer", (f"{name}.wk",), i.head_dim, a.head_dim)
                self.add("indexer norm", "indexer", (f"{name}.k_norm",), i.head_dim)

    def _shared_compressor(self, module: str, a: CompressedAttention) -> None:
        """V4.1's, whole on every rank: one token alone needs no gate."""
        gated = a.compress_ratio > 1
        parts = (f"{module}.wkv", f"{module}.wgate") if gated else (f"{module}.wkv",)
        self.add("compressor", "attention", parts, len(parts) * a.head_dim, self.hidden)
        self.add("compressor norm", "norm", (f"{module}.norm",), a.head_dim)

    def _compressor(self, module: str, role: Role, head_dim: int, ratio: int) -> None:
        """Whole on every rank. At ratio 4 windows overlap, so each compressed key has two halves."""
        width = head_dim * (2 if ratio == 4 else 1)
        self.add("compressor", role, (f"{module}.wkv", f"{module}.wgate"), 2 * width, self.hidden)
        self.add("compressor positions", role, (f"{module}.ape",), ratio, width, float32=True)
        self.add("compressor norm", "norm", (f"{module}.norm",), head_dim)

    def _state_space(self, s: StateSpace) -> None:
        """VLLM 0.29 layers/mamba/mamba_mixer.py and mamba_mixer2.py."""
        if s.projections is not None:
            self.weights(s.projections)
            return
        m, role = s.module, _LINEAR
        heads = s.heads // self.tp if s.version == 2 else 0
        inner = s.heads * s.head_dim // self.tp
        into, out = (f"{m}.{n}" for n in s.names)
        if s.version == 2:
            # As many groups as ranks at least: vLLM repeats a group for every rank that needs it.
            mixed = inner + 2 * max(1, s.groups // self.tp) * s.state
            self.add("state-space input", role, (into,), inner + mixed + heads, self.hidden, linear=True)
            self.add("state-space numbers", role, (f"{m}.A_log", f"{m}.D", f"{m}.dt_bias"), 3 * heads)
        else:
            mixed = inner
            self.add("state-space input", role, (into,), 2 * inner, self.hidden, linear=True)
            projected = s.time_step_rank + 2 * s.state
            self.add("state-space projection", role, (f"{m}.x_proj",), projected, inner, linear=True)
            self.add("state-space time step", role, (f"{m}.dt_proj",), inner, s.time_step_rank + 1)
            self.add("state-space numbers", role, (f"{m}.A_log", f"{m}.D"), inner, s.state + 1)
        self.add("convolution", role, (f"{m}.conv1d",), mixed, s.conv_kernel + s.conv_bias)
        self.add("state-space output", role, (out,), self.hidden, inner, linear=True)
        norm = 0 if not s.gated_norm else inner if s.version == 2 else s.time_step_rank + 2 * s.state
        self.add("state-space norm", "norm", (f"{m}.norm",), norm)
        if s.projection_bias:
            self.add("state-space biases", role, (into, out), inner + mixed + heads + self.hidden)

    def _short_convolution(self, c: ShortConvolution) -> None:
        """VLLM 0.29 layers/mamba/short_conv.py: two gates and what is convolved, side by side."""
        if c.projections is not None:
            self.weights(c.projections)
            return
        m, role, width = c.module, _LINEAR, c.width // self.tp
        self.add("convolution input", role, (f"{m}.in_proj",), 3 * width, self.hidden, linear=True)
        self.add("convolution", role, (f"{m}.conv",), width, c.conv_kernel + c.bias)
        self.add("convolution output", role, (f"{m}.out_proj",), self.hidden, width, linear=True)
        if c.bias:
            self.add("convolution biases", role, (f"{m}.in_proj", f"{m}.out_proj"), 3 * width + self.hidden)

    def _gated_delta(self, g: GatedDelta) -> None:
        """VLLM 0.29 layers/mamba/gdn/qwen_gdn_linear_attn.py and kimi_gdn_linear_attn.py."""
        if g.projections is not None:
            self.weights(g.projections)
            return
        m, role = g.module, _LINEAR
        parts: tuple[str, ...]
        heads = g.value_heads // self.tp
        keys, values = g.key_heads // self.tp * g.key_dim, heads * g.value_dim
        if g.variant == "gdn":
            parts = (f"{m}.in_proj_qkvz",) if g.merged else (f"{m}.in_proj_qkv", f"{m}.in_proj_z")
            each = (keys, keys, values, values)
            self.add("linear attention input", role, parts, sum(each), self.hidden, linear=True, parts=each)
            parts = (f"{m}.in_proj_ba",) if g.merged else (f"{m}.in_proj_b", f"{m}.in_proj_a")
            self.add("linear attention gates", role, parts, 2 * heads, self.hidden, linear=True, parts=(heads, heads))
            self.add("linear attention numbers", role, (f"{m}.A_log", f"{m}.dt_bias"), 2 * heads)
            out = f"{m}.out_proj"
        elif g.full_gate:
            # One projection, whose rows are padded to sixteens (models/kimi_k3/nvidia/kda.py in_proj_padding).
            parts = tuple(f"{m}.{n}_proj" for n in ("q", "k", "v", "g", "f_a", "b"))
            rows = -(-(2 * keys + 2 * values + g.key_dim + heads) // 16) * 16
            self.add("linear attention input", role, parts, rows, self.hidden, linear=True)
            self.add("linear attention gates up", role, (f"{m}.f_b_proj",), keys, g.key_dim, linear=True)
            out = f"{m}.o_proj"
        else:
            parts = (f"{m}.q_proj", f"{m}.k_proj", f"{m}.v_proj")
            self.add("linear attention input", role, parts, 2 * keys + values, self.hidden, linear=True)
            parts = (f"{m}.f_a_proj", f"{m}.g_a_proj")
            self.add("linear attention gates down", role, parts, 2 * g.key_dim, self.hidden, linear=True)
            parts = (f"{m}.f_b_proj", f"{m}.g_b_proj")
            self.add("linear attention gates up", role, parts, keys + values, g.key_dim, linear=True)
            self.add("linear attention beta", role, (f"{m}.b_proj",), heads, self.hidden, linear=True)
            out = f"{m}.o_proj"
        wide = g.variant == "kda"
        if wide:
            self.add("linear attention numbers", role, (f"{m}.A_log", f"{m}.dt_bias"), heads + keys, float32=True)
        self.add("convolution", role, (f"{m}.conv1d",), 2 * keys + values, g.conv_kernel, float32=wide)
        self.add("linear attention norm", "norm", (f"{m}.norm",), g.value_dim)
        self.add("linear attention output", role, (out,), self.hidden, values, linear=True)

    def _dense(self, d: Dense) -> None:
        whole = d.whole_since is not None and d.whole_since <= self.layout.release
        whole |= d.follows_sequence and self.layout.sequence_parallel
        self._projections(d.intermediate // (1 if whole else self.tp), d, d.bias, "", "mlp")

    def _projections(self, width: int, f: FeedForward, bias: bool, prefix: str, role: Role) -> None:
        """A feed-forward of that width on this rank: the dense one, or shared experts."""
        linear = not (isinstance(f, Experts) and f.shared_plain)
        module = f.module if isinstance(f, Dense) else f.shared_module
        names = f.names if isinstance(f, Dense) else f.shared_names
        *ups, down = (f"{module}.{n}" for n in names)
        parts = 2 if f.gated else 1
        each = (width,) * len(ups) if len(ups) == parts else ()
        self.add(f"{prefix}gate-up" if f.gated else f"{prefix}up", role, tuple(ups), parts * width, self.hidden,
                 linear=linear, parts=each)  # fmt: skip
        self.add(f"{prefix}down", role, (down,), self.hidden, width, linear=linear)
        if bias:
            self.add(f"{prefix}feed-forward biases", role, (*ups, down), parts * width + self.hidden)

    def _experts(self, e: Experts) -> None:
        experts, width = expert_share(e, self.layout)
        parts, inputs = (2 if e.gated else 1), e.latent or self.hidden
        *ups, down = (f"{e.module}.experts.{n}" for n in e.names)
        router = (f"{e.module}.{e.router}",)
        self.add("router", "router", router, e.experts, self.hidden, float32=e.router_float32)
        self.add("router bias", "router", router, e.experts if e.router_bias else 0)
        self.add("expert gate-up", "experts", tuple(ups), experts * parts * width, inputs, linear=not e.plain,
                 parts=(experts * width,) * parts)  # fmt: skip
        self.add("expert down", "experts", (down,), experts * inputs, width, linear=not e.plain)
        if e.bias:
            self.add("expert biases", "experts", (*ups, down), experts * (parts * width + inputs))
        if e.latent is not None and not e.latent_apart:
            down, up = (f"{e.module}.{n}" for n in e.latent_names)
            self.add("expert latent down", "mlp", (down,), e.latent, self.hidden, linear=True)
            self.add("expert latent up", "mlp", (up,), self.hidden, e.latent, linear=True)
            self.add("expert latent norm", "norm", (), e.latent if e.latent_norm else 0)
        if e.shared_intermediate:
            ranks = 1 if e.follows_sequence and self.layout.sequence_parallel else self.tp
            self._projections(shared_share(e, ranks), e, e.shared_bias, "shared ", "shared_experts")
        if e.shared_gate:
            self.add("shared gate", "shared_experts", (f"{e.module}.shared_expert_gate",), 1, self.hidden)


def kv_heads_per_rank(attention: Attention, tensor_parallel_size: int) -> int:
    """KV heads are replicated once there are more ranks than heads (vLLM config/model.py get_num_kv_heads)."""
    return max(1, attention.kv_heads // tensor_parallel_size)


def expert_share(experts: Experts, layout: Layout) -> tuple[int, int]:
    """(experts on one rank, width of each there).

    Ranks that split data split the experts as well, as more tensor parallelism or as more expert parallelism
    (vLLM fused_moe/config.py FusedMoEParallelConfig.make).
    """
    tp = layout.tensor_parallel_size
    ranks = tp * layout.data_parallel_size
    if layout.expert_parallel:
        return -(-experts.experts // ranks), experts.intermediate
    wide = experts.intermediate
    if tp > 1 and layout.release >= (0, 27):  # models/kimi_k3/nvidia/model.py KimiMoE, from that release on
        wide = max(wide, experts.least_width * tp)
    return experts.experts, wide // ranks


def shared_share(experts: Experts, tensor_parallel_size: int) -> int:
    """Width of the shared experts on one rank (vLLM 0.25 to 0.33 models/deepseek_v4/nvidia/model.py DeepseekV4MLP)."""
    blocks = experts.shared_intermediate // experts.shared_block
    padded = experts.shared_block > 1
    return (-(-blocks // tensor_parallel_size) if padded else blocks // tensor_parallel_size) * experts.shared_block


def layer_tensors(group: LayerGroup, hidden: int, layout: Layout) -> list[RankTensor]:
    """Weights of one rank in these layers."""
    found = _Group(group, hidden, layout)
    if group.mixer is not None:
        found.mixer(group.mixer)
    if group.beside is not None:
        found.mixer(group.beside)
    found.add("norms", "norm", (), hidden, each=group.norms)
    if group.feed_forward is not None:
        found.feed_forward(group.feed_forward)
    found.weights(group.others)
    return [tensor._replace(uses=1 + len(group.again)) for tensor in found.tensors]


def padded_rows(rows: int) -> int:
    """As vLLM pads a vocabulary: to 64s (vocab_parallel_embedding.py DEFAULT_VOCAB_PADDING_SIZE)."""
    return -(-rows // 64) * 64


def weight_tensor(weight: Weight, layout: Layout, indices: tuple[int, ...] | None = None) -> RankTensor:
    """A weight as one rank holds it, in each of the layers `indices` or outside all; an uneven cut is rounded up."""
    tp = layout.tensor_parallel_size
    if weight.heads % tp or weight.cut_since > layout.release:
        tp = 1
    rows = padded_rows(weight.outputs) if weight.padded else weight.outputs
    outputs = -(-rows // tp) if weight.split == "outputs" else rows
    inputs = -(-weight.inputs // tp) if weight.split == "inputs" else weight.inputs
    return RankTensor(
        weight.name, weight.role, (weight.module,), indices or (),
        weight.copies * (1 if indices is None else len(indices)), outputs, inputs, weight.linear, weight.float32,
        uses=weight.uses, fp8=weight.fp8,
    )  # fmt: skip
