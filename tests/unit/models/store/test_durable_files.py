"""Files that survive a power failure: sync the bytes, then rename the file, then sync the folder."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from sidecar.models.store import durable_files

FOLDER = [] if sys.platform == "win32" else [("fsync", "folder", 0)]
"""Windows does that by itself."""

Steps = list[tuple[str, str, int]]
"""fsync or replace, of which file, and the bytes that it had then."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Records the calls from now on, in order; each is also carried out."""
    done: Steps = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        folder = stat.S_ISDIR(status.st_mode)
        done.append(("fsync", "folder", 0) if folder else ("fsync", "file", status.st_size))
        fsync(descriptor)

    def noted_replace(source: str, target: str) -> None:
        done.append(("replace", Path(target).name, Path(source).stat().st_size))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    return done


def test_a_whole_file_is_on_the_disk_before_it_has_its_name(steps: Steps, tmp_path: Path) -> None:
    part, final = tmp_path / "a.part", tmp_path / "a.gguf"
    part.write_bytes(b"x" * 1000)
    final.write_bytes(b"the one before")
    durable_files.publish(str(part), str(final))
    assert steps == [("fsync", "file", 1000), ("replace", "a.gguf", 1000), *FOLDER]
    assert final.read_bytes() == b"x" * 1000 and not part.exists()


def test_a_small_file_has_its_old_content_until_the_new_is_on_the_disk(steps: Steps, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    durable_files.replace_file(str(path), b"y" * 500)
    assert steps == [("fsync", "file", 500), ("replace", "a.json", 500)]
    assert path.read_bytes() == b"y" * 500
    assert list(tmp_path.iterdir()) == [path]
