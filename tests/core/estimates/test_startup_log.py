# ruff: noqa: E501  # log lines stand as they are printed
"""Start-up logs of several generations of vLLM, as they are printed (shortened)."""

from __future__ import annotations

import time

import pytest

from infercli.core.estimates import startup_log
from infercli.core.estimates.startup_log import read_startup_log

V0_6 = """
INFO 11-02 09:12:01 api_server.py:528] vLLM API server version 0.6.3.post1
INFO 11-02 09:12:01 api_server.py:529] args: Namespace(model='Qwen/Qwen2.5-7B-Instruct', max_num_batched_tokens=None, \
max_num_seqs=128, gpu_memory_utilization=0.85)
INFO 11-02 09:12:08 llm_engine.py:237] Initializing an LLM engine (v0.6.3.post1) with config: \
model='Qwen/Qwen2.5-7B-Instruct', speculative_config=None, dtype=torch.float16, max_seq_len=8192, \
tensor_parallel_size=1, pipeline_parallel_size=1, quantization=None, enforce_eager=True, kv_cache_dtype=auto, seed=0
INFO 11-02 09:12:20 model_runner.py:1067] Loading model weights took 14.2487 GB
INFO 11-02 09:12:25 gpu_executor.py:122] # GPU blocks: 4321, # CPU blocks: 4681
"""

V0_7 = """
INFO 03-01 10:00:00 __init__.py:207] Initializing a V0 LLM engine (v0.7.3) with config: model='a/b', dtype=torch.bfloat16, \
max_seq_len=4096, tensor_parallel_size=2, quantization=awq_marlin, enforce_eager=False, kv_cache_dtype=fp8
INFO 03-01 10:00:30 worker.py:267] the current vLLM instance can use total_gpu_memory (79.15GiB) x \
gpu_memory_utilization (0.90) = 71.24GiB
INFO 03-01 10:00:30 worker.py:267] model weights take 14.99GiB; non_torch_memory takes 0.07GiB; PyTorch activation peak \
memory takes 1.18GiB; the rest of the memory reserved for KV Cache is 55.00GiB.
"""

V1 = """
(APIServer pid=7) INFO 11-20 08:00:00 [api_server.py:1896] vLLM API server version 0.19.0
(APIServer pid=7) INFO 11-20 08:00:00 [utils.py:326] non-default args: {'model': 'Qwen/Qwen3-14B', 'max_num_seqs': 64, \
'gpu_memory_utilization': 0.95}
(APIServer pid=7) INFO 11-20 08:00:02 [scheduler.py:216] Chunked prefill is enabled with max_num_batched_tokens=8192.
(EngineCore_0 pid=9) \x1b[32mINFO\x1b[0m 11-20 08:00:05 [core.py:93] Initializing a V1 LLM engine (v0.19.0) with config: \
model='Qwen/Qwen3-14B', dtype=torch.bfloat16, max_seq_len=40960, tensor_parallel_size=2, quantization=None, \
enforce_eager=False, kv_cache_dtype=auto, device_config=cuda
(Worker_TP0 pid=11) INFO 11-20 08:00:30 [gpu_model_runner.py:2653] Model loading took 13.8 GiB memory and 9.12 seconds
(Worker_TP1 pid=12) INFO 11-20 08:00:31 [gpu_model_runner.py:2653] Model loading took 13.9 GiB memory and 9.15 seconds
(Worker_TP0 pid=11) INFO 11-20 08:00:40 [gpu_model_runner.py:5000] Estimated CUDA graph memory: 1.21 GiB total
(Worker_TP0 pid=11) INFO 11-20 08:00:41 [gpu_worker.py:298] Available KV cache memory: 58.13 GiB
(Worker_TP1 pid=12) INFO 11-20 08:00:41 [gpu_worker.py:298] Available KV cache memory: 57.93 GiB
(EngineCore_0 pid=9) INFO 11-20 08:00:42 [kv_cache_utils.py:1087] GPU KV cache size: 761,216 tokens
(EngineCore_0 pid=9) INFO 11-20 08:00:42 [kv_cache_utils.py:1091] Maximum concurrency for 40,960 tokens per request: 18.58x
(Worker_TP0 pid=11) INFO 11-20 08:00:55 [gpu_model_runner.py:3480] Graph capturing finished in 9 secs, took 1.10 GiB
(Worker_TP0 pid=11) INFO 11-20 08:00:55 [gpu_worker.py:391] Free memory on device (77.66/79.19 GiB) on startup. Desired \
GPU memory utilization is (0.95, 75.23 GiB). Actual usage is 13.8 GiB for weight, 1.96 GiB for peak activation, 2.1 GiB \
for non-torch memory, and 1.1 GiB for CUDAGraph memory.
"""

