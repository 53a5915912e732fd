"""A record of a truth file as the request that `infercli estimate` would be asked, with a note on each assumption.

The one thing to know: what was measured never enters a request. Only what whoever started the engine knew does: model,
GPU, its memory, engine version, settings, load.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from benchmarks.accuracy.models import Found, Library, clean, stored_method
from infercli.core.engines.classes import ABSENT
from infercli.core.shapes import find_shape

Row = dict[str, Any]

ASSUMED_VERSIONS = {"V0": "0.6.3", "V1": "0.11.0", "": "0.11.0"}
"""vLLM where a record says only the engine's generation, or nothing: the middle of each generation's records, or
the first minor release that has the model's class."""

_CLASS_GPUS = ((7, "T4"), (20, "T4"), (30, "RTX-4090"), (36, "RTX-5090"), (44, "A100-40-SXM"), (64, "L40S"))
"""(GiB up to which, GPU) for records that name only a memory class; above: A100-80-SXM."""

METHODS = {
    "none": "none", "bf16": "none", "fp16": "none", "bfloat16": "none", "float16": "none",
    "awq": "awq", "awq_marlin": "awq", "awq-int4": "awq", "gptq": "gptq", "gptq_marlin": "gptq", "gptq-int4": "gptq",
    "gptq-int8": "gptq-int8", "int4-w4a16": "w4a16", "w4a16-int4": "w4a16", "w4a16": "w4a16", "int4": "w4a16",
    "int8-w8a8": "int8", "w8a8": "int8", "int8-w8a16": "w8a16", "w8a16": "w8a16", "int8": "int8",
    "fp8": "fp8", "fp8-dynamic": "fp8", "nvfp4": "nvfp4", "modelopt_fp4": "nvfp4", "fp4": "nvfp4", "mxfp4": "mxfp4",
    "auto-round": "gptq", "autoround": "gptq", "auto_round": "gptq", "inc": "gptq", "int4-autoround": "gptq",
    "fbgemm_fp8": "fp8", "ptpc_fp8": "fp8", "modelopt_fp8": "fp8", "fp8_e4m3": "fp8", "mxfp8": "mxfp8",
    "bitsandbytes": "bitsandbytes", "bnb": "bitsandbytes", "nf4": "bitsandbytes",
    "gguf-q4_k_m": "gguf", "gguf": "GGUF of unstated bits",
}  # fmt: skip
"""What a record calls its quantization -> a row of core/quantization/methods.py."""

_AS_CONFIGS = {
    "fp8-block": {"quant_method": "fp8", "weight_block_size": [128, 128]},
    "gptq-int8": {"quant_method": "gptq", "bits": 8, "group_size": 128},
}
"""What the config of such a checkpoint says, for records whose own config was not given."""

_NAME_HINTS = (
    (r"fp8[-_]block", "fp8-block"), (r"nvfp4|[-_]fp4\b", "nvfp4"), (r"mxfp4", "mxfp4"), (r"w8a8|[-_]int8", "int8"),
    (r"w8a16", "w8a16"), (r"w4a16|awq|gptq|int4|4bit|auto-?round", "w4a16"), (r"fp8", "fp8"),
)  # fmt: skip
"""In a name of a compressed-tensors checkpoint: every 4-bit one of them is packed alike."""

_SETTINGS: dict[str, tuple[Any, ...]] = {
    "tensor_parallel_size": (int, "tensor_parallel", "tp"),
    "pipeline_parallel_size": (int, "pipeline_parallel", "pp"),
    "data_parallel_size": (int, "data_parallel", "dp"),
    "decode_context_parallel_size": (int, "decode_context_parallel"),
    "max_model_len": (int, "max_model_len"),
    "max_num_seqs": (int, "max_num_seqs"),
    "max_num_batched_tokens": (int, "max_num_batched_tokens"),
    "block_size": (int, "block_size"),
    "enforce_eager": (bool, "enforce_eager"),
    "gpu_memory_utilization": (float, "gpu_memory_utilization", "gpu_memory_utilization_default_assumed"),
    "kv_cache_dtype": (str, "kv_cache_dtype", "kv_dtype"),
    "dtype": (str, "dtype"),
}
"""Field of a request -> its type, and the fields of records that say it."""

