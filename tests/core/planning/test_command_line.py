"""A plan's engine as a command of vLLM, as vLLM itself reads it where it is installed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from infercli.core.planning.command_line import serve_command
from tests.core.plans import COMMIT, LLAMA_8B, LLAMA_70B, locked, plan, profile, tiny_directory
from tests.parts.engine_python import ask_vllm

ORACLE = Path(__file__).resolve().parents[1] / "against_vllm" / "serve_oracle.py"
LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192,
    "num_hidden_layers": 4, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000,
    "max_position_embeddings": 8192, "torch_dtype": "bfloat16", "tie_word_embeddings": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("made", "begins"),
    [
        (plan(LLAMA_8B, "h100"), f"vllm serve {LLAMA_8B}"),
        (plan(LLAMA_8B, "h100", quantization="fp8-online"), f"vllm serve {LLAMA_8B}"),
        (plan(LLAMA_8B, "h100", quantization="w4a16"), "vllm serve W4A16_CHECKPOINT"),
        (plan("some/model", "l4", locked(LLAMA)), "vllm serve some/model"),
        (plan("./tiny", "l4", tiny_directory()), "vllm serve /srv/tiny"),
    ],
)
def test_it_names_what_is_to_be_served(made, begins):
    assert serve_command(made)[0] == begins


def test_what_clients_call_the_model_and_its_commit_are_kept():
    words = serve_command(plan("some/model", "l4", locked(LLAMA)))
    assert f"--revision {COMMIT}" in words
    assert not [w for w in words if w.startswith("--served-model-name")]
    assert f"--served-model-name {LLAMA_8B}" in serve_command(plan(LLAMA_8B, "h100", quantization="w4a16"))


@pytest.mark.parametrize(
    "made",
    [
        plan(LLAMA_70B, "l4", quantization="none"),
        plan("./tiny", "cpu-local", tiny_directory()),
        plan(LLAMA_8B, profile("l4", nodes=[{"gpus": 1, "count": 2}]), engine_args={"pipeline_parallel_size": 2}),
    ],
)
def test_what_would_not_start_or_is_not_one_process_on_gpus_has_no_command(made):
    assert serve_command(made) == ()


@pytest.mark.vllm
def test_vllm_reads_the_arguments_that_the_plan_has(tmp_path):
    given = {
        "enable_prefix_caching": False, "enforce_eager": True, "hf_overrides": {"max_position_embeddings": 4096},
        "cudagraph_capture_sizes": [1, 2, 4], "max_num_seqs": 64, "attention_backend": None,
        "limit_mm_per_prompt": {"image": 0},
    }  # fmt: skip
    plans = [
        plan(LLAMA_8B, "h100"),
        plan(LLAMA_8B, "h100", quantization="fp8-online", engine_args={"kv_cache_dtype": "fp8"}),
        plan("some/model", "l4", locked(LLAMA), engine_args=given),
    ]
    wanted = [{n: v for n, v in p.engine.engine_args.items() if v is not None} for p in plans]
    assert wanted[2].keys() >= given.keys() - {"attention_backend"}
    asked = []
    for made, args in zip(plans, wanted, strict=True):
        program, verb, *argv = shlex.split(" ".join(serve_command(made)))
        assert (program, verb) == ("vllm", "serve")
        asked.append({"argv": ["--model", *argv], "names": list(args)})
    assert ask_vllm(ORACLE, asked, tmp_path) == wanted
