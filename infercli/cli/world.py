"""Where a release runs and how to reach it: the platform, the history, the clock and the watcher of a command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from infercli.cli.output import note, terminal_columns
from infercli.errors import InferError, InputError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from infercli.actions.ports import ReleaseStore
    from infercli.actions.steps import Compose, World
    from infercli.adapters.cluster.release_secrets import ReleaseSecrets
    from infercli.cli.options import Place
    from infercli.core.documents.deployment import ModelDeployment
    from infercli.core.record import Json
    from infercli.core.release import Entry, Serving
    from infercli.render.serve_config import Layout

DEFAULT_PORT = 8000
"""Where Serve answers on this machine; Ray's own default."""


class Steps:
    """actions.ports.Watcher on stderr: a line per step, and on a terminal the newest detail behind it."""

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._pending = False

    def _clear(self) -> None:
        if self._pending:
            note("\r\033[K", nl=False)
            self._pending = False

    def step(self, text: str) -> None:
        """A step begins."""
        self._clear()
        note(text)

    def detail(self, text: str) -> None:
        """The newest state inside the step; only where it can be overwritten."""
        if self.terminal:
            shown = f"  {text}"[: terminal_columns() - 1]
            note(f"\r\033[K{shown}", nl=False)
            self._pending = True

    def note(self, text: str) -> None:
        """What keeps the step waiting, in a line that stays."""
        self._clear()
        note(f"note: {text}")

    def done(self) -> None:
        """Nobody waits any more: leave the line clean."""
        self._clear()


def api_key() -> str | None:
    """The key for requests: $INFERCLI_API_KEY, or the file that $INFERCLI_API_KEY_FILE names; None: none was given."""
    path = os.environ.get("INFERCLI_API_KEY_FILE")
    if path:
        from infercli.adapters.files import bounded_text

        try:
            return bounded_text(Path(path)).strip()
        except InputError as error:
            raise InputError(f"INFERCLI_API_KEY_FILE: {error.message}", "correct it or unset it") from None
    return os.environ.get("INFERCLI_API_KEY") or None


def local_home() -> Path:
    """Where the local target keeps its Ray, keys and history."""
    from infercli.adapters.files import state_home

    return state_home() / "local"


def local_store() -> ReleaseStore:
    """The history of local releases."""
    from infercli.adapters.local.release_directory import ReleaseDirectory

    return ReleaseDirectory(local_home() / "releases")


def composer(layout: Layout) -> Compose:
    """The composition of a Serve config, for one layout."""
    from infercli.core.release import engines_of
    from infercli.render.serve_config import serve_config

    def compose(serving: Serving, history: Sequence[Entry]) -> Json:
        return serve_config(
            serving.front, engines_of(serving, history), serving.generation, serving.routes, layout=layout
        )

    return compose


def local_world(port: int | None = None, key: str | None = None) -> World:
    """The world of a local release; `key`: of a deploy, one more that its front accepts."""
    from infercli.actions.steps import World
    from infercli.adapters.clock import SystemClock
    from infercli.adapters.local.platform import LocalPlatform, last_port
    from infercli.cli.project import serving_code
    from infercli.render.serve_config import local_layout

    home = local_home()
    platform = LocalPlatform(home, port or last_port(home) or DEFAULT_PORT, serving_code(), key)
    layout = local_layout(str(platform.code_dir), str(platform.keys_dir), platform.serve_port)
    return World(platform, local_store(), SystemClock(), Steps(), composer(layout))


def cluster_store(place: Place) -> ReleaseSecrets:
    """The history of the releases in one namespace."""
    from infercli.adapters.cluster.client import connect
    from infercli.adapters.cluster.release_secrets import ReleaseSecrets

    return ReleaseSecrets(connect(place.kubeconfig, place.kube_context, place.namespace))


def kubernetes_world(name: str, place: Place, keys_secret: str | None = None) -> World:
    """The world of a release in a cluster. `keys_secret`: of what is about to be deployed; None: as was recorded."""
    from infercli.actions.steps import World
    from infercli.adapters.clock import SystemClock
    from infercli.adapters.cluster.client import connect
    from infercli.adapters.cluster.platform import ClusterPlatform
    from infercli.adapters.cluster.release_secrets import ReleaseSecrets
    from infercli.render.serve_config import KUBERNETES

    cluster = connect(place.kubeconfig, place.kube_context, place.namespace)
    platform, steps = ClusterPlatform(cluster, name, keys_secret), Steps()
    return World(platform, ReleaseSecrets(cluster, steps.note), SystemClock(), steps, composer(KUBERNETES))


