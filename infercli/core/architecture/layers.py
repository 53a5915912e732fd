"""What a layer of a model may be made of: token mixers, feed-forwards, and weights that stand outside the layers.

The one thing to know: widths are those of the whole model, before any split; core/architecture/tensors.py splits them.
`module` and `names` are the Hub's names below the layer, which is how a checkpoint says what it quantizes.
"""

from typing import Literal, NamedTuple, TypeAlias

Role = Literal[
    "embedding",
    "lm_head",
    "attention",
    "linear_attention",
    "mlp",
    "experts",
    "shared_experts",
    "router",
    "norm",
    "encoder",
    "draft",
    "indexer",
    "other",
]

Split = Literal["replicated", "outputs", "inputs"]
"""How tensor parallelism cuts a weight: not at all, by its outputs (columns), or by its inputs (rows)."""


class Weight(NamedTuple):
    """A weight that no mixer and no feed-forward describes: `copies` equal matrices of `outputs` x `inputs`."""

    name: str
    role: Role
    module: str
    outputs: int
    inputs: int
    copies: int = 1
    split: Split = "replicated"
    linear: bool = False
    """A linear layer, which a quantization may touch."""
    heads: int = 0
    """Cut only where the ranks divide these heads, whole otherwise; 0: always cut."""
    must_divide: int = 0
    """Heads of an encoder that the ranks must divide where it is cut; 0: any number of ranks will do."""
    cut_since: tuple[int, int] = (0, 0)
    """The vLLM release that cuts it; earlier ones hold it whole on every rank."""
    float32: bool = False
    """Kept in four bytes an element, whatever the model's dtype is."""
    fp8: bool = False
    """A table that checkpoints in FP8 store so as well, with one scale (Qwen4-Exp)."""
    host_since: tuple[int, int] | None = None
    """The vLLM release that keeps it in the machine's memory instead of the GPU's; None: none does."""
    padded: bool = False
    """Its outputs are rows of a table, which vLLM pads as it pads the vocabulary."""
    uses: float = 1
    """Times that a token passes it, where several layers share it (Zamba 2)."""

    def on_host(self, release: tuple[int, int]) -> bool:
        """Whether that vLLM release keeps it in the machine's memory."""
        return self.host_since is not None and self.host_since <= release


class Convolved(NamedTuple):
    """Short convolutions that keep the last tokens they saw as a window of keys."""

    kernel: int
    """Tokens of the window, and of a block of it."""
    head_width: int
    """Of what is kept of a token, for each KV head."""


SKIPS_INDEXERS = (0, 24)
"""The first release of vLLM in which a layer that re-uses another's choice has no indexer: 0.22 and 0.23 give it the
weights and the keys of one, and leave them unused (models/deepseek_v2.py)."""


class Indexer(NamedTuple):
    """Picks the tokens that a query attends to (DeepSeek-V3.2): one small key per token, whole on each rank."""

    heads: int
    head_dim: int
    top_k: int
    query_inputs: int
    """Width of what its queries are projected from: the compressed query (DeepSeek) or the hidden state."""
    cached: bool = True
    """False: the layer re-uses what an earlier layer's indexer picked (GLM-5.2, DeepSeek-V4.1), and since
    `SKIPS_INDEXERS` has neither weights nor keys of one."""
    pool: int = 1
    """Tokens whose keys become the one that it scores (GLM-5.3, Qwen4-Exp); 1: each has its own."""
    candidates: int = 0
    """Blocks of keys that one indexer leaves for those behind it to pick from (DeepSeek-V4.1); 0: they see all."""


