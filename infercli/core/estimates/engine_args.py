"""What `engine_args`, of a deployment or of a plan, say of the question that an estimate is asked."""

from __future__ import annotations

from infercli.core.engines.arguments import own_speculation
from infercli.core.record import Json

SAME_NAMES = (
    "tensor_parallel_size", "pipeline_parallel_size", "enable_expert_parallel", "dtype", "kv_cache_dtype",
    "max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization", "kv_cache_memory_bytes",
    "block_size", "enforce_eager", "enable_prefix_caching", "mamba_ssm_cache_dtype", "disable_hybrid_kv_cache_manager",
    "language_model_only", "limit_mm_per_prompt", "mm_encoder_tp_mode", "mm_processor_kwargs", "enable_lora",
    "max_loras", "max_lora_rank",
)  # fmt: skip
"""Those that an estimate takes by the same name."""


def asked_by(engine_args: dict[str, Json]) -> dict[str, Json]:
    """Fields of an EstimateRequest; null is as if it were not said."""
    said: dict[str, Json] = {name: engine_args[name] for name in SAME_NAMES if engine_args.get(name) is not None}
    drafted = own_speculation(engine_args)
    if drafted is not None:
        said["speculation"] = {"method": drafted[0], "num_speculative_tokens": drafted[1]}
    return said
