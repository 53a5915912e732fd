"""The formats in which people keep prompts: JSON lines, ShareGPT, promptfoo.

ShareGPT: a JSON list of {"conversations": [{"from": "human" or "gpt" or "system", "value": text}, ...]}. JSON lines:
{"prompt": text} or {"messages": [...]}, with `max_tokens` or `output_tokens` if need be (vLLM's custom data set has
`prompt` and `output_tokens`). promptfoo: `prompts` with {{variables}}, and `tests` whose `vars` fill them in.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from infercli.core.load.conversation import Conversation, Prompt, Turn, check_prompt, single
from infercli.core.load.file_problems import DamagedLine, FileProblems, json_object, json_value
from infercli.core.record import Json

ASKING = ("human", "user")
ANSWERING = ("gpt", "chatgpt", "bing", "bard", "assistant")
"""Who speaks in the ShareGPT files that are passed around."""

FILE_REFERENCE = "file://"
"""How promptfoo names a file instead of giving the text; the adapter puts the text in its place."""
_VARIABLE = re.compile(r"\{\{-?\s*(?P<name>[A-Za-z_][\w.]*)\s*-?\}\}")
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


class Asked(NamedTuple):
    """One turn of a ShareGPT conversation."""

    prompt: Prompt
    answer: str | None
    """What was answered; None where nothing was."""


def read_prompt_lines(lines: Iterable[str], path: str, limit: int | None = None) -> tuple[Conversation, ...]:
    """The first `limit` conversations of a JSON lines file, of one turn each. Raises InvalidFile."""
    problems = FileProblems(path)
    found: list[Conversation] = []
    for number, line in enumerate(lines, 1):
        if limit is not None and len(found) >= limit:
            break
        if not line.strip():
            continue
        try:
            found.append(_of_line(json_object(line)))
        except DamagedLine as error:
            problems.add(f"line {number}", str(error))
    if not found:
        problems.add("", "has no prompt in it")
    problems.done()
    return tuple(found)


def _of_line(value: Mapping[str, Json]) -> Conversation:
    given = [key for key in ("prompt", "messages") if value.get(key) is not None]
    if len(given) != 1:
        raise DamagedLine("must have either `prompt` or `messages`")
    if given == ["messages"] and isinstance(value["messages"], str):
        raise DamagedLine("messages: must be a list of {role, content}")
    prompt = _prompt(value[given[0]], f"{given[0]}: ")
    limits = {key: value[key] for key in ("max_tokens", "output_tokens") if value.get(key) is not None}
    for key, tokens in limits.items():
        if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 1:
            raise DamagedLine(f"{key} must be a whole number, at least 1")
    return Conversation(turns=(Turn(prompt=prompt, max_tokens=next(iter(limits.values()), None)),))


def _prompt(value: Json, where: str) -> Prompt:
    try:
        checked: Prompt = tuple(m) if isinstance(m := check_prompt(value), list) else m
    except ValueError as error:
        raise DamagedLine(f"{where}{error}") from None
    return checked


def read_sharegpt(
    text: str, path: str, limit: int | None = None, max_turns: int | None = None
) -> tuple[tuple[tuple[Asked, ...], ...], int]:
    """The first `limit` conversations that ask something, and how many before them did not. Raises InvalidFile.

    A conversation that begins with an answer, as cut ones do, is taken up from its first question. What is asked twice
    before an answer comes is sent as two messages.
    """
    problems = FileProblems(path)
    try:
        entries = json_value(text)
    except DamagedLine as error:
        problems.add("", str(error))
        problems.done()
    if not isinstance(entries, list):
        problems.add("", "must be a list of {conversations: [{from, value}, ...]}")
        problems.done()
    found: list[tuple[Asked, ...]] = []
    silent = 0
    for number, entry in enumerate(entries):
        if limit is not None and len(found) >= limit:
            break
        try:
            turns = tuple(itertools.islice(_turns(entry), max_turns))
        except DamagedLine as error:
            problems.add(f"[{number}]", str(error))
            continue
        if turns:
            found.append(turns)
        else:
            silent += 1
    if not found:
        problems.add(
            "", f"has {silent} conversations, and none asks anything" if silent else "has no conversation in it"
        )
    problems.done()
    return tuple(found), silent


def _turns(entry: Json) -> Iterator[Asked]:
    said = entry.get("conversations") if isinstance(entry, dict) else None
    if not isinstance(said, list):
        raise DamagedLine("must have `conversations`, a list of {from, value}")
    waiting: list[dict[str, Json]] = []
    for at, message in enumerate(said):
        speaker = message.get("from") if isinstance(message, dict) else None
        value = message.get("value") if isinstance(message, dict) else None
        if not isinstance(value, str) or speaker not in (*ASKING, *ANSWERING, "system"):
            raise DamagedLine(
                f"conversations[{at}]: must have `value`, a text, and `from`, which is human, gpt or system"
            )
        if speaker in ANSWERING:
            if any(m["role"] == "user" for m in waiting):
                yield Asked(_asked(waiting, at), value)
                waiting = []
        elif value:
            waiting.append({"role": "system" if speaker == "system" else "user", "content": value})
    if any(m["role"] == "user" for m in waiting):
        yield Asked(_asked(waiting, len(said)), None)


def _asked(messages: list[dict[str, Json]], at: int) -> Prompt:
    only_text = len(messages) == 1 and messages[0]["role"] == "user"
    return _prompt(messages[0]["content"] if only_text else tuple(messages), f"before conversations[{at}]: ")


def read_promptfoo(value: Json, path: str, limit: int | None = None) -> tuple[Conversation, ...]:
    """Every prompt with every test's variables, in the order of the tests; the first `limit`. Raises InvalidFile.

    A list as a variable stands for each of its values in turn. A prompt that is a JSON list of messages becomes
    messages. Templates that do more than name a variable are refused: they are programs (Nunjucks).
    """
    problems = FileProblems(path)
    config = value if isinstance(value, dict) else {}
    prompts = list(_promptfoo_prompts(config.get("prompts"), problems))
    default = config.get("defaultTest")
    common = _variables(default.get("vars") if isinstance(default, dict) else None, "defaultTest.vars", problems)
    tests = config.get("tests")
    if not isinstance(tests, list) or not tests:
        problems.add("tests", "must be a list of {vars: {name: value}}")
        tests = []
    found: list[Conversation] = []
    for number, test in enumerate(tests):
        where = f"tests[{number}]"
        if not isinstance(test, dict):
            problems.add(where, "must be a mapping with vars")
            continue
        variables = common | _variables(test.get("vars"), f"{where}.vars", problems)
        for each, (at, prompt) in itertools.product(_combinations(variables), prompts):
            try:
                found.append(single(_filled(prompt, each)))
            except DamagedLine as error:
                problems.add(where, f"prompts[{at}]: {error}")
            if limit is not None and len(found) >= limit:
                problems.done()
                return tuple(found)
    if not found:
        problems.add("", "has no prompt with a test in it")
    problems.done()
    return tuple(found)


def _promptfoo_prompts(value: Json, problems: FileProblems) -> Iterator[tuple[int, str]]:
    given = value if isinstance(value, list) else [value]
    for at, prompt in enumerate(given):
        text = prompt.get("raw", prompt.get("id")) if isinstance(prompt, dict) else prompt
        if not isinstance(text, str) or not text.strip():
            problems.add(f"prompts[{at}]", "must be a text, or a mapping with `raw`")
            continue
        more = sorted({t for t in _TEMPLATE.findall(text) if not _VARIABLE.fullmatch(t)})
        if text.startswith(FILE_REFERENCE):
            problems.add(f"prompts[{at}]", f"`{text[:60]}` is not a text file that can be read here")
        elif more:
            problems.add(f"prompts[{at}]", f"`{more[0][:60]}` is more than a variable: only {{{{name}}}} is filled in")
        else:
            yield at, text


def _variables(value: Json, where: str, problems: FileProblems) -> dict[str, Json]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        problems.add(where, "must be a mapping of names to values")
        return {}
    kept = {}
    for name, given in value.items():
        texts = given if isinstance(given, list) else [given]
        if any(isinstance(t, str) and t.startswith(FILE_REFERENCE) for t in texts):
            problems.add(f"{where}.{name}", "names a file that is not a text file that can be read here")
        else:
            kept[str(name)] = given
    return kept


def _combinations(variables: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    choices = [value if isinstance(value, list) and value else [value] for value in variables.values()]
    for values in itertools.product(*choices):
        yield dict(zip(variables, values, strict=True))


def _filled(template: str, variables: Mapping[str, Json]) -> Prompt:
    if template.lstrip().startswith("["):
        try:
            messages = json_value(template)
        except DamagedLine:
            messages = None
        if isinstance(messages, list):
            # Filled in after parsing: a quote in a variable must not end the JSON around it.
            try:
                return _prompt(_fill_all(messages, variables), "")
            except RecursionError:
                raise DamagedLine("is nested too deeply") from None
    return _prompt(_fill(template, variables), "")


def _fill_all(value: Json, variables: Mapping[str, Json]) -> Json:
    if isinstance(value, str):
        return _fill(value, variables)
    if isinstance(value, list):
        return [_fill_all(v, variables) for v in value]
    return {k: _fill_all(v, variables) for k, v in value.items()} if isinstance(value, dict) else value


def _fill(template: str, variables: Mapping[str, Json]) -> str:
    def value_of(match: re.Match[str]) -> str:
        value: Json = variables
        for part in match["name"].split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise DamagedLine(f"`{match['name']}` is not among the vars")
            value = value[part]
        # What is not text is printed as its JSON; a YAML date as a date.
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)

    return _VARIABLE.sub(value_of, template)
