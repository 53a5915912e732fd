"""The load generator as one file that any Python with pydantic runs: a zip of it, and of what it imports.

Made of the sources that are installed, so what measures in a cluster is what measures here. Equal sources, equal bytes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from infercli.render.serving_code import zip_files

_ROOT = "infercli"
_START = f"{_ROOT}/loadgen/"
"""All of it: `loadgen/job.py` is the program, and a package that lacked a part would be another package."""
_MAIN = b"import sys\n\nfrom infercli.loadgen.job import main\n\nsys.exit(main(sys.argv[1:]))\n"


def bench_app(sources: Mapping[str, bytes]) -> bytes:
    """`sources`: the package's modules by path (`infercli/core/traces.py`); more than are needed may be given.

    Raises ValueError for an import of something that is not among them.
    """
    return zip_files({path: sources[path] for path in closure(sources)} | {"__main__.py": _MAIN})


def closure(sources: Mapping[str, bytes]) -> tuple[str, ...]:
    """The paths of the load generator and of all that it imports of this package, however deep, also in functions."""
    found: set[str] = set()
    waiting = [path for path in sources if path.startswith(_START)]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported(sources, path)
    return tuple(sorted(found))


def _imported(sources: Mapping[str, bytes], path: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(sources[path], path)):
        if isinstance(node, ast.Import):
            names: list[tuple[str, str | None]] = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        for module, member in names:
            if module.partition(".")[0] == _ROOT:
                yield from _files(sources, path, module, member)


def _files(sources: Mapping[str, bytes], path: str, module: str, member: str | None) -> Iterator[str]:
    """Of a module, the packages around it, and `member` where that is a module of its own."""
    parts = module.split(".")
    for depth in range(1, len(parts)):
        yield _required(sources, path, "/".join(parts[:depth]))
    yield _required(sources, path, "/".join(parts))
    if member is not None and (own := _file(sources, "/".join([*parts, member]))) is not None:
        yield own


def _required(sources: Mapping[str, bytes], path: str, name: str) -> str:
    found = _file(sources, name)
    if found is None:
        raise ValueError(f"{path} imports {name.replace('/', '.')}, which is not among the sources")
    return found


def _file(sources: Mapping[str, bytes], name: str) -> str | None:
    return next((p for p in (f"{name}.py", f"{name}/__init__.py") if p in sources), None)
