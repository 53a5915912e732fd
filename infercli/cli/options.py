"""Options that several verbs share, so that they are spelt and explained once."""

import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click

from infercli.errors import InputError

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


def together(*parameters: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, listed in their order."""

    def apply(function: F) -> F:
        for parameter in reversed(parameters):
            function = parameter(function)
        return function

    return apply


def answers(*formats: str, says: str = "Format.") -> Callable[[F], F]:
    """`-o`, whose default is the first format, `-v` and `--no-color`."""
    return together(
        click.option("-o", "--output", type=click.Choice(formats), default=formats[0], show_default=True, help=says),
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            expose_value=False,
            callback=_verbose,
            help="Print the traceback of a fault in infercli.",
        ),
        click.option(
            "--no-color", is_flag=True, expose_value=False, is_eager=True, callback=_no_color, help="No colour."
        ),
    )


common = answers("text", "json", "yaml")
"""On every verb, unless it has other formats."""
cluster = together(
    click.option("--context", "kube_context", help="Context of the kubeconfig."),
    click.option("--kubeconfig", type=click.Path(dir_okay=False), help="Default: $KUBECONFIG, then ~/.kube/config."),
    click.option(
        "-n", "--namespace", callback=namespace, help="Namespace; default: deployment.yaml's, then the context's."
    ),
)
"""On every verb that may talk to a cluster."""
target = click.option(
    "--target",
    type=click.Choice(["kubernetes", "local"]),
    help="Default: as the flags below or deployment.yaml's profile say, else where the release is.",
)
deployment_file = click.option(
    "-f", "--file", "deployment_path", type=click.Path(dir_okay=False), help="Default: ./deployment.yaml."
)
break_lock = click.option(
    "--break-lock",
    is_flag=True,
    help="Take over the release's lock; whoever holds it stops. Does nothing on the local target.",
)
"""On every verb that changes a release."""


def place(function: Callable[..., Any]) -> Callable[..., Any]:
    """`-f`, `--target` and what names a cluster, as one `place`: on every verb that acts on a release."""

    @functools.wraps(function)
    def gathered(**given: Any) -> Any:
        return function(place=Place(**{name: given.pop(name) for name in Place._fields}), **given)

    return deployment_file(target(cluster(gathered)))


def timeout(default: str, says: str = "Give up after this.") -> Callable[[F], F]:
    """`--timeout 20m`, as `timeout_s`."""
    return click.option(
        "--timeout", "timeout_s", default=default, show_default=True, metavar="DURATION", callback=_seconds, help=says
    )


def _seconds(_ctx: click.Context, _parameter: click.Parameter, value: str) -> float:
    """Callback of `--timeout`. Raises InputError for what is no time."""
    from infercli.core.units import parse_duration_s

    try:
        seconds = parse_duration_s(value)
    except ValueError as error:
        raise InputError(f"--timeout: {error}") from error
    if not seconds:
        raise InputError("--timeout: must be more than 0")
    return seconds
