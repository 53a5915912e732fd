"""Whether the numbers of a result are those that follow from its own raw data."""

from __future__ import annotations

from typing import Literal

from infercli.core.bench import BenchResult, recompute
from infercli.core.differences import Difference, differences
from infercli.core.record import Document
from infercli.core.sweep import searched
from infercli.core.telemetry import energy_between


class Rechecked(Document):
    """The answer of `infercli report --check` for one file."""

    kind: Literal["Rechecked"] = "Rechecked"
    file: str
    same: bool
    differences: tuple[Difference, ...]
    """`was`: as the file says; `becomes`: as it follows. Compared to the last bit."""


def recheck(result: BenchResult, file: str) -> Rechecked:
    """Every stage from its traces, a search from its stages, and each GPU's energy from its counter."""
    found: list[Difference] = []
    for index, (stored, derived) in enumerate(zip(result.stages, recompute(result), strict=True)):
        pair = (s.model_dump(mode="json", exclude={"traces"}) for s in (stored, derived))
        found += [_at(f"stages[{index}]", d) for d in differences(*pair)]
    if result.searched is not None:
        derived_search = searched(result.stages[1:])
        pair = (s.model_dump(mode="json") for s in (result.searched, derived_search))
        found += [_at("searched", d) for d in differences(*pair)]
    for index, gpu in enumerate(result.telemetry.gpus if result.telemetry is not None else ()):
        energy_j = energy_between(gpu.samples).joules
        if energy_j != gpu.energy_j:
            path = f"telemetry.gpus[{index}].energy_j"
            found.append(Difference(path=path, was=gpu.energy_j, becomes=energy_j))
    return Rechecked(file=file, same=not found, differences=tuple(found))


def _at(place: str, difference: Difference) -> Difference:
    return difference.model_copy(update={"path": f"{place}.{difference.path}"})
