"""Files of states: what an abort, or a full disk, leaves behind."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from sidecar.core.context import state_file
from sidecar.message_handler.errors import SidecarError

STATE = state_file.State({"format": 1}, [1, 2, 3], bytearray(b"x" * (3 * state_file.CHUNK_BYTES)))


def aborted_after(count: int) -> state_file.Check:
    """A check that passes this number of times and then raises, as after an abort."""
    left = count

    def check() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise SidecarError("aborted", "saveState was aborted")

    return check


def passes() -> None:
    """A check that always passes."""


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = str(tmp_path / "x.state")
    assert state_file.write(path, STATE, passes) == Path(path).stat().st_size
    assert state_file.read(path, 2**40, passes) == STATE


@pytest.mark.parametrize("chunks", range(6))
def test_an_abort_leaves_the_file_that_was_there_and_nothing_else(tmp_path: Path, chunks: int) -> None:
    path = tmp_path / "x.state"
    path.write_bytes(b"before")
    with pytest.raises(SidecarError, match="aborted"):
        state_file.write(str(path), STATE, aborted_after(chunks))
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("x.state", b"before")]


def test_an_abort_ends_a_read(tmp_path: Path) -> None:
    path = str(tmp_path / "x.state")
    state_file.write(path, STATE, passes)
    with pytest.raises(SidecarError, match="aborted"):
        state_file.read(path, 2**40, aborted_after(5))


def test_more_than_the_memory_holds_is_not_read(tmp_path: Path) -> None:
    path = str(tmp_path / "x.state")
    size = state_file.write(path, STATE, passes)
    with pytest.raises(SidecarError) as refused:
        state_file.read(path, size - 1, passes)
    assert refused.value.kind == "outOfMemory"


def test_a_disk_that_is_too_small_is_reported_before_the_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(2000, 1000, 1000))
    with pytest.raises(SidecarError) as refused:
        state_file.write(str(tmp_path / "x.state"), STATE, passes)
    assert refused.value.kind == "diskFull"
    assert refused.value.details["allowed"] == {"maximum": 1000}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_disk_that_gets_full_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> tuple[int, str]:
        part = tmp_path / "x.part"
        part.write_bytes(b"")
        return os.open("/dev/full", os.O_WRONLY), str(part)

    monkeypatch.setattr(state_file.tempfile, "mkstemp", full)
    with pytest.raises(SidecarError) as refused:
        state_file.write(str(tmp_path / "x.state"), STATE, passes)
    assert refused.value.kind == "diskFull"
    assert list(tmp_path.iterdir()) == []
