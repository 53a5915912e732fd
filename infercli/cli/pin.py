"""`infercli pin`: one entry of models.lock.yaml. The lock is read again just before it is written."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from infercli.cli import options
from infercli.cli.output import document, emit, note
from infercli.errors import InferError, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from infercli.adapters.models.model_directory import OnProgress
    from infercli.core.documents.model import LockedModel


@click.command()
@click.argument("model", required=False)
@click.option("--revision", default="main", show_default=True, help="Branch, tag or commit on the Hub.")
@click.option("--download", type=click.Path(file_okay=False), help="Also fetch exactly these files into a directory.")
@options.deployment_file
@options.common
def command(model: str | None, revision: str, download: str | None, deployment_path: str | None, output: str) -> None:
    """Pin MODEL (default: deployment.yaml's) to a commit and its files' hashes, in models.lock.yaml.

    MODEL is a Hugging Face id, or a directory that starts with . or / (pinned by its hashes; it has no commit). The
    token for gated models is read from HF_TOKEN, or from where `hf auth login` keeps it.

    \b
    Examples:
      infercli pin Qwen/Qwen3-8B-AWQ
      infercli pin meta-llama/Llama-3.1-8B-Instruct --revision main
      infercli pin ./checkpoints/int8
    """
    from click.core import ParameterSource

    from infercli.adapters.files import alone_with, check_writable, to_yaml, write_text
    from infercli.cli.progress import byte_progress
    from infercli.cli.project import LOCK_FILE, load_deployment, load_lock
    from infercli.cli.project import deployment_path as path_of

    project = path_of(deployment_path).parent
    file = ["-f", deployment_path] if deployment_path else []
    again = shlex.join(["infercli", "pin", *([model] if model else []), *file])
    if model is None:
        model = load_deployment(deployment_path).model
    # What would keep the result from being written is told before hours of hashing.
    load_lock(project)
    path = project / LOCK_FILE
    check_writable(path)
    is_directory = model.startswith((".", "/"))
    if is_directory and click.get_current_context().get_parameter_source("revision") is not ParameterSource.DEFAULT:
        raise InputError("--revision is of the Hub, and a directory has none", "leave it out")
    if is_directory and download:
        raise InputError("a directory is on this machine already", "leave out --download")
    with byte_progress("hashing" if is_directory else "pinning") as on_progress:
        if is_directory:
            from infercli.adapters.models.model_directory import lock_directory

            locked = lock_directory(project / model, model, on_progress, f"`{again}`")
        else:
            locked = _lock_of_hub(model, revision, download, on_progress, project, file)
    header = "# Written by `infercli pin`. Commit it: it says which exact files a model is.\n"
    with alone_with(path):
        # Read only now: hashing and downloading took a while, and others pinned their models meanwhile.
        lock = load_lock(project)
        write_text(path, header + to_yaml(lock.with_model(locked).model_dump(mode="json")))
    said = document("LockedModel", **locked.model_dump(mode="json"))
    emit(said, output, _text(locked, lock.find(model), path))


def _lock_of_hub(
    model: str, revision: str, download: str | None, on_progress: OnProgress, project: Path, file: list[str]
) -> LockedModel:
    """The lock entry of a model on the Hub, its files fetched into `download`. `file`: the flags that name a file."""
    from infercli.adapters.models.hub import HubModels

    hub = HubModels(tell=note, flags=(*(("--download", download) if download else ()), *file))
    try:
        locked = hub.lock_model(model, revision, on_progress)
    except InferError as error:
        if (project / model).is_dir():
            here = shlex.join(["infercli", "pin", f"./{model}", *file])
            error.hint = "\n".join([f"there is a directory ./{model}: `{here}`", *filter(None, [error.hint])])
        raise
    if download:
        hub.download(locked, download, on_progress)
    return locked


def _text(locked: LockedModel, before: LockedModel | None, path: Path) -> str:
    """`before`: what the lock had of the same model; None: nothing."""
    from infercli.core.units import gib

    what = f"commit {locked.commit}" if locked.commit else f"content {locked.content_digest[:12]}"
    size = f"{len(locked.files)} files, {gib(locked.weights_bytes, 2)} of weights"
    text = f"{locked.id} is pinned to {what} in {path}: {size}, licence {locked.license or 'not stated'}"
    if before is None:
        return text
    was = before.commit or before.content_digest[:12]
    return text + ("; unchanged" if before.content_digest == locked.content_digest else f"; it was {was}")
