"""What encoders are made of: blocks, mergers and embeddings, and how vLLM splits them.

The one thing to know: blocks of most encoders are cut by tensor parallelism (mm_encoder_tp_mode `weights`, the
default), what stands before and behind them is whole on every rank. So are blocks that transformers runs.
"""

from typing import NamedTuple

from infercli.core.architecture.fields import EXTEND, INCOMPLETE, integer
from infercli.core.architecture.layers import Split, Weight
from infercli.core.record import Json
from infercli.errors import Unsupported


class Block(NamedTuple):
    """One kind of encoder layer."""

    module: str
    depth: int
    hidden: int
    intermediate: int
    gated: bool = False
    bias: bool = True
    """Of all its linear layers."""
    qkv_bias: bool = True
    """Of queries, keys and values, where the others have one."""
    norms: int = 4
    """Vectors of the hidden width: a LayerNorm has two, an RMSNorm one."""
    extra: int = 0
    """Other elements per layer: norms over heads."""
    inner: int | None = None
    """Width of all heads together; None: the hidden width."""
    whole: bool = False
    """Not cut by tensor parallelism."""
    attention_whole: bool = False
    """Its attention is not cut, whatever its feed-forward is."""
    cut_since: tuple[int, int] = (0, 0)
    """The vLLM release that cuts it."""
    heads: int = 0
    """Its attention is cut only where the ranks divide this; 0: always."""
    must_divide: int = 0
    """Heads that the ranks must divide, or vLLM does not start; 0: any number of ranks will do."""
    kv: int | None = None
    """Width of all keys together, and of all values; None: as the queries'."""
    linear: bool = True
    """Its linear layers take a quantization; False: vLLM builds them without one."""


def blocks(b: Block) -> list[Weight]:
    """The weights of all layers of this kind."""
    inner, parts = b.inner or b.hidden, 2 if b.gated else 1
    qkv = inner + 2 * (inner if b.kv is None else b.kv)
    columns: Split = "replicated" if b.whole else "outputs"
    rows: Split = "replicated" if b.whole else "inputs"
    cut: Split = "replicated" if b.attention_whole else columns
    wide = parts * b.intermediate
    weights = [
        weight(f"{b.module}.attn.qkv", qkv, b.hidden, b.depth, cut, b.heads, b.linear),
        weight(
            f"{b.module}.attn.proj",
            b.hidden,
            inner,
            b.depth,
            "replicated" if b.attention_whole else rows,
            b.heads,
            b.linear,
        ),
        weight(f"{b.module}.mlp.fc1", wide, b.hidden, b.depth, columns, linear=b.linear),
        weight(f"{b.module}.mlp.fc2", b.hidden, b.intermediate, b.depth, rows, linear=b.linear),
        plain(f"{b.module}.norm", b.norms * b.hidden + b.extra + (2 * b.hidden if b.bias else 0), b.depth),
    ]
    if b.bias:
        weights.append(plain(f"{b.module}.mlp.fc1.bias", wide, b.depth, columns))
    if b.bias and b.qkv_bias:
        weights.append(plain(f"{b.module}.attn.qkv.bias", qkv, b.depth, cut, b.heads))
    return [w._replace(cut_since=b.cut_since, must_divide=b.must_divide) for w in weights]


def heads(vision: Json, default: int = 16) -> int:
    """Heads of an encoder; `default`: where config.json does not say, that of its class in transformers."""
    return integer(vision, ("num_heads", "num_attention_heads", "encoder_attention_heads"), default)


def weight(
    module: str,
    outputs: int,
    inputs: int,
    copies: int = 1,
    split: Split = "replicated",
    heads: int = 0,
    linear: bool = True,
) -> Weight:
    """A linear layer; `heads`: cut only where the ranks divide them."""
    return Weight(
        name=module, role="encoder", module=module, outputs=outputs, inputs=inputs, copies=copies, split=split,
        linear=linear, heads=heads,
    )  # fmt: skip


def plain(module: str, elements: int, copies: int = 1, split: Split = "replicated", heads: int = 0) -> Weight:
    """What no quantization touches: patches, positions, norms and biases."""
    return Weight(
        name=module, role="encoder", module=module, outputs=elements, inputs=1, copies=copies, split=split, heads=heads
    )


def merger(module: str, width: int, merge: int, out: int, norms: int = 2) -> list[Weight]:
    """Patches that lie together -> one token: a norm, two linear layers with biases."""
    whole = merge * width
    return [
        weight(f"{module}.mlp.0", whole, whole, split="outputs"),
        weight(f"{module}.mlp.2", out, whole, split="inputs"),
        plain(f"{module}.mlp.0.bias", whole, split="outputs"),
        plain(f"{module}.ln_q", norms * width + out),
    ]


