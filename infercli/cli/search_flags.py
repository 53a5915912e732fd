"""The flags of `infercli plan` that a search reads, and what is wrong with any of them by itself.

The one thing to know: a plan of one profile reads the same flags, so it is checked by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from infercli.errors import InferError

if TYPE_CHECKING:
    from infercli.core.estimates.problems import Problems

F = TypeVar("F", bound=Callable[..., Any])

_TYPED_ARGUMENTS = (
    "max_model_len", "tensor_parallel_size", "pipeline_parallel_size", "max_num_seqs", "kv_cache_dtype",
)  # fmt: skip
"""engine_args that are flags as well."""


def options(function: F) -> F:
    """The flags that make a plan a search."""
    for option in (
        click.option(
            "--spare", is_flag=True, help="Keep the GPUs of one more replica (N+1), unless the pool grows by itself."
        ),
        click.option(
            "--slo", "slos", multiple=True, metavar="NAME=TIME", help="ttft_p95=1s, ttft_p99=2s, tpot_p95=50ms; repeat."
        ),
        click.option(
            "--prefix-hit-fraction", type=float, help="Share of each prompt that the prefix cache has; default 0."
        ),
        click.option("--rate", type=float, help="Requests a second that arrive: search for the cheapest that holds."),
    ):
        function = option(function)
    return function


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

    @property
    def flags(self) -> dict[str, str]:
        """Key of deployment.yaml -> the flag that was typed instead of it; where no file is read, of all."""
        given = {
            "workload.input_tokens": self.input_tokens, "workload.output_tokens": self.output_tokens,
            "workload.concurrency": self.concurrency,
        } | {f"engine_args.{name}": self.engine_args.get(name) for name in _TYPED_ARGUMENTS}  # fmt: skip
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


def check_counts(typed: Typed) -> None:
    """Raises InvalidFile with every flag that must be a number of a size that may be meant, and is not."""
    from infercli.core.estimates.problems import Problems
    from infercli.errors import InvalidFile

    problems = Problems()
    check_whole_numbers(typed, typed.engine_args, problems)
    if problems:
        raise InvalidFile("plan", [(p.where, p.what) for p in problems.answer(None).problems])


def require_prefixes(fraction: float | None, args: dict[str, Any]) -> None:
    """Raises InvalidFile where the share of prompts that the prefix cache has cannot be."""
    from infercli.core.estimates.problems import Problems
    from infercli.errors import InvalidFile

    problems = Problems()
    check_prefixes(fraction, args, problems)
    if problems:
        answer = problems.answer(None)
        raise InvalidFile("plan", [(p.where, p.what) for p in answer.problems], answer.hint)


def check_prefixes(fraction: float | None, args: dict[str, Any], problems: Problems) -> None:
    """What is wrong with the share of prompts that the prefix cache has."""
    from infercli.core.estimates.request import hits_without_cache

    flag = "--prefix-hit-fraction"
    if fraction is not None and not 0 <= fraction < 1:
        problems.add(flag, f"must be at least 0 and less than 1, and is {fraction:g}", "0.8 for four fifths")
    elif hits_without_cache(fraction, args.get("enable_prefix_caching")):
        problems.add(flag, "says what the prefix cache has, and engine_args.enable_prefix_caching is false")


def check_whole_numbers(typed: Typed, args: dict[str, Any], problems: Problems) -> None:
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
