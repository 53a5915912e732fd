"""What a vision encoder takes while vLLM profiles: its own peak, and what stays beside the decoder's.

The one thing to know: vLLM runs the encoder first, on as many of the largest items as its budget holds, which is
max_num_batched_tokens or one item if that is larger; then the decoder, while the encoder's outputs and the dummy images
stay. How large an item is, and how many bytes of pixels stand behind one of its tokens, is the model's image
processor's, which config.json does not hold: hence the table.
"""

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from infercli.core.architecture.arch import ModelArch
from infercli.core.engines.facts import NOTHING, Band, EngineFacts
from infercli.core.units import GIB

if TYPE_CHECKING:
    from infercli.core.memory.batch import Batch


class Items(NamedTuple):
    """What a prompt may hold besides text."""

    kinds: Literal["all", "images", "none"] = "all"
    most: int | None = None
    """Of each kind; None: as many as the context holds."""
    max_pixels: int | None = None
    """Of one; None: as many as the processor lets through by itself. Known of the encoders with `pixels_per_token`."""


ANYTHING = Items()


class Block(NamedTuple):
    """One block of an encoder, which runs without compilation: what of it is alive at once, per patch."""

    beside_attention: int
    """Vectors of the encoder's width around qkv (3), queries and keys as one and rotated (2 + 2) and its output (1)."""
    beside_mlp: int
    """The same around the inner layer's output and its activation."""
    split: bool = True
    """Whether tensor parallelism splits it: vLLM's own encoders are, those of transformers are not."""


class Encoder(NamedTuple):
    """The largest item of one family of encoders."""

    item_tokens: int
    """Tokens of the largest image."""
    pixel_bytes: int
    """Of the processor's output behind one token."""
    outputs: int = 1
    """Vectors of the hidden width per token: one, and one per layer that is fed from the encoder (deepstack)."""
    v0_image_bytes: int = 0
    """V0 profiles one image of every sequence, through the whole encoder at once; 0: not known."""
    frame_pairs: int = 1
    """A video of as many pairs of frames is the largest item, each of an image's tokens, if the context holds it."""
    padded_video: tuple[int, int] | None = None
    """A video's tokens, and those that vLLM 0.11 and 0.12 kept room for: 12.5 to one, more than an image has."""
    patches: float = 0
    """Behind one token."""
    block: Block | None = None
    """None: the encoder's own peak is not known."""
    together_from: tuple[int, int] = (0, 0)
    """The release of vLLM from which all items pass at once; before, one image after the other."""
    whole: bool = False
    """From that release on no batch is taken that is smaller than an item, since all of it is attended to at once."""
    image_tokens: int | None = None
    """Of the largest image, where the largest item is a video of another size."""
    pixels_per_token: int | None = None
    """Where mm_processor_kwargs' max_pixels bounds an item; None: it is not known to."""


_QWEN2 = Encoder(
    item_tokens=16384, pixel_bytes=4 * 3 * 2 * 14 * 14 * 2, frame_pairs=7, pixels_per_token=28 * 28,
    patches=4, block=Block(beside_attention=3, beside_mlp=2),
)  # fmt: skip
_QWEN3 = Encoder(
    item_tokens=16384, pixel_bytes=4 * 3 * 2 * 16 * 16 * 2, outputs=4, padded_video=(12288, 153600),
    pixels_per_token=32 * 32, patches=4, block=Block(beside_attention=4, beside_mlp=3),
)  # fmt: skip
_GEMMA4 = Encoder(
    item_tokens=32 * (70 + 8), pixel_bytes=9 * 3 * 16 * 16 * 2, patches=32 * 70 * 9 / (32 * (70 + 8)), image_tokens=280,
    block=Block(beside_attention=8, beside_mlp=4, split=False), together_from=(0, 20), whole=True,
)  # fmt: skip
_GEMMA3 = Encoder(
    item_tokens=256,
    pixel_bytes=3 * 896 * 896 * 2 // 256,
    v0_image_bytes=4096 * 2 * (4304 + 1152),  # patches x 2 B x (intermediate + hidden) of SigLIP: two logs agree to 6 %
)
_PIXTRAL = Encoder(item_tokens=3025, pixel_bytes=3 * 28 * 28 * 2)
_DEEPSEEK_V4 = Encoder(item_tokens=384 + 3, pixel_bytes=9 * 3 * 14 * 14 * 2, patches=9, whole=True)

