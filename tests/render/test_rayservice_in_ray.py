"""What Ray's autoscaler reads from the RayService: the pods that it may add, and what it thinks is on them."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from infercli.adapters.local.ray import find_engine_python
from infercli.core.documents.profile import NodeGroup
from infercli.errors import InputError
from infercli.render.objects import static_objects
from tests.parts.require import require
from tests.render.examples import CODE, plan, profile

pytestmark = pytest.mark.vllm

ASK = """
import json, sys
from ray.autoscaler._private.kuberay import autoscaling_config as reader
json.dump(reader._generate_available_node_types_from_ray_cr_spec(json.load(sys.stdin)), sys.stdout)
"""


def test_the_autoscaler_knows_what_it_would_get_by_adding_a_pod():
    try:
        python = find_engine_python()
    except InputError as error:
        require("vllm", error.message)
    pool = plan(hardware=profile(nodes=(NodeGroup(count=1, max_count=4, gpus=1),)))
    (service,) = [o for o in static_objects(pool, "chat-ns", CODE) if o["kind"] == "RayService"]
    done = subprocess.run(
        [str(python), "-c", ASK],
        input=json.dumps(service["spec"]["rayClusterConfig"]),
        env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    types = json.loads(done.stdout.strip().splitlines()[-1])

    head, front, gpu = types["headgroup"], types["front"], types["gpu"]
    assert (head["resources"]["CPU"], head["max_workers"]) == (0, 0)
    assert (front["min_workers"], front["max_workers"], front["resources"]["CPU"]) == (2, 8, 1)
    assert front["labels"] == {"infercli.dev/group": "front"}
    assert (gpu["min_workers"], gpu["max_workers"]) == (1, 4)
    # An engine asks for {CPU: 1, GPU: 1, accelerator_type:L4: 0.001}: what a new pod must be known to have.
    assert gpu["resources"]["GPU"] == 1
    assert gpu["resources"]["CPU"] >= 1
    assert gpu["resources"]["accelerator_type:L4"] == 1
    assert gpu["labels"] == {"infercli.dev/group": "gpu"}
