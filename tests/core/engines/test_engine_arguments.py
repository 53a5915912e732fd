from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from infercli.core.engines.arguments import _OURS, ARGUMENTS, PARALLEL_ONE, UNPLANNED, problems
from tests.core.plans import TINY_CONFIG, plan, tiny_directory
from tests.parts.engine_python import engine_python

KNOWN = ARGUMENTS["0.29.0"]


def test_every_argument_that_is_treated_specially_exists_in_that_version():
    assert set(_OURS) <= set(KNOWN)
    assert set(UNPLANNED) <= set(KNOWN)
    assert set(PARALLEL_ONE) <= set(KNOWN)


@pytest.mark.parametrize(
    "args",
    [
        {"max_model_len": 4096, "gpu_memory_utilization": 0.9, "enable_prefix_caching": True},
        {"gpu_memory_utilization": 1},  # a whole number is a number
        {"kv_cache_memory_bytes": None},
        {"tool_call_parser": "hermes", "enable_auto_tool_choice": True},
        {"override_generation_config": {"temperature": 0}},
        {"pipeline_parallel_size": 1},
    ],
)
def test_what_vllm_takes_is_taken(args):
    assert problems(args, "0.29.0") == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"max-model-len": 1}, "did you mean `max_model_len`"),
        ({"enforce_eager": "yes"}, "must be bool"),
        ({"max_num_seqs": 1.5}, "must be int or null, and is float"),
        ({"enforce_eager": 1}, "must be bool"),
        ({"completely_unknown_thing": 1}, "has no such argument"),
        ({"served_model_name": "x"}, "cannot be set"),
        ({"distributed_executor_backend": "mp"}, "cannot be set"),
        ({"trust_remote_code": True}, "never run"),
        ({"api_key": ["s"]}, "Secret"),
        ({"quantization": "fp8"}, "use the deployment's `quantization`"),
        ({"data_parallel_size": 2}, "only 1 can be planned"),
    ],
)
def test_what_vllm_or_infercli_does_not_take_is_named(args, words):
    ((where, what),) = problems(args, "0.29.0")
    assert where == f"engine_args.{next(iter(args))}"
    assert words in what


@pytest.mark.vllm
@pytest.mark.slow
def test_the_table_is_what_the_installed_engine_has(tmp_path):
    root = Path(__file__).resolve().parents[3]
    path = tmp_path / "arguments.py"
    subprocess.run(
        [engine_python(), root / "scripts" / "engine_facts.py", path], check=True, capture_output=True, timeout=300
    )
    table = "infercli/core/engines/v0_29_arguments.py"
    assert path.read_text() == (root / table).read_text(), f"run scripts/engine_facts.py {table}"


ASK = """
import json, sys, tempfile
from pathlib import Path
from vllm.engine.arg_utils import AsyncEngineArgs
asked = json.load(sys.stdin)
folder = Path(tempfile.mkdtemp(dir=sys.argv[1]))
(folder / "config.json").write_text(json.dumps(asked["config"]))
made = AsyncEngineArgs(model=str(folder), skip_tokenizer_init=True, **asked["engine_args"]).create_engine_config()
cache, scheduler = made.cache_config, made.scheduler_config
Path(sys.argv[2]).write_text(json.dumps({
    "max_model_len": made.model_config.max_model_len,
    "dtype": str(made.model_config.dtype).removeprefix("torch."),
    "block_size": cache.block_size,
    "kv_cache_memory_bytes": cache.kv_cache_memory_bytes,
    "max_num_seqs": scheduler.max_num_seqs,
    "max_num_batched_tokens": scheduler.max_num_batched_tokens,
    "enforce_eager": made.model_config.enforce_eager,
    "tensor_parallel_size": made.parallel_config.tensor_parallel_size,
    "trust_remote_code": made.model_config.trust_remote_code,
}))
"""


@pytest.mark.vllm
@pytest.mark.slow
def test_the_engine_takes_what_is_planned_for_it_and_keeps_every_value(tmp_path):
    planned = plan("./tiny", "cpu-local", tiny_directory(), workload={"input_tokens": 200, "output_tokens": 50})
    asked = {"config": TINY_CONFIG, "engine_args": planned.engine.engine_args}
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(
        [engine_python(), "-c", ASK, tmp_path, tmp_path / "answer.json"],
        check=True, capture_output=True, timeout=300, text=True, input=json.dumps(asked),
        env=environment | planned.engine.environment,
    )  # fmt: skip
    assert json.loads((tmp_path / "answer.json").read_text()) == planned.engine.engine_args
