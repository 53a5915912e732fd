"""From a deployment, a profile and a locked model to a Plan. Every choice is made here, with its reason.

Pure: the same input gives the same plan, whatever the time or the cluster.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from infercli.core.documents.deployment import ModelDeployment
from infercli.core.documents.model import LockedModel
from infercli.core.documents.plan import Change, Choice, EngineSpec, FrontSpec, Plan
from infercli.core.documents.profile import HardwareProfile
from infercli.core.engines import RAY_SERVICE_ENGINE, find_engine
from infercli.core.engines.arguments import problems
from infercli.core.engines.facts import EngineFacts
from infercli.core.planning.changes import Offer, Refused, changes
from infercli.core.planning.gpu import GpuPlanner
from infercli.core.planning.gpu_outcome import gpu_outcome
from infercli.core.planning.local import plan_local
from infercli.core.planning.outcome import Outcome, Question
from infercli.core.planning.placement import placement_note
from infercli.core.planning.request import longest_request, value_problems
from infercli.core.planning.subject import Subject, resolve
from infercli.core.quantization.checkpoint import Quantization
from infercli.core.record import Json
from infercli.core.units import MIB
from infercli.errors import InputError, InvalidFile

if TYPE_CHECKING:
    from infercli.core.estimates.learning import LearnedRuns

MODELS_MOUNT = "/models"
"""Where the claim with the weights is mounted in a pod."""

_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",  # weights are on disk: an engine that asks the Hub is one that can be turned away by it
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "RAYLLM_ENABLE_REQUEST_PROMPT_LOGS": "0",  # Ray's default is to log prompts
}
_LOCAL_ENVIRONMENT = {
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # the default pins every engine to core 0
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}

_DRAIN_S = {"kubernetes": 600.0, "local": 60.0}
"""As long as the longest stream may last, after which an engine that is dropped cuts it. 600 s is also the request
timeout of Ray's LLM router; locally nobody wants to wait for more than a minute."""


class Planned(NamedTuple):
    """A plan, and the estimate that it rests on: for what is said beside it and never stored in it."""

    plan: Plan
    question: Question | None
    """None on the local target."""


def planned(
    deployment: ModelDeployment,
    profile: HardwareProfile,
    locked: LockedModel | None,
    *,
    infercli_version: str,
    engine_code_digest: str,
    front_code_digest: str,
    typed: bool = False,
    offers: Callable[[], Iterable[Offer]] = tuple,
    learned: "LearnedRuns | None" = None,
) -> Planned:
    """The plan; `locked` None plans from a shipped shape. A plan that does not fit is a plan too.

    `typed`: the command line says what to plan, and no file. `offers`: profiles at hand, read where it does not fit.
    `learned`: the installation's own runs, which move the memory of plans of their kind. Raises InputError, UnknownName
    or InvalidFile for what was written, Unsupported for what is not taught.
    """
    facts = find_engine(RAY_SERVICE_ENGINE)
    wrong = argument_problems(deployment.engine_args)
    if wrong:
        raise InvalidFile("deployment.yaml", wrong)
    if profile.target == "local" and (locked is None or locked.directory is None):
        raise _no_directory(deployment.model)
    subject = resolve(deployment, profile, locked)
    longest = longest_request(deployment, subject.arch)
    within = deployment.workload.within(longest, pools=subject.arch.pooling)
    deployment = deployment.model_copy(update={"workload": within})

    def attempt(d: ModelDeployment, p: HardwareProfile, q: Quantization | None) -> Outcome:
        taken, gpu = resolve(d, p, locked).quantization if q is None else q, p.linked_gpu()
        if gpu is None:
            return plan_local(subject.arch, taken, facts, d, p)
        return gpu_outcome(GpuPlanner(subject.arch, taken, gpu, facts, d, p, learned))

    outcome = attempt(deployment, profile, subject.quantization)
    found: tuple[Change, ...] = ()
    if not outcome.fits:
        refused = Refused(
            deployment, profile, subject.quantization, outcome,
            convertible=subject.convertible, pinned=locked is not None, typed=typed, offers=tuple(offers()),
        )  # fmt: skip
        found = changes(refused, attempt)
    stored = Choice(name="quantization", value=subject.quantization.method, reason=subject.reason, given=subject.given)
    engine = _engine(deployment, profile, locked, subject, outcome, facts, engine_code_digest)
    front = deployment.front
    plan = Plan(
        infercli_version=infercli_version,
        deployment=deployment,
        profile=profile,
        target=profile.target,
        model=locked,
        engine=engine,
        replicas=deployment.replicas,
        front=FrontSpec(
            replicas=front.replicas,
            max_body_bytes=int(front.max_body_mib * MIB),
            max_in_flight=front.max_in_flight,
            code_digest=front_code_digest,
        ),
        choices=(stored, *outcome.choices),
        memory=outcome.memory,
        kv_cache=outcome.kv_cache,
        fits=outcome.fits,
        verdict=outcome.verdict,
        missing_bytes=outcome.missing_bytes,
        changes=found,
        notes=_notes(deployment, profile, locked, subject, outcome, found),
    )
    return Planned(plan, outcome.question)


