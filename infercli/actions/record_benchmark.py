"""Record what a benchmark found in the release that it measured."""

from __future__ import annotations

from infercli.actions.ports import ReleaseStore
from infercli.core.release import Measured, serving
from infercli.errors import InputError


def record_benchmark(name: str, measured: Measured, store: ReleaseStore, engine: str | None) -> int:
    """Returns the number of the revision. `engine`: the application that answered; None: it was not told.

    Raises ReleaseBusy while somebody changes the release, InputError where another engine answered than now serves.
    """
    with store.changing(name, "bench"):
        good = serving(store.entries(name))
        if good is None:
            raise InputError(f"no revision of {name} serves any more")
        if engine is not None and engine != good.revision.engine.app:
            raise InputError(f"{engine} answered, and {good.revision.engine.app} serves now")
        store.progress(name, good.number, good.progress.model_copy(update={"measured": measured}))
        return good.number
