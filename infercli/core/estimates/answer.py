"""What `infercli estimate` answers: one record, or everything that is wrong with the request. Bytes are per GPU."""

from typing import Literal

from infercli.core.documents.plan import MemoryTerm
from infercli.core.record import Document, Record


class Settings(Record):
    """What the engine would run with: as asked, or as that version of vLLM chooses."""

    tensor_parallel_size: int
    pipeline_parallel_size: int
    data_parallel_size: int
    enable_expert_parallel: bool
    dtype: str
    kv_cache_dtype: str
    quantization: str
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    gpu_memory_utilization: float
    kv_cache_memory_bytes: int | None = None
    block_size: int
    enforce_eager: bool


class Interval(Record):
    """A value with its bounds: 80 % of measurements are meant to lie within. Unit by name of the field."""

    value: float
    low: float
    high: float

    def ends(self, factor: float, digits: int) -> str:
        """For people, `factor` times as much: `1.20 to 3.40`."""
        return f"{factor * self.low:,.{digits}f} to {factor * self.high:,.{digits}f}"


class EstimatedMemory(Record):
    """The memory of the GPU that holds most, term by term.

    Those with `inside_budget` add up to the budget; where the KV cache was given its size, what they leave stays free.
    """

    total_bytes: int
    budget_bytes: int
    terms: tuple[MemoryTerm, ...]
    outside_budget_bytes: int = 0
    """CUDA graphs of the versions that capture them after the KV cache is sized; they must find room beyond."""


class EstimatedKvCache(Record):
    """What is left for the KV cache, as that version of vLLM counts and prints it."""

    bytes: int
    low_bytes: int
    high_bytes: int
    bytes_per_token: int
    """Of one more token in a request longer than all windows; 0 where no layer keeps every token."""
    block_tokens: int
    blocks: int
    tokens: int
    """As the log prints `GPU KV cache size`: no capacity on a model with several kinds of cache."""
    tokens_low: int
    tokens_high: int
    concurrency: float
    """As the log prints it: requests of max_model_len at once."""
    concurrency_low: float
    concurrency_high: float
    longest_max_model_len: int
    """The longest that would be admitted, up to the model's own maximum; 0 where none."""


class EstimatedSpeed(Record):
    """What the workload would see. None: not asked, or not said for this load."""

    output_tok_per_s: Interval
    total_tok_per_s: Interval
    requests_per_s: Interval
    ttft_s: Interval
    """Median."""
    ttft_mean_s: Interval
    """As `vllm bench serve` prints it first: a closed loop's has the burst at its start in it, one prompt in ten where
    num_prompts is not stated."""
    ttft_p95_s: Interval | None = None
    ttft_p99_s: Interval | None = None
    tpot_s: Interval | None
    """Median over requests, without the first token; None: answers of one token."""
    tpot_p95_s: Interval | None = None
    roofline_requests_per_s: float | None = None
    """Requests a second of all replicas, were nothing ever lost: a bound, and a baseline to be compared with."""
    highest_request_rate: Interval | None = None
    """Requests a second that keep the asked objectives, by all replicas together; 0 where none does. With num_prompts,
    of so many requests: a short run ends before a queue is long."""
    notes: tuple[str, ...] = ()
    """Why intervals are wider than usual, and why requests wait."""


class Estimate(Document):
    """One answer. `starts`: true at the pessimistic end of every estimate, false at the optimistic one, else null."""

    kind: Literal["Estimate"] = "Estimate"
    id: str | int | None = None
    line: int | None = None
    """Of the request, where it came from a stream."""
    model: str
    architecture: str
    family: str
    """dense, moe, latent or hybrid."""
    gpu: str
    gpu_count: int
    replicas: int
    engine_version: str
    settings: Settings
    memory: EstimatedMemory
    kv_cache: EstimatedKvCache | None
    """None: a model that keeps nothing between tokens."""
    starts: bool | None
    reason: str
    missing_bytes: int
    """Per GPU, with every estimate at its high end; 0 where it starts."""
    speed: EstimatedSpeed | None = None
    notes: tuple[str, ...] = ()


class Problem(Record):
    """One thing that is wrong with a request."""

    where: str
    """The field; empty where it is the whole line."""
    what: str
    hint: str | None = None
    """What to do about it."""


class EstimateError(Document):
    """The answer to a line that cannot be answered, with everything that is wrong with it."""

    kind: Literal["EstimateError"] = "EstimateError"
    id: str | int | None = None
    line: int | None = None
    problems: tuple[Problem, ...]
    hint: str | None
    """The hints of all problems, each once."""
