"""What was seen of a running release: values that adapters report and actions judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple


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
    """A whole answer by HTTP."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes


JobEnd = Literal["done", "failed", "memory", "evicted", "deadline", "gone"]
"""The program ended by itself, well or not; it took more memory than its limit; its pod was evicted; the Job's deadline
passed; the pod or the Job was deleted, or its node is gone."""


class JobState(NamedTuple):
    """A look at a benchmark's Job and its pod."""

    step: Literal["waiting", "running", "ended"]
    trouble: tuple[str, ...] = ()
    """What keeps its pod from running, in Kubernetes' words."""
    stuck: bool = False
    """The trouble is of a kind that seldom passes: an image that cannot be pulled, a pod that is refused."""
    ended: JobEnd | None = None
    """Why it ended; None while it has not."""
    message: str = ""
    """Of its end, in Kubernetes' words."""
