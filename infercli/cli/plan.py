"""`infercli plan`: one plan, or with a load and objectives a search (choosing.py)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infercli.cli import options, search_flags
from infercli.cli.instead import PLANNING, Command, ModelLength, Tokens
from infercli.cli.output import emit, heading, note
from infercli.cli.search_flags import Typed
from infercli.errors import ExitCode, InputError

if TYPE_CHECKING:
    from infercli.core.derivation import Derivation
    from infercli.core.documents.deployment import ModelDeployment
    from infercli.core.documents.plan import Choice, Plan
    from infercli.core.planning.outlook import Outlook
    from infercli.core.planning.plan import Planned


def _no_gpu(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    """Callback of `--gpu`, which only `estimate` takes."""
    if value is not None:
        raise InputError(
            "plan takes its hardware as --profile, and not as --gpu",
            f"`--profile {value.lower()}`, or `--profile {value.lower()}-x8` for eight in one machine",
        )


_ARGUMENTS = (
    "block-size", "data-parallel-size", "decode-context-parallel-size", "dtype", "enable-expert-parallel",
    "enable-lora", "enforce-eager", "gpu-memory-utilization", "kv-cache-memory-bytes", "language-model-only",
    "max-lora-rank", "max-loras", "max-num-batched-tokens",
)  # fmt: skip
"""Of vLLM, that `estimate` takes as flags and a plan from its file."""
_COUNTED = "write --profile h100-x8: a GPU, and how many are in one machine"
_VERSION = "a plan is for the vLLM that it runs; `infercli estimate` has --engine-version"
_INSTEAD = {
    f"--{name}": f"write {name.replace('-', '_')} under engine_args of deployment.yaml, or ask `infercli estimate`, "
    f"which has --{name}"
    for name in _ARGUMENTS
} | PLANNING | {
    **dict.fromkeys(("--gpu-count", "--gpus", "--max-gpus", "--num-gpus", "--total-gpus", "--total_gpus"), _COUNTED),
    **dict.fromkeys(("--backend-version", "--engine-version"), _VERSION),
    **dict.fromkeys(("--model", "--model-path"), "the model is the first word: `infercli plan Qwen/Qwen3-32B`"),
    **dict.fromkeys(("--qps", "--request-rate", "--target-request-rate"), "write --rate"),
    "--top-n": "leave it out: the whole front is printed, the cheapest that holds first",
    "--constraints": "write --slo, for example --slo ttft_p95=1s",
    "--custom-gpu-cost": "write what your GPUs cost to profiles/prices.yaml",
    "--free-gpu-memory-fraction": "write gpu_memory_utilization under engine_args of deployment.yaml",
    "--nextn": "write speculative_config under engine_args of deployment.yaml",
    "--request-latency": "write --slo ttft_p95=1s --slo tpot_p95=50ms: an answer takes its TTFT, and its TPOT for each "
    "further token",
    **dict.fromkeys(("--out", "--output", "--save-dir", "--generated-config-version"), "write --save FILE, or -o json"),
    "--config-path": "pin its directory and plan that, or ask `infercli estimate`, which has --config-path",
    "--system": "write --profile h200",
    "--tpot": "write --slo tpot_p95=50ms",
    "--ttft": "write --slo ttft_p95=1s",
    "--speculative-config": "write speculative_config under engine_args of deployment.yaml",
    "--tpot-p95-ms": "write --slo tpot_p95=50ms",
    "--ttft-p95-ms": "write --slo ttft_p95=1s",
    "--ttft-p99-ms": "write --slo ttft_p99=1s",
}  # fmt: skip
"""Options of vLLM, AIConfigurator, llm-d-planner and `estimate`, and what they are here."""


@click.command(cls=Command, instead=_INSTEAD)
@click.argument("model", required=False)
@options.deployment_file
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    help="One of `infercli profiles`, or GPUs: b200-x8. Repeat to search several.",
)
@click.option("--gpu", hidden=True, is_eager=True, expose_value=False, callback=_no_gpu)
@click.option(
    "--quantization",
    "quantizations",
    multiple=True,
    help="What the checkpoint is: awq, gptq, w4a16, fp8, int8, q4, none; or fp8-online.",
)
@click.option("--max-model-len", type=ModelLength(), help="Longest prompt plus answer, in tokens.")
@click.option("--tensor-parallel-size", type=int, help="GPUs per engine replica.")
@click.option("--pipeline-parallel-size", type=int, help="Stages per engine replica.")
@click.option("--max-num-seqs", type=int, help="Most requests that one engine runs at a time.")
@click.option("--kv-cache-dtype", help="auto (the model's), fp8, ...")
@click.option("--concurrency", type=int, help="Requests in flight; all run at once, unless there is a TTFT objective.")
@click.option("--input-len", "--input-tokens", "input_tokens", type=Tokens(), help="Tokens of a typical prompt.")
@click.option("--output-len", "--output-tokens", "output_tokens", type=Tokens(), help="Tokens of a typical answer.")
@click.option("--replicas", type=int, help="Engine replicas.")
@search_flags.options
@click.option(
    "--explain",
    is_flag=False,
    flag_value="",
    metavar="[NAME]",
    help="Print how each number came about; with a NAME (kv_cache_bytes) only that one.",
)
@click.option("--save", "save_path", type=click.Path(dir_okay=False), help="Write plan.json, for `deploy --plan`.")
@click.option("-n", "--namespace", callback=options.namespace, help="Namespace of the objects in a saved plan.")
@options.common
def command(explain: str | None, save_path: str | None, namespace: str | None, output: str, **given: Any) -> int:
    """Say whether a model fits, with every choice and its reason.

    Plans deployment.yaml, or a MODEL on a profile; those of `infercli models` need no network. Exit code 0: it fits;
    3: it does not, and the smallest changes that would fit are printed; 4: it cannot be told. What fits is said as a
    command of vLLM too.

    With --rate, --slo or several profiles it searches for the cheapest configuration that holds them, on the profiles
    named or else on all.

    \b
    Examples:
      infercli plan
      infercli plan Qwen/Qwen3-32B --input-len 1000 --output-len 300 --rate 5 --slo ttft_p95=1s --slo tpot_p95=50ms
      infercli plan meta-llama/Llama-3.1-70B-Instruct --profile h100-x2 --quantization fp8
      infercli plan --explain kv_cache_bytes
      infercli plan --save plan.json
    """
    from infercli.cli.project import build_planned, guessed_gpu
    from infercli.cli.project import deployment_path as path_of
    from infercli.core.estimates.problems import Problems

    typed = Typed.of(given)
    path = path_of(typed.deployment_path)
    _check_words(typed, path, explain)
    for guess in filter(None, (guessed_gpu(name, typed.project) for name in typed.profiles)):
        note(guess)
    if typed.is_search:
        from infercli.cli.choosing import run

        for flag, value, does in (("--save", save_path, "writes"), ("--explain", explain, "explains")):
            if value is not None:
                hint = f"plan what it chose: it prints the command; add {flag} to it"
                raise InputError(f"a search {does} no plan", hint)
        return run(typed, output)
    problems = Problems()
    search_flags.check_whole_numbers(typed, typed.engine_args, problems)
    search_flags.refuse(problems)
    deployment = _deployment(typed)
    search_flags.check_prefixes(typed.prefix_hit_fraction, deployment.engine_args, problems)
    search_flags.refuse(problems)
    with typed.in_its_words():
        planned = build_planned(deployment, typed.project, path if typed.model is None else None)
    plan, said = planned.plan, _outlook(planned, typed)
    derivations = None if explain is None else _explained(planned, said, explain)
    if save_path is not None:
        plan = _save(plan, save_path, namespace)
        note(f"{save_path} is written")
    typed_plan = plan.model_copy(update={"choices": tuple(_in_words(c, typed) for c in plan.choices)})
    emit(_json(plan, said, derivations), output, _text(typed_plan, said, derivations, only=bool(explain)))
    return ExitCode.of(plan.fits)


def _check_words(typed: Typed, path: Path, explain: str | None) -> None:
    """Raises InputError for what was typed and cannot be meant. `path`: of the deployment file."""
    if typed.model is None and explain and "/" in explain:
        raise InputError(
            f"`--explain` took `{explain}` as the name of a quantity",
            f"put the model first: `infercli plan {explain} --explain`",
        )
    if typed.model is None and typed.deployment_path is None and not path.exists():
        hint = "`infercli init` writes one; or name a model: `infercli plan Qwen/Qwen3-8B --profile l4`"
        raise InputError(f"{path}: there is no such file", hint)
    _refuse_lists("--profile", typed.profiles)
    _refuse_lists("--quantization", typed.quantizations)
    _refuse_lists("--slo", typed.slos)


def _refuse_lists(flag: str, values: tuple[str, ...]) -> None:
    for value in values:
        if "," in value and not value.endswith((".yaml", ".yml")):
            again = " ".join(f"{flag} {part.strip()}" for part in value.split(",") if part.strip())
            raise InputError(f"{flag} takes one name at a time, and not `{value}`", f"write {again}")


def _deployment(typed: Typed) -> ModelDeployment:
    """deployment.yaml, or what a MODEL alone means, with what was typed in its place."""
    from infercli.cli.project import load_deployment
    from infercli.core.documents.deployment import ModelDeployment

    profile, quantization = next(iter(typed.profiles), None), next(iter(typed.quantizations), None)
    if typed.model is None:
        deployment = load_deployment(typed.deployment_path)
    elif typed.deployment_path is not None:
        raise InputError("a MODEL and --file say what to plan twice", "give one of them")
    elif profile is None:
        raise InputError(
            "planning a MODEL needs the hardware",
            "add --profile, for example --profile l4; or what it must hold, to search all: --rate 5 --slo ttft_p95=1s",
        )
    else:
        deployment = ModelDeployment(name=_release_name(typed.model), model=typed.model, profile=profile)
    load = {name: getattr(typed, name) for name in ("concurrency", "input_tokens", "output_tokens")}
    changes = {"profile": profile, "quantization": quantization, "replicas": typed.replicas}
    return deployment.model_copy(
        update={
            **{name: value for name, value in changes.items() if value is not None},
            "workload": deployment.workload.model_copy(update={k: v for k, v in load.items() if v is not None}),
            "engine_args": {**deployment.engine_args, **typed.engine_args},
        }
    )


def _in_words(choice: Choice, typed: Typed) -> Choice:
    """A choice that was typed says so, and not that a file does."""
    if not choice.given or choice.name not in typed.engine_args:
        return choice
    return choice.model_copy(update={"reason": f"--{choice.name.replace('_', '-')} says so"})


def _release_name(model: str) -> str:
    """A name for a plan that has no deployment file: the last part of the id, as a DNS label."""
    label = re.sub(r"[^a-z0-9]+", "-", model.rstrip("/").rpartition("/")[2].lower()).strip("-")[:38].rstrip("-")
    return label if label and label[0].isalpha() else f"m-{label}".rstrip("-")


def _save(plan: Plan, path: str, namespace: str | None) -> Plan:
    from infercli.adapters.files import to_json, write_text
    from infercli.cli.deploying import check_deployable, objects_of
    from infercli.core.record import digest

    check_deployable(plan)
    if namespace is not None:
        where = plan.deployment.kubernetes.model_copy(update={"namespace": namespace})
        plan = plan.model_copy(update={"deployment": plan.deployment.model_copy(update={"kubernetes": where})})
    objects = objects_of(plan, plan.deployment.kubernetes.namespace)
    sealed = plan.sealed(digest(list(objects)))
    write_text(Path(path), to_json(sealed.model_dump(mode="json")))
    return sealed


def _outlook(planned: Planned, typed: Typed) -> Outlook | None:
    """What is said beside the plan; None on the local target."""
    from infercli.adapters.files import price_list
    from infercli.core.planning.outlook import outlook

    if planned.question is None:
        return None
    return outlook(planned.plan, planned.question, price_list(typed.project), typed.prefix_hit_fraction or 0.0)


def _explained(planned: Planned, said: Outlook | None, name: str) -> tuple[Derivation, ...]:
    """All derivations, or the one of that name."""
    from infercli.core.derivation import find
    from infercli.core.planning.derivations import explain

    if planned.question is None:
        raise InputError(
            "the local target has no estimate to explain: its KV cache is given in bytes",
            "--explain needs a profile with GPUs; `infercli profiles` lists them",
        )
    found = explain(planned.question, said)
    return (find(found, name),) if name else found


def _json(plan: Plan, said: Outlook | None, derivations: tuple[Derivation, ...] | None) -> dict[str, object]:
    """The plan as it is saved, with what is never part of it and of its digest."""
    from infercli.core.planning.command_line import serve_command

    value: dict[str, object] = plan.model_dump(mode="json")
    if said is not None:
        value["outlook"] = said.model_dump(mode="json")
    if command := serve_command(plan):
        value["serve_command"] = " ".join(command)
    if derivations is not None:
        value["derivation"] = [d.model_dump(mode="json") for d in derivations]
    return value


def _text(plan: Plan, said: Outlook | None, derivations: tuple[Derivation, ...] | None, *, only: bool) -> str:
    from infercli.cli.plan_text import explained, text

    if derivations is None:
        return text(plan, said)
    if only:
        return explained(derivations)
    return "\n".join([text(plan, said), "", heading("Derivation"), "", explained(derivations)])
