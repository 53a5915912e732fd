"""delete: take a release away, its engines first and its history last, so that a half-done deletion can be repeated."""

from __future__ import annotations

from infercli.actions.steps import World
from infercli.errors import InputError

PATIENCE_S = 600.0
"""For an API server that goes away meanwhile: as long as its pods are waited for."""


def delete(name: str, world: World, *, keep_history: bool = False, break_lock: bool = False) -> None:
    """Remove the release, or what is left of one whose history is gone.

    Raises InputError when there is none, ReleaseBusy while somebody changes it.
    """
    if not world.store.entries(name) and world.platform.left_over() is None:
        raise InputError(f"there is no release `{name}`", "`infercli status` lists the releases")
    with world.store.changing(name, "delete", break_lock=break_lock, patience_s=PATIENCE_S):
        world.watcher.step(f"remove {name} from {world.platform.where}")
        world.platform.remove()
        if not keep_history:
            world.store.forget(name)
