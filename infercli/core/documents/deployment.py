"""deployment.yaml: what the user wants to run, and where."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from infercli.core.documents.workload import MOST_COUNT, Objectives, Workload
from infercli.core.record import Document, Json, Record

NAME_PATTERN = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"
"""A DNS label with room for what is appended to it: Kubernetes names end at 63 characters."""

MOST_REPLICAS = 10_000
"""Twice the nodes that a Kubernetes cluster may have (kubernetes.io, Considerations for large clusters)."""


def namespace_name(name: str) -> str:
    """`name`, where Kubernetes takes it for a namespace (an RFC 1123 label). Raises ValueError."""
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
        raise ValueError(
            f"Kubernetes takes no namespace `{name}`: lower-case letters, digits and `-`, begins and ends with a "
            "letter or a digit, 63 at most"
        )
    return name


_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_PATH = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_HOST = (
    r"([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(:[0-9]+)?"
)
_IMAGE = rf"(?P<name>({_HOST}/)?{_PATH}(/{_PATH})*)(:\w[\w.-]{{0,127}})?@sha256:[0-9a-f]{{64}}"
"""Of an image by digest: the grammar of github.com/distribution/reference, reference.go, with a digest in it."""


def _object_name(name: str) -> str:
    """A name of most Kubernetes objects: an RFC 1123 subdomain."""
    if len(name) > 253 or not re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", name):
        raise ValueError(
            f"Kubernetes takes no name `{name}`: lower-case letters, digits, `-` and `.`, each part between dots "
            "begins and ends with a letter or a digit, 253 at most"
        )
    return name


def _cidr(value: str) -> str:
    """A range of addresses, as a NetworkPolicy takes it: an address, a slash, and how many bits are the network's."""
    import ipaddress  # two milliseconds of every plan, and few say a range

    try:
        ipaddress.ip_network(value, strict=False)
        if not value.rpartition("/")[2].isdigit() or "/" not in value:
            raise ValueError
    except ValueError:
        raise ValueError(f"`{value}` is no range of addresses, for example 10.0.0.0/8") from None
    return value


def _image_by_digest(image: str) -> str:
    if "@sha256:" not in image:
        raise ValueError("must be given by digest (repo@sha256:...), since a tag can change under a running release")
    digits = image.rpartition("@sha256:")[2]
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError(f"its digest must be 64 hex digits in lower case, and has {len(digits)} characters")
    found = re.fullmatch(_IMAGE, image, re.ASCII)
    if found is None or len(found["name"]) > 255:
        raise ValueError(
            f"`{image.rpartition('@')[0]}` is no name of an image, for example registry.example/team/ray-llm"
        )
    return image


_Namespace = Annotated[str, AfterValidator(namespace_name)]
_ObjectName = Annotated[str, AfterValidator(_object_name)]


class Front(Record):
    """The router in front of the engines."""

    replicas: int = Field(default=2, ge=2, le=MOST_REPLICAS)
    """Never fewer than two: one replica is an outage whenever it is replaced (run and measured)."""
    max_body_mib: float = Field(default=8, gt=0)
    max_in_flight: int = Field(default=512, ge=1, le=MOST_COUNT)
    """Requests at a time per front replica; one more is answered with 429."""


class Kubernetes(Record):
    """Where and with what it runs in a cluster. Nothing here is secret: secrets are named, never written."""

    namespace: _Namespace | None = None
    """None: that of the kubeconfig context, or `-n`."""
    image: Annotated[str, AfterValidator(_image_by_digest)] | None = None
    """Ray with vLLM, by digest (`repo@sha256:...`). Required to render."""
    model_claim: _ObjectName = "models"
    """PersistentVolumeClaim with the weights under `/<commit>`, mounted read-only at /models."""
    keys_secret: _ObjectName | None = None
    """Secret with `api-keys` (one per line) and `operator-token`; None: `<name>-keys`."""
    image_pull_secrets: tuple[_ObjectName, ...] = ()
    gateway_namespace: _Namespace | None = None
    """The namespace from which requests may come; None admits only this namespace."""
    monitoring_namespace: _Namespace | None = None
    """The namespace from which Prometheus scrapes; None admits none."""
    api_server_cidrs: tuple[Annotated[str, AfterValidator(_cidr)], ...] = ()
    """Where pods reach the API server, and it reaches them for its service proxy; empty: every private address."""


class ModelDeployment(Document):
    """deployment.yaml."""

    kind: Literal["ModelDeployment"] = "ModelDeployment"
    name: str
    model: str
    """A Hub id, or a directory (starts with `.` or `/`)."""
    served_model_name: str | None = None
    """What clients say in `model`; None: the Hub id, or for a directory the release's name. It should outlive a change
    of quantization, or every client has to change with it."""
    profile: str
    quantization: str | None = None
    """What the checkpoint must be; None: what its config says, or the first of the profile's preferences it can be."""
    replicas: int = Field(default=1, ge=1, le=MOST_REPLICAS)
    workload: Workload = Workload()
    objectives: Objectives = Objectives()
    engine_args: dict[str, Json] = {}
    """Passed to vLLM as they are, after validation against that engine version's arguments."""
    front: Front = Front()
    kubernetes: Kubernetes = Kubernetes()

    @field_validator("name")
    @classmethod
    def _dns_label(cls, name: str) -> str:
        if not re.fullmatch(NAME_PATTERN, name):
            raise ValueError(
                "must be lower-case letters, digits and `-`, begin with a letter, end with a letter or a digit, and "
                "be of 40 characters at most"
            )
        return name

    @property
    def is_directory(self) -> bool:
        """The model is a directory on this machine, not a Hub id."""
        return self.model.startswith((".", "/"))

    @property
    def served_name(self) -> str:
        """What clients say in `model`."""
        return self.served_model_name or (self.name if self.is_directory else self.model)
