"""Constants of the speed model: what hardware reaches of its datasheet, what a kernel, a step and a request cost.

Datasheet figures, shapes and bytes are not here: those are exact. The rows were fitted together on public measurements
(vLLM only), each group of equal model, GPU, quantization and source counting as eight records at most: the median
absolute logarithm of the ratio, held near textbook values. `V0` and `V1` share what is the GPU's and differ in what is
the host's. core/speed/errors.py has the error on groups that were left out.
"""

from math import inf
from typing import NamedTuple


class Coefficients(NamedTuple):
    """One generation of the engine. Shares are of the GPU row's figures; times end in _s."""

    bandwidth_fraction: float
    """Of the memory bandwidth while dense weights are read."""
    experts_bandwidth_fraction: float
    """The same for expert weights, which lie apart."""
    kv_bandwidth_fraction: float
    """The same for the KV cache."""
    matmul_fraction: float
    """Of the peak in large products."""
    experts_matmul_fraction: float
    """The same in grouped products of experts, in 8 bits and less: it takes in that what they multiply is quantized."""
    experts_half_matmul_fraction: float
    """The same in 16 bits. Not fitted with the rest: of 0.30 to 0.39 the one that closed loops of the fitted records
    with experts miss least (TPOT 5.2 %, with 0.30 5.9 % and with 0.39 7.1 %)."""
    attention_fraction: float
    """Of the 16-bit peak in attention over a prompt."""
    widened_fraction: float
    """Of the rate of a product in 16 bits, where Marlin widens the weights: on an A100, and where multiprocessors
    multiply slower, less is lost (core/speed/steps.py reached_on). Not fitted: it reads Llama-70B's
    16,384 tokens in 12.2 s where 9.7 do if they are widened first (IBM/text-generation-inference pull request 66), and
    bursts to Qwen3-32B wait 6.6 and 13.2 s where 16 bits wait 5.2 and 10.3 (0.19; cssnoeasy/a100-vllm-benchmark-blog,
    a100-quantization-capacity.md). Of experts nothing of the kind is public."""
    exllama_fraction: float
    """Of one multiply-add in each lane and clock, in products by packed GPTQ weights. Not fitted: for 8 weights of 8
    tokens it unpacks with 10 instructions and multiplies, adds up and scales with 64 (vLLM 0.7.3 csrc/quantization/
    gptq/q_gemm.cu gemm_half_q_half_gptq_4bit_kernel, qdq_4.cuh dequant_4bit_8_gptq)."""
    early_fraction: float
    """Of all rates of computing on GPUs before capability 8.0, which newer kernels leave behind."""
    cdna3_fraction: float
    """Of all that others reach, on AMD's GPUs before CDNA 4. Not fitted with the rest: TPOT of eight public records on
    MI300X (Ministral 3 of 3B to 14B, Llama 3.1 70B, DeepSeek-R1; four sources) lies at 0.55 to 0.68 of what the others'
    constants say, whatever the size, precision and number of GPUs."""
    expert_tile_tokens: float
    """Tokens of work that each expert touched costs beside its own: products are padded to tiles."""
    untuned_flops_per_s: float
    """Of one multiprocessor at most, in tiles that nobody tuned and that are too small for Hopper and Blackwell. Not
    fitted: 210 TFLOP/s of an H100 in 8 bits, from 2,048 to 4,096 tokens (vLLM pull request 24700, Qwen3-30B-A3B,
    `Main`)."""
    expert_rows_fraction: float
    """Of the memory bandwidth in what kernels of experts hand on to one another. Not fitted: as of dense weights."""
    kernel_s: float
    """Gap that each kernel of a CUDA graph leaves."""
    eager_layer_s: float
    """Host time to launch a dense layer's kernels without a CUDA graph. Not fitted for V1: Qwen3-32B in 4 bits, eager
    on an A100 with 0.19, has 39 to 41 ms between tokens at 4 clients, by two formats whose weights are read in 10
    (cssnoeasy/a100-vllm-benchmark-blog, a100-quantization-capacity.md): 0.6 ms for each of 64 layers. Others by their
    kernels, so much for ten: it says 34 ms of eager gpt-oss-120b on a GB10 (38 in conselara's notes, 0.19) and 44 of
    DeepSeek-V2-Lite on two RTX 5090 (41 at pegainfer-project/pegainfer, 0.23), and by their layers alone 22 and 16."""
    piecewise_layer_s: float
    """Host time to launch a layer whose attention lies between two CUDA graphs. Not fitted: the geometric mean of
    what makes steps as long as they were before whole graphs in vLLM's pull requests 20059 (Qwen2.5 of 1.5B and of 7B
    in 4 bits, A100: 0.10 and 0.21 ms), 25444 (Qwen3-Coder-30B, H100: 0.30) and 42885 (Kimi-K2.6, eight A100: 0.34)."""
    nvlink_reduction_s: float
    """Latency of one all-reduce over NVLink."""
    pcie_reduction_s: float
    """The same over PCIe."""
    nvlink_fraction: float
    """Of one direction's bandwidth in large all-reduces."""
    pcie_fraction: float
    """The same over PCIe."""
    step_s: float
    """Host time of a step: scheduling, input preparation, sampling's results."""
    async_step_s: float
    """What is left of it where the engine prepares the next step while the GPU computes."""
    sequence_s: float
    """Host time of a step per sequence that gets a token."""
    streamed_sequence_s: float
    """The same on top, where a server streams each token to a client; less for each of many (core/speed/steps.py)."""
    front_token_s: float
    """Of the API server, one process that streams tokens beside the engine: no steps are shorter for long. Not fitted:
    vLLM pull request 17546 has 10,000 answers of about 200 tokens by Llama-3.2-1B on two A100 in 130.7 s, where one
    API server was the limit: 13 ms each, of which intake_s is one."""
    request_s: float
    """Of a request beside its steps: HTTP and queues, from client to scheduler and back."""
    intake_s: float
    """Of each request that the server takes in. Its event loop lets all that are ready make one step before any makes
    the next, so that of a burst none is tokenized before all were read: with 0.11, where reading takes longest, the
    first of 984 answers began after some 5 s (GPUStack's performance lab, Qwen3-235B on eight H100)."""
    tokenize_s: float
    """Of each token of a prompt, on its way through the API server to the scheduler, whether or not it is cached, and
    before the next prompt's: one thread tokenizes (vLLM 0.9 entrypoints/openai/serving_engine.py _tokenizer_executor,
    0.11 and 0.19 AsyncMicrobatchTokenizer, 0.29 config/model.py renderer_num_workers). Not fitted: `tokenizers` 0.23.3
    takes 3.8 us a token on one core, of 160 and 640 KB of text and a byte-level BPE of 32,000 tokens, and with vLLM
    0.25 the first token of a prompt that is wholly cached comes after 257 ms where it has 32,768 tokens and after 808
    where it has 131,072 (LottoLottoLotto/4x3090-llm-benchmarks, laguna-dflash): 5.6 us a token with all that grows with
    it. Chosen: 4."""


