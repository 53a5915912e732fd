"""The flags of `infercli plan` that a search reads, and what is wrong with any of them by itself.

The one thing to know: a plan of one profile reads the same flags, so it is checked by the same rules.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from infercli.cli.options import together
from infercli.errors import InferError, InvalidFile

if TYPE_CHECKING:
    from infercli.core.estimates.problems import Problems

TYPED_ARGUMENTS = (
    "max_model_len", "tensor_parallel_size", "pipeline_parallel_size", "max_num_seqs", "kv_cache_dtype",
)  # fmt: skip
"""engine_args that are flags as well."""


options = together(
    click.option("--rate", type=float, help="Requests a second: search for the cheapest that holds them."),
    click.option(
        "--prefix-hit-fraction", type=float, help="Share of each prompt that the prefix cache holds; default 0."
    ),
    click.option(
        "--slo",
        "slos",
        multiple=True,
        metavar="NAME=TIME",
        help="Objective: ttft_p95=1s, ttft_p99=2s or tpot_p95=50ms. Repeat for several.",
    ),
    click.option(
        "--spare", is_flag=True, help="Keep GPUs for one more replica (N+1), unless the pool grows by itself."
    ),
)
"""The flags that make a plan a search."""


class Typed(NamedTuple):
    """What was typed, as far as a search reads it; None: not given."""

    model: str | None
    deployment_path: str | None
    profiles: tuple[str, ...]
    quantizations: tuple[str, ...]
    input_tokens: int | None
    output_tokens: int | None
    concurrency: int | None
    rate: float | None
    slos: tuple[str, ...]
    spare: bool
    replicas: int | None
    prefix_hit_fraction: float | None
    engine_args: dict[str, Any]
    """max_model_len, tensor_parallel_size, pipeline_parallel_size, max_num_seqs, kv_cache_dtype, where given."""

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Typed":
        """Of the command's options, by their names."""
        args = {name: given.pop(name) for name in TYPED_ARGUMENTS}
        return cls(**given, engine_args={name: value for name, value in args.items() if value is not None})

    @property
    def project(self) -> Path:
        """The folder of the deployment file."""
        return Path(self.deployment_path or "").parent

    @property
    def flags(self) -> dict[str, str]:
        """Key of deployment.yaml -> the flag that was typed instead of it; where no file is read, of all."""
        given = {
            "workload.input_tokens": self.input_tokens, "workload.output_tokens": self.output_tokens,
            "workload.concurrency": self.concurrency,
        } | {f"engine_args.{name}": self.engine_args.get(name) for name in TYPED_ARGUMENTS}  # fmt: skip
        names = {"workload.input_tokens": "--input-len", "workload.output_tokens": "--output-len"}
        return {
            key: names.get(key, f"--{key.partition('.')[2].replace('_', '-')}")
            for key, value in given.items()
            if value is not None or self.model is not None
        }

    def says(self, text: str) -> str:
        """What is said of keys of deployment.yaml, in the words that were typed."""
        for key, flag in self.flags.items():
            text = text.replace(key, flag)
        return text

    @contextmanager
    def in_its_words(self) -> Iterator[None]:
        """What goes wrong in here is said of the flags that were typed."""
        try:
            yield
        except InferError as error:
            error.message, error.hint = self.says(error.message), error.hint and self.says(error.hint)
            raise

    @property
    def is_search(self) -> bool:
        """Whether this asks for the cheapest, and not whether one thing fits."""
        loaded = self.model is not None and not self.profiles and self.concurrency is not None
        several = len(self.profiles) > 1 or len(self.quantizations) > 1
        return self.rate is not None or bool(self.slos) or self.spare or several or loaded


def refuse(problems: "Problems") -> None:
    """Raises InvalidFile with all of them, where there are any."""
    if problems:
        answer = problems.answer(None)
        raise InvalidFile("plan", [(p.where, p.what) for p in answer.problems], answer.hint)


def check_prefixes(fraction: float | None, args: dict[str, Any], problems: "Problems") -> None:
    """What is wrong with the share of prompts that the prefix cache has."""
    from infercli.core.estimates.request import hits_without_cache

    flag = "--prefix-hit-fraction"
    if fraction is not None and not 0 <= fraction < 1:
        problems.add(flag, f"must be at least 0 and less than 1, and is {fraction:g}", "0.8 for four fifths")
    elif hits_without_cache(fraction, args.get("enable_prefix_caching")):
        problems.add(flag, "says what the prefix cache has, and engine_args.enable_prefix_caching is false")


def check_whole_numbers(typed: Typed, args: dict[str, Any], problems: "Problems") -> None:
    """What is wrong with flags that are counts. `args`: engine_args, with those that were typed."""
    from infercli.core.documents.deployment import MOST_REPLICAS
    from infercli.core.documents.workload import MOST_COUNT

    names = ("max_model_len", "tensor_parallel_size", "pipeline_parallel_size", "max_num_seqs")
    counts = {f"--{name.replace('_', '-')}": args.get(name) for name in names}
    counts |= {"--input-len": typed.input_tokens, "--output-len": typed.output_tokens, "--replicas": typed.replicas}
    for flag, value in (counts | {"--concurrency": typed.concurrency}).items():
        if value is not None and value < 1:
            problems.add(flag, f"must be at least 1, and is {value}")
        most = MOST_REPLICAS if flag == "--replicas" else MOST_COUNT
        if value is not None and value > most:
            problems.add(flag, f"must be at most {most:,}, and is {value}")
