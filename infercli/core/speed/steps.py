"""How long one step of the engine takes: bytes and FLOP of work.py, at the rates of coefficients.py.

The one thing to know: reading and computing overlap, but not wholly. Where one takes r and the other c, both take
(r^3 + c^3)^(1/3): the longer of the two where one is short, and a quarter more where they are alike. So do launching
kernels and running them.
"""

from math import ceil, inf
from typing import NamedTuple

from infercli.core.architecture.arch import Layout
from infercli.core.gpus import Gpu
from infercli.core.speed.coefficients import Coefficients
from infercli.core.speed.experts import busiest
from infercli.core.speed.packed import Packed
from infercli.core.speed.rates import (
    HALVED,
    cut_of,
    half_flops_per_s,
    halved_of,
    lane_flops_per_s,
    widening_cut,
)
from infercli.core.speed.work import (
    KERNELS_DENSE_LAYER,
    Matrices,
    Reads,
    Work,
)

GPUS_PER_NODE = 8
"""GPUs that NVLink or one PCIe root connects; beyond them ranks talk over the network."""
NETWORK_BYTES_PER_S = 50e9
"""Per GPU and direction: one 400 Gb/s adapter for each GPU, as in HGX and DGX servers. Textbook, not fitted."""
_PCIE_BYTES_PER_S = 64e9
"""Both directions, where a row does not say: PCIe 4.0 x16."""
_ACTIVATION_BYTES = 2
"""Of one element between layers, and in all-reduces: 16 bits."""
_STREAMED_TOGETHER = 32
"""Sequences. A server that falls behind hands on several tokens at a time: streaming to many costs at most as much as
to so many alone. Chosen of 16, 32, 64 and 128 by the records at 1 to 32 clients and at 5 to 100 requests a second."""
_GRAPH_TOKENS = 512
"""Largest step that V1 captures as a CUDA graph (vLLM config/compilation.py max_cudagraph_capture_size)."""
_V0_GRAPH_CONTEXT = 8192
"""V0 runs without graphs beyond this context (max_seq_len_to_capture)."""


class Runtime(NamedTuple):
    """What of the engine changes a step."""

    v0: bool
    """vLLM below 0.8: one process schedules, launches and streams."""
    asynchronous: bool
    """The next step is prepared while the GPU computes: the default from vLLM 0.14 on."""
    eager: bool = False
    """No CUDA graphs."""
    piecewise: bool = False
    """CUDA graphs end before each attention, and the next begins behind it."""
    served: bool = True
    """A server streams tokens to clients; False: prompts from a list, in the engine's own process."""
    tokens_per_sequence: float = 1.0
    """Tokens that a decoding sequence brings into a step: more than one with speculative decoding."""
    batched_tokens: float = inf
    """max_num_batched_tokens: of a micro-batch, where a step has one for each pipeline stage."""


class Drafting(NamedTuple):
    """What drafts behind each step."""

    first: "StepTime"
    """Of the pass over all tokens of the step."""
    later: "StepTime"
    """Of each pass over the token that was drafted last."""
    passes: int


class _Product(NamedTuple):
    """Matrices as one pipeline stage multiplies by them."""

    read_s: float
    """To read all of them."""
    token_s: float
    """To compute a token; with experts, as many as it sees."""
    share: float
    """Of the experts, that a token sees; 0: they are none."""
    sampled: bool
    """Only tokens that are sampled pass."""
    groups: int
    """Ranks that split data, and whose tokens come together."""
    tile_s: float
    """What the tiles of all experts cost besides."""
    row_s: float
    """To compute a token that all experts see, in tiles that nobody tuned where they are such."""
    tile: float
    """Rows of a tile."""
    beyond: float
    """Tokens in a step, up to which tiles are smaller."""
    ranks: int
    """That have whole experts each, so that one of them is busiest."""
    own: float
    """Experts of each of these."""


