"""What `infercli estimate` is asked: one record, without a lock or a deployment file.

The names of a request are vLLM's own (`tensor_parallel_size`, `max_num_seqs`); what is left out is what that version of
vLLM would choose. Bytes are per GPU.
"""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.inkling import drafted_by
from infercli.core.documents.workload import MOST_COUNT
from infercli.core.engines import RAY_SERVICE_ENGINE
from infercli.core.gpus import Gpu
from infercli.core.memory.lora import Adapters
from infercli.core.memory.vision import Items, as_loaded, items_of, max_pixels_of
from infercli.core.record import Json, Record

Count = Annotated[int, Field(ge=1, le=MOST_COUNT)]
_Bytes = Annotated[int, Field(ge=1, le=10**15)]
LEAST_RATE = 1e-6
"""Requests a second: one in twelve days."""
MOST_SPREAD = 4.0
"""Of lengths, as a share of their mean: a few answers then hold most of the tokens."""


class Asked(Record):
    """A record as strangers write it: a number in quotes, or `true` for a count, is an error and not a guess."""

    model_config = ConfigDict(strict=True)


class Speculation(Asked):
    """Speculative decoding, as stated: the acceptance depends on the text and is never assumed."""

    method: Literal["ngram", "draft_model", "eagle", "eagle3", "dflash", "mtp", "dspark"]
    num_speculative_tokens: Count
    model: str | None = None
    """What drafts, where it is a model of its own: an id of `infercli models`; beside a config it is only a name."""
    config_path: str | None = None
    """config.json of what drafts, or the directory that has it."""
    config: dict[str, Json] | None = None
    acceptance_fraction: float | None = Field(default=None, ge=0, le=1)
    """Share of the proposed tokens that are accepted. None: memory is answered, and speed is not."""

    @property
    def passes(self) -> int:
        """Of what drafts, in each step: one a token; DFlash and DSpark draft a block at once, n-grams are found."""
        return {"ngram": 0, "dflash": 1, "dspark": 1}.get(self.method, self.num_speculative_tokens)


class Traffic(Asked):
    """The load, as one of three: requests in flight, requests a second, or a batch that is there from the start."""

    input_len: float = Field(gt=0)
    """Mean tokens of a prompt."""
    output_len: float = Field(gt=0)
    """Mean tokens of an answer."""
    concurrency: float | None = Field(default=None, gt=0, le=MOST_COUNT)
    """Requests in flight at a time: a closed loop."""
    request_rate: float | None = Field(default=None, ge=LEAST_RATE, le=MOST_COUNT)
    """Requests a second that arrive at random (Poisson), whether or not earlier ones are done."""
    num_prompts: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Prompts in all. Alone: all there at once."""
    offline: bool = False
    """The prompts are handed to the engine itself (`LLM.generate`), and not sent to its server."""
    length_spread_fraction: float | None = Field(default=None, ge=0, le=MOST_SPREAD)
    """How far lengths lie from their mean: the half-width of `uniform`, the standard deviation of `skewed`. 0: all are
    equal, as a benchmark with fixed lengths has them; the clients of a closed loop then stay in step, and wait for each
    other's prompts. None: near each other, as those of one application are, and no client stays in step."""
    length_shape: Literal["uniform", "skewed"] = "uniform"
    prefix_hit_fraction: float = Field(default=0, ge=0, lt=1)
    """Share of the prompt's tokens that the prefix cache already holds."""
    ttft_p95_ms: float | None = Field(default=None, gt=0)
    """With it the answer also says the highest request rate that keeps it."""
    ttft_p99_ms: float | None = Field(default=None, gt=0)
    tpot_p95_ms: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_load(self) -> Self:
        if self.concurrency is not None and self.request_rate is not None:
            raise ValueError("concurrency and request_rate exclude each other")
        if self.offline and (self.num_prompts is None or self.concurrency or self.request_rate):
            raise ValueError("offline: takes num_prompts, and neither concurrency nor request_rate")
        if not (self.has_load or self.has_objectives):
            raise ValueError(
                "says no load: give concurrency, request_rate, num_prompts (offline), or an objective such as "
                "ttft_p99_ms"
            )
        return self

    @property
    def has_load(self) -> bool:
        """Whether a load is stated, besides objectives."""
        return any(load is not None for load in (self.concurrency, self.request_rate, self.num_prompts))

    @property
    def has_objectives(self) -> bool:
        """Whether the highest rate under an objective is asked."""
        return any(limit is not None for limit in (self.ttft_p95_ms, self.ttft_p99_ms, self.tpot_p95_ms))


