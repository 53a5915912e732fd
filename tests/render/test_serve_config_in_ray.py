"""What Ray's own classes say of the Serve config: the schema of its REST API, LLMConfig, and vLLM's arguments."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from infercli.adapters.local.ray import find_engine_python
from infercli.errors import InputError
from infercli.render.serve_config import KUBERNETES, local_layout, serve_config, serve_config_text
from tests.parts.require import require
from tests.render.examples import cpu_engine, deployed, engine, front

pytestmark = pytest.mark.vllm

ASK = """
import json, sys, yaml
from ray.llm._internal.serve.core.configs.llm_config import LLMConfig
from ray.serve.schema import ServeDeploySchema

answers = []
for text in json.load(sys.stdin):
    config = yaml.safe_load(text)
    schema = ServeDeploySchema.model_validate(config)
    deployments = {a.name: a.deployments[0].model_dump(exclude_unset=True) for a in schema.applications}
    engines = {}
    for application in config["applications"][1:]:
        llm = LLMConfig(**application["args"]["llm_config"])
        chosen = llm.get_engine_config()  # refuses arguments that this vLLM does not have
        arguments = chosen.get_initialization_kwargs()
        engines[application["name"]] = {
            "model": arguments["model"],
            "served": arguments["served_model_name"],
            "executor": arguments["distributed_executor_backend"],
            "bundles": chosen.placement_bundles,
            "strategy": chosen.placement_strategy,
            "metrics": llm.log_engine_metrics,
        }
    answers.append({"deployments": deployments, "engines": engines})
json.dump(answers, sys.stdout)
"""


@pytest.fixture(scope="module")
def ask_ray():
    try:
        python = find_engine_python()
    except InputError as error:
        require("vllm", error.message)

    def ask(*configs):
        done = subprocess.run(
            [str(python), "-c", ASK],
            input=json.dumps([serve_config_text(config) for config in configs]),
            env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.strip().splitlines()[-1])

    return ask


def test_ray_accepts_the_config_and_understands_it_as_it_is_meant(ask_ray):
    one = deployed(engine(), replicas=2)
    two = deployed(engine(gpus=4, engine_args={"tensor_parallel_size": 4, "max_model_len": 4096}))
    untyped = deployed(engine(accelerator_type=None))
    local = deployed(cpu_engine())
    wide = deployed(cpu_engine().model_copy(update={"engine_args": {"tensor_parallel_size": 2}}))
    clustered, here = ask_ray(
        serve_config(front(), [one, two, untyped], 7001, {one.app: 95, two.app: 5}, layout=KUBERNETES),
        serve_config(front(), [local, wide], 7001, {local.app: 100}, layout=local_layout("/c", "/k", 8123)),
    )

    assert clustered["deployments"][one.app] == {
        "name": "engine",
        "num_replicas": 2,
        "max_ongoing_requests": 256,
        "graceful_shutdown_timeout_s": 600.0,
    }
    assert clustered["deployments"]["front"]["ray_actor_options"] == {
        "num_cpus": 1.0,
        "label_selector": {"infercli.dev/group": "!gpu"},
    }
    assert clustered["engines"][one.app] == {
        "model": one.spec.model_path,
        "served": [one.spec.model_id],
        "executor": "ray",
        "bundles": [{"GPU": 1, "accelerator_type:L4": 0.001}],
        "strategy": "PACK",
        "metrics": True,
    }
    assert clustered["engines"][two.app]["bundles"] == [{"GPU": 1, "accelerator_type:L4": 0.001}] * 4
    assert clustered["engines"][two.app]["strategy"] == "STRICT_PACK"
    assert clustered["engines"][untyped.app]["bundles"] == [{"GPU": 1}]
    assert here["engines"][local.app]["executor"] == "mp"
    assert here["engines"][local.app]["bundles"] == [{"CPU": 1}]
    assert here["engines"][wide.app]["bundles"] == [{"CPU": 1}, {"CPU": 1}]