_LAGUNA = "https://github.com/sostrowsk/dgx-spark-local-llm/blob/4b5486468ec6"
STATED: dict[str, dict[str, Any]] = {
    "https://github.com/vllm-project/vllm/issues/44376": {"max_num_batched_tokens": 16384},
    f"{_LAGUNA}/laguna-int4-pinned.log": {"draft": "poolside/Laguna-S-2.1-DFlash"},
    f"{_LAGUNA}/laguna-int4-start.log": {"draft": "poolside/Laguna-S-2.1-DFlash"},
    f"{_LAGUNA}/vllm.log": {"draft": "poolside/Laguna-S-2.1-DFlash"},
}
"""What the source of a record says that the record leaves out. The first starts vLLM by `LLM(...)` and not as a server,
and on a GPU of 70 GiB and more that is its default (vLLM 0.22, engine/arg_utils.py); the others name what drafts."""


_NAMED_AWQ = {("ree2raz-inference-bench", "0.8.5")}
"""Sources, and their versions of vLLM, that were started with `--quantization awq` (bench_lib.py VLLM_AWQ_SERVER_ARGS;
its later runs are started with awq_marlin)."""


_DSTACK_EAGER = "/comparison/h100sxm5_vs_mi300x/csv_data/throughput"
"""Offline runs of dstack, whose README starts those on AMD with `--enforce-eager` and the others without."""


@dataclass
class Question:
    """A request and what is not certain about it."""

    request: dict[str, Any]
    config_of: str | None
    """Whose config was taken; None: none was found."""
    assumed: list[str] = field(default_factory=list)
    """What the record does not say and had to be assumed; empty where it says all."""
    version_known: bool = True
    gpu_known: bool = True
    memory_known: bool = True
    """False: not even how much memory the GPU has, so that nothing can be said of the start."""


def question(row: Row, library: Library) -> Question:
    """The request of a record of any of the truth files, without its load."""
    found = find(row, library)
    asked = Question({"id": str(row["id"])}, None if found is None else found.id)
    request = asked.request
    if found is None:
        request["model"] = str(row.get("model") or "unstated")
    else:
        _model(asked, row, found)
    _version(asked, row, found)
    _gpu(asked, row)
    if (
        asked.version_known
        and row.get("engine") in ("V0", "V1")
        and re.match(r"0\.([89]|10)\.", request["engine_version"])
    ):
        request["use_v1"] = row["engine"] == "V1"  # whoever started it chose by VLLM_USE_V1
    for ours, (kind, *theirs) in _SETTINGS.items():
        value = next((row[name] for name in theirs if row.get(name)), None)
        if value is not None:
            request[ours] = kind(value)
    if isinstance(row.get("enable_prefix_caching"), bool):  # False as well: states of Mamba take a block less then
        request["enable_prefix_caching"] = row["enable_prefix_caching"]
    _accelmark(request, row)
    if (row.get("source"), row.get("engine_version")) in _NAMED_AWQ and _named_method(row) == "awq":
        request["marlin"] = False
    stated = STATED.get(str(row.get("source_url")), {})
    if _DSTACK_EAGER in str(row.get("source_url")) and str(row.get("gpu")).startswith("MI300X"):
        request["enforce_eager"] = True
    if "max_num_batched_tokens" in stated:
        request.setdefault("max_num_batched_tokens", stated["max_num_batched_tokens"])
    if row.get("expert_parallel") or row.get("ep") is True or (number(row.get("ep")) or 0) > 1:
        request["enable_expert_parallel"] = True
    _items(request, str(row.get("notes") or ""))
    _speculation(request, row, library.find(str(stated.get("draft") or ""), None))
    if row.get("enable_lora"):
        request["enable_lora"] = True
        asked.assumed.append("one LoRA adapter of vLLM's default rank: the record has some, of unknown rank")
    return asked


def find(row: Row, library: Library) -> Found | None:
    """The config that a record means."""
    length = row.get("max_model_len")
    return library.find(
        str(row.get("model") or ""),
        row.get("base_model_for_config"),
        method=_named_method(row),
        max_model_len=int(length) if length else None,
    )


