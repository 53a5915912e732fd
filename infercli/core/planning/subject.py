"""Which model is planned: its architecture, and how its checkpoint is quantized, from the lock or a shipped shape."""

from dataclasses import replace
from typing import NamedTuple

from infercli.core import architecture
from infercli.core.architecture.arch import ModelArch
from infercli.core.documents.deployment import ModelDeployment
from infercli.core.documents.model import LockedModel
from infercli.core.documents.profile import HardwareProfile
from infercli.core.engines import RAY_SERVICE_ENGINE
from infercli.core.engines.overrides import NAME, overridden
from infercli.core.memory.sizing import ELEMENT_BYTES
from infercli.core.memory.weights import Evidence, as_the_files_say, files_confirm
from infercli.core.quantization.checkpoint import Quantization, detect, typical
from infercli.core.quantization.methods import ALIASES, METHODS, expand, require_capability, require_engine
from infercli.core.shapes import find_shape
from infercli.errors import InputError, Unsupported


class Subject(NamedTuple):
    """What is planned."""

    arch: ModelArch
    quantization: Quantization
    reason: str
    """Why this quantization."""
    given: bool
    """The user named the quantization."""
    notes: tuple[str, ...] = ()
    convertible: bool = True
    """Whether checkpoints of other quantizations may be had: False where the model's own is quantized."""


def resolve(deployment: ModelDeployment, profile: HardwareProfile, locked: LockedModel | None) -> Subject:
    """The model of the deployment; `locked` None looks its id up among the shipped shapes.

    Raises UnknownName for an id without a shape, InputError where the asked quantization is not the checkpoint's, and
    Unsupported for an architecture or a format that is not taught.
    """
    accepted = expand(profile.quantizations)
    asked = deployment.quantization
    wanted = None if asked is None else expand([asked])
    for method in wanted or ():
        try:
            require_engine(METHODS[method], RAY_SERVICE_ENGINE)
        except Unsupported as error:
            if locked is None and isinstance(profile.gpu, str):
                words = f"--model {deployment.model} --gpu {profile.gpu} --quantization {method}"
                error.hint = f"{error.hint}; `infercli estimate {words}` says how large it is"
            raise
    overrides = deployment.engine_args.get(NAME)
    if locked is not None:
        native = detect(locked.quantization_config, model=locked.config)
        as_loaded = locked.model_copy(update={"config": overridden(locked.config, overrides)})
        subject = _from_lock(as_loaded, native, asked, wanted, accepted, profile)
        return subject._replace(convertible=native.method == "none")
    if overrides:
        raise InputError(f"engine_args.{NAME}: needs config.json", f"`infercli pin {deployment.model}` fetches it")
    return _from_shape(deployment.model, asked, wanted, accepted, profile)


def _from_lock(
    locked: LockedModel,
    stored: Quantization,
    asked: str | None,
    wanted: tuple[str, ...] | None,
    accepted: tuple[str, ...],
    profile: HardwareProfile,
) -> Subject:
    arch = architecture.parse(locked.config)
    for method in stored.methods:
        require_engine(method, RAY_SERVICE_ENGINE)
    held = _held(locked)
    is_, left_out = _as_the_files_say(held, arch, stored)
    if not arch.confirmed and files_confirm(arch, stored, held, ELEMENT_BYTES.get(arch.dtype or "", 2)):
        arch = replace(arch, confirmed=True)
    if wanted is None:
        if is_.method not in accepted:
            raise _unaccepted(locked.id, is_.method, accepted, profile, "; or add it to the profile's quantizations")
        return Subject(
            arch=arch, quantization=is_, reason="what the checkpoint's config says", given=False, notes=left_out
        )
    online, reason = [m for m in wanted if METHODS[m].loads_as_model_dtype], "asked for, and the checkpoint agrees"
    if online and is_.method == "none":
        is_, reason = typical(online[0]), f"asked for; {_needed(online[0])}"
    elif is_.method not in wanted:
        raise InputError(
            f"{locked.id} is {is_.method}, and `{asked}` was asked for: a checkpoint is what it is",
            f"leave the quantization out, or pin a checkpoint that is {' or '.join(wanted)}",
        )
    return Subject(
        arch=arch,
        quantization=is_,
        reason=reason,
        given=True,
        notes=(*left_out, *_unlisted(is_.method, accepted, profile)),
    )


