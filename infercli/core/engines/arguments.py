"""The user's `engine_args`: names and types checked against that engine version, before anything is deployed."""

from __future__ import annotations

from typing import Literal

from infercli.core.engines import overrides
from infercli.core.engines.v0_29_arguments import ARGUMENTS as V0_29
from infercli.core.record import Json
from infercli.errors import any_of

ARGUMENTS: dict[str, dict[str, str]] = {"0.29.0": V0_29}

_OURS = {
    "model": "the deployment's `model` says it",
    "tokenizer": "the tokenizer is the one that is pinned with the weights",
    "served_model_name": "clients use the deployment's `model`",
    "revision": "`infercli pin` decides the revision",
    "code_revision": "`infercli pin` decides the revision",
    "tokenizer_revision": "`infercli pin` decides the revision",
    "trust_remote_code": "code from a model repository is never run",
    "quantization": "use the deployment's `quantization`",
    "download_dir": "weights come from a read-only volume",
    "hf_token": "nothing is downloaded by an engine",
    "distributed_executor_backend": "Ray chooses it by accelerator",
    "disable_log_stats": "engine metrics are always exported",
    "enable_log_requests": "prompts are never logged",
    "enable_log_outputs": "answers are never logged",
    "api_key": "keys are in a Secret, which the front reads",
    **dict.fromkeys(("host", "port", "uds", "root_path", "middleware"), "the front listens, not the engine"),
    **dict.fromkeys(("ssl_keyfile", "ssl_certfile", "ssl_ca_certs"), "the front listens, not the engine"),
    "model_weights": "the deployment's `model` says it",
    "model_class_overrides": "the plan is made for the class that config.json names",
    "hf_config_path": "the plan is made from config.json as it is pinned",
}
"""Arguments that infercli decides, and why: each is refused."""

UNPLANNED = frozenset(
    {
        "additional_config", "async_scheduling", "compilation_config", "cpu_offload_gb", "cudagraph_capture_sizes",
        "disable_sliding_window", "enable_dbo", "enable_eplb", "enable_lora", "enable_mixed_moe_lora_format",
        "enable_moe_shared_loras", "enable_prompt_embeds", "enable_return_routed_experts", "enable_sleep_mode",
        "enable_tower_connector_lora", "fully_sharded_loras", "kv_cache_dtype_skip_layers", "kv_offloading_size",
        "kv_transfer_config", "load_format", "lora_dtype", "lora_modules", "lora_target_modules",
        "mamba_block_size", "mamba_cache_dtype", "mamba_cache_mode",
        "max_cudagraph_capture_size", "max_lora_rank", "max_loras", "mm_encoder_only", "mm_ipc_gpu_memory_gb",
        "mm_processor_kwargs", "num_gpu_blocks_override", "offload_backend", "offload_group_size",
        "optimization_level", "performance_mode", "quantization_config", "runner", "skip_mm_profiling", "spec_method",
        "spec_model", "specialize_active_lora", "speculative_config", "use_replayssm", "worker_cls",
        "worker_extension_cls",
    }
)  # fmt: skip
"""Arguments that change memory in a way that is not planned yet: with one of them, no plan says that it fits."""

_PLANNED_ON_GPUS = frozenset({"enable_lora", "lora_modules", "max_lora_rank", "max_loras", "mm_processor_kwargs"})
"""Of these, what GPU plans count (core/memory/lora.py, vision.py), or leave open by themselves. `lora_modules` names
what is loaded into slots that are there anyway: how many adapters are named does not matter to a GPU."""

PARALLEL_ONE = frozenset({"data_parallel_size", "decode_context_parallel_size", "prefill_context_parallel_size"})
"""Parallelism that is not planned yet: only 1 is taken."""


def problems(engine_args: dict[str, Json], version: str) -> list[tuple[str, str]]:
    """Every (where, what) that is wrong with them; empty when vLLM would take them."""
    known = ARGUMENTS[version]
    found: list[tuple[str, str]] = []
    for name, value in engine_args.items():
        where = f"engine_args.{name}"
        if name in _OURS:
            found.append((where, f"cannot be set: {_OURS[name]}"))
        elif name not in known:
            import difflib  # only here: arguments that are known do without it

            near = difflib.get_close_matches(name.replace("-", "_"), known, n=3, cutoff=0.6)
            offer = f"; did you mean {any_of(near)}?" if near else ""
            found.append((where, f"vLLM {version} has no such argument{offer}"))
        elif name == "max_model_len" and value in ("auto", -1):
            found.append((where, "is not left to vLLM: leave it out, and the plan chooses it"))
        elif not _takes(known[name], value):
            found.append((where, f"must be {known[name].replace(' | ', ' or ')}, and is {_kind(value)}"))
        elif name == overrides.NAME:
            found += [(f"{where}.{key}".rstrip("."), what) for key, what in overrides.override_problems(value)]
        elif name in PARALLEL_ONE and value not in (None, 1):
            found.append(
                (
                    where,
                    "only 1 can be planned yet; tensor_ and pipeline_parallel_size spread a model over GPUs",
                )
            )
    seqs, tokens = engine_args.get("max_num_seqs"), engine_args.get("max_num_batched_tokens")
    if isinstance(seqs, int) and isinstance(tokens, int) and tokens < seqs:
        found.append(("engine_args.max_num_batched_tokens", f"must be at least max_num_seqs ({seqs})"))
    return found


def own_speculation(engine_args: dict[str, Json]) -> tuple[Literal["ngram", "mtp", "dspark"], int] | None:
    """(method, tokens ahead) of speculation that loads no other model; None: there is none, or it does.

    mtp has a name for each model as well, which vLLM calls deprecated (config/speculative.py MTPModelTypes).
    """
    asked = engine_args.get("speculative_config") or {}
    method, tokens = str(asked.get("method")), asked.get("num_speculative_tokens")
    if asked.get("model") or not isinstance(tokens, int) or tokens < 1:
        return None
    if method == "mtp" or method.endswith("_mtp"):
        return "mtp", tokens
    if method == "dspark":
        return "dspark", tokens
    return ("ngram", tokens) if method == "ngram" else None


def unplanned(engine_args: dict[str, Json], accelerator: str) -> list[str]:
    """Names of the arguments with which it cannot be told whether a plan fits, in order."""
    found = {name for name in UNPLANNED if engine_args.get(name) and engine_args[name] not in ("auto", "none")}
    if accelerator == "gpu":
        found -= _PLANNED_ON_GPUS
    if accelerator == "gpu" and own_speculation(engine_args) is not None:
        found.remove("speculative_config")
    if engine_args.get("enable_chunked_prefill") is False:
        found.add("enable_chunked_prefill")  # the batch then has to hold the longest prompt
    return sorted(found)


def _takes(kinds: str, value: Json) -> bool:
    accepted = kinds.split(" | ")
    return "any" in accepted or _kind(value) in accepted or (_kind(value) == "int" and "float" in accepted)


def _kind(value: Json) -> str:
    if value is None:
        return "null"
    kinds = {bool: "bool", int: "int", float: "float", str: "str", list: "list", tuple: "list", dict: "dict"}
    return kinds.get(type(value), type(value).__name__)  # YAML has dates
