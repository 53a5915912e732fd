"""`infercli init`: a deployment.yaml with comments, which is read back before it is written."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import click

from infercli.cli import options
from infercli.cli.output import document, emit, note
from infercli.errors import InputError, InvalidFile

TEMPLATE = """\
# What to run, and where. `infercli plan` says whether it fits; `infercli deploy` runs it.
apiVersion: infercli/v1
kind: ModelDeployment
name: {name}

# A Hugging Face id, or a directory with a checkpoint (starts with . or /). Pin it: infercli pin {typed}
model: {model}

# What clients say in "model". Without it: the id above; of a directory, the name. Keep it as quantizations change.
# served_model_name: {name}

# The hardware: `infercli profiles` lists them; a file in ./profiles replaces a shipped one of that name.
profile: {profile}

# What the checkpoint is: awq, gptq, w4a16, fp8, int8, q4 (any 4-bit one), none. Without it: what its config says.
{quantization}
replicas: 1

# The traffic that it must hold. Lengths are tokens.
workload:
  input_tokens: 1000
  output_tokens: 300
  concurrency: 16

# What it must feel like.
objectives:
  ttft_p95_ms: 1000
  tpot_p95_ms: 150

# Passed to vLLM as they are, for what the planner should not choose. For example:
# engine_args:
#   max_model_len: 16384
"""

CLUSTER = """
# Where it runs in the cluster. Secrets are named here, never written.
kubernetes:
  # namespace: {name}
  # Ray 2.60 with vLLM 0.29, by digest: required to render and deploy.
  # image: registry.example/ray-llm@sha256:...
  # A PersistentVolumeClaim with the weights under /<commit>, mounted read-only at /models. Filling it is yours for now.
  model_claim: models
  # A Secret with `api-keys` (one a line) and `operator-token`.
  keys_secret: {name}-keys
  # Where the API server is, if not at a private address, as on AKS: `infercli doctor` says.
  # api_server_cidrs: [203.0.113.7/32]
"""


@click.command()
@click.argument("directory", required=False, default=".", type=click.Path(file_okay=False))
@click.option("--name", default="chat", show_default=True, help="The release's name.")
@click.option("--model", default="meta-llama/Llama-3.1-8B-Instruct", show_default=True, help="Hub id, or a directory.")
@click.option("--profile", default="l4", show_default=True, help="One of `infercli profiles`.")
@click.option("--quantization", help="What the checkpoint is: awq, fp8, none, ...")
@click.option("--force", is_flag=True, help="Replace a deployment.yaml that is there.")
@options.common
def command(
    directory: str, name: str, model: str, profile: str, quantization: str | None, force: bool, output: str
) -> None:
    """Write a deployment.yaml with comments into DIRECTORY.

    \b
    Examples:
      infercli init
      infercli init chat --name chat --model Qwen/Qwen3-8B-AWQ --profile l4
    """
    import yaml

    from infercli.adapters.files import parse_document, write_text
    from infercli.cli.project import DEPLOYMENT_FILE, load_profile
    from infercli.core.documents.deployment import ModelDeployment
    from infercli.core.quantization.methods import expand

    _check_model(model)
    path = Path(directory) / DEPLOYMENT_FILE
    hardware = load_profile(profile, Path(directory))
    if model.startswith("."):
        model = _seen_from(directory, model)
    if profile.endswith((".yaml", ".yml")):
        profile = _seen_from(directory, profile)
    typed = shlex.quote(model)
    expand([quantization] if quantization else [])
    chosen = f"quantization: {quantization}\n" if quantization else "# quantization: awq\n"
    text = TEMPLATE.format(
        name=name, model=_written(model), typed=typed, profile=_written(profile), quantization=chosen
    )
    if hardware.target == "kubernetes":
        text += CLUSTER.format(name=name)
    try:
        parse_document(yaml.safe_load(text), ModelDeployment, str(path))
    except InvalidFile as error:
        typed_name = [what for where, what in error.problems if where == "name"]
        if not typed_name:
            raise
        raise InputError(f"--name: {'; '.join(typed_name)}") from None  # what is named after it is wrong for that alone
    if path.exists() and not force:
        raise InputError(f"{path} is there already", "edit it, or add --force to replace it")
    write_text(path, text)
    emit(document("InitResult", path=str(path)), output, f"{path} is written")
    if output == "text":
        where = "" if directory == "." else f"cd {shlex.quote(directory)} && "
        note(f"next: {where}infercli pin {typed} && infercli plan")


def _seen_from(directory: str, typed: str) -> str:
    """A path that is there from here, as deployment.yaml in `directory` must have it; any other as it was typed."""
    if Path(typed).is_absolute() or not Path(typed).exists() or (Path(directory) / typed).exists():
        return typed
    path = os.path.relpath(typed, Path(directory).resolve())
    return path if path.startswith("..") else f"./{path}"


def _check_model(model: str) -> None:
    """Raises InputError for what is neither a directory nor, by its letters, an id of the Hub."""
    is_directory = model.startswith((".", "/")) and model.isprintable()
    if not is_directory and not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model, re.ASCII):
        raise InputError(
            f"--model: `{model}` is no Hugging Face id, and no directory, which starts with . or /",
            "an id is `owner/name`, of letters, digits, `-`, `_` and `.`; `infercli models` lists some",
        )


def _written(text: str) -> str:
    """As YAML has it, with quotes where it needs them."""
    return text if re.fullmatch(r"[\w./-]+", text, re.ASCII) else json.dumps(text, ensure_ascii=False)
