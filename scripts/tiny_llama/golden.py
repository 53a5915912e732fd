"""The golden set: questions and the one right answer to each; what the model is trained on and judged by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

GOLDEN = Path(__file__).resolve().parents[2] / "benchmarks" / "golden" / "infercli.yaml"


class InvalidGoldenSet(ValueError):
    """The file is not a golden set; the message lists every problem, one a line, each with its place."""


@dataclass(frozen=True)
class Golden:
    """One conversation and the answer that is right word for word."""

    id: str
    messages: tuple[dict[str, str], ...]
    expected: str


def read_golden(path: Path = GOLDEN) -> tuple[Golden, ...]:
    """The items in file order. Raises InvalidGoldenSet with all problems at once."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    problems: list[str] = []
    if not isinstance(document, dict) or not isinstance(document.get("items"), list) or not document["items"]:
        raise InvalidGoldenSet(f"{path}: must be a mapping with a non-empty list `items`")
    for key, value in (("apiVersion", "infercli/v1"), ("kind", "GoldenSet")):
        if document.get(key) != value:
            problems.append(f"{path}: {key}: must be {value}")
    items = [_item(f"{path}: items[{i}]", item, problems) for i, item in enumerate(document["items"])]
    seen: set[str] = set()
    for i, item in enumerate(items):
        if item and item.id in seen:
            problems.append(f"{path}: items[{i}].id: `{item.id}` is taken")
        seen |= {item.id} if item else set()
    if problems:
        raise InvalidGoldenSet("\n".join(problems))
    return tuple(item for item in items if item)


def _item(where: str, item: Any, problems: list[str]) -> Golden | None:
    """One item, or None with its problems added to the list."""
    before = len(problems)
    if not isinstance(item, dict) or set(item) != {"id", "messages", "expected"}:
        problems.append(f"{where}: must have exactly the keys id, messages, expected")
        return None
    problems.extend(
        f"{where}.{key}: must be text without blanks at its ends"
        for key in ("id", "expected")
        if not isinstance(item[key], str) or not item[key] or item[key] != item[key].strip()
    )
    messages = item["messages"]
    if not isinstance(messages, list) or not messages:
        problems.append(f"{where}.messages: must be a non-empty list")
    else:
        for i, message in enumerate(messages):
            if (
                not isinstance(message, dict)
                or set(message) != {"role", "content"}
                or message["role"] not in ("system", "user", "assistant")
                or not isinstance(message["content"], str)
            ):
                problems.append(f"{where}.messages[{i}]: must be a role (system, user, assistant) and a content")
        if isinstance(messages[-1], dict) and messages[-1].get("role") != "user":
            problems.append(f"{where}.messages: the last one must be the user's: the answer follows it")
    return Golden(item["id"], tuple(messages), item["expected"]) if len(problems) == before else None