class _Packed(NamedTuple):
    """Matrices that are multiplied as they are stored for few tokens, and unpacked to 16 bits for more."""

    beyond: int
    """Tokens."""
    rows: float
    """Tokens for which they are read once, as they are stored."""
    packed_s: float
    """To read them so."""
    row_s: float
    """To compute a token by these."""
    unpack_s: float
    """To read them packed and write them in 16 bits."""
    read_s: float
    """To read them in 16 bits."""
    token_s: float
    """To compute a token by these."""


class _Read(NamedTuple):
    """Attention of layers that are alike, in one pipeline stage."""

    layers: float
    window: int | None
    cache_s: float
    """To read the cache of a token."""
    state_s: float
    """And what is there once for a sequence."""
    decode_s: float
    """To compute a token of context, for a sequence that decodes."""
    prefill_s: float
    """And for a token of a prompt."""
    least: int
    """Tokens of context that are computed at least."""
    short_s: float
    """As `prefill_s`, of prompts that the window holds."""


class StepTime:
    """Seconds of a step, by what is in it. Made once for a layout, called for every step."""

    def __init__(
        self, work: Work, gpu: Gpu, c: Coefficients, runtime: Runtime, drafting: Drafting | None = None
    ) -> None:
        layout, stages = work.layout, work.layout.pipeline_parallel_size
        self._drafting = drafting
        bandwidth = gpu.memory_bandwidth_bytes_per_s
        self.coefficients, self._runtime, self._stages = c, runtime, stages
        self._slower = 1 / c.cdna3_fraction if is_cdna3(gpu) else 1.0
        self._products = [_product(m, layout, gpu, c, v0=runtime.v0) for m in work.matrices if m.packed is None]
        self._packed = [_packed(m, m.packed, stages, gpu, c) for m in work.matrices if m.packed is not None]
        self._reads = [_read(r, stages, gpu, c) for r in work.reads]
        self._fixed_s = work.kernels * c.kernel_s / stages
        handed_s = work.expert_bytes / (bandwidth * c.expert_rows_fraction)
        self._token_s = layout.data_parallel_size * handed_s / stages
        ranks = layout.tensor_parallel_size
        if ranks > 1:
            latency, rate, share = link(gpu, c, ranks)
            rate *= share
            self._fixed_s += work.reductions * latency / stages
            sent = 2 * (ranks - 1) / ranks * work.hidden * _ACTIVATION_BYTES
            self._token_s += work.reductions * sent / rate / stages
        groups = layout.data_parallel_size
        if groups > 1 and work.expert_layers:
            # Tokens go to the experts' ranks and come back: an all-gather and a reduce-scatter over the groups, halves
            # of an all-reduce. No record that was looked at has them.
            latency, rate, share = link(gpu, c, ranks * groups)
            rate *= share
            self._fixed_s += 2 * work.expert_layers * latency / stages
            sent = 2 * (groups - 1) * work.hidden * _ACTIVATION_BYTES
            self._token_s += work.expert_layers * sent / rate / stages
        # By layers alone where only prompts run without graphs, and compiled: so it was fitted. V0 compiles nothing.
        by_kernels = runtime.eager or runtime.v0
        layers = work.launches / KERNELS_DENSE_LAYER if by_kernels else work.layers
        self._launch_s = layers * c.eager_layer_s
        self._prompt_launch_s = max(layers, work.prompt_layers) * c.eager_layer_s
        self._piece_s = work.layers * c.piecewise_layer_s if runtime.piecewise else 0.0
        self._streamed_s = c.streamed_sequence_s if runtime.served else 0.0
        self._front_s = c.front_token_s if runtime.served else 0.0

    @property
    def ahead(self) -> bool:
        """Whether a step is scheduled before the one before it ends (vLLM v1/engine/core.py, step_with_batch_queue)."""
        return self._runtime.asynchronous

    def __call__(
        self, decodes: float, context: float, prefill: float = 0.0, pairs: float = 0.0, started: float = 0.0
    ) -> float:
        """A step in which `decodes` sequences get a token, with `context` tokens of context in all.

        `prefill`: prompt tokens; `pairs`: their contexts, summed over these tokens; `started`: prompts that end here
        and get their first token.

        With pipeline stages a step is a round of their micro-batches, which are as far apart as the slowest takes in a
        stage: who only decodes waits for the prompt of another micro-batch as for one of its own.
        """
        stages, runtime = self._stages, self._runtime
        if stages == 1:
            busy = self.gpu_s(decodes, context, prefill, pairs, started)
        else:
            # The batch is dealt out to as many micro-batches as there are stages, and each goes through all of them.
            share = max(1.0 / decodes, 1 / stages) if decodes else 0.0
            part = self._most_of_prompts(prefill, started)
            few = self.gpu_s(decodes * share, context * share, prefill * part, pairs * part, started * part)
            busy = few * stages
        busy += self._drafting_s(decodes, context, prefill, pairs, started)
        graphs = not runtime.eager
        if prefill:
            graphs = graphs and not runtime.v0 and prefill + decodes <= _GRAPH_TOKENS
        if runtime.v0 and decodes and context > decodes * _V0_GRAPH_CONTEXT:
            graphs = False
        launch_s = self._piece_s if graphs else self._prompt_launch_s if prefill else self._launch_s
        if launch_s:
            busy = (busy**3 + launch_s**3) ** (1 / 3)
        got = decodes + started
        host = self.coefficients.step_s + got * (
            self.coefficients.sequence_s + self._streamed_s / (1 + got / _STREAMED_TOGETHER)
        )
        front = got * self._front_s
        if runtime.asynchronous:
            return max(busy + self.coefficients.async_step_s, host, front)
        return max(busy + host, front)

    def _drafting_s(self, decodes: float, context: float, prefill: float, pairs: float, started: float) -> float:
        """Seconds of the GPU, where there are tokens to draft behind."""
        if self._drafting is None:
            return 0.0
        first, later, passes = self._drafting
        once = first.gpu_s(decodes, context, prefill, pairs, started)
        return once + (passes - 1) * later.gpu_s(decodes + started, context, 0.0, 0.0, 0.0)

    def passing_s(self, prefill: float, pairs: float, started: float) -> float:
        """From the end of a step to the first tokens of its prompts, in the mean: micro-batches end one by one."""
        if self._stages == 1:
            return 0.0
        part = self._most_of_prompts(prefill, started)
        behind = (1 / part - 1) * max(0.5, 1 / max(1.0, started))  # one alone ends in the last of them
        return behind * self.gpu_s(0.0, 0.0, prefill * part, pairs * part, started * part)

    def _most_of_prompts(self, prefill: float, started: float) -> float:
        """Of the prompt tokens of a step, the share that one micro-batch has.

        A prompt is cut where a micro-batch is full, and its parts follow one another; several are dealt out, as they
        arrive at different times (vLLM 0.29 v1/core/sched/scheduler.py _update_after_schedule, v1/engine/core.py
        step_with_batch_queue).
        """
        return max(1 / self._stages, min(1 / max(1.0, started), self._runtime.batched_tokens / max(1.0, prefill)))

    def gpu_s(self, decodes: float, context: float, prefill: float, pairs: float, started: float) -> float:
        """Seconds of one pipeline stage."""
        decoded = decodes * self._runtime.tokens_per_sequence
        tokens = decoded + prefill
        total = self._fixed_s + self._token_s * tokens
        for read_s, token_s, share, sampled, groups, tile_s, row_s, tile, beyond, ranks, own in self._products:
            n = (decoded + started if sampled else tokens) * groups
            compute = token_s * n
            read = read_s
            if share:
                touched, rows = 1.0 - (1.0 - share) ** n, n
                if ranks > 1:
                    rows, touched = busiest(n, touched, share, ranks, own)
                read *= touched
                if n > beyond:
                    compute = row_s * touched * max(tile, rows * share / touched + tile / 2)
                else:
                    compute = token_s * rows + tile_s * touched
            total += (read * read * read + compute * compute * compute) ** (1 / 3)
        for few, rows, packed_s, own_s, unpack_s, read_s, token_s in self._packed:
            if tokens <= few:
                read, compute = packed_s * max(1.0, ceil(tokens / rows)), own_s * tokens
            else:
                total += unpack_s
                read, compute = read_s, token_s * tokens
            total += (read * read * read + compute * compute * compute) ** (1 / 3)
        mean = context / decodes if decodes else 0.0
        for layers, window, cache_s, state_s, decode_s, prefill_s, least, short_s in self._reads:
            if decodes:
                seen = mean if window is None or mean < window else window
                read = decodes * (seen * cache_s + state_s)
                compute = decoded * max(seen, least) * decode_s
                total += layers * (read * read * read + compute * compute * compute) ** (1 / 3)
            if prefill:
                seen = pairs if window is None else max(min(pairs, prefill * window), prefill * least)
                token_s = short_s if window is not None and pairs <= prefill * window / 2 else prefill_s
                total += layers * (seen * token_s + prefill * cache_s)
        return total * self._slower


