"""What a planner must know of an engine version: its defaults, and the memory that no shape explains.

The one thing to know: most of the activation peak is arithmetic read in vLLM's and PyTorch's sources
(core/memory/activation.py), so a version says here only which arithmetic is its own. What is measured is in the bands.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from infercli.core.engine_version import number_of, release_of
from infercli.core.gpus import Gpu
from infercli.core.units import GIB
from infercli.errors import InputError

# Named tuples, here and for most plain values of core/: classes are made anew at every start, and to make a dataclass
# takes three to five times as long.


class Band(NamedTuple):
    """An estimate with the bounds that logs and source code support. Unit by use."""

    low: float
    typical: float
    high: float

    @classmethod
    def exactly(cls, size: float) -> "Band":
        """What is known: every end is the same."""
        return cls(low=size, typical=size, high=size)

    def plus(self, other: "Band") -> "Band":
        """The sum, end by end."""
        return Band(low=self.low + other.low, typical=self.typical + other.typical, high=self.high + other.high)

    def times(self, factor: float) -> "Band":
        """Every end times `factor`."""
        return Band(low=self.low * factor, typical=self.typical * factor, high=self.high * factor)


NOTHING = Band.exactly(0)


def summed(bands: Iterable[Band]) -> Band:
    """All of them together, end by end."""
    total = NOTHING
    for band in bands:
        total = total.plus(band)
    return total


_DATACENTRE_BLACKWELL, _GRAPHS_HOLD_DRAFTS = 10, (0, 13)
_ALL_BY_EIGHT = 67
"""CUDA graph sizes of V1 up to 512 where they go on by 8, until 0.11.0 (config/__init__.py _set_cudagraph_sizes); by 16
above 256 since (0.11.1 config/vllm.py)."""


class DeviceDefaults(NamedTuple):
    """vLLM's own defaults, which depend on the device (engine/arg_utils.py get_batch_defaults)."""

    max_num_batched_tokens: int
    max_num_seqs: int


class NonTorch(NamedTuple):
    """Memory beside PyTorch's: CUDA modules, cuBLAS, NCCL, all-reduce buffers. Bytes per GPU, by number of ranks."""

    single: Band
    single_hopper: Band
    single_blackwell: Band
    linked: dict[int, Band]
    """Tensor-parallel ranks -> bytes, on NVLink from capability 9.0 on; the nearest smaller number is taken."""
    plain: dict[int, Band]
    """The same below capability 9.0 or without NVLink."""
    rocm: dict[int, Band]
    """The same on ROCm, with one rank as well."""
    xpu: dict[int, Band]
    """The same on XPU."""
    source: str
    xpu_source: str
    unified: Band
    """Where the operating system shares the memory, with a machine that does nothing else and has compiled before."""
    unified_moved: Band = NOTHING
    """What such a machine takes besides while an engine starts, which then counts as the engine's."""
    linked_eager: dict[int, Band] | None = None
    """The same without compilation, which is what fuses the all-reduce; None: no difference."""
    linked_uncompiled: dict[int, Band] | None = None
    """The same with CUDA graphs, for a class that is never compiled; None: no difference."""
    linked_blackwell: dict[int, Band] | None = None
    """The same from capability 10.0 on, without what grows with the hidden width; None: no difference."""
    linked_per_hidden: float = 0
    """Per rank and unit of the hidden width, on top of `linked`: the buffers of the fused all-reduce."""
    odd_vocab: Band = NOTHING
    """More with one rank where the vocabulary is not a multiple of 16: local memory of the sampler's kernel."""


class Graphs(NamedTuple):
    """CUDA graphs: bytes = base + per_layer x layers, with all that a version may capture."""

    source: str
    base: Band
    per_layer: Band
    per_indexed_layer: Band | None = None
    """Of one whose attention picks its tokens (DeepSeek-V3.2, GLM-5), beside the logits by which it does; None: as any
    other, and no logits."""
    per_compressed_layer: Band | None = None
    """Of one that compresses its keys as well (DeepSeek-V4)."""