def _no_directory(model: str) -> InputError:
    import shlex  # few plans end here

    what = f"the local target serves a directory, and {model} is not one that is pinned"
    if model.startswith((".", "/")):
        return InputError(what, f"`infercli pin {shlex.quote(model)}`")
    here = f"./{model.rpartition('/')[2]}"
    return InputError(
        what,
        f"`infercli pin {model} --download {here}`, then `infercli pin {here}`, and in deployment.yaml `model: {here}`",
    )


def argument_problems(engine_args: dict[str, Json]) -> list[tuple[str, str]]:
    """Every (where, what) that is wrong with them whatever the model and the GPU, each argument's first."""
    found = dict(problems(engine_args, find_engine(RAY_SERVICE_ENGINE).version))
    for where, what in value_problems({k: v for k, v in engine_args.items() if f"engine_args.{k}" not in found}):
        found.setdefault(where, what)
    return list(found.items())


def _engine(
    deployment: ModelDeployment,
    profile: HardwareProfile,
    locked: LockedModel | None,
    subject: Subject,
    outcome: Outcome,
    facts: EngineFacts,
    code_digest: str,
) -> EngineSpec:
    path, model_digest = _location(deployment, profile, locked)
    gpu, local = profile.linked_gpu(), profile.target == "local"
    return EngineSpec(
        model_id=deployment.served_name,
        model_path=path,
        model_digest=model_digest,
        quantization=subject.quantization.method,
        engine_version=facts.version,
        ray_version=facts.ray_version,
        engine_args=outcome.engine_args,
        accelerator=profile.accelerator,
        accelerator_type=None if gpu is None else gpu.ray_accelerator_type,
        gpus=outcome.gpus,
        # Twice what runs at once: vLLM's own queue stays full and visible in its metrics, the rest waits at the front.
        max_ongoing_requests=max(64, 2 * outcome.max_num_seqs),
        graceful_shutdown_timeout_s=_DRAIN_S[profile.target],
        environment=_ENVIRONMENT | (_LOCAL_ENVIRONMENT if local else {}),
        code_digest=code_digest,
    )


def _location(
    deployment: ModelDeployment, profile: HardwareProfile, locked: LockedModel | None
) -> tuple[str, str | None]:
    """(where the engine finds the weights, what they are). Unpinned weights have a name and no digest."""
    if locked is None:
        return f"{MODELS_MOUNT}/{deployment.model}", None
    digest = locked.commit or locked.content_digest
    if profile.target == "local":
        return str(locked.directory), digest
    return f"{MODELS_MOUNT}/{digest[:40]}", digest


def _notes(
    deployment: ModelDeployment,
    profile: HardwareProfile,
    locked: LockedModel | None,
    subject: Subject,
    outcome: Outcome,
    found: tuple[Change, ...],
) -> tuple[str, ...]:
    notes = [*outcome.notes, *subject.notes]
    if outcome.question is not None:
        notes += outcome.question.sized.learned_notes
    if not found and (outcome.fits is False or outcome.missing_bytes):
        notes.insert(
            0, "no single change was found with which it would fit: of split, checkpoint, load, length or hardware"
        )
    if locked is None:
        notes.insert(0, f"unpinned: can be planned, not deployed; `infercli pin {deployment.model}` pins it")
    if profile.accelerator == "gpu":
        waits = placement_note(profile, outcome.gpus, deployment.replicas)
        notes += [waits] if waits else []
    return tuple(notes)