def _held(locked: LockedModel) -> Evidence:
    """What the pinned safetensors hold. Mistral ships the same weights twice; its second set is not counted."""
    on_disk = sum(
        f.size_bytes
        for f in locked.files
        if f.path.endswith(".safetensors") and not f.path.rpartition("/")[2].startswith("consolidated")
    )
    return Evidence(on_disk, "file sizes")


def _as_the_files_say(
    evidence: Evidence, arch: ModelArch, stored: Quantization
) -> tuple[Quantization, tuple[str, ...]]:
    """`stored` with what the files hold beyond it, and the note on that."""
    known, note = as_the_files_say(arch, stored, evidence, ELEMENT_BYTES.get(arch.dtype or "", 2))
    notes = [note] if note else []
    if stored.unstated:
        notes.append(
            f"the quantization config has no {' and no '.join(stored.unstated)}: planned as if every linear layer but "
            "lm_head were quantized"
        )
    return known, tuple(notes)


def _from_shape(
    model: str,
    asked: str | None,
    wanted: tuple[str, ...] | None,
    accepted: tuple[str, ...],
    profile: HardwareProfile,
) -> Subject:
    shape = find_shape(model)
    native = shape.quantization
    convertible = native.method == "none"
    if wanted is None:
        if native.method in accepted:
            reason = "what this model's checkpoint is"
            return Subject(
                arch=shape.arch,
                quantization=native,
                reason=reason,
                given=False,
                notes=shape.notes,
                convertible=convertible,
            )
        if native.method != "none":
            raise _unaccepted(model, native.method, accepted, profile)
        return Subject(
            arch=shape.arch,
            quantization=typical(accepted[0]),
            reason=f"the first that profile {profile.name} accepts; {_needed(accepted[0])}",
            given=False,
            notes=shape.notes,
        )
    if native.method not in ("none", *wanted):
        raise InputError(
            f"{model} is {native.method}, and `{asked}` was asked for",
            "leave the quantization out, or name its base model",
        )
    if native.method in wanted:
        chosen, reason = native, "asked for, and what this model's checkpoint is"
    else:
        chosen = typical(next((m for m in accepted if m in wanted), wanted[0]))
        reason = f"asked for; {_needed(chosen.method)}"
        if asked is not None and asked.lower() in ALIASES:
            reason = f"`{asked}` is any of {', '.join(wanted)}; {reason}"
    return Subject(
        arch=shape.arch,
        quantization=chosen,
        reason=reason,
        given=True,
        notes=(*shape.notes, *_unlisted(chosen.method, accepted, profile)),
        convertible=convertible,
    )


def _needed(method: str) -> str:
    """What has to be pinned for a method."""
    if METHODS[method].loads_as_model_dtype:
        return "vLLM makes it of the unquantized checkpoint while it loads"
    return f"the checkpoint must be {method}"


def _unaccepted(
    model: str, method: str, accepted: tuple[str, ...], profile: HardwareProfile, more: str = ""
) -> InputError:
    """What may be done about it depends on whether the profile's GPU can run that method at all."""
    gpu, hint = profile.linked_gpu(), f"to take it all the same: --quantization {method}{more}"
    try:
        if gpu is not None:
            require_capability(METHODS[method], gpu)
    except InputError as error:
        hint = f"{error.message}: take another profile; `infercli gpus` lists the capabilities"
    listed = ", ".join(f"`{m}`" for m in accepted)  # `none` is a method, and no word for nothing
    return InputError(f"{model} is {method}, and profile {profile.name} lists only {listed}", hint)


def _unlisted(method: str, accepted: tuple[str, ...], profile: HardwareProfile) -> tuple[str, ...]:
    return () if method in accepted else (f"profile {profile.name} does not list {method}",)