class Attention(NamedTuple):
    """Multi-head, grouped-query or multi-query attention."""

    heads: int
    kv_heads: int
    head_dim: int
    v_head_dim: int
    window: int | None = None
    """Tokens that a query sees, itself included; None: all."""
    pooled_window: int | None = None
    """The window in tokens, where `window` is in frames of which a token has several (Voxtral Realtime)."""
    chunk: int | None = None
    """Tokens of the chunk within which a query sees (Llama 4); None: no chunks."""
    encoder_tokens: int | None = None
    """It attends to so many tokens of an encoder, and keeps their keys and values (Whisper); None: to the request's
    own tokens."""
    qkv_bias: bool = False
    output_bias: bool = False
    qk_norm: Literal["head", "full", "whole"] | None = None
    """Norms on queries and keys: over each head (shared by all heads), over all heads together and cut as these are, or
    over all heads and whole on every rank (OLMo)."""
    gate: Literal["elements", "heads"] | None = None
    """A gate on the output, from the same input: one number per element (Qwen3-Next) or per head (Step)."""
    sinks: bool = False
    """One learned logit per head beside the keys (gpt-oss)."""
    shares_kv: bool = False
    """It reads the cache of an earlier layer: neither keys and values nor a cache of its own (Gemma 3n and 4)."""
    cached: bool = True
    """False: an encoder's, which has no KV cache."""
    indexer: Indexer | None = None
    """It picks the tokens that a query attends to (MiniMax M3); None: all of them."""
    inputs: int | None = None
    """Width of what queries, keys and values are made of (EAGLE-3); None: the hidden width."""
    convolved: Convolved | None = None
    """Short convolutions of its layer, which keep their last tokens beside its keys and values (Inkling)."""
    projections: tuple[Weight, ...] | None = None
    """All its weights, where they are others than a projection to queries, keys and values and one of the output."""
    module: str = "self_attn"
    names: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
    """The projections; the last is that of the output."""


class LatentAttention(NamedTuple):
    """Multi-head latent attention (DeepSeek-V2): one compressed key-value vector per token, for all heads."""

    heads: int
    q_lora_rank: int | None
    """None: queries are projected in one step."""
    kv_lora_rank: int
    rope_dim: int
    nope_dim: int
    v_head_dim: int
    indexer: Indexer | None = None
    linear: bool = True
    """Its projections, and its indexer's, take a quantization; False: vLLM builds them without one (GLM-5.3)."""
    module: str = "self_attn"


class CompressedAttention(NamedTuple):
    """DeepSeek-V4's: multi-query attention with one key-value head within a window, and compressed tokens before it.

    V4.1's layers share: a few compress keys, which those behind read, and a few pick among them for those behind.
    """

    heads: int
    head_dim: int
    rope_dim: int
    q_lora_rank: int
    o_groups: int
    o_lora_rank: int
    window: int
    compress_ratio: int
    """Tokens that become one compressed key; 0: the window only."""
    indexer: Indexer | None
    """It picks compressed keys where they are many (ratio 4; of V4.1 any)."""
    owns_keys: bool | None = None
    """V4.1: whether its compressed keys, and those of its indexer, are its own. None: V4, where each layer's are."""
    module: str = "attn"


class StateSpace(NamedTuple):
    """Mamba. Version 2 has heads and groups; version 1 has `heads` = 1 and its time-step projection instead."""

    version: Literal[1, 2]
    heads: int
    head_dim: int
    """heads x head_dim is the inner width."""
    groups: int
    state: int
    conv_kernel: int
    conv_bias: bool = True
    projection_bias: bool = False
    time_step_rank: int = 0
    """Version 1 only."""
    gated_norm: bool = True
    """A norm over the inner width before the output projection (version 2), or three on what is projected (Jamba)."""
    state_dtype: str | None = None
    """Of the state between tokens; None: config.json does not say."""
    chunk: int = 2048
    """Tokens that its kernel takes at a time; version 1 counts as this (vLLM config/model.py get_mamba_chunk_size)."""
    projections: tuple[Weight, ...] | None = None
    """All its weights, where they are others than those of its version (PLaMo 2)."""
    module: str = "mixer"
    names: tuple[str, str] = ("in_proj", "out_proj")


class GatedDelta(NamedTuple):
    """Linear attention: gated DeltaNet (Qwen3-Next, Qwen3.5), Kimi's (KDA), or lightning attention (MiniMax-Text-01).

    The first two have a delta rule and a convolution, the last has neither.
    """

    variant: Literal["gdn", "kda", "lightning"]
    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    conv_kernel: int
    state_dtype: str | None = None
    """Of the state between tokens; None: config.json does not say."""
    norm_groups: int | None = None
    """Equal parts of its output that are normed each by itself, which the ranks must divide; None: any split will do.
    """
    module: str = "linear_attn"
    merged: bool = False
    """Files hold queries, keys, values and gates as in_proj_qkvz, and the other two as in_proj_ba: Qwen3-Next's do."""
    full_gate: bool = False
    """Its output gate is projected in one step, as its queries are (Kimi-K3), and not through a small vector (KDA)."""
    bounded: bool = False
    """Its gate has a lower bound, without which FlashKDA does not run it."""
    projections: tuple[Weight, ...] | None = None
    """All its weights, where they are others than those of its variant; lightning attention has none of its own."""