ROOFLINE = Coefficients(
    bandwidth_fraction=1, experts_bandwidth_fraction=1, kv_bandwidth_fraction=1, matmul_fraction=1,
    experts_matmul_fraction=1, experts_half_matmul_fraction=1, attention_fraction=1, widened_fraction=1,
    exllama_fraction=1, early_fraction=1, cdna3_fraction=1, expert_tile_tokens=0, untuned_flops_per_s=inf,
    expert_rows_fraction=inf, kernel_s=0, eager_layer_s=0, piecewise_layer_s=0, nvlink_reduction_s=0,
    pcie_reduction_s=0, nvlink_fraction=1, pcie_fraction=1, step_s=0, async_step_s=0, sequence_s=0,
    streamed_sequence_s=0, front_token_s=0, request_s=0, intake_s=0, tokenize_s=0,
)  # fmt: skip
"""Hardware that loses nothing: a bound, and the baseline that the model is compared with."""

_GPU: dict[str, float] = {
    "bandwidth_fraction": 0.9,
    "experts_bandwidth_fraction": 0.93,
    "kv_bandwidth_fraction": 0.93,
    "matmul_fraction": 0.626,
    "experts_matmul_fraction": 0.21,
    "experts_half_matmul_fraction": 0.33,
    "attention_fraction": 0.7,
    "widened_fraction": 0.79,
    "exllama_fraction": 0.86,
    "early_fraction": 0.516,
    "cdna3_fraction": 0.6,
    "expert_tile_tokens": 7.03,
    "untuned_flops_per_s": 1.6e12,
    "expert_rows_fraction": 0.9,
    "kernel_s": 3.4e-6,
    "nvlink_reduction_s": 10.8e-6,
    "pcie_reduction_s": 34.9e-6,
    "nvlink_fraction": 0.35,
    "pcie_fraction": 0.2,
    "async_step_s": 810e-6,
}

V0 = Coefficients(
    **_GPU, eager_layer_s=780e-6, piecewise_layer_s=0, step_s=2.91e-3, sequence_s=69.7e-6, streamed_sequence_s=220e-6,
    front_token_s=0, request_s=0.013, intake_s=1e-3, tokenize_s=4e-6,
)  # fmt: skip
"""vLLM below 0.8: one process schedules, launches and streams. Fitted on 65 closed loops, 64 offline runs and bursts
and 69 open-loop levels of 0.5.4 to 0.7.3 (59 groups, 15 GPUs; all but eight records from one harness, AccelMark)."""

V1 = Coefficients(
    **_GPU, eager_layer_s=600e-6, piecewise_layer_s=200e-6, step_s=947e-6, sequence_s=11.1e-6,
    streamed_sequence_s=11.1e-6, front_token_s=60e-6, request_s=0.012, intake_s=1e-3, tokenize_s=4e-6,
)  # fmt: skip
"""vLLM 0.8 and later. Fitted on 66 closed loops, 45 bursts and offline runs and 8 open-loop levels of 0.8.5 to 0.20.1
(56 groups, 12 GPUs; InferenceX, GPUStack, CloudRift and others). request_s is not fitted: the first token of a single
client's short prompt takes longer than the next by 7 ms (RTX 5060 Ti, 0.11), 8 (two cores, 0.29, a model of 3 million
parameters), 9 (vLLM pull request 20059), 10 (RTX 5090, 0.23), 11 (eight H100, 0.9), 12 (pull request 21477), 12 (L40S,
0.23), 22 (L4, 0.23), 25 (RTX A6000, 0.23), 25 (RTX 3060, 0.11, over a network), 38 (two RTX 5090, 0.25), 53 (eight H20,
0.19) and 121 (two RTX 3090, 0.25). Chosen: 12, the one in the middle. The fitted records had asked for 35: five with
the shortest prompts are chats with 0.11.0, which parses its template anew for each, 15 ms for 4 KB of it (entrypoints/
chat_utils.py resolve_chat_template_kwargs; not in 0.10.2, cached in 0.11.1)."""
