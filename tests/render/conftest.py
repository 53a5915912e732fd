"""`pytest tests/render --update-goldens` rewrites manifests/, and fails, so that no check passes by rewriting."""

from __future__ import annotations

import pytest


def pytest_addoption(parser):
    parser.addoption("--update-goldens", action="store_true", help="rewrite manifests/, then fail the run")


@pytest.fixture
def golden(request):
    def compare(path, text):
        if request.config.getoption("--update-goldens", default=False):
            path.write_text(text, encoding="utf-8")
            pytest.fail(f"{path.parent.name}/{path.name} was rewritten: look at its diff, and run without the option")
        assert path.exists(), f"{path} is missing: `pytest tests/render --update-goldens` writes it"
        assert text == path.read_text(encoding="utf-8"), f"{path} differs; `--update-goldens` rewrites it"

    return compare