def _product(m: Matrices, layout: Layout, gpu: Gpu, c: Coefficients, *, v0: bool) -> _Product:
    stages, rate = layout.pipeline_parallel_size, _flops_per_s(m, gpu, c)
    read = c.experts_bandwidth_fraction if m.experts else c.bandwidth_fraction
    share = m.experts_per_token / m.experts if m.experts else 0.0
    token_s = 2 * m.parameters * (share or 1.0) / rate / stages
    row_s = token_s / share if share else 0.0
    tiles = m.tiles if c.expert_tile_tokens and not v0 else None
    untuned_rate = (gpu.multiprocessors or inf) * c.untuned_flops_per_s
    slowed = max(1.0, rate / untuned_rate) if tiles and tiles.untuned else 1.0
    return _Product(
        read_s=m.bytes / (gpu.memory_bandwidth_bytes_per_s * read) / stages,
        token_s=token_s,
        share=share,
        sampled=m.sampled,
        groups=layout.data_parallel_size if m.experts else 1,
        tile_s=row_s * c.expert_tile_tokens,
        row_s=row_s * slowed,
        tile=float(tiles.rows) if tiles else 0.0,
        beyond=float(tiles.beyond) if tiles else inf,
        ranks=m.ranks if c.expert_tile_tokens else 1,  # a bound has all ranks equally busy
        own=m.experts / m.ranks,
    )


