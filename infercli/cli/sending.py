"""What a benchmark sends: a workload file, a data file or a few numbers become conversations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from infercli.cli.output import note
from infercli.errors import InferError, InputError

if TYPE_CHECKING:
    from infercli.adapters.openai_api import OpenAiApi
    from infercli.core.documents.model import LockedModel
    from infercli.core.load.prompt_files import Asked
    from infercli.core.load.sending import Sending
    from infercli.core.load.texts import TokenLengths
    from infercli.core.load.workload import FileFormat, Synthetic, TraceFormat, Workload
    from infercli.core.traces import Api

DEFAULT_COUNT = 64
DEFAULT_WORDS = 64
WORKLOAD_SUFFIXES = ("", ".yaml", ".yml")
GENERATOR = 3
"""Raised when the same workload, seed and tokenizer give other text than before: what is kept is then not used."""


class _Wanted(NamedTuple):
    """How much of a workload, and by which draws and which counting; as `conversations_for` says them."""

    seed: int
    most: int | None
    until_s: float | None
    lengths: TokenLengths | None


def conversations_for(
    workload: str | None,
    *,
    data_format: FileFormat | None = None,
    words: int | None = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    loras: Mapping[str, float] | None = None,
    api: Api | None = None,
    seed: int = 0,
    count: int | None = None,
    until_s: float | None = None,
    lengths: TokenLengths | None = None,
) -> Sending:
    """Up to `count` conversations (None: all that a file has, else 64), and their source, `max_tokens` and API.

    `until_s`: of a trace only what comes before, in its own time.

    `workload`: a file, a shipped name, or with `data_format` a file of data; None: synthetic ones of `words` words or
    of `input_tokens` tokens. `loras` and `api` go before the workload's own. `lengths` is asked only where lengths in
    tokens are called for and what was written is not kept from before. Raises InputError.
    """
    from infercli.core.load.sending import spread_over, unfit

    wanted = _Wanted(seed, count, until_s, lengths)
    if workload is None:
        document, sending = None, _by_numbers(words, input_tokens, output_tokens, wanted)
    else:
        document = load_workload(workload, data_format)
        sending = _by_workload(document, wanted)
    changes: dict[str, object] = {"max_tokens": document.max_tokens} if document else {}
    changes["api"] = api or (document.api if document else None)
    sending = sending.model_copy(update=changes)
    shares = loras or (document.loras if document else {})
    if shares:
        sending = spread_over(sending, shares, seed)
    problem = unfit(sending.conversations, sending.api) if sending.api else None
    if problem:
        raise InputError(f"{sending.source}: {problem}", "--api chat, or another workload")
    return sending


def load_workload(given: str, data_format: FileFormat | None = None) -> Workload:
    """A workload file by path or shipped name, or a file of data in a format. Raises InputError.

    A `file` that it names is looked for in its own folder.
    """
    from infercli.adapters.files import read_document, shipped_file
    from infercli.core.load.workload import FILE_FORMATS, Workload

    path = Path(given)
    is_name = path.suffix.lower() in WORKLOAD_SUFFIXES
    if not path.exists() and (data_format is not None or not is_name):
        raise InputError(f"{given}: there is no such file", f"`ls -l {path.parent}` lists what is there")
    if data_format is not None:
        if path.is_dir():
            raise InputError(f"{given}: is a directory", "name a file in it")
        return Workload(name=path.name, file=str(path), format=data_format)
    if not is_name and path.is_file():
        more = '; plain text becomes jsonl with a line {"prompt": "..."} for each' if path.suffix == ".txt" else ""
        raise InputError(
            f"{given} is data, and nothing says in what format", f"--format {'|'.join(FILE_FORMATS)}{more}"
        )
    path = shipped_file("workloads", given, "workload")
    found = read_document(path, Workload)
    return found if found.file is None else found.model_copy(update={"file": str(path.parent / found.file)})


def mean_turns(workload: str | None, data_format: FileFormat | None) -> float | None:
    """Of a conversation that is made here, on average; None: the workload has conversations of its own."""
    if workload is None:
        return 1.0
    description = load_workload(workload, data_format).synthetic
    return None if description is None else description.turns.average


def is_trace(workload: str | None, data_format: FileFormat | None) -> bool:
    """Whether it says how long prompts are and not what they say."""
    from infercli.core.load.workload import TRACE_FORMATS

    return workload is not None and load_workload(workload, data_format).format in TRACE_FORMATS


def tokenizer_for(
    given: str | None, *, model: LockedModel | None = None, endpoint: OpenAiApi | None = None, served: str | None = None
) -> TokenLengths | None:
    """Who counts tokens; None: nobody, lengths are approximate.

    `given`: a tokenizer.json or a directory with one; `none`; `model`: the pinned model's, which must be here;
    `endpoint`: the endpoint's own, for `served`. None: the pinned model's where it is here. Raises InputError.
    """
    from infercli.adapters.tokenizer import no_tokenizer, open_tokenizer, pinned_tokenizer

    if given in (None, "model"):
        found = pinned_tokenizer(model) if model is not None else None
        if found is None and given == "model":
            raise no_tokenizer(model)
        return found
    if given == "none":
        return None
    if given == "endpoint":
        from infercli.adapters.endpoint_tokenizer import EndpointTokenizer

        if endpoint is None or served is None:
            raise no_tokenizer(model)
        return EndpointTokenizer(endpoint, served)
    return open_tokenizer(Path(str(given)))


def _by_numbers(words: int | None, input_tokens: int | None, output_tokens: int | None, wanted: _Wanted) -> Sending:
    from infercli.core.load.amounts import Amount
    from infercli.core.load.synthetic import synthetic_words
    from infercli.core.load.workload import Synthetic

    if input_tokens is None:
        sending = synthetic_words(words or DEFAULT_WORDS, wanted.seed, wanted.most or DEFAULT_COUNT)
        return sending if output_tokens is None else sending.model_copy(update={"max_tokens": output_tokens})
    given = Synthetic(
        input_tokens=Amount(mean=input_tokens), output_tokens=Amount(mean=output_tokens) if output_tokens else None
    )
    return _by_synthetic(given, "synthetic", wanted)


def _by_workload(workload: Workload, wanted: _Wanted) -> Sending:
    from infercli.core.load.conversation import single
    from infercli.core.load.sending import Sending

    title = f"workload {workload.name}"
    if workload.synthetic is not None:
        return _by_synthetic(workload.synthetic, title, wanted)
    if workload.file is not None:
        return _by_file(workload, Path(workload.file), title, wanted)
    conversations = workload.conversations or tuple(map(single, workload.prompts or ()))
    return Sending(conversations=conversations[: wanted.most], source=title)


def _by_synthetic(description: Synthetic, title: str, wanted: _Wanted) -> Sending:
    from infercli.core.load.synthetic import synthetic

    seed, count = wanted.seed, wanted.most or DEFAULT_COUNT

    def write() -> Sending:
        return synthetic(description, wanted.lengths, seed, count)

    sending = _kept(["synthetic", description.model_dump(mode="json"), seed, count], wanted.lengths, write)
    return _sourced(sending, f"{title}, seed {seed}")


def _by_file(workload: Workload, path: Path, title: str, wanted: _Wanted) -> Sending:
    from infercli.adapters.files import read_text, text_lines
    from infercli.core.load.prompt_files import read_prompt_lines, read_promptfoo, read_sharegpt
    from infercli.core.load.sending import Sending
    from infercli.core.load.workload import TRACE_FORMATS
    from infercli.core.units import counted

    title = f"{title}: {workload.format} {path.name}"
    trace_format = next((name for name in TRACE_FORMATS if name == workload.format), None)
    if trace_format is not None:
        return _by_trace(workload, trace_format, path, f"{title}, seed {wanted.seed}", wanted)
    if workload.format == "sharegpt":
        talks, silent = read_sharegpt(read_text(path), str(path), wanted.most, workload.max_turns)
        note = f" ({counted(silent, 'conversation')} without a question left out)" if silent else ""
        return _answered(talks, title + note, wanted.lengths)
    if workload.format == "jsonl":
        with text_lines(path) as lines:
            return Sending(conversations=read_prompt_lines(lines, str(path), wanted.most), source=title)
    from infercli.adapters.promptfoo import load_promptfoo

    return Sending(conversations=read_promptfoo(load_promptfoo(path), str(path), wanted.most), source=title)


def _by_trace(workload: Workload, trace_format: TraceFormat, path: Path, title: str, wanted: _Wanted) -> Sending:
    from infercli.adapters.files import text_lines
    from infercli.core.load.replay import replay
    from infercli.core.load.trace_files import read_trace
    from infercli.core.load.workload import BLOCK_TOKENS
    from infercli.core.units import counted

    block_tokens = workload.block_tokens or BLOCK_TOKENS.get(trace_format)
    with text_lines(path) as lines:
        read = read_trace(
            lines,
            str(path),
            trace_format,
            limit=wanted.most,
            until_s=wanted.until_s,
            block_tokens=block_tokens,
            unit_s=workload.unit_s,
        )

    def write() -> Sending:
        return replay(read.requests, block_tokens, wanted.lengths, wanted.seed)

    sending = _kept(["replay", [list(r) for r in read.requests], block_tokens, wanted.seed], wanted.lengths, write)
    if read.left_out:
        title += f" ({counted(read.left_out, 'request')} without input or output left out)"
    return _sourced(sending, title)


def _answered(talks: tuple[tuple[Asked, ...], ...], title: str, lengths: TokenLengths | None) -> Sending:
    """ShareGPT conversations; with a tokenizer each answer may be as long as the one that was given."""
    from infercli.core.load.conversation import Conversation, Turn
    from infercli.core.load.sending import Sending

    answers = [turn.answer for talk in talks for turn in talk if turn.answer]
    counted = iter(lengths.lengths(answers)) if lengths is not None else None
    conversations = []
    for talk in talks:
        turns = [
            Turn(prompt=turn.prompt, max_tokens=max(1, next(counted)) if counted and turn.answer else None)
            for turn in talk
        ]
        conversations.append(Conversation(turns=tuple(turns)))
    by = f", answers as long as they were, by {lengths.name}" if lengths is not None else ""
    return Sending(conversations=tuple(conversations), source=title + by)


def _sourced(sending: Sending, title: str) -> Sending:
    return sending.model_copy(update={"source": f"{title}; {sending.source}"})


def _kept(key: list[object], lengths: TokenLengths | None, write: Callable[[], Sending]) -> Sending:
    """What was written before under this key, or what `write` writes now. Without a tokenizer writing is as fast."""
    if lengths is None:
        return write()
    from infercli.adapters import prompt_cache
    from infercli.cli.progress import working
    from infercli.core.record import digest

    name = digest([GENERATOR, lengths.digest, lengths.name, *key])
    found = prompt_cache.load(name)
    if found is not None:
        return found
    with working("writing prompts"):
        sending = write()
    try:
        prompt_cache.store(name, sending)
    except InferError as error:
        note(f"the prompts are not kept for the next run: {error.message}")
    return sending