class ShortConvolution(NamedTuple):
    """A gated convolution over the last few tokens (LFM2): those are its whole state."""

    width: int
    conv_kernel: int
    bias: bool = False
    whole: bool = False
    """Every rank keeps all of the state (Qwen4-Exp)."""
    projections: tuple[Weight, ...] | None = None
    """All its weights, where they are others (Qwen4-Exp)."""
    module: str = "conv"


Mixer: TypeAlias = Attention | LatentAttention | CompressedAttention | StateSpace | GatedDelta | ShortConvolution


class Dense(NamedTuple):
    """A feed-forward: gate, up and down, or up and down."""

    intermediate: int
    gated: bool = True
    bias: bool = False
    whole_since: tuple[int, int] | None = None
    """The vLLM release from which it is whole on every rank; None: it is cut."""
    follows_sequence: bool = False
    """It is whole on every rank where ranks share out the tokens of a step between attentions (Kimi)."""
    module: str = "mlp"
    names: tuple[str, ...] = ("gate_proj", "up_proj", "down_proj")
    """The projections; the last is down."""


class Experts(NamedTuple):
    """A mixture of equal routed experts, with or without shared ones that every token passes."""

    experts: int
    experts_per_token: int
    intermediate: int
    """Of one routed expert."""
    shared_intermediate: int = 0
    """Of all shared experts together, or of a dense feed-forward beside the experts; 0: none."""
    shared_block: int = 1
    """Each rank's share of the shared experts is padded to whole blocks of this width (DeepSeek-V4)."""
    gated: bool = True
    bias: bool = False
    shared_bias: bool = False
    shared_gate: bool = False
    """One number per token scales the shared experts (Qwen2-MoE)."""
    shared_plain: bool = False
    """No quantization touches the shared experts, whatever the checkpoint says (Inkling)."""
    plain: bool = False
    """No quantization touches the routed experts, whatever the checkpoint says (Moondream 3)."""
    router_bias: bool = False
    """One number per expert: the router's bias, or its correction of the scores."""
    router_float32: bool = False
    """The router is kept in fp32, whatever the model's dtype is."""
    least_width: int = 0
    """Of one routed expert on one rank, where several ranks share it: vLLM pads it up to this (Kimi)."""
    latent: int | None = None
    """The width that routed experts work in, behind a projection down to it and up again; None: the hidden width."""
    latent_apart: bool = False
    """Those projections are weights of the layer (Muse Spark), and no linear layers."""
    latent_norm: bool = False
    """A norm between the experts and the projection up."""
    latent_names: tuple[str, str] = ("fc1_latent_proj", "fc2_latent_proj")
    """The projections down to it and up again."""
    follows_sequence: bool = False
    """Where ranks share out the tokens of a step between attentions, its shared experts are whole on each (Kimi)."""
    module: str = "mlp"
    names: tuple[str, ...] = ("gate_proj", "up_proj", "down_proj")
    router: str = "gate"
    shared_module: str = "mlp.shared_experts"
    shared_names: tuple[str, ...] = ("gate_proj", "up_proj", "down_proj")


FeedForward: TypeAlias = Dense | Experts


class LayerGroup(NamedTuple):
    """Equal layers of a model."""

    indices: tuple[int, ...]
    """Their positions in the model, from 0."""
    mixer: Mixer | None
    feed_forward: FeedForward | None
    norms: int = 2
    """Vectors of the hidden width per layer: each norm is one, with a bias two."""
    beside: Mixer | None = None
    """A second mixer of each of these layers, with a cache of its own (Falcon-H1)."""
    again: tuple[Mixer, ...] = ()
    """How the mixer attends each further time that a token passes the same weights, with a cache of its own (Ouro)."""
    others: tuple[Weight, ...] = ()
    """What else each of these layers has."""