def _packed(m: Matrices, packed: Packed, stages: int, gpu: Gpu, c: Coefficients) -> _Packed:
    bandwidth = gpu.memory_bandwidth_bytes_per_s * c.bandwidth_fraction * stages
    whole_s = m.parameters * _ACTIVATION_BYTES / bandwidth
    token_s = 2 * m.parameters / _flops_per_s(m._replace(weight_only=False), gpu, c) / stages
    by_lanes = lane_flops_per_s(gpu) * c.exllama_fraction * _early(gpu, c)
    return _Packed(
        beyond=packed.beyond,
        rows=packed.rows,
        packed_s=m.bytes / bandwidth,
        row_s=2 * m.parameters / by_lanes / stages if packed.by_lanes else token_s,
        unpack_s=m.bytes / bandwidth + whole_s,
        read_s=whole_s,
        token_s=token_s,
    )


def _flops_per_s(m: Matrices, gpu: Gpu, c: Coefficients) -> float:
    """What is reached in products by these matrices.

    What grouped products in 8 bits lose of a peak, multiprocessors do besides: a lower peak loses less of it. Of H20
    that is measured in 8 bits (vLLM's blog of 2026-07-06 on HPC-Ops: 0.44 to 0.5 of its peak), not in 16.
    """
    here, whole = reached_on(gpu, c), half_flops_per_s(gpu)
    if m.experts:
        halves = m.flops_per_s <= whole
        reached = c.experts_half_matmul_fraction if halves else _beside(c.experts_matmul_fraction, cut_of(gpu))
    else:
        reached = here.matmul_fraction if m.flops_per_s < HALVED * whole else c.matmul_fraction
    return m.flops_per_s * reached * (_early(gpu, c) * (here.widened_fraction if is_widened(m, gpu) else 1.0))


