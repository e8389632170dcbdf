"""The source of llama.cpp: a build that was ended goes on in the same folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from llama import source


def test_it_is_unpacked_once_and_what_belongs_to_other_settings_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unpacked: list[Path] = []

    def unpack(folder: Path) -> Path:
        package = folder / "llama_cpp_python-1.2.3"
        package.mkdir(parents=True)
        unpacked.append(folder)
        return package

    monkeypatch.setattr(source, "unpack", unpack)
    remove = shutil.rmtree
    other, wanted = tmp_path / "trees" / "other", tmp_path / "trees" / "wanted"
    source.tree(other)
    package = source.tree(wanted)
    (wanted / "build").mkdir()

    assert source.tree(wanted) == package == wanted / "llama_cpp_python-1.2.3"
    assert unpacked == [other, wanted]
    assert (wanted / "build").is_dir(), "the objects of the last build are there"
    assert not other.exists()

    (wanted / source.UNPACKED).unlink()  # the last one was ended while it unpacked
    source.tree(wanted)
    assert unpacked == [other, wanted, wanted]
    assert not (wanted / "build").exists()

    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # it was ended while it removed
    source.discard(wanted.parent)
    monkeypatch.setattr(shutil, "rmtree", remove)
    source.tree(wanted)
    assert unpacked == [other, wanted, wanted, wanted]
