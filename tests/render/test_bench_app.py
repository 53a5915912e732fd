from __future__ import annotations

import io
import zipfile

import pytest

from infercli.adapters.files import package_sources
from infercli.render.bench_app import bench_app, closure
from infercli.render.storage import SECRET_BYTES

SOURCES = {
    "infercli/__init__.py": b"",
    "infercli/errors.py": b"",
    "infercli/core/__init__.py": b"",
    "infercli/core/a.py": b"from infercli.core import b\n",
    "infercli/core/b.py": b"def f():\n    import infercli.core.deep.c\n",
    "infercli/core/deep/__init__.py": b"from infercli.errors import X\n",
    "infercli/core/deep/c.py": b"import json\n",
    "infercli/core/other.py": b"",
    "infercli/loadgen/__init__.py": b"",
    "infercli/loadgen/job.py": b"from infercli.core.a import thing\n",
}


def test_what_is_imported_is_found_through_packages_functions_and_names_that_are_modules():
    assert set(closure(SOURCES)) == set(SOURCES) - {"infercli/core/other.py"}


def test_an_import_of_what_is_not_there_is_said_when_the_zip_is_made_and_not_in_the_pod():
    lacking = {path: source for path, source in SOURCES.items() if path != "infercli/core/a.py"}
    with pytest.raises(ValueError, match=r"infercli/loadgen/job\.py imports infercli\.core\.a"):
        bench_app(lacking)


def test_equal_sources_give_equal_bytes_whatever_else_is_installed():
    sources = package_sources()
    app = bench_app(sources)
    assert bench_app(dict(reversed(sources.items())) | {"infercli/core/unused.py": b""}) == app
    assert bench_app(sources | {"infercli/core/traces.py": sources["infercli/core/traces.py"] + b"\n"}) != app


def test_the_zip_fits_into_a_config_map_with_room_to_grow():
    # ConfigMap and Secret have one limit.
    assert len(bench_app(package_sources())) < SECRET_BYTES / 2


def test_the_zip_is_a_program():
    with zipfile.ZipFile(io.BytesIO(bench_app(SOURCES))) as archive:
        assert b"from infercli.loadgen.job import main" in archive.read("__main__.py")
