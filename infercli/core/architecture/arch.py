"""What every formula needs of a model, and the fields of config.json that all families read alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from infercli.core.record import Json
from infercli.errors import InputError, Unsupported


@dataclass(frozen=True, kw_only=True)
class ModelArch:
    """A decoder-only transformer with full attention in every layer and dense or mixture-of-experts feed-forwards."""

    architecture: str
    """The class in config.json's `architectures`."""
    kind: Literal["dense", "moe"]
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    """Of one feed-forward, or of one expert."""
    vocab: int
    experts: int = 0
    """0 for a dense model."""
    experts_per_token: int = 0
    tied: bool
    """lm_head is the embedding."""
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    dtype: str | None
    """Of the checkpoint (bfloat16, float16, float32); None: config.json does not say."""
    max_model_len: int
    """The model's own maximum, as vLLM derives it from max_position_embeddings and the RoPE scaling."""
    rope_positions: int
    """Rows of the cosine and sine table that vLLM keeps on the GPU."""

    @property
    def padded_vocab(self) -> int:
        """As vLLM pads the vocabulary: to 64s (vocab_parallel_embedding.py DEFAULT_VOCAB_PADDING_SIZE)."""
        return -(-self.vocab // 64) * 64


class RankTensor(NamedTuple):
    """A weight as one tensor-parallel rank holds it, `copies` times: `outputs` x `inputs` elements."""

    name: str
    copies: int
    outputs: int
    inputs: int
    quantized: bool = False
    """Whether a quantized checkpoint quantizes it."""


def kv_heads_per_rank(arch: ModelArch, tensor_parallel_size: int) -> int:
    """KV heads are replicated once there are more ranks than heads (vLLM config/model.py get_num_kv_heads)."""
    return max(1, arch.kv_heads // tensor_parallel_size)


def rank_tensors(arch: ModelArch, tensor_parallel_size: int) -> tuple[RankTensor, ...]:
    """Every weight of one rank, merged as vLLM merges them (qkv and gate-up are one tensor each).

    The split must be valid (core/tensor_parallel.py): heads, feed-forward and vocabulary divide evenly.
    """
    tp, n, h = tensor_parallel_size, arch.layers, arch.hidden
    q = arch.heads // tp * arch.head_dim
    kv = kv_heads_per_rank(arch, tp) * arch.head_dim
    ff = arch.intermediate // tp
    tensors = [
        RankTensor("embedding", 1 if arch.tied else 2, arch.padded_vocab // tp, h),
        RankTensor("qkv", n, q + 2 * kv, h, quantized=True),
        RankTensor("attention output", n, h, q, quantized=True),
        RankTensor("norms", 2 * n + 1, h, 1),
    ]
    if arch.qkv_bias:
        tensors.append(RankTensor("qkv bias", n, q + 2 * kv, 1))
    if arch.output_bias:
        tensors.append(RankTensor("attention output bias", n, h, 1))
    if arch.qk_norm:
        tensors.append(RankTensor("query and key norms", 2 * n, arch.head_dim, 1))
    if arch.experts:
        tensors += [
            RankTensor("router", n, arch.experts, h),
            RankTensor("expert gate-up", n, arch.experts * 2 * ff, h, quantized=True),
            RankTensor("expert down", n, arch.experts * h, ff, quantized=True),
        ]
    else:
        tensors += [
            RankTensor("gate-up", n, 2 * ff, h, quantized=True),
            RankTensor("down", n, h, ff, quantized=True),
        ]
        if arch.mlp_bias:
            tensors.append(RankTensor("feed-forward biases", n, 2 * ff + h, 1))
    return tuple(tensors)


def parameter_count(arch: ModelArch) -> int:
    """Parameters of the checkpoint: one rank, without vLLM's padding of the vocabulary."""
    padding = (arch.padded_vocab - arch.vocab) * arch.hidden * (1 if arch.tied else 2)
    return sum(t.copies * t.outputs * t.inputs for t in rank_tensors(arch, 1)) - padding


def integer(config: Json, key: str, default: int | None = None) -> int:
    """A positive integer of config.json. Raises InputError where it is absent and has no default."""
    value = config.get(key)
    if value is None:
        value = default
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(
            f"config.json: {key}: must be a positive whole number, and is {value!r}",
            "the checkpoint is incomplete; pin it again, or fix the file at its source",
        )
    return value


def rope_parameters(config: Json) -> Json:
    """The RoPE scaling, under its old name or that of transformers 5; an empty dict where there is none."""
    parameters = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if parameters and all(isinstance(v, dict) for v in parameters.values()):
        raise Unsupported(
            "config.json gives each layer type a RoPE of its own", "to teach it: core/architecture/arch.py"
        )
    return parameters


def context_length(config: Json) -> tuple[int, int]:
    """(the model's maximum length, rows of the RoPE table).

    As vLLM 0.29 does (config/model.py _get_and_verify_max_len): the scaling factor multiplies the maximum, except for
    llama3 (already in it); yarn multiplies the original maximum. Raises Unsupported for longrope.
    """
    positions = integer(config, "max_position_embeddings")
    parameters = rope_parameters(config)
    kind = str(parameters.get("rope_type") or parameters.get("type") or "default")
    if kind in ("default", "llama3"):
        return positions, positions
    if kind in ("linear", "dynamic", "yarn"):
        base = int(parameters.get("original_max_position_embeddings") or positions) if kind == "yarn" else positions
        length = int(base * float(parameters.get("factor") or 1.0))
        return length, length
    raise Unsupported(
        f"config.json scales RoPE with `{kind}`", "to teach it: context_length in core/architecture/arch.py"
    )


def checkpoint_dtype(config: Json) -> str | None:
    """The dtype of the weights, under its old name or that of transformers 5."""
    dtype = config.get("dtype") or config.get("torch_dtype")
    return None if dtype in (None, "auto") else str(dtype)
