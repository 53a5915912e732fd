"""Where two JSON values differ, as paths that a person finds again: lists of named things by name, others by place."""

from __future__ import annotations

from collections.abc import Iterator

from infercli.core.record import Json, Record


class Difference(Record):
    """One value that differs. None: it is absent there (JSON null counts as absent, as Kubernetes counts it)."""

    path: str
    was: Json
    becomes: Json


def differences(was: Json, becomes: Json, *, only_meant: bool = False) -> list[Difference]:
    """What would change, in the order of the paths. `only_meant`: what only `was` has is somebody else's, and stays."""
    return sorted(_walk(was, becomes, "", only_meant=only_meant), key=lambda d: d.path)


def differs(held: Json, meant: Json) -> tuple[str, ...]:
    """The paths at which the other side does not hold what was meant; what only it has is not counted."""
    return tuple(d.path for d in differences(held, meant, only_meant=True))


def _walk(was: Json, becomes: Json, path: str, *, only_meant: bool) -> Iterator[Difference]:
    if was == becomes:
        return
    if isinstance(was, dict) and isinstance(becomes, dict):
        for key in becomes if only_meant else [*was, *(k for k in becomes if k not in was)]:
            yield from _walk(was.get(key), becomes.get(key), f"{path}.{key}" if path else key, only_meant=only_meant)
    elif isinstance(was, list) and isinstance(becomes, list) and _named(was) and _named(becomes):
        old, new = {item["name"]: item for item in was}, {item["name"]: item for item in becomes}
        for name in [*old, *(n for n in new if n not in old)]:
            yield from _walk(old.get(name), new.get(name), f"{path}[{name}]", only_meant=only_meant)
    elif isinstance(was, list) and isinstance(becomes, list) and len(was) == len(becomes):
        for place, (one, other) in enumerate(zip(was, becomes, strict=True)):
            yield from _walk(one, other, f"{path}[{place}]", only_meant=only_meant)
    elif was not in (None, {}, []) or becomes not in (None, {}, []):
        yield Difference(path=path, was=was, becomes=becomes)


def _named(items: list[Json]) -> bool:
    return bool(items) and all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in items)