def _read(r: Reads, stages: int, gpu: Gpu, c: Coefficients) -> _Read:
    computed = half_flops_per_s(gpu) * reached_on(gpu, c).attention_fraction * _early(gpu, c)
    cached = gpu.memory_bandwidth_bytes_per_s * c.kv_bandwidth_fraction
    short_flops = r.prefill_flops if r.short_prefill_flops is None else r.short_prefill_flops
    return _Read(
        layers=r.layers / stages,
        window=r.window,
        cache_s=r.token_bytes / cached,
        state_s=r.sequence_bytes / cached,
        decode_s=r.decode_flops / computed,
        prefill_s=r.prefill_flops / computed,
        least=r.computed,
        short_s=short_flops / computed,
    )


def _early(gpu: Gpu, c: Coefficients) -> float:
    """Of what later GPUs reach."""
    return c.early_fraction if is_early(gpu) else 1.0


def reached_on(gpu: Gpu, c: Coefficients) -> Coefficients:
    """The shares of its 16-bit peak that dense products and attention reach on that GPU: of a low peak they reach more.

    cuBLAS reaches 0.50 to 0.84 of the peak of an A100 and 0.79 to 0.82 of that of an RTX 5090, held to 400 W
    (gau-nernst/learn-cuda, 02b_matmul_sm80); at its own 575 W 1.04 to 1.09 in products of 1,024 tokens
    (pegainfer-project/pegainfer, docs/models/qwen3/serving-perf-5090.md), and flash-attn 0.91 (07_attention).
    """
    halved = halved_of(gpu)
    return c._replace(
        matmul_fraction=_beside(c.matmul_fraction, halved),
        attention_fraction=_beside(c.attention_fraction, halved),
        widened_fraction=_beside(c.widened_fraction, widening_cut(gpu)),
    )


def _beside(share: float, cut: float) -> float:
    """What is reached of a peak of which `share` would be reached if it were `cut` times as high.

    The rest is what multiprocessors do beside their products, which takes as long whatever the peak.
    """
    return 1 / (1 + (1 / share - 1) / cut)


def pcie_bytes_per_s(gpu: Gpu) -> float:
    """Of a GPU's slot, both directions together."""
    return gpu.pcie_bytes_per_s or _PCIE_BYTES_PER_S


def is_early(gpu: Gpu) -> bool:
    """NVIDIA's before Ampere."""
    return gpu.platform == "cuda" and not gpu.at_least((8, 0))


def is_widened(matrices: Matrices, gpu: Gpu) -> bool:
    """Whether Marlin multiplies them where others reach more: on NVIDIA's GPUs since Ampere but those of Hopper.

    Hopper has Machete, and Blackwell of data centres loses more to Marlin's instructions (core/speed/work.py).
    """
    major = gpu.capability[0] if gpu.platform == "cuda" and gpu.capability else 0
    return matrices.weight_only and not matrices.experts and major in (8, 12)


def is_cdna3(gpu: Gpu) -> bool:
    """AMD's before CDNA 4."""
    return gpu.platform == "rocm" and "fp4" not in gpu.peak_flops


def link(gpu: Gpu, c: Coefficients, ranks: int) -> tuple[float, float, float]:
    """(latency of a collective in s, bytes a second per GPU and direction, the share reached) between so many ranks."""
    if ranks > GPUS_PER_NODE:
        return c.pcie_reduction_s, NETWORK_BYTES_PER_S, c.nvlink_fraction
    if gpu.nvlink_bytes_per_s is not None:
        return c.nvlink_reduction_s, gpu.nvlink_bytes_per_s / 2, c.nvlink_fraction
    return c.pcie_reduction_s, pcie_bytes_per_s(gpu) / 2, c.pcie_fraction
