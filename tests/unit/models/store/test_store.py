"""Which paths are in a models directory."""

from __future__ import annotations

import ntpath
import os
from pathlib import Path

import pytest

from sidecar.models.store.store import Store


def test_a_path_on_another_drive_is_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no relative path from one drive to another."""
    of_windows = ntpath.relpath  # os.path's own there
    monkeypatch.setattr(os.path, "relpath", lambda *_: of_windows("D:\\other.gguf", "C:\\models"))
    assert Store("models").place_of("other.gguf") is None


def test_the_root_of_a_drive_may_be_the_directory() -> None:
    root = Path(Path.cwd().anchor)
    path = root / "no such folder" / "model.gguf"
    place = Store(str(root)).place_of(str(path))
    assert place is not None and place.path == str(path)
    assert Store(str(root / "no such")).place_of(str(path)) is None
