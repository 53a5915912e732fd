"""NVIDIA ModelOpt's quantization configs: `quant_algo` for all modules, or for each (MIXED_PRECISION).

The one thing to know: the same statement comes as hf_quant_config.json (under `quantization`, with `exclude_modules`)
and inside config.json (flat, with `ignore`). Source: vLLM 0.29 model_executor/layers/quantization/modelopt.py.
"""

from __future__ import annotations

from infercli.core.quantization.module_names import Modules, read_modules
from infercli.core.quantization.schemes import Quantization, Scheme
from infercli.core.record import Json
from infercli.errors import Unsupported

_EXTEND = "to teach it: a row in core/quantization/methods.py and a line in core/quantization/modelopt.py"

_ALGORITHMS = {
    "FP8": Scheme(method="fp8", bits=8),
    "FP8_PER_CHANNEL_PER_TOKEN": Scheme(method="fp8", bits=8),
    "FP8_PB_WO": Scheme(method="fp8", bits=8, block=(128, 128)),
    "NVFP4": Scheme(method="nvfp4", bits=4, group_size=16),
    "W4A16_NVFP4": Scheme(method="nvfp4a16", bits=4, group_size=16),
    "MXFP8": Scheme(method="mxfp8", bits=8, group_size=32),
}
_KV_CACHE_SINCE = (0, 14)
"""utils/torch_utils.py resolve_kv_cache_dtype_string, which 0.13.0 lacks: nvidia/Qwen3-30B-A3B-NVFP4 printed the tokens
of a bfloat16 cache with 0.13 on an RTX PRO 6000."""
_FP8_CAPABILITY = (8, 0)
"""ModelOptFp8Config.get_min_capability; NVFP4 and mixed checkpoints start at 7.5, MXFP8 at 8.0 with its method."""


def is_modelopt(name: str, config: Json) -> bool:
    """Whether the config is ModelOpt's, under its method's name, in its own file, or by its producer alone."""
    if name:
        return name.startswith("modelopt")
    produced = (config.get("producer") or {}).get("name") == "modelopt"
    return "quantization" in config or produced


def modelopt(config: Json) -> Quantization:
    """Raises Unsupported for an algorithm or a KV cache that is not taught."""
    inner = config.get("quantization")
    stated: Json = {**config, **inner} if isinstance(inner, dict) else config
    algorithm = str(stated.get("quant_algo") or "").upper()
    excluded = stated.get("exclude_modules") if "exclude_modules" in stated else stated.get("ignore")
    skipped = read_modules(excluded or (), plain="contains")
    kv_fp8 = _kv_cache_fp8(stated)
    # Without the method's name vLLM finds the weights' format, and overlooks what is asked for the KV cache.
    since = _KV_CACHE_SINCE if kv_fp8 and ("quant_method" in config or isinstance(inner, dict)) else None
    if algorithm == "MIXED_PRECISION":
        return Quantization(
            method="mixed",
            bits=None,
            skipped=skipped,
            by_module=_by_module(stated.get("quantized_layers") or {}, stated.get("group_size")),
            lm_head=True,
            kv_cache_fp8_since=since,
        )
    scheme = _scheme(algorithm, stated.get("group_size"))
    if algorithm == "NVFP4" and _weights_only(stated.get("config_groups")):
        scheme = _ALGORITHMS["W4A16_NVFP4"]
    return Quantization(
        method=scheme.method,
        bits=scheme.bits,
        group_size=scheme.group_size,
        block=scheme.block,
        skipped=skipped,
        lm_head=excluded is not None,  # every recipe of ModelOpt leaves it out, and a whole file says so
        kv_cache_fp8_since=since,
        format_capability=_FP8_CAPABILITY if scheme.method == "fp8" else None,
        unstated=() if excluded is not None else ("exclude_modules",),
    )


def mxfp8(config: Json) -> Quantization:
    """`quant_method: mxfp8`, which vLLM loads by ModelOpt's classes."""
    excluded = config.get("ignore") or config.get("exclude_modules") or config.get("modules_to_not_convert") or ()
    return Quantization(method="mxfp8", bits=8, group_size=32, skipped=read_modules(excluded, plain="contains"))


def _by_module(layers: Json, group_size: Json) -> tuple[tuple[Modules, Scheme], ...]:
    if not isinstance(layers, dict) or not layers:
        raise Unsupported("quantized_layers: a MIXED_PRECISION checkpoint must name its modules there", _EXTEND)
    names: dict[Scheme, list[str]] = {}
    for module, said in layers.items():
        scheme = _scheme(str(said.get("quant_algo") or "").upper(), said.get("group_size") or group_size)
        names.setdefault(scheme, []).append(module)
    return tuple((read_modules(modules, plain="path"), scheme) for scheme, modules in names.items())


def _scheme(algorithm: str, group_size: Json) -> Scheme:
    known = _ALGORITHMS.get(algorithm)
    if known is None:
        raise Unsupported(f"the checkpoint is quantized by modelopt with `{algorithm or 'no quant_algo'}`", _EXTEND)
    if known.group_size is None or group_size in (None, known.group_size):
        return known
    raise Unsupported(f"group_size: {algorithm} has groups of {known.group_size}, and it says {group_size}", _EXTEND)


def _weights_only(groups: Json) -> bool:
    """ModelOptNvFp4Config._from_config: NVFP4 without input_activations in any group runs as W4A16."""
    if not isinstance(groups, dict) or not groups:
        return False
    return all(isinstance(g, dict) and g.get("input_activations") is None for g in groups.values())


def _kv_cache_fp8(config: Json) -> bool:
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
