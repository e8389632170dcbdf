"""Names of model files."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.models.gguf.splits import is_model, part_names, part_paths


def test_the_parts_of_a_split_model() -> None:
    assert part_names("a-00002-of-00003.gguf") == [f"a-0000{i}-of-00003.gguf" for i in (1, 2, 3)]
    assert part_names("a.gguf") == ["a.gguf"]
    folder = Path("b")
    paths = part_paths(str(folder / "a-00001-of-00002.gguf"))
    assert paths == [str(folder / f"a-0000{i}-of-00002.gguf") for i in (1, 2)]
    assert part_names("a-00004-of-00003.gguf") == ["a-00004-of-00003.gguf"]
    assert part_names("a-00001-of-99999.gguf") == ["a-00001-of-99999.gguf"], "no list without a bound"


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("a.gguf", True),
        ("mmproj/A.GGUF", True),
        ("a/mmproj-F16.gguf", False),
        ("a.imatrix.gguf", False),
        ("a.safetensors", False),
    ],
)
def test_a_projector_is_not_a_model(path: str, model: bool) -> None:
    assert is_model(path) is model
