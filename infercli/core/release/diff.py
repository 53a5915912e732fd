"""What a deploy would change, as a value: the answer of `diff`."""

from __future__ import annotations

from typing import Literal

from infercli.core.differences import Difference
from infercli.core.record import Document, Record


class EngineChange(Record):
    """The engine application, as it is and as it would be."""

    was: str | None
    """The application that takes the requests now; None where none does."""
    app: str
    is_new: bool
    """It would be started; otherwise it runs already, and at most its count or its share changes."""
    fields: tuple[Difference, ...]
    """Of the engine spec, and `replicas`."""


class ObjectChange(Record):
    """One Kubernetes object."""

    kind: str
    name: str
    what: Literal["new", "changed", "no longer rendered"]
    fields: tuple[Difference, ...] = ()
    """Of a changed one, compared with the cluster where it has the object, else with the record."""


class ReleaseDiff(Document):
    """The answer of `infercli diff`."""

    kind: Literal["Comparison"] = "Comparison"
    name: str
    where: str
    revision: int | None
    """The newest good one, compared with; None: nothing was deployed."""
    changes: bool
    engine: EngineChange
    front: tuple[Difference, ...]
    routes: tuple[Difference, ...]
    """Path: the application; values: its weight in per cent."""
    objects: tuple[ObjectChange, ...]
    ray_cluster: Literal["none", "first", "same", "new"]
    """none: no KubeRay here, or nothing changes. new: a second one beside the first, with `more_gpus`."""
    more_gpus: int
    steps: tuple[str, ...]
    """What a deploy would do, in order."""
