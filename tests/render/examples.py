"""Plans as a planner would make them, written by hand: render is tested against these, not against the planner."""

from __future__ import annotations

from infercli.core.documents.deployment import Kubernetes, ModelDeployment
from infercli.core.documents.model import LockedFile, LockedModel
from infercli.core.documents.plan import EngineSpec, FrontSpec, Plan
from infercli.core.documents.profile import HardwareProfile, NodeGroup, Toleration
from infercli.core.release import EngineDeployment
from infercli.render.serving_code import code_digest, zip_name, zip_package

COMMIT = "0123456789abcdef0123456789abcdef01234567"
IMAGE = "registry.example/ray-vllm@sha256:" + "1" * 64

FRONT_ZIP = zip_package("infercli_front", {"__init__.py": b"# an example of a front\n"})
ENGINE_ZIP = zip_package("infercli_engine", {"__init__.py": b"# an example of an engine\n"})
CODE = {
    zip_name("front", code_digest(FRONT_ZIP)): FRONT_ZIP,
    zip_name("engine", code_digest(ENGINE_ZIP)): ENGINE_ZIP,
}


def front(**changes):
    values = {
        "replicas": 2,
        "max_body_bytes": 8 * 2**20,
        "max_in_flight": 512,
        "code_digest": code_digest(FRONT_ZIP),
    }
    return FrontSpec(**values | changes)


def engine(**changes):
    values = {
        "model_id": "example/llama-8b-awq",
        "model_path": f"/models/{COMMIT}",
        "model_digest": COMMIT,
        "quantization": "awq",
        "engine_version": "0.29.0",
        "ray_version": "2.60.0",
        "engine_args": {"tensor_parallel_size": 1, "max_model_len": 8192, "gpu_memory_utilization": 0.92},
        "accelerator": "gpu",
        "accelerator_type": "L4",
        "gpus": 1,
        "max_ongoing_requests": 256,
        "graceful_shutdown_timeout_s": 600.0,
        "code_digest": code_digest(ENGINE_ZIP),
    }
    return EngineSpec(**values | changes)


def cpu_engine(**changes):
    return engine(
        model_path="/srv/models/tiny",
        model_digest="f" * 64,
        quantization="none",
        engine_args={"max_model_len": 1024, "enforce_eager": True, "kv_cache_memory_bytes": 67108864},
        accelerator="cpu",
        accelerator_type=None,
        gpus=0,
        environment={"VLLM_CPU_OMP_THREADS_BIND": "nobind"},
        **changes,
    )


def deployed(spec=None, replicas=1, release="chat"):
    spec = spec or engine()
    return EngineDeployment(app=spec.app_name(release), spec=spec, replicas=replicas)


def profile(**changes):
    values = {
        "name": "l4",
        "gpu": "L4",
        "nodes": (NodeGroup(count=2, gpus=1, cpus=8, memory_gib=32),),
        "node_selector": {"cloud.google.com/gke-accelerator": "nvidia-l4"},
        "tolerations": (Toleration(key="team", operator="Equal", value="chat", effect="NoSchedule"),),
    }
    return HardwareProfile(**values | changes)


def plan(*, kubernetes=None, spec=None, hardware=None, replicas=1, the_front=None, target="kubernetes"):
    spec = spec or engine()
    hardware = hardware or profile()
    files = (LockedFile(path="model.safetensors", size_bytes=5_700_000_000, sha256="a" * 64),)
    return Plan(
        infercli_version="0.1.0",
        deployment=ModelDeployment(
            name="chat",
            model=spec.model_id,
            profile=hardware.name,
            replicas=replicas,
            kubernetes=kubernetes or Kubernetes(image=IMAGE),
        ),
        profile=hardware,
        target=target,
        model=LockedModel(id=spec.model_id, source="hub", commit=COMMIT, files=files, config={}),
        engine=spec,
        replicas=replicas,
        front=the_front or front(),
        choices=(),
        memory=None,
        kv_cache=None,
        fits=True,
        verdict="fits",
    )
