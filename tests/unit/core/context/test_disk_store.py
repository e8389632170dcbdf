"""Conversations on a disk: what a full disk, and several programs, do to them."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.core.context import disk_store
from sidecar.core.context.checkpoints import Checkpoint
from sidecar.core.context.context import Context
from sidecar.core.context.conversation_store import ConversationStore, Held
from sidecar.core.context.disk_store import MAX_FILES, STALE_S, DiskStore
from sidecar.core.context.sequence import Sequence
from sidecar.core.context.state_file import MAX_HEADER_BYTES
from sidecar.core.model.adapters import Adapters
from sidecar.core.scheduling import saver
from sidecar.message_handler.errors import SidecarError


class Plain(Context):
    """What the stores ask of a context."""

    def __init__(self, fingerprint: str = "a") -> None:
        self.model: Any = SimpleNamespace(
            has_state_beyond_kv=True,
            encoder=None,
            fingerprint=fingerprint,
            adapters=Adapters("model-1", ()),
            check_tokens=lambda tokens, pointer: None,
        )
        self.kv_cache_type, self.flash_attention, self.window, self.size = "f16", "auto", 0, 4096
        self.value_cache_type, self.rope, self.shared_tokens = "f16", {}, 0
        self.needs_checkpoints, self.cache_bytes = True, 2**20
        self.sequences = [Sequence(0, [])]


def opened(folder: Path, fingerprint: str = "a", max_bytes: int = 2**30) -> DiskStore:
    store = DiskStore(Plain(fingerprint), str(folder), max_bytes)
    store.open()
    return store


def held(first: int, length: int = 200) -> Held:
    """A conversation that begins with this token, and has a checkpoint after 100 tokens."""
    tokens = [first, *range(length - 1)]
    return Held(tokens, (), [Checkpoint(100, bytearray(b"c" * 50))], 0, bytearray(bytes([first]) * 3000))


def passes() -> None:
    """A check that always passes."""


def test_what_was_written_is_found_by_another_program(tmp_path: Path) -> None:
    one, other, stranger = opened(tmp_path), opened(tmp_path), opened(tmp_path, "b")
    one.write(held(1), passes)
    assert other.find([1, *range(250)], ())[1] == 200
    name, count = other.find([1, *range(150)], ())
    assert count == 100, "it goes back to checkpoints only"
    read = other.read(name, passes)
    assert read == held(1)._replace(origin="disk")
    assert stranger.find(held(1).tokens, ()) == ("", 0)
    assert one.find(held(1).tokens, (0.5,)) == ("", 0)


def test_a_conversation_replaces_what_it_begins_with(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for length in (200, 300, 250):
        store.write(held(1, length), passes)
    assert [len(entry.tokens) for entry in store._scan().values()] == [300, 250]


def test_the_folder_has_at_most_so_many_bytes_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(tmp_path, max_bytes=4 * 10**4 + MAX_HEADER_BYTES)
    for first in range(20):
        store.write(held(first), passes)
        assert store.size[1] <= 4 * 10**4 + MAX_HEADER_BYTES
    store.write(held(21)._replace(data=bytearray(2**22)), passes)
    assert store.find(held(21).tokens, ())[1] == 0
    assert store.find(held(19).tokens, ())[1] == 200
    monkeypatch.setattr(disk_store, "MAX_FILES", 3)
    store.write(held(22), passes)
    assert store.size[0] == 3 < MAX_FILES


def test_an_old_unfinished_file_is_deleted(tmp_path: Path) -> None:
    old, new, other = (tmp_path / f"a.conversation.{name}.part" for name in "xyz")
    other = tmp_path / "notes.txt"
    for path in (old, new, other):
        path.touch()
    os.utime(old, (old.stat().st_mtime - 2 * STALE_S,) * 2)
    opened(tmp_path).write(held(1), passes)
    assert [path.exists() for path in (old, new, other)] == [False, True, True]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_disk_that_gets_full_loses_nothing_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, told = opened(tmp_path), list[str]()
    store.write(held(1), passes)

    def full(prefix: str, **_: object) -> tuple[int, str]:
        part = tmp_path / f"{prefix}part"
        part.touch()
        return os.open("/dev/full", os.O_WRONLY), str(part)

    wrote = threading.Semaphore(0)
    write = store.write

    def counted(*args: Any) -> None:
        try:
            write(*args)
        finally:
            wrote.release()

    monkeypatch.setattr(store, "write", counted)
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkstemp", full)
        with pytest.raises(SidecarError) as refused:
            store.write(held(2), passes)
        wrote.acquire()
        writer = saving(store, told.append)
        for first in (2, 3):
            leave(writer, held(first))
            assert wrote.acquire(timeout=20)
    leave(writer, held(4))
    assert wrote.acquire(timeout=20)
    writer.finish(20)
    assert refused.value.kind == "diskFull"
    assert len(told) == 1
    assert "not enough space" in told[0]
    found = [store.find(held(first).tokens, ())[1] for first in (1, 2, 3, 4)]
    assert found == [200, 0, 0, 200]
    assert all(path.suffix == ".conversation" for path in tmp_path.iterdir())


def saving(store: DiskStore, tell: Callable[[str], None]) -> saver.Saver:
    context = Plain()
    memory = ConversationStore(context, lambda figures: None)
    return saver.Saver(store, memory, context, lambda _, work: work(), tell)


def leave(writer: saver.Saver, copy: Held) -> None:
    """A conversation rests, and loses its sequence."""
    sequence = Sequence(0, copy.tokens)
    writer.note(sequence)
    writer.forget(sequence, copy)
