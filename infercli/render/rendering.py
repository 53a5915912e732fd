"""What every kind of object is rendered from. Checked once, so that no renderer has to ask what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infercli.core.documents.plan import Plan
from infercli.core.record import Json
from infercli.errors import InputError
from infercli.render.names import MODELS_DIR
from infercli.render.serving_code import code_digest

_IMAGE_HINT = (
    "kubernetes:\n  image: registry.example/ray-vllm@sha256:<64 hex digits>   "
    "# Ray {ray} with vLLM {vllm}; `docker buildx imagetools inspect` prints the digest"
)


@dataclass(frozen=True)
class Rendering:
    """A plan for a cluster, the namespace, and the zips of the serving code by file name."""

    plan: Plan
    namespace: str
    serving_code: Mapping[str, bytes]

    @property
    def name(self) -> str:
        """The release's name."""
        return self.plan.name

    @property
    def image(self) -> str:
        """By digest; `check` says when it is missing."""
        image = self.plan.deployment.kubernetes.image
        assert image is not None
        return image

    def metadata(self, name: str, labels: dict[str, str]) -> dict[str, Json]:
        """The metadata of an object in the release's namespace."""
        return {"name": name, "namespace": self.namespace, "labels": labels}


def check(rendering: Rendering) -> None:
    """Raises InputError for what deployment.yaml or the lock must still say; ValueError for code that is misnamed."""
    plan = rendering.plan
    if plan.target != "kubernetes":
        raise InputError(
            f"{plan.name} is planned for this machine (profile `{plan.profile.name}`): it has no Kubernetes objects",
            "choose a GPU profile in deployment.yaml; `infercli profiles` lists them",
        )
    if plan.deployment.kubernetes.image is None:
        raise InputError(
            "deployment.yaml: kubernetes.image: is not set, and there is no image that infercli could choose for you",
            _IMAGE_HINT.format(ray=plan.engine.ray_version, vllm=plan.engine.engine_version),
        )
    if not plan.engine.model_path.startswith(f"{MODELS_DIR}/") or plan.engine.model_digest is None:
        raise InputError(
            f"{plan.deployment.model} is not pinned: its weights cannot be found at {MODELS_DIR}/<commit>",
            f"`infercli pin {plan.deployment.model}`, then plan again",
        )
    for name, data in rendering.serving_code.items():
        if code_digest(data) not in name:
            raise ValueError(f"{name} does not hold what its name says: {code_digest(data)}")