V1_29 = """
INFO [core.py:123] Initializing a V1 LLM engine (v0.29.0) with config: model='m', dtype=torch.bfloat16, max_seq_len=4096, \
tensor_parallel_size=1, quantization=fp8, enforce_eager=False, kv_cache_dtype=auto
INFO [model_runner.py:405] Model loading took 8.49 GiB and 1.234567 seconds
INFO [gpu_worker.py:625] Available KV cache memory: 60.5 GiB
INFO [kv_cache_utils.py:2033] GPU KV cache size: 495,616 tokens, Maximum concurrency for 4,096 tokens per request: 121.00x
INFO [model_runner.py:961] Graph capturing finished in 5 secs, took 0.88 GiB
"""


V1_SUMS = """
INFO [core.py:123] Initializing a V1 LLM engine (v0.29.0) with config: model='Qwen/Qwen3.8-27B', dtype=torch.bfloat16
INFO [model_runner.py:405] Model loading took 51.1 GiB memory and 12.582087 seconds
INFO [gpu_worker.py:796] CUDA graph pool memory: 0.3 GiB (actual), 0.69 GiB (estimated), difference: 0.39 GiB (130.0%).
INFO [gpu_worker.py:855] Free memory on device (94.43/94.97 GiB) on startup. Desired GPU memory utilization is \
(0.9, 85.47 GiB). Actual usage is 51.65 GiB for consumed memory (weights + non-torch), 2.58 GiB for peak activation, \
and 0.3 GiB for CUDAGraph memory. Current kv cache memory in use is 31.24 GiB.
"""


def test_a_log_of_0_6_has_settings_in_a_namespace_and_weights_in_gb():
    log = read_startup_log(V0_6)
    assert (log.engine_version, log.model, log.dtype) == ("0.6.3.post1", "Qwen/Qwen2.5-7B-Instruct", "float16")
    assert (log.max_num_seqs, log.gpu_memory_utilization, log.enforce_eager) == (128, 0.85, True)
    assert (log.max_num_batched_tokens, log.max_model_len) == (None, 8192)
    assert (log.weights_gib, log.quantization, log.available_kv_gib) == (14.2487, "none", None)
    assert (log.kv_cache_blocks, log.kv_cache_tokens) == (4321, 69136)  # 16 tokens in each
    larger = read_startup_log(V0_6.replace("max_num_seqs=128", "block_size=32, max_num_seqs=128"))
    assert (larger.kv_cache_blocks, larger.kv_cache_tokens) == (4321, 138272)


def test_a_log_of_0_7_prints_every_term_in_one_sentence():
    log = read_startup_log(V0_7)
    assert (log.engine_version, log.tensor_parallel_size, log.quantization) == ("0.7.3", 2, "awq_marlin")
    assert (log.gpu_memory_gib, log.gpu_memory_utilization) == (79.15, 0.9)
    assert (log.weights_gib, log.activation_gib, log.non_torch_gib, log.available_kv_gib) == (14.99, 1.18, 0.07, 55.0)
    assert log.kv_cache_dtype == "fp8"


def test_of_several_ranks_the_largest_weights_and_the_smallest_cache_count():
    log = read_startup_log(V1)
    assert (log.weights_gib, log.available_kv_gib) == (13.9, 57.93)
    assert (log.kv_cache_tokens, log.max_concurrency) == (761216, 18.58)
    assert (log.max_num_seqs, log.max_num_batched_tokens, log.gpu_memory_utilization) == (64, 8192, 0.95)
    assert (log.gpu_memory_gib, log.activation_gib, log.non_torch_gib) == (79.19, 1.96, 2.1)
    assert log.cuda_graphs_gib == 1.21  # what was deducted, not what capture took
    assert log.enforce_eager is False


def test_a_log_of_0_29_prints_tokens_and_concurrency_together():
    log = read_startup_log(V1_29)
    assert (log.weights_gib, log.available_kv_gib, log.cuda_graphs_gib) == (8.49, 60.5, 0.88)
    assert (log.kv_cache_tokens, log.max_concurrency, log.max_model_len) == (495616, 121.0, 4096)


def test_sums_that_are_printed_since_0_27_are_taken_apart():
    log = read_startup_log(V1_SUMS)
    assert (log.weights_gib, log.non_torch_gib, log.available_kv_gib) == (51.1, 0.55, 31.24)
    # 2.58 GiB are the activation and the 0.69 GiB that were set aside for CUDA graphs, not the 0.3 that they took
    assert (log.activation_gib, log.cuda_graphs_gib) == (1.89, 0.69)


def test_cuda_graphs_that_are_not_set_aside_are_no_part_of_the_activation():
    log = read_startup_log(V1_SUMS + "INFO [gpu_worker.py:658] CUDA graph memory profiling is disabled (...)")
    assert log.activation_gib == 2.58


