"""Small valid values for tests; each test states only what it is about."""

from __future__ import annotations

from infercli.core.documents.deployment import ModelDeployment
from infercli.core.documents.model import LockedFile, LockedModel
from infercli.core.documents.plan import EngineSpec, FrontSpec, Plan
from infercli.core.documents.profile import HardwareProfile, NodeGroup
from infercli.core.release import EngineDeployment, Entry, Outcome, Progress, Revision, Serving

FRONT = FrontSpec(replicas=2, max_body_bytes=8 << 20, max_in_flight=512, code_digest="f" * 12)


def engine_spec(quantization: str = "none", *, gpus: int = 0, model_digest: str | None = "a" * 40) -> EngineSpec:
    return EngineSpec(
        model_id="chat",
        model_path="/models/x",
        model_digest=model_digest,
        quantization=quantization,
        engine_version="0.29.0",
        ray_version="2.60.0",
        engine_args={"max_model_len": 1024},
        accelerator="gpu" if gpus else "cpu",
        gpus=gpus,
        max_ongoing_requests=64,
        graceful_shutdown_timeout_s=60,
        code_digest="e" * 12,
    )


def locked() -> LockedModel:
    return LockedModel(
        id="./model",
        source="directory",
        directory="/models/x",
        files=(LockedFile(path="model.safetensors", size_bytes=10, sha256="0" * 64),),
        config={},
    )


def plan(
    quantization: str = "none",
    *,
    name: str = "chat",
    gpus: int = 0,
    max_gpus: int = 0,
    replicas: int = 1,
    front: FrontSpec = FRONT,
) -> Plan:
    profile = (
        HardwareProfile(name="gpu", gpu="L4", nodes=(NodeGroup(gpus=max_gpus),))
        if gpus
        else HardwareProfile(name="cpu-local", accelerator="cpu", nodes=(NodeGroup(),))
    )
    return Plan(
        infercli_version="0",
        deployment=ModelDeployment(name=name, model="./model", profile=profile.name),
        profile=profile,
        target=profile.target,
        model=locked(),
        engine=engine_spec(quantization, gpus=gpus),
        replicas=replicas,
        front=front,
        choices=(),
        memory=None,
        kv_cache=None,
        fits=True,
        verdict="fits",
    )


def engine(quantization: str = "none", *, gpus: int = 0, replicas: int = 1) -> EngineDeployment:
    spec = engine_spec(quantization, gpus=gpus)
    return EngineDeployment(app=spec.app_name("chat"), spec=spec, replicas=replicas)


def entry(
    number: int,
    quantization: str = "none",
    outcome: Outcome = "good",
    *,
    points_at: int | None = None,
    serving: Serving | None = None,
    replicas: int = 1,
    front: FrontSpec = FRONT,
) -> Entry:
    the_plan = plan(quantization, replicas=replicas, front=front)
    return Entry(
        revision=Revision(
            name="chat",
            number=number,
            action="rollback" if points_at else "deploy",
            points_at=points_at,
            created_at="2026-01-01T00:00:00Z",
            created_by="a test",
            infercli_version="0",
            target="local",
            engine=engine(quantization, replicas=replicas),
            front=front,
            plan=the_plan,
        ),
        progress=Progress(outcome=outcome, serving=serving),
    )
