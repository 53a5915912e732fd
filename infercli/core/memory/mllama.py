"""Llama 3.2 Vision while V0 profiles, which alone has it: images of max_num_seqs requests pass its encoder at once.

The one thing to know: the encoder's is then the largest moment by far, 0.3 to 0.5 GiB an image, so that the default
number of requests runs out of memory on any one GPU of 80 GB. vLLM 0.6.2 to 0.10.0 worker/enc_dec_model_runner.py
profile_run and models/mllama.py, which differ in nothing that counts here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infercli.core.architecture.arch import Attention, ModelArch, mixers
from infercli.core.engines.facts import NOTHING, Band

if TYPE_CHECKING:
    from infercli.core.memory.batch import Batch

_CLASS = "Mllama"
_TILES = 4
"""Of the image that the profile makes up, of 1,024 x 1,024 pixels or as large as tiles go (get_max_mllama_image_tokens;
max_num_tiles of both sizes that Meta published)."""
_PADDED_TO = 8
"""Patches of a tile are padded to a multiple of it (MllamaVisionModel.forward)."""
_PATCH_PIXELS = 14 * 14
_WIDTHS = 5 + 5 + 5
"""Vectors of the encoder's width for each padded patch while an inner layer of the second transformer runs: what five
layers of the first gave, the same again side by side, and five more: its own output, the second's input, that of the
layer, and the layer's state before and after its norm."""


def is_mllama(arch: ModelArch) -> bool:
    """Whether the class is MllamaForConditionalGeneration, and images are counted here."""
    return arch.architecture.startswith(_CLASS) and bool(arch.encoders)


def encoder_peak(arch: ModelArch, batch: Batch) -> Band:
    """Bytes while all images are in the encoder; nothing where no prompt holds any.

    A public start of the 11B with 128 requests took 36.63 GiB in all (vllm-project/vllm#12126), and 36.6 are counted.
    """
    images = _images(batch)
    if not images:
        return NOTHING
    width, inner = (next(w.outputs for w in arch.encoders if w.name.endswith(name)) for name in (".attn.proj", ".fc1"))
    patches, b, ranks = _patches(arch), batch.element_bytes, batch.layout.tensor_parallel_size
    padded = _TILES * (patches + -patches % _PADDED_TO)
    held = padded * (_WIDTHS * width + 2 * inner / ranks)
    embedded = _TILES * (patches - 1) * width / ranks  # before the class token, and kept to the end
    mask = padded**2  # of every patch against every other
    typical = images * (b * (held + embedded + mask) + _pixels(arch))
    return Band(low=0.9 * typical, typical=typical, high=1.1 * typical)


def kept_of_images(arch: ModelArch, batch: Batch) -> Band:
    """Bytes that stay while the decoder runs: pixels, and what its layers attend to."""
    states = batch.element_bytes * _TILES * _patches(arch) * arch.hidden
    typical = _images(batch) * (states + _pixels(arch))
    return Band(low=0.9 * typical, typical=typical, high=1.1 * typical)


def _images(batch: Batch) -> int:
    """One for each request where limit_mm_per_prompt is silent (0.10.0 config.py get_limit_per_prompt)."""
    return 0 if batch.items.kinds == "none" else batch.max_num_seqs * (batch.items.most or 1)


def _patches(arch: ModelArch) -> int:
    """Of a tile, with its class token."""
    seen = max(m.encoder_tokens or 0 for m in mixers(arch) if isinstance(m, Attention))
    return seen // _TILES


def _pixels(arch: ModelArch) -> int:
    """Bytes of one image, until the decoder is through: as the processor made it, and in a batch, both in fp32."""
    return 2 * 4 * 3 * _TILES * (_patches(arch) - 1) * _PATCH_PIXELS