def _model(asked: Question, row: Row, found: Found) -> None:
    request = asked.request
    request["model"] = found.id if found.config is None else str(row.get("model") or found.id)
    if found.assumed:
        asked.assumed.append(f"shape of {found.id}, with {', '.join(found.assumed)}")
    method = _method(row, found)
    if found.config is not None:
        request["config"] = found.config
        stored = "none" if found.assumed else stored_method(found)
        if found.own or method is None or method == stored:
            if found.hf_quant_config is not None:
                request["hf_quant_config"] = found.hf_quant_config
            if method is None or stored in (None, method) or (found.own and stored != "none"):
                return
        else:
            # The base model's own checkpoint is stored otherwise than this record's.
            request["config"] = {k: v for k, v in found.config.items() if k != "quantization_config"}
    elif _is_called_otherwise(row, found, method):
        return
    elif method in _AS_CONFIGS:
        method = {"fp8-block": "fp8", "gptq-int8": "w8a16"}[method]
    if method in _AS_CONFIGS:
        request["hf_quant_config"] = _AS_CONFIGS[method]
    elif method is not None:
        request["quantization"] = method


def _is_called_otherwise(row: Row, found: Found, method: str | None) -> bool:
    """Whether a quantized checkpoint ships under the record's own id, and the record calls its storage otherwise."""
    name = clean(str(row.get("model") or "")).lower()
    return name == found.id.lower() and _hinted(name) is not None and stored_method(found) not in ("none", method)


def _named_method(row: Row) -> str | None:
    """The row of METHODS that a record names, by its field, else by the model's name; None: neither says."""
    name = str(row.get("model") or "").lower()
    said = row.get("quantization")
    if said == "none" and "(quantized" in name:
        return None  # the collector's remark: by what, only the checkpoint's config knows
    if said is not None:
        text = re.sub(r"\s*\(.*", "", str(said)).strip().lower()
        if text in ("compressed-tensors", "modelopt", "quark"):
            detail = re.search(r"\((.*)\)", str(said))
            return _hinted(f"{name} {detail.group(1) if detail else ''}")
        return METHODS.get(text, text)
    if row.get("engine") is None and "quantization" in row and not re.search(r"awq|gptq|w\da\d|fp8|fp4|int4", name):
        return None  # start-up logs write null where nothing was asked: the checkpoint decides
    return _hinted(name)


def _method(row: Row, found: Found) -> str | None:
    """As `_named_method`, told apart from what the engine was asked to do while loading."""
    method = _named_method(row)
    if method is None:
        return METHODS.get(found.method, found.method) if found.method else None
    name = str(row.get("model") or "").lower()
    native = found.method == "fp8" or (not found.assumed and stored_method(found) == "fp8")
    if method == "fp8" and ("online" in name or ("fp8" not in name.partition("(")[0] and not native)):
        return "fp8-online"  # asked of the engine: the checkpoint's name and config know nothing of it
    return method


def _hinted(text: str) -> str | None:
    return next((method for pattern, method in _NAME_HINTS if re.search(pattern, text)), None)


def _accelmark(request: dict[str, Any], row: Row) -> None:
    """What AccelMark's harness starts vLLM with, and its records leave out.

    Its clients share a process with `AsyncLLMEngine`, for which V1 has other defaults than for a server (0.20
    v1/engine/async_llm.py ENGINE_CONTEXT, config/scheduler.py DEFAULT_MAX_NUM_SEQS). Its runner for 0.20 starts
    quantized models eagerly (configs/runner_configs, and `extra_config` of these results). Its four bits are a GPTQ
    checkpoint, started with `--quantization gptq` (suites/suite_C/suite.json).
    """
    address = str(row.get("source_url"))
    if "/AccelMark/" not in address:
        return
    if not re.match(r"0\.[0-7]\.", request["engine_version"]) and row.get("load") != "offline-batch":
        request.setdefault("max_num_seqs", 128)
        request.setdefault("max_num_batched_tokens", 2048)
    if "_nvidia_vllm020_" in address and "_suite_C_" in address and "/bf16/" not in address:
        request["enforce_eager"] = True
    if "_suite_C_" in address and "/w4a16/" in address:
        request.pop("hf_quant_config", None)
        request |= {"quantization": "gptq", "marlin": False}