def projector(
    module: str,
    hidden: int,
    inputs: int,
    *,
    bias: bool = True,
    whole: bool = False,
    cut_since: tuple[int, int] = (0, 0),
) -> list[Weight]:
    """LLaVA's two linear layers."""
    weights = [
        weight(f"{module}.linear_1", hidden, inputs, split="replicated" if whole else "outputs"),
        weight(f"{module}.linear_2", hidden, hidden, split="replicated" if whole else "inputs"),
    ]
    if bias:
        weights += [
            plain(f"{module}.linear_1.bias", hidden, split="replicated" if whole else "outputs"),
            plain(f"{module}.linear_2.bias", hidden),
        ]
    return [w._replace(cut_since=cut_since) for w in weights]


def patches(vision: Json, size: int, frames: int) -> int:
    """Elements that one patch has."""
    side = integer(vision, ("patch_size", "spatial_patch_size"), size)
    channels = integer(vision, ("in_channels", "in_chans", "num_channels"), 3)
    return channels * integer(vision, "temporal_patch_size", frames) * side * side


_SMALL = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "image_size": 224}
_DEFAULTS: dict[str, Json] = {
    "siglip_vision_model": _SMALL | {"patch_size": 16},
    "clip_vision_model": _SMALL | {"patch_size": 32},
}
"""What transformers takes where a vision_config is silent (models/siglip and clip, configuration_*.py)."""


def siglip(vision: Json, module: str = "vision_tower", *, last_norm: bool = True) -> list[Weight]:
    """SigLIP, or CLIP, which has a class token and a norm before its first layer; `last_norm`: one behind the last.

    `module`: its name in the checkpoint, by which a quantization leaves it out.
    """
    vision = _DEFAULTS.get(str(vision.get("model_type")), {}) | vision
    width, wide = integer(vision, "hidden_size"), integer(vision, "intermediate_size")
    side = integer(vision, "image_size") // integer(vision, "patch_size")
    clip = "clip" in str(vision.get("model_type"))
    before = patches(vision, 14, 1) + side * side + (2 if clip else 1)
    norms = 2 * clip + 2 * last_norm
    weights = [
        plain(f"{module}.embeddings", before * width),
        *blocks(
            Block(
                f"{module}.encoder.layers",
                integer(vision, "num_hidden_layers"),
                width,
                wide,
                must_divide=heads(vision, 12),
            )
        ),
    ]
    return [*weights, plain(f"{module}.post_layernorm", norms * width)] if norms else weights


def layers_fed(vision: Json, default: int) -> int:
    """Layers that are loaded: up to `vision_feature_layer`, counted from the end where it is negative."""
    count = integer(vision, "num_hidden_layers", 24)
    said = vision.get("vision_feature_layer")
    asked = said if isinstance(said, list) and said else [default if said is None else said]
    return max(count + int(index) + 1 if int(index) < 0 else int(index) for index in asked)


def first(value: Json) -> int:
    """Of a size that is written as one number or as height and width."""
    value = value[0] if isinstance(value, list) and value else value
    if not isinstance(value, int) or value < 1:
        raise Unsupported(f"config.json: vision_config: a size of {value!r} is not known here", EXTEND)
    return value


def q_former(module: str, said: Json, seen: int) -> list[Weight]:
    """BLIP-2's, over `seen` columns (vLLM 0.29 models/blip2.py): whole on every rank."""
    width, wide = integer(said, "hidden_size", 768), integer(said, "intermediate_size", 3072)
    depth, every = integer(said, "num_hidden_layers", 12), integer(said, "cross_attention_frequency", 2)
    own = 4 * width * width + 6 * width
    crossed = 2 * width * (width + integer(said, "encoder_hidden_size", seen)) + 6 * width
    return [
        plain(f"{module}.layernorm", 2 * width),
        plain(f"{module}.encoder.layer", own + 2 * width * wide + wide + 3 * width, depth),
        plain(f"{module}.encoder.layer.crossattention", crossed, -(-depth // every)),
    ]


def part(config: Json, key: str) -> Json:
    """One part of config.json. Raises Unsupported where it is missing."""
    value = config.get(key)
    if isinstance(value, dict) and value:
        return value
    raise Unsupported(f"config.json: {key}: missing, and the model has an encoder", INCOMPLETE)
