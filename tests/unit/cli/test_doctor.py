"""What `doctor` says without a look at the machine."""

from __future__ import annotations

import sys

import pytest

from sidecar.cli import doctor


def test_it_says_that_wine_is_not_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "win32":
        assert "Wine" not in doctor._program().message
    monkeypatch.setattr(doctor, "_wine", lambda: "8.0")
    assert "running in Wine 8.0 instead of Windows" in doctor._program().message
