"""What a command line means: the deployment file, the profile, the lock, and the plan they make together."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from infercli import __version__
from infercli.cli.output import note
from infercli.errors import InferError, InputError, InvalidFile, UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable

    from infercli.core.bench.goodput import Objectives
    from infercli.core.documents.deployment import ModelDeployment
    from infercli.core.documents.model import LockedModel, ModelLock
    from infercli.core.documents.plan import Plan
    from infercli.core.documents.profile import HardwareProfile
    from infercli.core.estimates.learning import LearnedRuns
    from infercli.core.planning.changes import Offer
    from infercli.core.planning.plan import Planned
    from infercli.core.record import Json

DEPLOYMENT_FILE = "deployment.yaml"
LOCK_FILE = "models.lock.yaml"
MOST_BYTES = 1_000_000
"""Of a deployment file: a larger one is another file."""
_NAMED = ("profile", "quantization", "engine_args")
"""Of a deployment, what its form does not decide."""
MUST_BE = "`infercli profiles --schema` is what a profile must be; `infercli profiles --help` shows one"
LEARNED_FILE = "infercli-learned.json"
"""In the project, beside deployment.yaml: it is about this installation, and may be committed with it."""


def deployment_path(given: str | None) -> Path:
    """The deployment file that is meant."""
    return Path(given or DEPLOYMENT_FILE)


def load_deployment(given: str | None) -> ModelDeployment:
    """deployment.yaml, with every problem reported at once."""
    from infercli.adapters.files import parse_document, read_yaml
    from infercli.core.documents.deployment import ModelDeployment

    path = deployment_path(given)
    value = read_yaml(path, None if path.exists() else "`infercli init` writes one", MOST_BYTES)
    try:
        hint = "`infercli init --force` writes one" if value is None else None
        return parse_document(value, ModelDeployment, str(path), hint)
    except InvalidFile as error:
        # It is wrong already: what planning it would refuse next is said in the same breath.
        more = _more_problems(value, path.parent) if isinstance(value, dict) else []
        raise InvalidFile(str(path), [*error.problems, *more], error.hint) from None


def _more_problems(value: dict[str, Json], project: Path) -> list[tuple[str, str]]:
    """What is wrong with a deployment that has its form: names that no table has, and engine_args."""
    from infercli.core.planning.plan import argument_problems
    from infercli.core.quantization.methods import expand

    found = []
    looks: dict[str, Callable[[str], object]] = {
        "profile": lambda name: load_profile(name, project),
        "quantization": lambda name: expand([name]),
    }
    for where, look in looks.items():
        try:
            if isinstance(value.get(where), str):
                look(value[where])
        except UnknownName as error:
            found.append((where, "; ".join(filter(None, (error.message, error.hint)))))
        except InferError:
            pass  # of a file of its own: said where that file is read
    args = value.get("engine_args")
    named = {k: v for k, v in args.items() if isinstance(k, str)} if isinstance(args, dict) else {}
    return found + argument_problems(named)


def load_profile(name: str, project: Path) -> HardwareProfile:
    """A profile by name, one of a GPU's name and a count, or a file by path. Raises UnknownName with the nearest."""
    from infercli.adapters.files import price_list, profile_files, read_document
    from infercli.core.documents.bare_profile import bare_profile, meant
    from infercli.core.documents.profile import HardwareProfile

    if name.endswith((".yaml", ".yml")):
        path = Path(name) if Path(name).exists() else project / name
        return read_document(path, HardwareProfile, MUST_BE if path.exists() else None)
    known = {path.stem: path for path in profile_files(project)}
    if name not in known:
        made = bare_profile(name, price_list(project))
        if made is None:
            hint = "`infercli profiles` lists them; a GPU and how many is one too: `b200-x8`"
            raise UnknownName("profile", name, meant(name) or known, hint)
        return made
    return read_profile(known[name])


def guessed_gpu(name: str, project: Path) -> str | None:
    """What a profile that nobody wrote takes its GPU for, where its name leaves the memory open."""
    from infercli.adapters.files import profile_files
    from infercli.core.documents.bare_profile import guessed

    written = name.endswith((".yaml", ".yml")) or name in {path.stem for path in profile_files(project)}
    try:
        return None if written else guessed(name)
    except InferError:
        return None  # it is none, which is said where it is loaded


def read_profile(path: Path) -> HardwareProfile:
    """A profile that is known by the name of its file. Raises InvalidFile, also where its own name is another."""
    from infercli.adapters.files import read_document
    from infercli.core.documents.profile import HardwareProfile

    profile = read_document(path, HardwareProfile, MUST_BE)
    if profile.name != path.stem:
        what = f"must be `{path.stem}`, which its file is called, or the file {profile.name}{path.suffix}"
        raise InvalidFile(str(path), [("name", what)])
    return profile


def load_objectives(name: str) -> Objectives:
    """A shipped set of objectives by name, or a file by path. Raises UnknownName with the nearest names."""
    from infercli.adapters.files import read_document, shipped_file
    from infercli.core.bench.goodput import Objectives

    return read_document(shipped_file("objectives", name, "set of objectives"), Objectives)


