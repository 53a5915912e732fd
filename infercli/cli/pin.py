"""pin."""

from __future__ import annotations

import click

from infercli.cli import options


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
    import shlex
    from pathlib import Path

    from click.core import ParameterSource

    from infercli.adapters.files import alone, check_writable, state_home, to_yaml, write_text
    from infercli.cli.output import emit, note
    from infercli.cli.progress import byte_progress
    from infercli.cli.project import LOCK_FILE, load_deployment, load_lock
    from infercli.cli.project import deployment_path as path_of
    from infercli.core.units import gib
    from infercli.errors import InferError, InputError

    project = path_of(deployment_path).parent
    file = ["-f", deployment_path] if deployment_path else []
    again = f"`{shlex.join(['infercli', 'pin', *([model] if model else []), *file])}`"
    if model is None:
        model = load_deployment(deployment_path).model
    # What would keep the result from being written is told before hours of hashing.
    load_lock(project)
    check_writable(project / LOCK_FILE)
    with byte_progress("hashing" if model.startswith((".", "/")) else "pinning") as on_progress:
        if model.startswith((".", "/")):
            if click.get_current_context().get_parameter_source("revision") is not ParameterSource.DEFAULT:
                raise InputError("--revision is of the Hub, and a directory has none", "leave it out")
            from infercli.adapters.model_directory import lock_directory

            if download:
                raise InputError("a directory is on this machine already", "leave out --download")
            locked = lock_directory(project / model, model, on_progress, again)
        else:
            from infercli.adapters.hub import HubModels

            hub = HubModels(tell=note)
            try:
                locked = hub.lock_model(model, revision, on_progress)
            except InferError as error:
                if (project / model).is_dir():
                    here = shlex.join(["infercli", "pin", f"./{model}", *file])
                    error.hint = "\n".join([f"there is a directory ./{model}: `{here}`", *filter(None, [error.hint])])
                raise
            if download:
                hub.download(locked, Path(download), on_progress)
    path = project / LOCK_FILE
    header = "# Written by `infercli pin`. Commit it: it says which exact files a model is.\n"
    with alone(state_home() / "pin.lock"):
        # Read only now: hashing and downloading took a while, and others pinned their models meanwhile.
        lock = load_lock(project)
        before = lock.find(model)
        write_text(path, header + to_yaml(lock.with_model(locked).model_dump(mode="json")))
    what = f"commit {locked.commit}" if locked.commit else f"content {locked.content_digest[:12]}"
    text = (
        f"{model} is pinned to {what} in {path}: {len(locked.files)} files, {gib(locked.weights_bytes, 2)} of weights"
    )
    text += f", licence {locked.license or 'not stated'}"
    if before is not None and before.content_digest == locked.content_digest:
        text += "; unchanged"
    elif before is not None:
        text += f"; it was {before.commit or before.content_digest[:12]}"
    emit(locked.model_dump(mode="json"), output, text)
