"""vLLM's own planner functions and ours must agree to the token, for every shipped shape."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from infercli.core import architecture
from infercli.core.checkpoint import UNQUANTIZED
from infercli.core.kv_cache import bytes_per_block, bytes_to_admit, kv_cache, longest_that_fits
from infercli.core.shapes import shapes
from infercli.core.tensor_parallel import problems
from infercli.core.units import GIB
from tests.core.configs import config_of
from tests.parts.engine_python import engine_python

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

ELEMENT_BYTES = {"bfloat16": 2, "fp8": 1}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
LINEAR = {"rope_type": "linear", "factor": 2.0}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def questions(longest: int) -> list[dict]:
    lengths = [longest, longest - 1, 1000, 17]
    memory = [int(0.7 * GIB) + 12345, int(9.87 * GIB), 48 * GIB + 1, int(111.1 * GIB)]
    asked = [
        {"block_tokens": 16, "kv_dtype": "bfloat16", "available_bytes": available, "max_model_len": length}
        for length, available in zip(lengths, reversed(memory), strict=True)
    ]
    asked += [{**asked[0], "kv_dtype": "fp8"}, {**asked[1], "block_tokens": 128}]
    # Too little for one request of the longest length: vLLM must refuse, and name the length that fits.
    return [*asked, {**asked[0], "available_bytes": 256 * 2**20}]


def cases() -> list[dict]:
    found = [
        {"config": config_of(arch), "tensor_parallel_size": tp, "questions": questions(arch.max_model_len)}
        for arch in dict.fromkeys(s.arch for s in shapes().values())
        for tp in (1, 2, 4, 8)
        if not problems(arch, UNQUANTIZED, tp)
    ]
    qwen = config_of(shapes()["Qwen/Qwen3-8B"].arch)
    for scaling in (YARN, LINEAR, LLAMA3):
        config = qwen | {"rope_scaling": scaling}
        longest = architecture.parse(config).max_model_len
        found.append({"config": config, "tensor_parallel_size": 1, "questions": questions(longest)})
    return found


@pytest.fixture(scope="module")
def answered(tmp_path_factory) -> list[tuple[dict, dict]]:
    python, path = engine_python(), tmp_path_factory.mktemp("oracle") / "answers.json"
    asked = cases()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    done = subprocess.run(
        [python, str(Path(__file__).with_name("kv_oracle.py")), str(path)],
        input=json.dumps(asked),
        text=True,
        capture_output=True,
        env=environment,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return list(zip(asked, json.loads(path.read_text()), strict=True))


def test_the_length_that_vllm_derives_from_config_json_is_ours(answered):
    for case, answer in answered:
        assert architecture.parse(case["config"]).max_model_len == answer["derived_max_model_len"], case["config"]


def test_blocks_tokens_and_concurrency_are_vllms_for_every_shape_and_split(answered):
    compared = 0
    for case, answer in answered:
        arch = architecture.parse(case["config"])
        for question, said in zip(case["questions"], answer["answers"], strict=True):
            if "refusal" in said:
                continue
            block = bytes_per_block(
                arch, case["tensor_parallel_size"], question["block_tokens"], ELEMENT_BYTES[question["kv_dtype"]]
            )
            ours = kv_cache(question["available_bytes"], block, question["block_tokens"], question["max_model_len"])
            assert (ours.blocks, ours.tokens, ours.concurrency) == (said["blocks"], said["tokens"], said["concurrency"])
            compared += 1
    print(f"\n{compared} answers of vLLM equal to the token over {len(answered)} models and splits")
    assert compared > 300


def test_vllm_refuses_exactly_where_we_say_that_one_request_does_not_fit(answered):
    refused = 0
    for case, answer in answered:
        arch = architecture.parse(case["config"])
        for question, said in zip(case["questions"], answer["answers"], strict=True):
            tokens = question["block_tokens"]
            block = bytes_per_block(arch, case["tensor_parallel_size"], tokens, ELEMENT_BYTES[question["kv_dtype"]])
            need = bytes_to_admit(question["max_model_len"], block, tokens)
            assert ("refusal" in said) == (need > question["available_bytes"])
            if "refusal" in said:
                refused += 1
                longest = longest_that_fits(question["available_bytes"], block, tokens)
                assert f"estimated maximum model length is {longest}." in said["refusal"]
    print(f"\n{refused} refusals of vLLM predicted, with the length that fits")
    assert refused > 20
