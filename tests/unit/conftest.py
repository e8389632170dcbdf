"""What all unit tests share."""

from __future__ import annotations

import pytest

from sidecar.message_handler import log


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the log of what the tests provoke off the terminal: its thread writes past pytest's capture."""
    monkeypatch.setattr(log, "_threshold", 100)
