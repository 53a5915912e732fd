"""`infercli ask`: one question, streamed from an endpoint, or asked through the API server of a cluster."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import click

from infercli.cli import options
from infercli.cli.output import document, emit, note
from infercli.errors import EndpointError, InputError, UnknownName

if TYPE_CHECKING:
    from infercli.actions.steps import World
    from infercli.adapters.openai_api import Answer
    from infercli.cli.endpoint import Aim


class _Ask(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        typed = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            question = next((word for word in typed if word.startswith("-") and " " in word), None)
            if question is None:
                raise

            raise InputError(
                error.message, f"a question that begins with `-` goes behind `--`: `-- {shlex.quote(question)}`"
            ) from None


@click.command(cls=_Ask)
@click.argument("words", nargs=-1, required=True, metavar="[RELEASE|URL] QUESTION")
@click.option("--model", help="Default: the release's, or the first that the endpoint lists.")
@click.option("--engine", help="Ask this engine of the release, whatever its share; needs the operator token.")
@click.option("--max-tokens", default=256, show_default=True, type=click.IntRange(1), help="Longest answer, in tokens.")
@click.option("--temperature", default=0.0, show_default=True, type=click.FloatRange(0), help="0 is greedy.")
@click.option("--system", help="A system message.")
@options.timeout("5m", "Longest wait for the next piece of the answer.")
@options.place
@options.common
def command(
    words: tuple[str, ...],
    model: str | None,
    engine: str | None,
    max_tokens: int,
    temperature: float,
    system: str | None,
    timeout_s: float,
    place: options.Place,
    output: str,
) -> None:
    """Ask a release or an OpenAI-compatible endpoint one question; the answer streams to stdout.

    The API key is read from INFERCLI_API_KEY, or from the file that INFERCLI_API_KEY_FILE names. A release on this
    machine needs none.

    \b
    Examples:
      infercli ask chat "What does infercli plan do?"
      infercli ask http://127.0.0.1:8000 "Hello"
    """
    from infercli.cli.endpoint import aim_at
    from infercli.core.release import live

    if len(words) > 2:
        raise InputError("more than one question", "put the question in quotes")
    where, question = (words[0], words[1]) if len(words) == 2 else (None, words[0])
    if not question.strip():
        raise InputError("the question is empty", '`infercli ask "Hello"`')
    if where is None:
        _check_question(question)
    aim = aim_at(where, model, place)
    messages = ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": question}]
    settings = {"max_tokens": max_tokens, "temperature": temperature}
    try:
        if aim.world is not None and (engine is not None or not aim.endpoint.is_loopback):
            # Through the platform: pinned, and in a cluster by the API server: a Service is not reachable from here.
            known = live(aim.world.store.entries(aim.release)) if aim.release is not None else None
            if engine is not None and known is not None and engine not in known.engines:
                raise UnknownName("engine", engine, known.engines)
            body = {"model": aim.model, "messages": messages, **settings}
            answer = _through_platform(aim.world, body, engine, timeout_s)
            if output == "text":
                click.echo(answer.text)
        else:
            if engine is not None:
                raise InputError("--engine needs a release, not a URL", "name the release")
            answer = _streamed(aim, messages, settings, timeout_s, show=output == "text")
    except EndpointError as error:
        if "HTTP 400" in error.message and "token" in error.message:
            error.hint = f"less than --max-tokens {max_tokens}, or a shorter question"
        raise
    if output != "text":
        emit(document("Answer", **answer._asdict()), output, "")
        return
    parts = [f"engine {answer.engine}"] if answer.engine else []
    parts.append(f"finish {answer.finish_reason}")
    parts += [f"{answer.completion_tokens} tokens"] if answer.completion_tokens is not None else []
    note(", ".join(parts))
    if answer.reasoned and not answer.text.strip():
        note(f"it reasoned, and came to no answer within --max-tokens {max_tokens}: give it more")


def _check_question(question: str) -> None:
    """Raises InputError for one word that is a URL, or a release of this machine, or nearly: no question."""
    import difflib

    from infercli.cli.world import local_store

    if question.startswith(("http://", "https://")):
        raise InputError("the question is missing", f'`infercli ask {question} "your question"`')
    near = difflib.get_close_matches(question, local_store().names(), n=1, cutoff=0.7)
    if near:
        raise InputError(
            f"`{question}` is a question or the release `{near[0]}`: it cannot be told which",
            f'`infercli ask {near[0]} "your question"`',
        )


def _through_platform(world: World, body: dict[str, Any], engine: str | None, timeout_s: float) -> Answer:
    from infercli.adapters.openai_api import Answer

    answer = world.platform.front("POST", "/v1/chat/completions", body=body, engine=engine, timeout_s=timeout_s)
    if answer.status != 200:
        raise EndpointError(f"HTTP {answer.status}: {answer.body.decode(errors='replace')[:500]}", "`infercli status`")
    try:
        value = json.loads(answer.body)
        choice, usage = value["choices"][0], value.get("usage") or {}
        message = choice["message"]
        return Answer(
            message.get("content") or "",
            choice["finish_reason"],
            answer.headers.get("x-infercli-engine"),
            usage.get("prompt_tokens"),
            usage.get("completion_tokens"),
            bool(message.get("reasoning") or message.get("reasoning_content")),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        shown = answer.body.decode(errors="replace")[:200]
        raise EndpointError(f"what came is no chat completion: {shown}", "`infercli status`") from error


def _streamed(
    aim: Aim, messages: list[dict[str, str]], settings: dict[str, Any], timeout_s: float, *, show: bool
) -> Answer:
    from infercli.adapters.openai_api import OpenAiApi
    from infercli.cli.world import Steps

    api = OpenAiApi(aim.endpoint, api_key=aim.api_key, timeout_s=timeout_s)
    waiting = Steps()
    waiting.detail(f"waiting for {aim.endpoint.url}")
    try:
        stream = api.stream_chat(messages, model=aim.model or api.first_model(), **settings)
        for piece in stream:
            waiting.done()
            if show:
                click.echo(piece, nl=False)
    finally:
        waiting.done()
    if show:
        click.echo()
    return stream.answer
