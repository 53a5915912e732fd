"""What several tests of adapters start from."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def no_token_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever is logged in to the Hub here is not asked for his token."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