def resolve(name: str | None, place: Place, *, left_over: bool = False) -> tuple[str, World]:
    """The release that a command means, and its world. Raises InputError where there is no such release.

    `left_over`: one whose history is gone will do, where anything of it runs.

    The name comes from the argument, else from deployment.yaml; the target from `--target`, else it is a cluster where
    one was named by a flag, else it comes from deployment.yaml's profile when it is that release, else it is local when
    this machine has a release of that name.
    """
    name, place = _meant(name, place)
    here: Sequence[str] = local_store().names() if place.target != "kubernetes" else ()
    if name in here:
        return name, local_world()
    if place.target == "local":
        raise _no_release(name, "on this machine", here)
    return name, _in_cluster(name, place, here, left_over=left_over)


def _meant(name: str | None, place: Place) -> tuple[str, Place]:
    """The name, and the place with target and namespace as they are meant; target None: where it is found."""
    from infercli.cli.project import deployment_path, load_profile

    if place.target is None and place.names_cluster:
        place = place._replace(target="kubernetes")
    deployment = _deployment(name, place)
    if deployment is None and name is None:
        names = (cluster_store(place) if place.target == "kubernetes" else local_store()).names()
        if len(names) != 1 or place.target == "kubernetes":
            raise InputError("which release?", _offer(names))
        return names[0], place._replace(target="local")
    if deployment is None or name not in (None, deployment.name):
        assert name is not None
        return name, place
    project = deployment_path(place.deployment_path).parent
    target = place.target or load_profile(deployment.profile, project).target
    return deployment.name, place._replace(target=target, namespace=place.namespace or deployment.kubernetes.namespace)


def _deployment(name: str | None, place: Place) -> ModelDeployment | None:
    """The deployment file, where it may say which release is meant and where; None: there is none to ask."""
    from infercli.cli.project import deployment_path, load_deployment

    if place.deployment_path or (name is None and deployment_path(None).exists()):
        return load_deployment(place.deployment_path)
    if place.target is not None or not deployment_path(None).exists():
        return None
    try:
        return load_deployment(None)
    except InferError:
        return None  # a broken file in this folder must not keep anybody from another release


def _in_cluster(name: str, place: Place, here: Sequence[str], *, left_over: bool) -> World:
    """The world of a release in a cluster; `here`: those of this machine, where it was looked for before."""
    try:
        world = kubernetes_world(name, place)
        there = world.store.names()
    except InferError as error:
        if place.target is None:
            # Whoever misspelt a release of this machine never meant a cluster.
            missing = _no_release(name, "on this machine", here)
            error.message = f"{missing.message}, and no cluster could be asked: {error.message}"
            error.hint = "\n".join(filter(None, [missing.hint if here else None, error.hint])) or None
        raise
    if name in there:
        return world
    left = world.platform.left_over()
    if left is not None and left_over:
        return world
    if left is not None:
        raise InputError(
            f"{left} is on {world.platform.where}, and no revision of `{name}` is left that says what it runs",
            f"put its Secrets infercli.release.v1.{name}.v* back, from a backup; or `infercli deploy "
            f"--allow-downtime` starts anew, and `infercli delete {name}` takes it away",
        )
    nor = "" if place.target else "on this machine, nor "
    missing = _no_release(name, f"{nor}on {world.platform.where}", {*here, *there})
    elsewhere = world.store.elsewhere(name)
    if elsewhere:
        missing.hint = f"there is one in namespace {', '.join(elsewhere)}: add `-n {elsewhere[0]}`"
    raise missing


def _no_release(name: str, where: str, known: Collection[str]) -> InputError:
    offer = UnknownName("release", name, known).hint
    return InputError(f"there is no release `{name}` {where}", offer or "`infercli deploy` makes one")


def _offer(names: Sequence[str]) -> str:
    if names:
        return f"name one: {', '.join(names)}"
    return "name it, or run the command beside its deployment.yaml"
