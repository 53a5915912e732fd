"""Llama 3.2 Vision and Whisper while V0 profiles: what max_num_seqs requests bring passes the encoder at once.

The one thing to know: the encoder's is then the largest moment by far, 0.3 to 0.5 GiB an image and 0.04 GiB a clip of
large Whisper, so that the default number of requests may not start on a GPU that easily holds the model. vLLM 0.6.2 to
0.10.0 worker/enc_dec_model_runner.py profile_run, models/mllama.py and models/whisper.py, which differ in nothing that
counts here.
"""

from typing import TYPE_CHECKING, NamedTuple

from infercli.core.architecture.arch import Attention, ModelArch, mixers
from infercli.core.engines.facts import NOTHING, Band

if TYPE_CHECKING:
    from infercli.core.memory.batch import Batch

_MLLAMA, _WHISPER = "Mllama", "WhisperFor"

# Llama 3.2 Vision.
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

# Whisper.
_FRAMES_HEARD = 2
"""Frames of the audio for each that the encoder keeps (the stride of its second convolution)."""
_BINS = 128
"""Of large v3. Others have 80, and a clip is 0.8 MiB smaller."""
_STATES = 3
"""Vectors for each frame while an inner layer runs: the layer's input, which the loop holds, and the state before and
after its norm (WhisperEncoderLayer.forward)."""
_WHISPER_HIGH = 1.4
"""One public start of tiny (vllm-project/vllm#12095) took 7.09 GiB, where the 400 requests of the example that it ran
are counted as 5.6; what took the rest, or how many requests it had, is not known."""


class _Item(NamedTuple):
    """Bytes of what one request brings: while the encoder runs, and beside the decoder."""

    encoded: float
    kept: float


def profiles_all(arch: ModelArch) -> bool:
    """Whether V0 profiles this class with an item of each request at once, and the item's bytes are known here."""
    return arch.architecture.startswith((_MLLAMA, _WHISPER)) and bool(arch.encoders)


def encoder_peak(arch: ModelArch, batch: "Batch") -> Band:
    """Bytes while all items are in the encoder; nothing where no prompt holds any.

    A public start of Llama 3.2 Vision 11B with 128 requests took 36.63 GiB in all (vllm-project/vllm#12126), and 36.6
    are counted.
    """
    return _band(arch, _items(batch) * _item(arch, batch).encoded)


def kept_of_items(arch: ModelArch, batch: "Batch") -> Band:
    """Bytes that stay while the decoder runs: the items, and what its layers attend to."""
    return _band(arch, _items(batch) * _item(arch, batch).kept)


def _band(arch: ModelArch, typical: float) -> Band:
    high = _WHISPER_HIGH if arch.architecture.startswith(_WHISPER) else 1.1
    return Band(low=0.9 * typical, typical=typical, high=high * typical) if typical else NOTHING


def _items(batch: "Batch") -> int:
    """One for each request where limit_mm_per_prompt is silent (0.10.0 config.py get_limit_per_prompt)."""
    return 0 if batch.items.kinds == "none" else batch.max_num_seqs * (batch.items.most or 1)


def _item(arch: ModelArch, batch: "Batch") -> _Item:
    return _clip(arch, batch) if arch.architecture.startswith(_WHISPER) else _image(arch, batch)


def _image(arch: ModelArch, batch: "Batch") -> _Item:
    width, inner = (next(w.outputs for w in arch.encoders if w.name.endswith(name)) for name in (".attn.proj", ".fc1"))
    b, ranks = batch.element_bytes, batch.layout.tensor_parallel_size
    patches = _attended(arch) // _TILES  # of a tile, with its class token
    padded = _TILES * (patches + -patches % _PADDED_TO)
    held = padded * (_WIDTHS * width + 2 * inner / ranks)
    embedded = _TILES * (patches - 1) * width / ranks  # before the class token, and kept to the end
    mask = padded**2  # of every patch against every other
    pixels = 2 * 4 * 3 * _TILES * (patches - 1) * _PATCH_PIXELS  # as processed, and in a batch, both in fp32
    return _Item(b * (held + embedded + mask) + pixels, b * _TILES * patches * arch.hidden + pixels)


def _clip(arch: ModelArch, batch: "Batch") -> _Item:
    inner = next(w.outputs for w in arch.encoders if w.name.endswith(".mlp.fc1"))
    b, ranks, frames = batch.element_bytes, batch.layout.tensor_parallel_size, _attended(arch)
    heard = (4 + b) * _FRAMES_HEARD * frames * _BINS  # as processed, in fp32, and in the model's own dtype
    held = frames * (_STATES * arch.hidden + 2 * inner / ranks)  # before and after the activation
    keys_and_values = 2 * arch.hidden / ranks  # of one layer of the decoder
    return _Item(b * held + heard, b * frames * (arch.hidden + keys_and_values) + heard)


def _attended(arch: ModelArch) -> int:
    """Tokens of an item that the decoder attends to."""
    return max(m.encoder_tokens or 0 for m in mixers(arch) if isinstance(m, Attention))
