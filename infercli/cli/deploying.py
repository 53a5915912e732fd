"""From a command line to what a deploy begins with: plan, checks, objects, world. Shared by deploy, diff and render."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from infercli.cli.output import note
from infercli.errors import ExitCode, InferError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infercli.actions.steps import World
    from infercli.cli.options import Place
    from infercli.core.documents.plan import Plan
    from infercli.core.record import Json
    from infercli.core.release import Entry


class DoesNotFit(InferError):
    """The plan says no, and a deploy was asked for."""

    exit_code = ExitCode.NO


def plan_of(deployment_path: str | None, plan_path: str | None) -> Plan:
    """The plan that is meant: a saved one, or one made now of the deployment file."""
    from infercli.cli import project

    if plan_path is not None:
        if deployment_path is not None:
            raise InputError("--plan and --file say the same thing twice", "give one of them")
        return project.load_plan(Path(plan_path))
    deployment = project.load_deployment(deployment_path)
    path = project.deployment_path(deployment_path)
    return project.build_planned(deployment, path.parent, path).plan


def check_deployable(plan: Plan) -> None:
    """Refuse what must not be deployed: what does not fit, or is not pinned.

    What cannot be told to fit may be deployed, and `note_verdict` says so: what served comes back if it does not start.
    """
    if plan.fits is False:
        changes = "\n".join(f"{c.change}: {c.effect}" for c in plan.changes)
        raise DoesNotFit(f"{plan.name} does not fit: {plan.verdict}", changes or "`infercli plan` says more")
    if plan.model is None:
        raise InputError(
            f"{plan.deployment.model} is not pinned: it can be planned, not deployed",
            f"`infercli pin {plan.deployment.model}`",
        )


def note_verdict(plan: Plan) -> None:
    """Say that it cannot be told whether it fits, where that is so."""
    if plan.fits is None:
        note(
            f"note: whether {plan.name} fits {plan.verdict}\n"
            "hint: if it does not, its engine does not start, and what served is put back; `infercli plan` says more"
        )


def note_placement(plan: Plan, kubectl: str | None = None) -> None:
    """Say that nothing leads its pods to the GPUs that it was planned for, where that is so.

    Which label does is the cluster's own: GPU feature discovery, which sets one by product, is not everywhere.
    """
    if plan.target == "local" or plan.profile.node_selector:
        return
    name = plan.deployment.profile
    file = name if name.endswith((".yaml", ".yml")) else f"profiles/{name}.yaml"
    written = "" if name == file else f" (what else belongs there: `infercli profiles {name}`)"
    note(
        f"note: profile {plan.profile.name} has no node_selector: where the cluster has other GPUs too, a pod may land "
        f"on one of them, and its engine never starts\n"
        f"hint: add one in {file}{written}: a label of the right nodes, from "
        f"`{kubectl or 'kubectl'} get nodes --show-labels`"
    )


def note_taken_back(app: str, history: Sequence[Entry]) -> None:
    """Say that somebody went back from this engine, and why: whoever deploys it again may not have been there."""
    from infercli.core.release import took_back

    back = took_back(app, history)
    if back is not None:
        r = back.revision
        why = f": {r.reason}" if r.reason else ""
        note(f"note: {app} was rolled back by {r.created_by} at {r.created_at} (revision {r.number}){why}")


def objects_of(plan: Plan, namespace: str | None) -> tuple[dict[str, Json], ...]:
    """The static Kubernetes objects of a plan; none on the local target."""
    if plan.target == "local":
        return ()
    from infercli.cli.project import serving_code
    from infercli.render.objects import static_objects

    return tuple(static_objects(plan, namespace or "default", serving_code()))


class Ready(NamedTuple):
    """What a deploy begins with, checked before anything is touched."""

    plan: Plan
    objects: tuple[dict[str, Json], ...]
    """Its static objects."""
    world: World
    namespace: str | None
    """None on this machine."""


def ready(place: Place, plan_path: str | None, port: int | None = None) -> Ready:
    """The plan that is meant, and where it goes. Raises InputError and DoesNotFit for what cannot be deployed there."""
    plan = plan_of(place.deployment_path, plan_path)
    if place.target is not None and place.target != plan.target:
        wants, hint = "a GPU profile", "`infercli profiles` lists them"
        if place.target == "local":
            wants, hint = "a CPU profile", "set `profile: cpu-local` in deployment.yaml"
        raise InputError(
            f"--target {place.target} needs {wants}; {plan.name}'s profile `{plan.profile.name}` is for {plan.target}",
            hint,
        )
    check_deployable(plan)
    found = _here(plan, place, port) if plan.target == "local" else _in_cluster(plan, place)
    check_sealed(plan, plan_path, found.objects, found.namespace)
    note_verdict(plan)
    note_placement(plan, found.world.platform.kubectl)
    return found


def _here(plan: Plan, place: Place, port: int | None) -> Ready:
    from infercli.cli.world import api_key, local_world

    if place.names_cluster:
        raise InputError(
            f"-n, --context and --kubeconfig name a cluster, and {plan.name}'s profile `{plan.profile.name}` is for "
            "this machine",
            "leave them out, or set another profile in deployment.yaml: `infercli profiles` lists them",
        )
    world = local_world(port, api_key())
    running_at = world.platform.endpoint()
    if port is not None and running_at is not None and not running_at.endswith(f":{port}"):
        raise InputError(
            f"the Ray on this machine answers at {running_at} already, and its port cannot change while it runs",
            "leave out --port, or `infercli local stop` first",
        )
    check_files(plan)
    others = [n for n in world.store.names() if n != plan.name]
    if others:
        raise InputError(
            f"this machine already runs the release `{others[0]}`, and one front answers at a time",
            f"`infercli delete {others[0]}` first, or deploy under that name",
        )
    return Ready(plan, (), world, None)


def _in_cluster(plan: Plan, place: Place) -> Ready:
    from infercli.adapters.cluster.platform import ClusterPlatform
    from infercli.cli.world import kubernetes_world
    from infercli.render.names import keys_secret

    place = place._replace(namespace=place.namespace or plan.deployment.kubernetes.namespace)
    world = kubernetes_world(plan.name, place, keys_secret(plan.deployment))
    assert isinstance(world.platform, ClusterPlatform)
    namespace = world.platform.namespace
    return Ready(plan, objects_of(plan, namespace), world, namespace)


def check_sealed(
    plan: Plan, plan_path: str | None, objects: tuple[dict[str, Json], ...], namespace: str | None
) -> None:
    """A saved plan must render to what it rendered to when it was saved, with the serving code that is here."""
    from infercli.cli.project import code_digests, serving_code
    from infercli.core.record import digest

    if plan_path is None:
        return
    again = f"`infercli plan --save {plan_path}{f' -n {namespace}' if namespace else ''}`"
    if code_digests(serving_code()) != {"front": plan.front.code_digest, "engine": plan.engine.code_digest}:
        raise InputError(f"{plan_path}: was made by another build of infercli, with other serving code", again)
    saved_for = plan.deployment.kubernetes.namespace or "default"
    if plan.target == "kubernetes" and namespace != saved_for:
        raise InputError(
            f"{plan_path}: was saved for namespace {saved_for}, and not for {namespace}",
            f"`-n {saved_for}`, or plan again: {again}",
        )
    if digest(list(objects)) != plan.objects_digest:
        raise InputError(f"{plan_path}: its objects render differently than when it was saved", again)


def check_files(plan: Plan) -> None:
    """The weights on this machine are those of the lock: sizes and hashes. Raises InputError with the differences."""
    from infercli.adapters.models.model_directory import verify
    from infercli.cli.progress import byte_progress

    assert plan.model is not None  # check_deployable says so
    with byte_progress("verifying") as on_progress:
        differences = verify(plan.model, Path(plan.engine.model_path), on_progress)
    if differences:
        shown = "\n".join(str(d) for d in differences[:5])
        more = f"\nand {len(differences) - 5} more" if len(differences) > 5 else ""
        raise InputError(
            f"{plan.engine.model_path} is not what the lock pinned:\n{shown}{more}",
            f"`infercli pin {plan.deployment.model}` pins it as it is now",
        )