class EngineFacts(NamedTuple):
    """One version of vLLM, and those after it up to the next row."""

    version: str
    """As it was asked for."""
    since: str
    """The row that answers: the nearest one that is not newer."""
    gpu_memory_utilization: float
    v1_from: Literal["never", "capability 8.0", "cuda", "always"]
    """Where the V1 engine is the default; V0 elsewhere. From 0.11 on there is no V0."""
    async_scheduling: bool
    sampler: Literal["sort", "triton", "flashinfer"]
    """What the V1 runner's profile samples with (v1/sample/ops/topk_topp_sampler.py)."""
    keeps_expert_workspace: bool
    """Workspaces of modular expert kernels stay beside the sampler (v1/worker/workspace.py)."""
    non_torch: NonTorch
    graphs: dict[str, Graphs]
    """By platform: `cuda`, `hopper` (capability 9.0 on), `rocm`, `cdna` (more than 128 compute units)."""
    graphs_in_budget: bool
    """Whether an estimate of the CUDA graphs is deducted before the KV cache is sized."""
    unified_free_pages: Band = NOTHING
    """What the page cache adds to that estimate, or takes from it, where the operating system shares the memory."""
    graphs_in_budget_v2: bool = False
    """The same with the V2 runner (v1/worker/gpu/model_runner.py profile_cudagraph_memory)."""
    ray_version: str | None = None
    """The Ray that pins it; None: none that infercli deploys."""
    block_tokens: int = 16
    """KV cache block on a GPU (config/cache.py DEFAULT_BLOCK_SIZE)."""
    cpu_block_tokens: int = 128
    """v1/attention/backends/cpu_attn.py"""
    minimum_capability: tuple[int, int] = (7, 0)
    """Of any CUDA GPU. From 0.10.2 on PyTorch is 2.8, whose CUDA 12.8 wheels have no kernels for Volta."""
    short_rope_first: bool = False
    """Where nobody says max_model_len, LongRoPE models start with the length of their short table."""
    a100_like_h100: bool = False
    """Whether an A100 80GB gets the large defaults (until #17885)."""
    large_by_name: bool = False
    """Only an H100 or H200 gets the large defaults, whatever memory others have (until 0.8.5)."""
    many_sequences: bool = False
    """Every GPU gets 1,024 sequences (until 0.8.4)."""
    largest_from_gib: int | None = None
    """From this memory on a server gets 16,384 batched tokens; None: no GPU does."""
    chunked_tokens: int | None = 2048
    """max_num_batched_tokens of V0 with chunked prefill, its default above 32,768 tokens of context; None: it is no
    default (0.5.2 engine/arg_utils.py)."""
    refuses_unless_free: bool = False
    """Whether V1 refuses to start where less is free than its share (v1/worker/utils.py request_memory; until 0.13
    v1/worker/gpu_worker.py init_device)."""
    counts_context: bool = False
    """Whether V1 counts all that is taken of the GPU and is not PyTorch's, the CUDA context with it; later, what was
    taken since the engine began (v1/worker/gpu_worker.py determine_available_memory)."""
    samples_in_float32: bool = True
    """Whether logits are copied to fp32 before they are sampled (model_executor/layers/sampler.py, since 0.5.5)."""
    runner_v2: Literal["never", "named", "dense", "always"] = "never"
    """Models with the V2 model runner by default: those of `v2_models`; `dense`: those, and all without experts and
    layers that keep a state (config/vllm.py use_v2_model_runner)."""
    v2_models: frozenset[str] = frozenset()
    """Classes (config/vllm.py DEFAULT_V2_MODEL_RUNNER_ARCHITECTURES)."""
    v2_unquantized: bool = False
    """They have it only unquantized."""
    v2_copies_logits: bool = False
    """The V2 runner's profile copies the logits to fp32 (v1/worker/gpu/sample/sampler.py apply_sampling_params); later
    it sees that no request needs it."""
    compiling_bytes: int = 0
    """What a start that finds no compiled kernels takes beside twice the forward pass: Inductor times its kernels in
    the profile, on copies of what they read (config/compilation.py benchmark_combo_kernel)."""
    counts_all_consumed: bool = False
    """What is free after the profile is compared with what was free before the engine (utils/mem_utils.py
    total_consumed), so that the V2 runner's tables of the sampler count; before, weights and the profile's rise did."""
    pads_videos: bool = False
    """Qwen3-VL's video counts 12.5 tokens for each of its own, and its outputs are kept in that much room (0.11 and
    0.12 models/qwen3_vl.py get_max_video_tokens, v1/worker/gpu_model_runner.py profile_run)."""
    all_graph_sizes: int = 51
    """CUDA graph sizes when max_num_seqs allows all of them, and the GPU is not one of `largest_graph_blackwell`."""
    largest_graph_blackwell: int = 512
    """The largest of them on capability 10.x; 512 elsewhere."""
    between_releases: bool = False
    """A development build (`.dev133+g9279c59a0`): it may have what the release of its number lacks, or be a fork."""
    extrapolated_from: str | None = None
    """Newest version with public memory logs that this row rests on; None where its own logs do."""

    @property
    def release(self) -> tuple[int, int]:
        """(major, minor) of the version that was asked for."""
        return release_of(self.version)

    @property
    def number(self) -> tuple[int, int, int]:
        """(major, minor, patch) of the same."""
        return number_of(self.version)

    @property
    def note(self) -> str | None:
        """Said where a row of another minor version answers; None where its own does."""
        if self.since.split(".")[:2] == self.version.split(".")[:2]:
            return None
        return f"vLLM {self.version} is planned with what is known of {self.since}, the nearest version before it"

    def require_gpu(self, gpu: Gpu) -> None:
        """Raises InputError where this version has no kernels for the GPU, whatever the checkpoint."""
        if gpu.platform == "xpu" and self.v1_from != "always":
            raise InputError(
                f"vLLM {self.version} on {gpu.name} is not planned: the oldest that was read on Intel GPUs is 0.10",
                "choose vLLM 0.10.0 or later",
            )
        if gpu.capability is not None and gpu.capability < self.minimum_capability:
            have, need = (".".join(map(str, c)) for c in (gpu.capability, self.minimum_capability))
            raise InputError(
                f"vLLM {self.version} needs compute capability {need}, and {gpu.name} has {have}",
                "choose another GPU; `infercli gpus` lists the capabilities",
            )

    def engine(self, gpu: Gpu) -> Literal["V0", "V1"]:
        """The engine that runs by default."""
        if self.v1_from == "always" or (self.v1_from == "cuda" and gpu.platform == "cuda"):
            return "V1"
        return "V1" if self.v1_from == "capability 8.0" and gpu.at_least((8, 0)) else "V0"

    def chosen(self, use_v1: bool | None) -> "EngineFacts":
        """As VLLM_USE_V1 chose the engine; None: nobody did. Raises InputError where that version has only one."""
        if use_v1 is None:
            return self
        if not (0, 8) <= self.release <= (0, 10):
            raise InputError(f"vLLM {self.version} has one engine only", "leave use_v1 out: 0.8 to 0.10 have two")
        return self._replace(v1_from="always" if use_v1 else "never")

    def device_defaults(
        self,
        gpu: Gpu,
        *,
        max_model_len: int | None = None,
        usage: Literal["server", "offline"] = "server",
        chunkable: bool = True,
        at_least: int = 2048,
        uncut: bool = False,
        max_num_seqs: int | None = None,
    ) -> DeviceDefaults:
        """What vLLM chooses where nobody does.

        `max_model_len` matters to V0, whose batch holds the longest prompt; None counts as a short one. So do
        `chunkable`, whether V0 would cut the prompts of that model where they are long, and `at_least`, the tokens of
        its smallest batch. `uncut`: V1 does not cut them either. `max_num_seqs`: as asked for.
        """
        length = max_model_len or 0
        if self.engine(gpu) == "V0":
            # On ROCm V0 never chunks by itself: 0.9 on MI300X profiled 131,072 tokens (14.63 GiB).
            chunked = length > 32768 and gpu.platform == "cuda" and chunkable and self.chunked_tokens
            whole = chunked or max(length, at_least)
            return DeviceDefaults(max_num_batched_tokens=whole, max_num_seqs=256)
        offline = usage == "offline"
        # NVML does not say the memory that the operating system shares, and vLLM then counts none (get_batch_defaults).
        reported = 0 if gpu.unified_memory and gpu.platform == "cuda" else gpu.memory_bytes
        is_a100 = gpu.name.lower().startswith(("a100", "nvidia a100"))
        large = reported >= 70 * GIB and (self.a100_like_h100 or not is_a100)
        if self.large_by_name:
            large = gpu.name.lower().removeprefix("nvidia ").startswith(("h100", "h200"))
        if self.largest_from_gib is not None and reported >= self.largest_from_gib * GIB:
            tokens, seqs = 16384, 1024
        elif large:
            tokens, seqs = 16384 if offline else 8192, 1024
        else:
            tokens, seqs = 8192 if offline else 2048, 1024 if self.many_sequences else 256
        if uncut:  # 0.10.2 _set_default_args_v1; 0.12 _set_default_max_num_seqs_and_batched_tokens_args
            tokens = max(tokens, length) if self.release >= (0, 12) else length or tokens
        if length:
            # 0.12 looks at what was asked for; before, nothing was that short.
            tokens = min(tokens, (seqs if max_num_seqs is None or self.release < (0, 12) else max_num_seqs) * length)
        return DeviceDefaults(max_num_batched_tokens=tokens, max_num_seqs=min(seqs, tokens))

    def _largest_graph(self, gpu: Gpu) -> int:
        blackwell = gpu.capability is not None and gpu.capability[0] == _DATACENTRE_BLACKWELL
        return self.largest_graph_blackwell if blackwell else 512

    def _step_tokens(self, speculative_tokens: int) -> int:
        """Of a request in a step: one, and since 0.13 what is drafted for it besides."""
        return 1 + speculative_tokens * (self.release >= _GRAPHS_HOLD_DRAFTS)

    def decoding_graph_tokens(self, max_num_seqs: int, gpu: Gpu, speculative_tokens: int) -> int:
        """Tokens of the largest CUDA graph of a whole decoding step: those of max_num_seqs requests at most."""
        return min(max_num_seqs * self._step_tokens(speculative_tokens), self._largest_graph(gpu))

    def graph_sizes(self, max_num_seqs: int, gpu: Gpu, speculative_tokens: int = 0) -> int:
        """Number of CUDA graph sizes: tokens of up to twice max_num_seqs (config/vllm.py _set_cudagraph_sizes).

        Sizes that 0.29 adds between them for drafts are not counted.
        """
        return self._sizes_up_to(self.graph_tokens(max_num_seqs, gpu, speculative_tokens), gpu)

    def graph_tokens(self, max_num_seqs: int, gpu: Gpu, speculative_tokens: int) -> int:
        """Tokens of the largest CUDA graph at most: of twice max_num_seqs requests."""
        return min(2 * max_num_seqs * self._step_tokens(speculative_tokens), self._largest_graph(gpu))

    def decoding_graph_sizes(self, max_num_seqs: int, gpu: Gpu, speculative_tokens: int) -> int:
        """How many of them have a graph of a whole decoding step besides that in pieces."""
        return self._sizes_up_to(self.decoding_graph_tokens(max_num_seqs, gpu, speculative_tokens), gpu)

    def _sizes_up_to(self, tokens: int, gpu: Gpu) -> int:
        most = self._largest_graph(gpu)
        largest = min(tokens, most)
        step = 8 if self.all_graph_sizes == _ALL_BY_EIGHT else 16
        sizes = [1, 2, 4, *range(8, 256, 8), *range(256, most + 1, step)]
        found = len([size for size in sizes if size <= largest])
        return found if most > 512 else min(found, self.all_graph_sizes)
