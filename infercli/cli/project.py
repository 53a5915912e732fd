"""What a command line means: the deployment file, the profile, the lock, and the plan they make together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infercli import __version__
from infercli.errors import InputError, UnknownName

if TYPE_CHECKING:
    from infercli.core.changes import Offer
    from infercli.core.deployment import ModelDeployment
    from infercli.core.goodput import Objectives
    from infercli.core.learning import LearnedRuns
    from infercli.core.model import LockedModel, ModelLock
    from infercli.core.plan import Plan
    from infercli.core.planning import Planned
    from infercli.core.profile import HardwareProfile

DEPLOYMENT_FILE = "deployment.yaml"
LOCK_FILE = "models.lock.yaml"
LEARNED_FILE = "infercli-learned.json"
"""In the project, beside deployment.yaml: it is about this installation, and may be committed with it."""


def deployment_path(given: str | None) -> Path:
    """The deployment file that is meant."""
    return Path(given or DEPLOYMENT_FILE)


def load_deployment(given: str | None) -> ModelDeployment:
    """deployment.yaml, with every problem reported at once."""
    from infercli.adapters.files import read_document
    from infercli.core.deployment import ModelDeployment

    path = deployment_path(given)
    return read_document(path, ModelDeployment, None if path.exists() else "`infercli init` writes one")


def load_profile(name: str, project: Path) -> HardwareProfile:
    """A profile by name, or a file by path. Raises UnknownName with the nearest names."""
    from infercli.adapters.files import profile_files, read_document
    from infercli.core.profile import HardwareProfile

    if name.endswith((".yaml", ".yml")):
        path = Path(name) if Path(name).exists() else project / name
        return read_document(path, HardwareProfile)
    known = {path.stem: path for path in profile_files(project)}
    if name not in known:
        raise UnknownName("profile", name, known, "`infercli profiles` lists them")
    return read_document(known[name], HardwareProfile)


def load_objectives(name: str) -> Objectives:
    """A shipped set of objectives by name, or a file by path. Raises UnknownName with the nearest names."""
    from infercli.adapters.files import read_document, shipped_file
    from infercli.core.goodput import Objectives

    return read_document(shipped_file("objectives", name, "set of objectives"), Objectives)


def load_learned(project: Path) -> LearnedRuns | None:
    """What `infercli learn` has kept in `project`; None where there is nothing."""
    from infercli.adapters.files import read_document

    path = project / LEARNED_FILE
    if not path.exists():
        return None
    from infercli.core.learning import LearnedRuns

    return read_document(path, LearnedRuns, "deleting it forgets what was learned")


def load_lock(project: Path) -> ModelLock:
    """models.lock.yaml beside the deployment file; an empty one where there is none."""
    from infercli.adapters.files import read_document
    from infercli.core.model import ModelLock

    path = project / LOCK_FILE
    return read_document(path, ModelLock) if path.exists() else ModelLock()


def locked_model(deployment: ModelDeployment, project: Path) -> LockedModel | None:
    """The lock's entry of the deployment's model; None while it is not pinned."""
    return load_lock(project).find(deployment.model)


def serving_code() -> dict[str, bytes]:
    """File name of the zip -> its bytes, for the front and the engine of this version."""
    from infercli.adapters.files import serving_sources
    from infercli.render.serving_code import PARTS, code_digest, module_name, zip_name, zip_package

    zips: dict[str, bytes] = {}
    for part in PARTS:
        data = zip_package(module_name(part), serving_sources(part))
        zips[zip_name(part, code_digest(data))] = data
    return zips


def code_digests(code: dict[str, bytes]) -> dict[str, str]:
    """`front` and `engine` -> the digest in the name of their zip."""
    return {name.split("-")[0]: name.split("-")[1].removesuffix(".zip") for name in code}


def build_plan(deployment: ModelDeployment, project: Path) -> Plan:
    """Plan `deployment` with the lock and profiles of `project`."""
    return build_planned(deployment, project).plan


def build_planned(deployment: ModelDeployment, project: Path) -> Planned:
    """As `build_plan`, with the estimate that the plan rests on."""
    from infercli.core.planning import planned

    profile = load_profile(deployment.profile, project)
    digests = code_digests(serving_code())
    return planned(
        deployment,
        profile,
        locked_model(deployment, project),
        infercli_version=__version__,
        engine_code_digest=digests["engine"],
        front_code_digest=digests["front"],
        typed=_model_is_typed(),
        offers=lambda: _offers(project),
    )


def _model_is_typed() -> bool:
    """Whether the command line says what to plan: there is no file then in which a key could be changed."""
    context = click.get_current_context(silent=True)
    return context is not None and context.params.get("model") is not None


def _offers(project: Path) -> Iterator[Offer]:
    """All profiles at hand with their prices; one of the project's own that cannot be read is left out."""
    from infercli.adapters.files import price_list, profile_files, read_document
    from infercli.core.changes import Offer
    from infercli.core.profile import HardwareProfile
    from infercli.errors import InferError

    prices = price_list(project)
    for path in profile_files(project):
        try:
            profile = read_document(path, HardwareProfile)
            price = None if profile.price is None else prices.find(profile.price).median_usd
        except InferError:
            continue
        yield Offer(profile, price)


def load_plan(path: Path) -> Plan:
    """A saved plan. Refused when it was edited, or made by another version: what was reviewed is what runs."""
    from infercli.adapters.files import read_document
    from infercli.core.plan import Plan

    plan = read_document(path, Plan, "`infercli plan --save plan.json` writes one")
    if not plan.digest:
        raise InputError(f"{path}: was not written by `infercli plan --save`", "`infercli plan --save plan.json`")
    if plan.infercli_version != __version__:
        raise InputError(
            f"{path}: was made by infercli {plan.infercli_version}, this is {__version__}, which renders anew",
            f"plan again: `infercli plan --save {path}`",
        )
    if plan.content_digest() != plan.digest:
        raise InputError(
            f"{path}: was edited after it was saved (its digest does not match)",
            f"change deployment.yaml and plan again: `infercli plan --save {path}`",
        )
    return plan