def _version(asked: Question, row: Row, found: Found | None) -> None:
    said = str(row.get("vllm_version") or row.get("engine_version") or "")
    if row.get("engine") not in (None, "vLLM", "V0", "V1"):
        said = ""  # another engine's version says nothing about vLLM
    number = r"(\d+\.\d+(?:\.\d+)?(?:\.?(?:post|dev|rc)\d+)*)"
    match = re.search(rf"\bv{number}", said) or re.search(number, said)
    if match:
        asked.request["engine_version"] = match.group(1)
        return
    asked.version_known = False
    version = ASSUMED_VERSIONS.get(str(row.get("engine") or ""), ASSUMED_VERSIONS[""])
    lacking = None if found is None else ABSENT.get(_class(found))
    if lacking is not None and tuple(int(part) for part in version.split(".")) <= lacking:
        version = f"{lacking[0]}.{lacking[1] + 1}.0"
    asked.request["engine_version"] = version
    asked.assumed.append(f"vLLM {version}: the record says `{said or 'nothing'}`")


def _class(found: Found) -> str:
    config = found.config
    return str((config.get("architectures") or [""])[0]) if config else find_shape(found.id).arch.architecture


def _gpu(asked: Question, row: Row) -> None:
    said = str(row.get("gpu") or "unstated")
    memory = row.get("gpu_memory_gib_physical") or row.get("gpu_memory_gib")
    if memory:
        asked.request["gpu_memory_gib"] = float(memory)
    name = re.sub(r"\s*\(.*\)|\s+x\s?\d+$", "", said).strip()
    size = re.search(r"(\d+)GB-class", said)
    if not name.lower().startswith("unstated") and "class" not in name.lower():
        asked.request["gpu"] = name
        return
    asked.gpu_known = bool(memory) and row.get("gpu_memory_gib_basis") == "printed"
    printed = re.search(r"([\d.]+) GiB", said)
    gib = float(memory) if memory else float(printed.group(1)) if printed else float(size.group(1)) if size else None
    asked.memory_known = gib is not None
    if gib is not None:
        asked.request.setdefault("gpu_memory_gib", gib)
    stand_in = next((gpu for limit, gpu in _CLASS_GPUS if gib is not None and gib <= limit), "A100-80-SXM")
    asked.request["gpu"] = stand_in
    asked.assumed.append(f"a {stand_in}: the record says only `{said}`")


def _speculation(request: dict[str, Any], row: Row, draft: Found | None) -> None:
    said = str(row.get("speculative") or "").lower()
    method = re.search(r"mtp|ngram|eagle3|eagle|draft_model|dflash", said)
    if method:
        count = re.search(r"num_spec_tokens=(\d+)|\bmtp (\d+)", said)
        tokens = int(next(g for g in count.groups() if g)) if count else 1
        request["speculation"] = {"method": method.group(0), "num_speculative_tokens": tokens}
        if draft is not None:
            request["speculation"]["config"] = draft.config


def _items(request: dict[str, Any], notes: str) -> None:
    """What prompts may hold besides text, where a record quotes the setting."""
    if re.search(r"language[-_]model[-_]only|limit[-_]mm[-_]per[-_]prompt all 0", notes):
        request["language_model_only"] = True
    mode = re.search(r"mm[-_]encoder[-_]tp[-_]mode\W+(weights|data)", notes)
    if mode:
        request["mm_encoder_tp_mode"] = mode.group(1)
    limits = re.search(r"limit[-_]mm[-_]per[-_]prompt\W*(\{[^{}]*\})", notes)
    counts = dict(re.findall(r"(\w+)\W+(\d+)", limits.group(1))) if limits else {}
    if counts:
        request["limit_mm_per_prompt"] = {kind: int(count) for kind, count in counts.items()}
    pixels = re.search(r"mm[-_]processor[-_]kwargs\W*\{[^{}]*?max_pixels\W+(\d+)", notes)
    if pixels:
        request["mm_processor_kwargs"] = {"max_pixels": int(pixels.group(1))}


def number(value: Any) -> float | None:
    """A field that is one; None for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
