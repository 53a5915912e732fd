"""`infercli render`: the objects of a deployment, to stdout or a file each. Nothing is contacted."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from infercli.cli import options
from infercli.cli.instead import OF_A_FILE, Command
from infercli.cli.output import document, emit, note
from infercli.errors import InputError


@click.command(cls=Command, instead={"--output-dir": "write --out"}, surplus=OF_A_FILE)
@options.deployment_file
@click.option("--plan", "plan_path", type=click.Path(dir_okay=False), help="A plan saved by `infercli plan --save`.")
@click.option("-n", "--namespace", callback=options.namespace, help="Default: deployment.yaml's, then `default`.")
@click.option(
    "--out", "out_dir", type=click.Path(file_okay=False), help="Write one file per object into this directory."
)
@options.common
def command(
    deployment_path: str | None, plan_path: str | None, namespace: str | None, out_dir: str | None, output: str
) -> None:
    """Print the Kubernetes objects of a deployment, as a first `deploy` would apply them.

    Contacts nothing. Secrets are referenced, never rendered; the weights are expected under /<commit> in the
    PersistentVolumeClaim.

    \b
    Examples:
      infercli render
      infercli render --plan plan.json --out manifests/chat
    """
    from infercli.actions.deploy import engine_of
    from infercli.adapters.files import write_text
    from infercli.cli.deploying import check_deployable, check_sealed, note_placement, objects_of, plan_of
    from infercli.cli.project import serving_code
    from infercli.render.objects import objects, to_yaml
    from infercli.render.serve_config import KUBERNETES, serve_config, serve_config_text

    plan = plan_of(deployment_path, plan_path)
    check_deployable(plan)
    if plan.target == "local":
        raise InputError(
            f"{plan.name} is for this machine (profile `{plan.profile.name}`), which takes no Kubernetes objects",
            "`infercli deploy`, or another profile",
        )
    engine = engine_of(plan)
    config = serve_config(plan.front, [engine], 1, {engine.app: 100}, layout=KUBERNETES)
    where = namespace or plan.deployment.kubernetes.namespace or "default"
    check_sealed(plan, plan_path, objects_of(plan, where), where)
    note_placement(plan)
    rendered = objects(plan, where, serving_code(), serve_config_text(config))
    if out_dir is None:
        # JSON has no documents one after another: kubectl takes a List, and no array.
        listed = {"apiVersion": "v1", "kind": "List", "items": rendered}
        emit(listed, "json" if output == "json" else "text", to_yaml(rendered).rstrip("\n"))
        return
    paths = []
    for number, one in enumerate(rendered):
        path = Path(out_dir) / f"{number:02}-{one['kind'].lower()}-{one['metadata']['name']}.yaml"
        write_text(path, to_yaml([one]))
        paths.append(str(path))
    _note_others(Path(out_dir), paths)
    emit(document("RenderResult", files=paths), output, "\n".join(paths))


def _note_others(folder: Path, written: list[str]) -> None:
    """Objects of an earlier render under another name are left, and applied with the folder: say so."""
    others = [str(p) for p in sorted(folder.glob("[0-9][0-9]-*.yaml")) if str(p) not in written]
    if others:
        note(
            f"note: {folder} also has objects of an earlier render, which `kubectl apply -f {folder}` would apply too\n"
            f"hint: `{shlex.join(['rm', *others])}`"
        )
