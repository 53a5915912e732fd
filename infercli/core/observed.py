"""What was seen of a running release: values that adapters report and actions judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Application(NamedTuple):
    """One Serve application, as Ray reports it."""

    status: str
    """NOT_STARTED, DEPLOYING, RUNNING, DEPLOY_FAILED, UNHEALTHY, DELETING; a newer Ray may know more."""
    message: str
    deployment_messages: tuple[str, ...]
    """Of its deployments: where a replica that failed to start is explained."""


class Applications(NamedTuple):
    """A look at Serve."""

    accepted: bool
    """The look shows the config that was put last; False while the operator has not come to it."""
    rejected: str | None
    """Why the config that was put last was refused, in the words of whoever refused it."""
    apps: Mapping[str, Application]
    trouble: tuple[str, ...] = ()
    """What keeps pods from coming up, in Kubernetes' words. It may pass by itself, so it is shown and fails nothing."""


class Answer(NamedTuple):
    """An HTTP answer of the front."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes
