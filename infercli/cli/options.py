"""Options that several verbs share, so that they are spelt and explained once."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class Place(NamedTuple):
    """Where a release is looked for, as it was typed; None: not given."""

    deployment_path: str | None = None
    target: str | None = None
    """`kubernetes` or `local`."""
    namespace: str | None = None
    kubeconfig: str | None = None
    kube_context: str | None = None

    @property
    def names_cluster(self) -> bool:
        """A flag says which cluster, or where in it."""
        return bool(self.namespace or self.kubeconfig or self.kube_context)


def _no_color(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        ctx.color = False


def _verbose(_ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    """Callback of `-v`, which is another way to say INFERCLI_DEBUG=1."""
    if value:
        os.environ["INFERCLI_DEBUG"] = "1"


def namespace(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Callback of `-n`: what Kubernetes would refuse as a namespace is refused as it is typed."""
    if value is None:
        return None
    from infercli.core.documents.deployment import namespace_name

    try:
        return namespace_name(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def common(function: F) -> F:
    """`-o`, `-v`, `--no-color`: on every verb."""
    return answers("text", "json", "yaml")(function)


def answers(*formats: str, says: str = "Format.") -> Callable[[F], F]:
    """As `common`, for a verb with other formats; the first is the default."""

    def with_options(function: F) -> F:
        for option in (
            click.option(
                "--no-color", is_flag=True, expose_value=False, is_eager=True, callback=_no_color, help="No colour."
            ),
            click.option(
                "-v",
                "--verbose",
                is_flag=True,
                expose_value=False,
                callback=_verbose,
                help="Print the traceback of a fault in infercli.",
            ),
            click.option(
                "-o", "--output", type=click.Choice(formats), default=formats[0], show_default=True, help=says
            ),
        ):
            function = option(function)
        return function

    return with_options


def cluster(function: F) -> F:
    """`--context`, `--kubeconfig`, `-n`: on every verb that may talk to a cluster."""
    for option in (
        click.option(
            "-n",
            "--namespace",
            callback=namespace,
            help="Namespace; default: deployment.yaml's, then the context's.",
        ),
        click.option(
            "--kubeconfig", type=click.Path(dir_okay=False), help="Default: $KUBECONFIG, then ~/.kube/config."
        ),
        click.option("--context", "kube_context", help="Context of the kubeconfig."),
    ):
        function = option(function)
    return function


def place(function: Callable[..., Any]) -> Callable[..., Any]:
    """`-f`, `--target` and what names a cluster, as one `place`: on every verb that acts on a release."""

    @functools.wraps(function)
    def gathered(**given: Any) -> Any:
        return function(place=Place(**{name: given.pop(name) for name in Place._fields}), **given)

    return deployment_file(target(cluster(gathered)))


def target(function: F) -> F:
    """`--target`: for verbs that act on a running release."""
    return click.option(
        "--target",
        type=click.Choice(["kubernetes", "local"]),
        help="Default: as the flags below or deployment.yaml's profile say, else where the release is.",
    )(function)


def deployment_file(function: F) -> F:
    """`-f deployment.yaml`."""
    return click.option(
        "-f", "--file", "deployment_path", type=click.Path(dir_okay=False), help="Default: ./deployment.yaml."
    )(function)


def break_lock(function: F) -> F:
    """`--break-lock`: on every verb that changes a release."""
    return click.option(
        "--break-lock",
        is_flag=True,
        help="Take over the release's lock; whoever holds it stops. Does nothing on the local target.",
    )(function)


def timeout(default: str, says: str = "Give up after this.") -> Callable[[F], F]:
    """`--timeout 20m`, as `timeout_s`."""
    return click.option(
        "--timeout", "timeout_s", default=default, show_default=True, metavar="DURATION", callback=_seconds, help=says
    )


def _seconds(_ctx: click.Context, _parameter: click.Parameter, value: str) -> float:
    """Callback of `--timeout`. Raises InputError for what is no time."""
    from infercli.core.units import parse_duration_s
    from infercli.errors import InputError

    try:
        seconds = parse_duration_s(value)
    except ValueError as error:
        raise InputError(f"--timeout: {error}") from error
    if not seconds:
        raise InputError("--timeout: must be more than 0")
    return seconds