# Bytes behind a token: channels x patch area x merged patches x element. Qwen: 4 patches of 2 frames per token, vLLM
# 0.12 models/qwen2_vl.py and qwen3_vl.py; Gemma 3n: 768 x 768 pixels become 256 tokens (0.29 models/gemma3n_mm.py),
# Whisper: 3,000 frames of 128 bins 1,500 (models/whisper.py). The omni models have the same encoders and, by 0.29's
# sources, the limits of Qwen2.5-VL's items. Gemma 3: 896 x 896 pixels become 256 tokens. Pixtral: 14 x 14, merged 2 x
# 2. Blocks, read in 0.29 and counted by running them on tensors without memory: 35.9 KB per patch of Qwen2.5-VL (its
# norms keep their input) and 30.9 of Qwen3.5, where logs of 0.23 and 0.19 leave 36.0 and 32. Gemma 4 (0.23
# models/gemma4_mm.py): a video of 32 frames, 70 tokens each, 9 patches behind a token, and 8 tokens more for its time;
# 37.5 KB per patch (a log of 0.20 agrees; one of 0.26 on B300 leaves 69, where attention keeps its scores). Gemma 4
# Unified has the same items and no encoder behind them (0.23 and 0.28 models/gemma4_unified.py). Kimi-K3: 65,536
# patches at most, four of which become a token (in_patch_limit of its own image processor, as other loaders copy it).
# DeepSeek-V4 and V4.1: 9 patches of 14 x 14 in BF16 behind a token, and room to align V4's (0.33 models/deepseek_v4/
# and deepseek_v41/ common/mm_preprocess.py).
_ENCODERS: tuple[tuple[str, Encoder], ...] = (
    ("Qwen2VL", _QWEN2),
    ("Qwen2_5_VL", _QWEN2._replace(block=Block(beside_attention=3, beside_mlp=5))),
    ("Qwen2_5Omni", _QWEN2._replace(frame_pairs=1, block=None)),
    ("Qwen3VL", _QWEN3),
    ("Qwen3_5", _QWEN3._replace(outputs=1, padded_video=None)),
    ("Qwen3Omni", _QWEN3._replace(padded_video=None, block=None)),
    ("Gemma3For", _GEMMA3),
    ("Gemma3nFor", Encoder(item_tokens=256, pixel_bytes=3 * 768 * 768 * 2 // 256)),
    ("Gemma4For", _GEMMA4),
    ("Gemma4Unified", _GEMMA4._replace(block=None, patches=0)),
    ("Mistral3", _PIXTRAL),
    ("Pixtral", _PIXTRAL),
    ("Whisper", Encoder(item_tokens=1500, pixel_bytes=128 * 3000 * 2 // 1500)),
    ("KimiK3", Encoder(item_tokens=16384, pixel_bytes=4 * 3 * 14 * 14 * 2)),
    ("DeepseekV4For", _DEEPSEEK_V4),
    ("DeepseekV41", _DEEPSEEK_V4._replace(item_tokens=1024, whole=False)),
    ("Llama4", Encoder(item_tokens=2448, pixel_bytes=3 * 336 * 336 * 2 // 144)),
)
"""First part of the architecture's name -> encoder."""

_UNKNOWN = Encoder(item_tokens=0, pixel_bytes=0)
"""An encoder that is not in the table: its outputs are counted for the batch, its images in the high end only."""


class Profiled(NamedTuple):
    """Tokens of the items that V1 profiles."""

    tokens: int
    """Through the encoder."""
    room: int
    """For which outputs are kept."""


_IMAGES = (
    "AriaFor", "AyaVision", "BagelFor", "BailingMoeV3VL", "BeeFor", "Blip2For", "CLIPModel", "Chameleon",
    "ColModernVBert", "ColPali", "DeepseekV4", "DeepseekVLV2", "Eagle2_5_VL", "Fuyu", "Gemma3For", "Granite4Vision",
    "H2OVL", "HfMoondream", "HunYuanVL", "IsaacFor", "JinaVL", "KananaV", "KimiK3", "KimiVL", "Lfm2Vl", "Llama4",
    "LlamaNemotronVL", "Llama_Nemotron", "Llava", "Mantis", "MiniMaxVL01", "Mistral3", "Mllama", "Moondream3", "NVLM_D",
    "OpenVLA", "Ovis", "Phi4ForCausalLMV", "Pixtral", "QwenVLFor", "RForConditional", "SiglipModel", "SkyworkR1V",
    "Step", "TarsierFor", "UnlimitedOCR",
)  # fmt: skip
_VIDEOS = (
    "ColQwen3", "Cosmos3", "Ernie4_5_VL", "Exaone4_5_", "Gemma4For", "Glm4v", "Glm5Next", "HCXVision", "InternS1Pro",
    "InternS2Preview", "InternVL", "LlavaOnevision", "MuseGlimmer", "OpenPanguVL", "OpsColQwen3", "Ovis2_", "Qwen2VL",
    "Qwen2_5_VL", "Qwen3VL", "Qwen3_5", "Tarsier2",
)  # fmt: skip
_SOUND = (
    "AudioFlamingo3",
    "CohereAsr",
    "GlmAsr",
    "FireRedASR2",
    "FunASR",
    "FunAudioChat",
    "GraniteSpeech",
    "MiDashengLM",
    "MoonshotKimia",
    "MossAudio",
    "MossTranscribe",
    "MusicFlamingo",
    "Qwen3ASR",
    "UltravoxModel",
    "VoxtralRealtime",
    "Whisper",
)
_MODALITIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    *((name, ("image",)) for name in _IMAGES),
    *((name, ("image", "video")) for name in _VIDEOS),
    *((name, ("audio",)) for name in _SOUND),
    ("Phi4MM", ("image", "audio")),
    ("Phi4Multimodal", ("image", "audio")),
    ("Gemma3n", ("image", "audio")),
    ("KimiK25", ("vision_chunk",)),
    ("InklingFor", ("image", "audio")),
)
"""First part of the architecture's name -> what its encoders read (0.28 model_executor/models/,
get_supported_mm_limits); the longest name counts. Gemma 4's sound encoder is apart, and goes with its images here."""
_ANY_MODALITY = ("image", "video", "audio")

_UNUSED_LEFT_OUT = (0, 16)
"""From this version on encoders are not loaded where every prompt is text (models/interfaces.py _mark_tower_model)."""
_GEMMA_3N_SEES = (0, 10)
"""Before, the class was its decoder alone (0.9.2 models/gemma3n.py)."""
_UNUSED_LEFT_OUT_EARLY = ("Qwen2VL", "Qwen2_5_VL", "Qwen2_5Omni", "Qwen3VL", "Llava", "Mistral3", "Llama4")
"""The models that did so from 0.10 on, each for itself (0.10.2 and 0.11.0 models/*.py)."""
_ALWAYS_LOADED = ("InklingFor",)
"""Whose encoders are marked as none, and loaded all the same (0.26 to 0.33 models/inkling/nvidia/model.py)."""


@cache
def _read_by(architecture: str) -> tuple[str, ...]:
    """What its encoders read."""
    known = [(len(name), kinds) for name, kinds in _MODALITIES if architecture.startswith(name)]
    return max(known)[1] if known else _ANY_MODALITY


def items_of(arch: ModelArch, *, language_model_only: bool, limits: dict[str, Any] | None) -> Items:
    """What prompts may hold by `language_model_only` and `limit_mm_per_prompt`: 0 of a kind switches it off.

    Every kind that is not named is allowed (config/multimodal.py get_limit_per_prompt). `limits`: a number by kind, or
    an object with `count`.
    """
    if language_model_only:
        return Items("none")
    counts = {k: v.get("count", 1) if isinstance(v, dict) else v for k, v in (limits or {}).items()}
    kinds = _read_by(arch.architecture)
    if all(counts.get(kind) == 0 for kind in kinds):
        return Items("none")
    # One that is not named may be the largest of all.
    most = max(counts[kind] for kind in kinds) if all(kind in counts for kind in kinds) else None
    return Items("images" if counts.get("video") == 0 else "all", most)


def as_loaded(arch: ModelArch, items: Items, release: tuple[int, int], *, encoders_whole: bool = False) -> ModelArch:
    """`arch` without the encoders that this version of vLLM leaves out, since no prompt needs them.

    `encoders_whole`: mm_encoder_tp_mode is `data`, where every rank holds them whole and takes its share of the images.
    """
    early = release >= (0, 10) and arch.architecture.startswith(_UNUSED_LEFT_OUT_EARLY)
    left_out = items.kinds == "none" and (release >= _UNUSED_LEFT_OUT or early)
    left_out &= not arch.architecture.startswith(_ALWAYS_LOADED)
    left_out |= release < _GEMMA_3N_SEES and arch.architecture.startswith("Gemma3nFor")
    if not arch.encoders or not (left_out or encoders_whole):
        return arch
    whole = tuple(weight._replace(split="replicated") for weight in arch.encoders)
    return replace(arch, encoders=() if left_out else whole)


def fewer_pixels(arch: ModelArch) -> list[int]:
    """`max_pixels` for images of half the tokens that the processor lets through, a quarter, and so on down to 256.

    Empty where it is not known what they do.
    """
    encoder = _encoder(arch)
    if encoder.pixels_per_token is None:
        return []
    halvings = range(1, (encoder.item_tokens // 256).bit_length())
    return [encoder.item_tokens // 2**n * encoder.pixels_per_token for n in halvings]


_MEANT = frozenset({"max_pixels", "min_pixels", "size"})
"""Arguments of Qwen-VL's image processors: the first and the last bound what they let through, and the other says the
least."""


def max_pixels_of(processor_kwargs: dict[str, Any]) -> Any:
    """Of an image, as mm_processor_kwargs say, unchecked; None: they do not.

    vLLM 0.22 and 0.29 models/qwen2_vl.py get_image_size_with_most_features; by way of the processor 0.7.3 and 0.9.1.
    """
    size = processor_kwargs.get("size")
    edge = size.get("longest_edge") if isinstance(size, dict) else None
    return edge if processor_kwargs.get("max_pixels") is None else processor_kwargs["max_pixels"]


def uncounted_kwargs(arch: ModelArch, items: Items, processor_kwargs: dict[str, Any], facts: EngineFacts) -> list[str]:
    """Names among mm_processor_kwargs of which it is not known what they do to the largest item.

    Of videos that vLLM pads it was not read what bounds them.
    """
    if not arch.encoders or items.kinds == "none":
        return []
    encoder = _encoder(arch, items)
    bounded = encoder.pixels_per_token is not None and not (encoder.padded_video and facts.pads_videos)
    known = _MEANT if bounded else frozenset()
    return sorted(name for name in processor_kwargs if name not in known)


def _encoder(arch: ModelArch, items: Items = ANYTHING) -> Encoder:
    known = _ENCODERS if arch.encoders else ()
    found = next((e for name, e in known if arch.architecture.startswith(name)), _UNKNOWN)
    if items.max_pixels is not None and found.pixels_per_token is not None:
        found = found._replace(item_tokens=max(1, items.max_pixels // found.pixels_per_token))
    if items.kinds == "all":
        return found
    size = found.image_tokens or found.item_tokens
    return found._replace(
        item_tokens=size, frame_pairs=1, padded_video=None, whole=found.whole and not found.image_tokens
    )


def least_batch(arch: ModelArch, release: tuple[int, int], items: Items = ANYTHING) -> int:
    """The fewest tokens of a batch that vLLM takes, unless videos are switched off; 0: any number.

    vLLM 0.29 v1/core/encoder_cache_manager.py compute_mm_encoder_budget ("Chunked MM input disabled but ..."), which
    0.20.0 does and 0.19 does not (vllm-project/vllm#42687).
    """
    encoder = _encoder(arch, items)
    whole = encoder.whole and arch.image_prefix and release >= encoder.together_from
    return encoder.item_tokens if whole and items.kinds != "none" else 0


def _profiled(encoder: Encoder, batch: "Batch", facts: EngineFacts) -> Profiled:
    batched_tokens = batch.max_num_batched_tokens
    if encoder.padded_video is not None and facts.pads_videos:
        tokens, room = encoder.padded_video
        return Profiled(tokens=tokens, room=max(room, batched_tokens))
    item = encoder.item_tokens
    if not item:
        return Profiled(tokens=batched_tokens, room=batched_tokens)
    item *= max(1, min(encoder.frame_pairs, batch.max_model_len // item))
    in_context = batch.max_model_len // item
    each = in_context if batch.items.most is None else min(batch.items.most, in_context)
    # 0.22 and 0.29 multimodal/encoder_budget.py _get_max_items; 0.9.1 and 0.10.0 do not look what the context holds
    count = max(1, min(batched_tokens // item, batch.max_num_seqs * max(1, each)))
    return Profiled(tokens=count * item, room=max(batched_tokens, item))


def kept_by_encoder(arch: ModelArch, batch: "Batch", facts: EngineFacts) -> Band:
    """Bytes of encoder outputs and dummy images beside the decoder's profile; nothing for a model without encoders.

    Two runs of Qwen3-VL on two H100 (0.12, 65,536 tokens of context) left 2.7 GiB where this says 2.5. V0 profiles
    max_num_seqs prompts with an image each instead.
    """
    if not arch.encoders or batch.items.kinds == "none":
        return NOTHING
    encoder = _encoder(arch, batch.items)
    if facts.engine(batch.gpu) == "V0":
        images = batch.max_num_seqs * encoder.v0_image_bytes
        return Band(low=0.5 * images, typical=images, high=1.3 * images + (0.5 if images else 3) * GIB)
    profiled = _profiled(encoder, batch, facts)
    outputs = profiled.room * arch.hidden * encoder.outputs * batch.element_bytes
    pixels = profiled.tokens * encoder.pixel_bytes
    slack = 0.3 * GIB + (0 if encoder.item_tokens else outputs)
    return Band(low=0.3 * outputs, typical=outputs + pixels, high=1.3 * (outputs + pixels) + slack)


def peak_of_encoder(arch: ModelArch, batch: "Batch", facts: EngineFacts) -> Band:
    """Bytes while V1 profiles the encoder, before the decoder runs; nothing where its block is not known.

    The widths are read off the encoder's own weights. Low: limits of an item's size, which are not read, make
    the item smaller.
    """
    encoder = _encoder(arch, batch.items)
    width = next((w.outputs for w in arch.encoders if w.name.endswith(".attn.proj")), 0)
    inner = next((w.outputs for w in arch.encoders if w.name.endswith(".mlp.fc1")), 0)
    activated = next((w.inputs for w in arch.encoders if w.name.endswith(".mlp.fc2")), 0)
    if encoder.block is None or not width or batch.items.kinds == "none" or facts.release < encoder.together_from:
        return NOTHING
    split = encoder.block.split and any(weight.split != "replicated" for weight in arch.encoders)
    ranks = batch.layout.tensor_parallel_size if split else 1
    attention = encoder.block.beside_attention * width + 8 * width / ranks
    mlp = encoder.block.beside_mlp * width + (inner + activated) / ranks
    profiled = _profiled(encoder, batch, facts)
    per_token = encoder.patches * batch.element_bytes * max(attention, mlp) + encoder.pixel_bytes
    typical = profiled.tokens * per_token
    return Band(low=0.1 * typical, typical=typical, high=1.15 * typical)
