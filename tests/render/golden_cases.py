"""The examples in manifests/: a deployment, its lock, and what is rendered of them."""

from __future__ import annotations

from pathlib import Path

import yaml

from infercli.core.documents.deployment import ModelDeployment
from infercli.core.documents.model import ModelLock
from infercli.core.documents.profile import HardwareProfile
from infercli.core.planning.plan import planned
from infercli.core.release import EngineDeployment
from infercli.render.objects import objects
from infercli.render.serve_config import KUBERNETES, serve_config, serve_config_text
from infercli.render.serving_code import code_digest
from tests.render.examples import CODE, ENGINE_ZIP, FRONT_ZIP

ROOT = Path(__file__).parents[2]
CASES = sorted(path.parent.name for path in (ROOT / "manifests").glob("*/deployment.yaml"))

HEADER = """\
# What `infercli render` makes of the deployment.yaml beside it. An example: image, commit and the code in the zips do
# not exist. Rewritten by `pytest tests/render --update-goldens`, never by hand.
"""


def directory(case):
    return ROOT / "manifests" / case


def _read(path, kind):
    return kind.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def golden_plan(case):
    deployment = _read(directory(case) / "deployment.yaml", ModelDeployment)
    return planned(
        deployment,
        _read(ROOT / "profiles" / f"{deployment.profile}.yaml", HardwareProfile),
        _read(directory(case) / "models.lock.yaml", ModelLock).find(deployment.model),
        infercli_version="0.1.0",
        engine_code_digest=code_digest(ENGINE_ZIP),
        front_code_digest=code_digest(FRONT_ZIP),
    ).plan


def golden_objects(case):
    """As a first revision applies them when it is done."""
    plan = golden_plan(case)
    engine = EngineDeployment(app=plan.engine.app_name(plan.name), spec=plan.engine, replicas=plan.replicas)
    config = serve_config(plan.front, [engine], 1000, {engine.app: 100}, layout=KUBERNETES)
    return objects(plan, plan.deployment.kubernetes.namespace, CODE, serve_config_text(config))
