"""What a vision encoder leaves on the GPU while vLLM profiles the decoder: its outputs, and the dummy images.

The one thing to know: vLLM profiles with as many of the largest items as the encoder's budget holds, which is
max_num_batched_tokens or one item if that is larger. How large an item is, and how many bytes of pixels stand behind
one of its tokens, is the model's image processor's, which config.json does not hold: hence the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.engines.facts import NOTHING, Band
from infercli.core.units import GIB


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """The largest item of one family of encoders."""

    item_tokens: int
    """Tokens of the largest image."""
    pixel_bytes: int
    """Of the processor's output behind one token."""
    outputs: int = 1
    """Vectors of the hidden width per token: one, and one per layer that is fed from the encoder (deepstack)."""
    v0_image_bytes: int = 0
    """V0 profiles one image of every sequence, through the whole encoder at once; 0: not known."""
    video: bool = False
    """Videos fill the context: an item has max_model_len tokens where that is more."""
    whole: bool = False
    """All of an item is attended to at once, so that vLLM takes no batch that is smaller than the largest."""


_QWEN2 = Encoder(item_tokens=16384, pixel_bytes=4 * 3 * 2 * 14 * 14 * 2)
_QWEN3 = Encoder(item_tokens=16384, pixel_bytes=4 * 3 * 2 * 16 * 16 * 4, outputs=4, video=True)
_GEMMA3 = Encoder(
    item_tokens=256,
    pixel_bytes=3 * 896 * 896 * 2 // 256,
    v0_image_bytes=4096 * 2 * (4304 + 1152),  # patches x 2 B x (intermediate + hidden) of SigLIP: two logs agree to 6 %
)
_GEMMA4 = Encoder(item_tokens=32 * (70 + 2 + 6), pixel_bytes=3 * 16 * 16 * 3 * 3 * 2, whole=True)
_PIXTRAL = Encoder(item_tokens=3025, pixel_bytes=3 * 28 * 28 * 2)

# Bytes behind a token: channels x patch area x merged patches x element. Qwen: 4 patches of 2 frames per token, vLLM
# 0.12 models/qwen2_vl.py and qwen3_vl.py; the omni models have the same encoders and, by 0.29's sources, the limits of
# Qwen2.5-VL's items. Gemma 3: 896 x 896 pixels become 256 tokens. Gemma 4: a video of 32 frames, each with a time stamp
# (0.29 models/gemma4_mm.py; 0.25 prints 2,496); 3 x 3 patches of 16 x 16 a token. Pixtral: 14 x 14, merged 2 x 2.
_ENCODERS: tuple[tuple[str, Encoder], ...] = (
    ("Qwen2VL", _QWEN2),
    ("Qwen2_5_VL", _QWEN2),
    ("Qwen2_5Omni", _QWEN2),
    ("Qwen3VL", _QWEN3),
    ("Qwen3Omni", replace(_QWEN3, video=False)),
    ("Gemma3For", _GEMMA3),
    ("Gemma4For", _GEMMA4),
    ("Mistral3", _PIXTRAL),
    ("Pixtral", _PIXTRAL),
    ("Llama4", Encoder(item_tokens=2448, pixel_bytes=3 * 336 * 336 * 2 // 144)),
)
"""First part of the architecture's name -> encoder."""

_UNKNOWN = Encoder(item_tokens=0, pixel_bytes=0)
"""An encoder that is not in the table: its outputs are counted for the batch, its images in the high end only."""


_WHOLE_SINCE = (0, 20)
"""vllm-project/vllm#42687 is of 0.20.0; 0.19 takes smaller batches."""


def least_batch(arch: ModelArch, release: tuple[int, int]) -> int:
    """The fewest tokens of a batch that vLLM takes, unless videos are switched off; 0: any number.

    vLLM 0.29 v1/core/encoder_cache_manager.py compute_mm_encoder_budget ("Chunked MM input disabled but ...").
    """
    encoder = _encoder(arch)
    return encoder.item_tokens if encoder.whole and release >= _WHOLE_SINCE else 0


def _encoder(arch: ModelArch) -> Encoder:
    known = _ENCODERS if arch.encoders else ()
    return next((e for name, e in known if arch.architecture.startswith(name)), _UNKNOWN)


def kept_by_encoder(
    arch: ModelArch, batched_tokens: int, max_model_len: int, element_bytes: int, *, v0_sequences: int | None
) -> Band:
    """Bytes of encoder outputs and dummy images beside the decoder's profile; nothing for a model without encoders.

    Two runs of Qwen3-VL on two H100 (0.12, 65,536 tokens of context) left 2.7 GiB where this says 2.5. V0 profiles
    max_num_seqs prompts with an image each instead: `v0_sequences` of them; None: V1.
    """
    if not arch.encoders:
        return NOTHING
    encoder = _encoder(arch)
    tokens = max(batched_tokens, encoder.item_tokens)
    if encoder.video:
        tokens = max(tokens, max_model_len)
    if v0_sequences is not None:
        images = v0_sequences * encoder.v0_image_bytes
        return Band(low=0.5 * images, typical=images, high=1.3 * images + (0.5 if images else 3) * GIB)
    outputs = tokens * arch.hidden * encoder.outputs * element_bytes
    pixels = tokens * encoder.pixel_bytes
    slack = 0.3 * GIB + (outputs if encoder is _UNKNOWN else 0)
    return Band(low=0.3 * outputs, typical=outputs + pixels, high=1.3 * (outputs + pixels) + slack)
