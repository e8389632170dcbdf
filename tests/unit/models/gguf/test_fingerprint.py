"""The hash by which a model's weights are known."""

from __future__ import annotations

from pathlib import Path

import pytest
from gguf_files import STRING, tiny_model

from sidecar.models.gguf import reader
from sidecar.models.gguf.fingerprint import SAMPLE_BYTES, fingerprint


@pytest.fixture
def path(tmp_path: Path) -> str:
    return tiny_model(tmp_path / "tiny.gguf")


def flipped(path: str, place: int) -> str:
    """The fingerprint of the model with one bit of it changed, which is then repaired."""
    with Path(path).open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        for value in (byte ^ 1, byte):
            file.seek(place)
            file.write(bytes([value]))
            file.flush()
            if value != byte:
                changed = fingerprint([path])
    return changed


def test_the_same_weights_have_the_same_one_wherever_they_are(path: str, tmp_path: Path) -> None:
    other = tiny_model(tmp_path / "other.gguf")
    assert fingerprint([path]) == fingerprint([path]) == fingerprint([other])


def test_other_weights_under_the_same_header_have_another_one(path: str) -> None:
    own, header = fingerprint([path]), reader.read_header(path)
    seen = {own}
    for tensor in header.tensors:
        assert tensor.size is not None
        first = header.data_start + tensor.offset
        for place in (first, first + min(tensor.size, SAMPLE_BYTES) - 1):
            seen.add(flipped(path, place))
    assert len(seen) == 1 + 2 * len(header.tensors)
    assert fingerprint([path]) == own


def test_another_header_has_another_one(path: str, tmp_path: Path) -> None:
    renamed = tiny_model(tmp_path / "renamed.gguf", general__name=(STRING, "Tinx"))
    assert fingerprint([renamed]) != fingerprint([path])


def test_each_part_counts(path: str, tmp_path: Path) -> None:
    other = tiny_model(tmp_path / "other.gguf", general__name=(STRING, "Other"))
    assert len({fingerprint([path]), fingerprint([path, other]), fingerprint([other, path])}) == 3