def test_of_a_file_with_several_starts_the_last_that_printed_memory_counts():
    failed = V1.replace("0.19.0", "0.20.0").partition("(Worker_TP0")[0] + "torch.OutOfMemoryError: CUDA out of memory"
    other = V1.replace("0.95", "0.90").replace("13.9 GiB", "14.5 GiB").replace("57.93", "50.0")
    assert read_startup_log(other + V1 + failed) == read_startup_log(V1)
    assert read_startup_log("INFO 11-20 07:59:59 [__init__.py:9] plugins\n" + V1) == read_startup_log(V1)


@pytest.mark.parametrize(
    "first",
    [
        "INFO [api_utils.py:354] vLLM server version 0.29.0, serving model m",
        "INFO [api_utils.py:354]  \x1b[93m▄▄\x1b[0m \x1b[94m▄█\x1b[0m \x1b[1m█     █     █ ▀▄▀ █\x1b[0m  version \x1b[1m0.29.0\x1b[0m",
    ],
)
def test_a_server_says_its_version_in_a_sentence_or_in_a_logo(first):
    assert read_startup_log(f"{first}\nINFO Model loading took 8.49 GiB").engine_version == "0.29.0"


def test_other_devices_print_their_kind():
    assert read_startup_log("INFO XPU KV cache size: 495,616 tokens, Maximum concurrency").kv_cache_tokens == 495616


def test_a_log_says_adapters_and_what_a_prompt_may_hold():
    log = read_startup_log(
        "INFO non-default args: {'model': 'a/b', 'enable_lora': True, 'max_loras': 4, 'max_lora_rank': 64, "
        "'limit_mm_per_prompt': {'image': 0}, 'enable_prefix_caching': True, 'mamba_ssm_cache_dtype': 'float32', "
        "'disable_hybrid_kv_cache_manager': True, 'mm_processor_kwargs': {'size': {'longest_edge': 9}, 'fps': 2}, "
        "'cpu_offload_gb': 12.0}\n"
        "INFO Initializing a V1 LLM engine (v0.19.0) with config: model='a/b', speculative_config=None, "
        "enable_prefix_caching=False\nINFO Model loading took 13.8 GiB"
    )
    assert (log.enable_lora, log.max_loras, log.max_lora_rank) == (True, 4, 64)
    assert (log.limit_mm_per_prompt, log.cpu_offload_gb, log.speculation) == ({"image": 0}, 12.0, None)
    assert log.mm_processor_kwargs == {"size": {"longest_edge": 9}, "fps": 2}
    assert log.enable_prefix_caching is False  # what the engine made of it
    assert log.mamba_ssm_cache_dtype == "float32"
    assert log.disable_hybrid_kv_cache_manager is True


def test_a_log_says_what_drafts():
    drafts = (
        "speculative_config=SpeculativeConfig(method='{}', model={}, num_spec_tokens=3)\nModel loading took 9.9 GiB"
    )
    log = read_startup_log(drafts.format("mtp", "'a/b'"))
    assert (log.speculation, log.draft_model, log.speculative_tokens) == ("mtp", "a/b", 3)
    assert read_startup_log(drafts.format("ngram", None)).draft_model is None


def test_what_prints_no_memory_is_no_start_up_log():
    assert read_startup_log("INFO vLLM API server version 0.19.0\nhello\n") is None
    assert read_startup_log("") is None


def test_saved_metrics_say_the_size_of_the_cache():
    metrics = """
# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig
vllm:cache_config_info{block_size="16",cache_dtype="auto",gpu_memory_utilization="0.9",num_gpu_blocks="2595"} 1.0
vllm:num_requests_running{engine="0",model_name="Qwen/Qwen3-14B"} 0.0
"""
    log = read_startup_log(metrics)
    assert (log.model, log.kv_cache_tokens, log.gpu_memory_utilization) == ("Qwen/Qwen3-14B", 2595 * 16, 0.9)
    assert log.kv_cache_blocks == 2595
    assert log.engine_version is None


def test_a_log_that_grew_for_months_is_read_without_what_says_nothing():
    grown = (
        V1 + "INFO [loggers.py:123] Engine 000: Avg prompt throughput: 1234.5 tokens/s, Running: 12 reqs\n" * 200_000
    )
    began_s = time.process_time()
    assert read_startup_log(grown) == read_startup_log(V1)
    assert time.process_time() - began_s < 5  # each of 67 patterns over all of it took 12 s


def test_every_line_that_a_pattern_may_find_is_kept():
    tables = [v for n, v in vars(startup_log).items() if n.isupper() and n not in ("_WORDS", "_SWITCHES", "_NUMBER")]
    patterns = [p for t in tables if isinstance(t, tuple) for p in t]
    patterns += [p for t in tables if isinstance(t, dict) for each in t.values() for p in each]
    patterns += [startup_log._SPECULATION.pattern]
    assert len(patterns) > 50
    for pattern in patterns:
        assert any(word in pattern.replace("Gi?B", "GiB") for word in startup_log._WORDS), pattern
