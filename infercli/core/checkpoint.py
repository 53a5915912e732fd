"""What a checkpoint's quantization_config says, parsed once; a format that is not taught is refused by name."""

from __future__ import annotations

from dataclasses import dataclass, replace

from infercli.core.quantization import METHODS
from infercli.core.record import Json
from infercli.errors import Unsupported

_EXTEND = "to teach it: a row in core/quantization.py and a branch in core/checkpoint.py"


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """How a checkpoint stores its linear layers. Embeddings, lm_head, norms and routers keep the model's dtype."""

    method: str
    """A row of METHODS."""
    bits: int | None
    """Of one quantized weight; None: the model's dtype."""
    group_size: int | None = None
    """Weights per scale along the input dimension; None: one scale per output."""
    zero_points: bool = False
    block: tuple[int, int] | None = None
    """FP8 scales per (output, input) block; None: per tensor or per output."""
    act_order: bool = False
    """GPTQ's desc_act: the kernel then needs aligned shapes."""
    unexplained_fraction: float = 0
    """What the files hold beyond all this, as a fraction of it: layers that were left out of the quantization."""
    kv_cache_fp8: bool = False
    """The checkpoint asks for an FP8 KV cache, which vLLM's `auto` obeys."""


UNQUANTIZED = Quantization(method="none", bits=None)


def typical(method_name: str) -> Quantization:
    """What a checkpoint of that method usually is: used where a shape is planned without a checkpoint."""
    method = METHODS[method_name]
    return Quantization(
        method=method.name, bits=method.bits, group_size=method.group_size, zero_points=method.zero_points
    )


def detect(config: Json) -> Quantization:
    """Parse a quantization_config (of config.json or hf_quant_config.json); None means unquantized.

    Raises Unsupported for a method or a format without a row in METHODS.
    """
    if config is None:
        return UNQUANTIZED
    if "quantization" in config and "quant_method" not in config:  # hf_quant_config.json wraps it
        config = {"quant_method": "modelopt", **config["quantization"]}
    name = str(config.get("quant_method", "")).lower().replace("_", "-")
    if not name and (config.get("producer") or {}).get("name") == "modelopt":
        # Without the method's name vLLM finds the weights' format, and overlooks what is asked for the KV cache.
        return replace(_modelopt(config), kv_cache_fp8=False)
    if name == "compressed-tensors":
        return _compressed_tensors(config)
    if name == "modelopt":
        return _modelopt(config)
    if name == "fp8":
        return _fp8(config)
    if name in ("awq", "auto-awq", "awq-marlin"):
        return _awq(config)
    if name in ("gptq", "auto-gptq", "gptq-marlin"):
        return _gptq(config)
    raise Unsupported(f"the checkpoint is quantized with `{name or 'nothing that it names'}`", _EXTEND)


def _awq(config: Json) -> Quantization:
    bits = int(config.get("bits", config.get("w_bit", 4)))
    if bits != 4:
        raise Unsupported(f"the checkpoint is AWQ with {bits} bits; vLLM runs it with 4", _EXTEND)
    group = int(config.get("group_size", config.get("q_group_size", 128)))
    return Quantization(
        method="awq", bits=4, group_size=_group(group), zero_points=bool(config.get("zero_point", True))
    )


def _gptq(config: Json) -> Quantization:
    bits = int(config.get("bits", 4))
    if bits not in (4, 8):
        raise Unsupported(f"the checkpoint is GPTQ with {bits} bits; 4 and 8 have fast kernels", _EXTEND)
    symmetric = bool(config.get("sym", True))
    return Quantization(
        method="gptq",
        bits=bits,
        group_size=_group(int(config.get("group_size", 128))),
        zero_points=not symmetric,
        act_order=bool(config.get("desc_act", False)),
    )


def _fp8(config: Json) -> Quantization:
    block = config.get("weight_block_size")
    return Quantization(method="fp8", bits=8, block=None if block is None else (int(block[0]), int(block[1])))


def _modelopt(config: Json) -> Quantization:
    algorithm = str(config.get("quant_algo", "")).upper()
    if algorithm != "FP8":
        raise Unsupported(f"the checkpoint is quantized by modelopt with `{algorithm or 'no quant_algo'}`", _EXTEND)
    return Quantization(method="fp8", bits=8, kv_cache_fp8=_modelopt_kv_fp8(config))


def _modelopt_kv_fp8(config: Json) -> bool:
    """As vLLM reads it (utils/torch_utils.py get_kv_cache_quant_algo_string). Raises Unsupported for another dtype."""
    scheme = config.get("kv_cache_scheme") or config.get("kv_cache_quant_algo")
    if scheme is None:
        return False
    if isinstance(scheme, dict):
        fp8 = scheme.get("num_bits") == 8 and scheme.get("type") == "float"
    else:
        fp8 = str(scheme).upper() == "FP8"
    if not fp8:
        raise Unsupported(f"the checkpoint asks for a KV cache in `{scheme}`", _EXTEND)
    return True


def _compressed_tensors(config: Json) -> Quantization:
    groups = list((config.get("config_groups") or {}).values())
    formats = {str(g.get("format") or config.get("format") or "") for g in groups}
    if len(groups) != 1 or len(formats) != 1:
        raise Unsupported(
            f"the checkpoint is compressed-tensors with {len(groups)} config groups ({', '.join(sorted(formats))})",
            _EXTEND,
        )
    weights = groups[0].get("weights") or {}
    bits, kind, format_ = int(weights.get("num_bits", 0)), str(weights.get("type", "")), formats.pop()
    kv_fp8 = config.get("kv_cache_scheme") is not None
    if format_ == "pack-quantized" and kind == "int" and bits == 4:
        group = weights.get("group_size")
        return Quantization(
            method="w4a16",
            bits=4,
            group_size=_group(int(group)) if group else None,
            zero_points=not weights.get("symmetric", True),
            kv_cache_fp8=kv_fp8,
        )
    if format_ == "float-quantized" and kind == "float" and bits == 8:
        block = weights.get("block_structure")
        return Quantization(
            method="fp8", bits=8, block=(int(block[0]), int(block[1])) if block else None, kv_cache_fp8=kv_fp8
        )
    if format_ == "int-quantized" and kind == "int" and bits == 8 and groups[0].get("input_activations"):
        return Quantization(method="int8", bits=8, kv_cache_fp8=kv_fp8)
    raise Unsupported(
        f"the checkpoint is compressed-tensors {format_ or 'without a format'}, {bits}-bit {kind}", _EXTEND
    )


def _group(size: int) -> int | None:
    """-1 is how GPTQ and AWQ write one group per output."""
    return None if size <= 0 else size
