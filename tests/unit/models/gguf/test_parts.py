"""The files of a model: whole, split, renamed, alone, joined byte by byte."""

from __future__ import annotations

from pathlib import Path

import gguf_files as files
import pytest

from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import parts
from sidecar.models.gguf.description import describe
from sidecar.models.inventory import Inventory
from sidecar.models.store.store import Store


@pytest.fixture
def split(tmp_path: Path) -> list[Path]:
    """The three parts of a tiny model."""
    return files.split_model(tmp_path / "tiny", 3)


def refused(path: Path) -> SidecarError:
    with pytest.raises(SidecarError) as caught:
        parts.check(str(path))
    assert caught.value.details["pointer"] == "/path"
    return caught.value


def test_weights_and_quantization_are_those_of_all_parts(tmp_path: Path, split: list[Path]) -> None:
    counted = ("parameters", "quantization", "tensors")
    whole = describe(files.tiny_model(tmp_path / "whole.gguf"))
    found = describe(str(split[0]))
    assert [found[name] for name in counted] == [whole[name] for name in counted]
    assert found["sizeBytes"] == sum(part.stat().st_size for part in split)
    split[1].unlink()
    alone = describe(str(split[0]))
    assert (alone["name"], alone["sizeBytes"]) == ("Tiny", split[0].stat().st_size)


def listed(folder: Path) -> list[tuple[str, object]]:
    """Name and problem of each model in a folder."""
    models = Inventory(Store(str(folder / "none")), ()).result({}, [str(folder)])["models"]
    assert isinstance(models, list)
    return [(Path(model["path"]).name, model["problem"]) for model in models]


def test_a_whole_model_may_have_any_name(tmp_path: Path, split: list[Path]) -> None:
    for part in split:
        part.unlink()
    names = ("w-00001-of-00003.gguf", "w-00002-of-00003.gguf", "w.gguf")
    for name in names:
        path = files.tiny_model(tmp_path / name)
        assert parts.paths(path) == [path]
        assert len(parts.read_headers(path)) == 1
        assert describe(path)["name"] == "Tiny"
    assert listed(tmp_path) == [(name, None) for name in names]


def test_a_split_model_is_all_of_its_parts(tmp_path: Path, split: list[Path]) -> None:
    headers = parts.read_headers(str(split[0]))
    assert sum(len(header.tensors) for header in headers) == len(files.tiny_shapes(len(files.TOKENS)))
    assert parts.paths(str(split[0])) == list(map(str, split))
    assert listed(tmp_path) == [(split[0].name, None)]


def test_another_part_than_the_first_names_the_first(split: list[Path]) -> None:
    error = refused(split[1])
    assert (error.kind, error.details["allowed"]) == ("modelIncomplete", [str(split[0])])
    assert "is part 2 of 3; the first is" in error.problem
    with pytest.raises(SidecarError, match="is part 3 of 3"):
        describe(str(split[2]))
    renamed = split[1].rename(split[1].with_name("second.gguf"))
    assert "the first is named …-00001-of-….gguf" in refused(renamed).problem


def test_a_missing_part_is_named(tmp_path: Path, split: list[Path]) -> None:
    split[2].unlink()
    error = refused(split[0])
    assert (error.kind, error.details["allowed"]) == ("modelIncomplete", list(map(str, split)))
    assert f"beside it is no {split[2].name}" in error.problem
    assert describe(str(split[0]))["name"] == "Tiny", "the first part says what the model is"
    assert listed(tmp_path) == [(split[0].name, "1 of its 3 parts are missing")]


@pytest.mark.parametrize("name", ["whole.gguf", "tiny-00001-of-00003.gguf"])
def test_parts_that_were_joined_byte_by_byte(tmp_path: Path, split: list[Path], name: str) -> None:
    data = b"".join(part.read_bytes() for part in split)
    for part in split:
        part.unlink()
    (tmp_path / name).write_bytes(data)
    error = refused(tmp_path / name)
    assert error.kind == "modelIncomplete"
    assert "is 3 parts of a split model, joined byte by byte" in error.problem
    assert "llama-gguf-split --merge" in str(error.to_wire()["message"])


def test_what_follows_the_first_part_does_no_harm_if_all_parts_are_there(split: list[Path]) -> None:
    split[0].write_bytes(split[0].read_bytes() + split[1].read_bytes())
    assert len(parts.read_headers(str(split[0]))) == 3


def test_parts_under_other_names(split: list[Path]) -> None:
    first = split[0].rename(split[0].with_name("model.gguf"))
    assert "does not end in '-00001-of-00003.gguf'" in refused(first).problem


def test_a_part_in_the_place_of_another(split: list[Path]) -> None:
    split[1].write_bytes(split[2].read_bytes())
    assert "is not part 2 of 3, as its name says" in refused(split[0]).problem


def test_a_damaged_part_is_named(split: list[Path]) -> None:
    split[1].write_bytes(split[1].read_bytes()[:100])
    error = refused(split[0])
    assert error.kind == "modelDamaged" and split[1].name in error.problem


def test_a_number_that_lies(tmp_path: Path) -> None:
    lies = {"split__count": (files.UINT16, 2), "split__no": (files.UINT16, 2)}
    assert refused(Path(files.tiny_model(tmp_path / "a-00001-of-00002.gguf", **lies))).kind == "modelDamaged"


@pytest.mark.parametrize("count", [0, 1, 2, 65535])
def test_a_count_that_lies(tmp_path: Path, count: int) -> None:
    path = files.tiny_model(tmp_path / "a-00001-of-00002.gguf", split__count=(files.UINT16, count))
    if count < 2:
        assert len(parts.read_headers(path)) == 1
    else:
        assert refused(Path(path)).kind == "modelIncomplete"
