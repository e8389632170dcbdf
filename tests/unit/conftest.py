"""What all unit tests share."""

from __future__ import annotations

import pytest

from sidecar.message_handler import log


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the log of provoked errors off the terminal: the log's thread bypasses pytest's capture."""
    monkeypatch.setattr(log, "_threshold", 100)