def hits_without_cache(prefix_hit_fraction: float | None, enable_prefix_caching: object) -> bool:
    """Whether a share of each prompt is said to be in a prefix cache that is said to be off. None: nothing is said."""
    return bool(prefix_hit_fraction) and enable_prefix_caching is False


class EstimateRequest(Asked):
    """One question: a model, a GPU, how many, and how vLLM is started."""

    id: str | int | None = None
    """Handed back in the answer."""
    model: str | None = None
    """A model id. Alone, it must be one of `infercli models`; beside a config it is only a name."""
    config_path: str | None = None
    """config.json, or the directory that has it (and hf_quant_config.json, where the checkpoint has one)."""
    hf_quant_config_path: str | None = None
    config: dict[str, Json] | None = None
    """config.json itself, instead of a path."""
    hf_quant_config: dict[str, Json] | None = None
    gpu: str | Gpu
    """A name of `infercli gpus`, or all facts of one that is not there."""
    gpu_memory_gib: float | None = Field(default=None, gt=0, le=1_000_000)
    """What the driver reports, where it is not the table's."""
    pcie_gb_per_s: float | None = Field(default=None, gt=0, le=1_000)
    """One direction of a GPU's slot, where it is not the table's: 16 for PCIe 3.0 x16 and 4.0 x8, 32 for 4.0 x16."""
    gpu_count: Count | None = None
    """GPUs in all; None: as many as the parallel sizes need. A multiple of them means replicas."""
    tensor_parallel_size: Count = 1
    pipeline_parallel_size: Count = 1
    data_parallel_size: Count = 1
    decode_context_parallel_size: Count = 1
    enable_expert_parallel: bool = False
    engine_version: str = RAY_SERVICE_ENGINE
    """Of vLLM; `v0.11.2` is 0.11.2."""
    use_v1: bool | None = None
    """VLLM_USE_V1, where it was set; of vLLM 0.8 to 0.10, which have both engines."""
    dtype: str = "auto"
    kv_cache_dtype: str = "auto"
    quantization: str | None = None
    """What the checkpoint is, where its config does not say; or `fp8-online`."""
    marlin: bool = True
    """False: vLLM is started with `--quantization gptq` or `awq`, which older ones take for the name of a kernel: 0.21
    and 0.24 are the last. Only speed depends on it."""
    max_model_len: Count | None = None
    max_num_seqs: Count | None = None
    max_num_batched_tokens: Count | None = None
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    kv_cache_memory_bytes: _Bytes | None = None
    """What the KV cache takes, instead of what is left of the budget. vLLM does not look whether it is there."""
    block_size: Count | None = None
    enforce_eager: bool = False
    enable_prefix_caching: bool | None = None
    mamba_ssm_cache_dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Of the states of Mamba and gated DeltaNet; auto: as the config says, where vLLM asks it, else the model's."""
    disable_hybrid_kv_cache_manager: bool | None = None
    """Windows and chunks hold as many tokens as full attention. None: as False, but for what vLLM itself disables."""
    runner: Literal["auto", "pooling"] = "auto"
    """`pooling`: a model of a generating class that vLLM runs for embeddings, as it does by itself where a modules.json
    of Sentence Transformers lies beside config.json. auto: as the class in config.json says."""
    language_model_only: bool = False
    """No prompt holds anything but text: encoders are not loaded, or at least not run."""
    limit_mm_per_prompt: dict[str, Json] | None = None
    """By kind (image, video, audio), how many a prompt may hold: a number or an object with `count`; 0 of all: text."""
    mm_processor_kwargs: dict[str, Json] | None = None
    """`max_pixels`, or `size` with `longest_edge`: an image or a frame of Qwen-VL's has no more. Of other models and
    other arguments it is not known what they do to the profile, and a note says so."""
    mm_encoder_tp_mode: Literal["weights", "data"] = "weights"
    """`data`: every rank holds the encoders whole, and takes its share of the images."""
    enable_lora: bool = False
    """Slots for LoRA adapters are there from the start, whether or not one is ever loaded."""
    max_loras: Count = 1
    """Adapters that one batch may use: the slots."""
    max_lora_rank: Count = 16
    speculation: Speculation | None = None
    workload: Traffic | None = None
    """None: memory only."""

    @field_validator("engine_version")
    @classmethod
    def _bare_version(cls, version: str) -> str:
        """Without what git's tags and logs put before it."""
        return version.strip().removeprefix("v")

    @field_validator("max_model_len", mode="before")
    @classmethod
    def _not_auto(cls, length: Json) -> Json:
        """`auto` and -1 are vLLM's words for the longest that fits (vllm-project/vllm#29431)."""
        if length in ("auto", "-1", -1):
            raise ValueError("leave it out: the answer's kv_cache.longest_max_model_len is what `auto` would choose")
        return length

    @field_validator("limit_mm_per_prompt")
    @classmethod
    def _counts(cls, limits: dict[str, Json] | None) -> dict[str, Json] | None:
        for kind, limit in (limits or {}).items():
            count = limit.get("count", 1) if isinstance(limit, dict) else limit
            if not isinstance(count, int) or isinstance(count, bool) or count < 0:
                raise ValueError(f"{kind}: must be how many a prompt may hold, 0 or more, or an object with `count`")
        return limits

    @field_validator("mm_processor_kwargs")
    @classmethod
    def _pixels(cls, said: dict[str, Json] | None) -> dict[str, Json] | None:
        pixels = max_pixels_of(said or {})
        if pixels is not None and (not isinstance(pixels, int) or isinstance(pixels, bool) or pixels < 1):
            raise ValueError("max_pixels (or size.longest_edge): must be a whole number of pixels, 1 or more")
        return said

    @model_validator(mode="after")
    def _in_agreement(self) -> Self:
        if self.model is None and self.config_path is None and self.config is None:
            raise ValueError("model: is missing, and no config is there instead")
        if self.config_path is not None and self.config is not None:
            raise ValueError("config: says the model a second time, beside config_path")
        if self.hf_quant_config_path is not None and self.hf_quant_config is not None:
            raise ValueError("hf_quant_config: says the quantization a second time, beside hf_quant_config_path")
        needed = self.tensor_parallel_size * self.pipeline_parallel_size * self.data_parallel_size
        if self.workload and hits_without_cache(self.workload.prefix_hit_fraction, self.enable_prefix_caching):
            raise ValueError(
                "enable_prefix_caching: is false, and workload.prefix_hit_fraction says what its cache holds"
            )
        if self.gpu_count is not None and self.gpu_count % needed:
            raise ValueError(
                f"gpu_count: {self.gpu_count} is not a multiple of the {needed} GPUs that the parallel sizes take"
            )
        return self

    def items(self, arch: ModelArch) -> Items:
        """What prompts of this model may hold besides text."""
        found = items_of(arch, language_model_only=self.language_model_only, limits=self.limit_mm_per_prompt)
        pixels = max_pixels_of(self.mm_processor_kwargs or {})
        return found._replace(max_pixels=pixels if isinstance(pixels, int) else None)

    def as_loaded(self, arch: ModelArch, release: tuple[int, int]) -> ModelArch:
        """The model with its encoders, and its draft layers, as that version of vLLM loads them."""
        if self.speculation is not None and arch.architecture.startswith("InklingFor"):
            arch = drafted_by(arch, self.speculation.num_speculative_tokens)
        return as_loaded(arch, self.items(arch), release, encoders_whole=self.mm_encoder_tp_mode == "data")

    @property
    def adapters(self) -> Adapters | None:
        """The slots of LoRA adapters; None: the engine takes none."""
        return Adapters(self.max_loras, self.max_lora_rank) if self.enable_lora else None

    @property
    def gpus_per_replica(self) -> int:
        """GPUs of one engine."""
        return self.tensor_parallel_size * self.pipeline_parallel_size * self.data_parallel_size