def load_learned(project: Path) -> LearnedRuns | None:
    """What `infercli learn` has kept in `project`; None where there is nothing."""
    from infercli.adapters.files import read_document

    path = project / LEARNED_FILE
    if not path.exists():
        return None
    from infercli.core.estimates.learning import LearnedRuns

    return read_document(path, LearnedRuns, "deleting it forgets what was learned")


def learned_here(project: Path) -> LearnedRuns | None:
    """As `load_learned`; a file that cannot be read is noted, and stops nothing."""
    try:
        return load_learned(project)
    except InferError as error:
        note(f"what was learned moves nothing: {error.message}; deleting the file forgets it")
        return None


def load_lock(project: Path) -> ModelLock:
    """models.lock.yaml beside the deployment file; an empty one where there is none."""
    from infercli.adapters.files import read_document
    from infercli.core.documents.model import ModelLock

    path = project / LOCK_FILE
    hint = f"`git checkout {path}` brings back what was committed; or delete it and pin its models again"
    return read_document(path, ModelLock, hint) if path.exists() else ModelLock()


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


def build_planned(deployment: ModelDeployment, project: Path, path: Path | None) -> Planned:
    """The plan of `deployment`, with the lock and profiles of `project`, and the estimate that it rests on.

    `path`: the file that it was read from; None: it was typed, and is in no file.
    """
    from infercli.core.planning.plan import planned

    wrong = _more_problems({name: getattr(deployment, name) for name in _NAMED}, project)
    if len(wrong) > 1 or (wrong and wrong[0][0].startswith("engine_args")):
        raise InvalidFile(str(path), wrong) if path else InputError("\n".join(": ".join(w) for w in wrong))
    profile = load_profile(deployment.profile, project)
    locked = locked_model(deployment, project)
    digests = code_digests(serving_code())
    try:
        return planned(
            deployment,
            profile,
            locked,
            infercli_version=__version__,
            engine_code_digest=digests["engine"],
            front_code_digest=digests["front"],
            typed=path is None,
            offers=lambda: _offers(profile, project),
            learned=learned_here(project),
        )
    except UnknownName as error:
        if error.kind == "model":
            look_for_directory(error, deployment, project)
        raise


def look_for_directory(error: UnknownName, deployment: ModelDeployment, project: Path) -> None:
    """Say of a model that is no shape and not pinned what its directory lacks, where it is one or is meant to be."""
    model, named = deployment.model, deployment.is_directory
    path, typed = project / model, shlex.quote(model if named else f"./{model}")
    gpu = _gpu_of(deployment.profile, project) or "H100"
    config = f"`infercli estimate --config-path {typed} --gpu {gpu}` sizes it by its config.json"
    if not path.is_dir():
        if named:
            error.message = f"{model}: no such directory"
            error.hint = "a model is a directory with config.json and safetensors in it, or an id such as Qwen/Qwen3-8B"
    elif not (path / "config.json").is_file():
        if named:
            error.message = f"{model}: no config.json is in that directory"
            error.hint = "name the directory that has it, and the weights"
    elif any(path.glob("*.safetensors")):
        error.message = f"{model}: that directory is not pinned" if named else error.message
        there = "" if named else f"there is a directory {typed}: "
        error.hint = f"{there}`infercli pin {typed}`, then plan {typed}; {config}"
    else:
        error.message = f"{model}: that directory has no weights to be pinned, and a plan needs what is pinned"
        error.hint = config


def _gpu_of(profile: str, project: Path) -> str | None:
    """The GPU of a profile as `estimate --gpu` takes it; None where it has none of the table's."""
    try:
        gpu = load_profile(profile, project).gpu
    except InferError:
        return None
    return gpu if isinstance(gpu, str) else None


def _offers(profile: HardwareProfile, project: Path) -> Iterator[Offer]:
    """All profiles at hand with their prices, and larger or more machines with the GPU of `profile`: made by name.

    One of the project's own that cannot be read is left out.
    """
    from infercli.adapters.files import price_list, profile_files
    from infercli.core.documents.bare_profile import bare_profile
    from infercli.core.documents.profile import LARGEST_NODE_GPUS
    from infercli.core.planning.changes import NODES, Offer

    prices = price_list(project)
    sizes = set()
    for path in profile_files(project):
        try:
            found = read_profile(path)
            price = None if found.price is None else prices.find(found.price).median_usd
        except InferError:
            continue
        if found.gpu == profile.gpu:
            sizes.add(found.gpus_per_node)
        yield Offer(found, price)
    if not isinstance(profile.gpu, str):
        return
    gpus = profile.gpus_per_node * 2
    more = [LARGEST_NODE_GPUS * nodes for nodes in NODES] if gpus > LARGEST_NODE_GPUS else []
    while gpus <= LARGEST_NODE_GPUS:
        more.append(gpus)
        gpus *= 2
    for gpus in more:
        made = None if gpus in sizes else bare_profile(f"{profile.gpu.lower()}-x{gpus}", prices)
        if made is not None:
            yield Offer(made, None)


def load_plan(path: Path) -> Plan:
    """A saved plan. Refused when it was edited, or made by another version: what was reviewed is what runs."""
    from infercli.adapters.files import read_document
    from infercli.core.documents.plan import Plan

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
