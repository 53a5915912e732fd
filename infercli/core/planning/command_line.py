"""A plan's engine as a command of vLLM, for those who start it by themselves.

Flags are the arguments' names with dashes, `--no-` before what is switched off, JSON for mappings, and the words of a
list one after another (vLLM 0.29, engine/arg_utils.py get_kwargs).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from infercli.core.documents.plan import Plan
from infercli.core.quantization.methods import METHODS
from infercli.core.record import Json
from infercli.core.shapes import find_shape

_NOT_UNLESS_TOLD = "trust_remote_code"
"""An argument that `vllm serve` has switched off: not worth a `--no-`."""


def serve_command(plan: Plan) -> tuple[str, ...]:
    """`vllm serve MODEL`, then a flag with its value each, quoted for a shell.

    Empty where nothing would start, or where it takes more than one machine, each with a command of its own.
    Where the plan is of a checkpoint whose name nobody said, MODEL says what it must be: `FP8_CHECKPOINT`.
    """
    if plan.fits is False or plan.engine.accelerator != "gpu" or plan.engine.gpus > plan.profile.gpus_per_node:
        return ()
    model, revision = _model(plan)
    given = {name: value for name, value in plan.engine.engine_args.items() if value is not None}
    if not given.get(_NOT_UNLESS_TOLD):
        given.pop(_NOT_UNLESS_TOLD, None)
    if plan.engine.model_id != model:
        given["served_model_name"] = plan.engine.model_id
    if revision is not None:
        given["revision"] = revision
    flags = (shlex.join(_flag(name.replace("_", "-"), value)) for name, value in given.items())
    return (shlex.join(["vllm", "serve", model]), *flags)


def _model(plan: Plan) -> tuple[str, str | None]:
    """What to serve, and at which commit of the Hub."""
    if plan.model is not None:
        return plan.model.directory or plan.model.id, plan.model.commit
    method = plan.engine.quantization
    if METHODS[method].loads_as_model_dtype or find_shape(plan.deployment.model).quantization.method == method:
        return plan.deployment.model, None
    return f"{method.upper().replace('-', '_')}_CHECKPOINT", None


def _flag(name: str, value: Json) -> Iterator[str]:
    if isinstance(value, bool):
        yield f"--{name}" if value else f"--no-{name}"
        return
    yield f"--{name}"
    for each in value if isinstance(value, list | tuple) else [value]:
        yield json.dumps(each, ensure_ascii=False) if isinstance(each, dict) else str(each)
