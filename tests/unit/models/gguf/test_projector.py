"""Which projector belongs to a model."""

from __future__ import annotations

from pathlib import Path

import gguf_files
import pytest
from gguf_files import BOOL, STRING, entry, header

from sidecar.models.gguf import projector, reader


def write(path: Path, *kinds: str) -> Path:
    """A projector without weights. `kinds`: vision, audio."""
    entries = [entry("general.architecture", STRING, "clip")]
    entries += [entry(f"clip.has_{kind}_encoder", BOOL, True) for kind in kinds]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header(entries, []))
    return path


@pytest.mark.parametrize(
    ("model", "names", "chosen"),
    [
        ("gemma-3-4b-it-UD-Q4_K_XL.gguf", ["mmproj-BF16.gguf", "mmproj-F16.gguf", "mmproj-F32.gguf"], 1),
        ("SmolVLM-500M-Instruct-Q8_0.gguf", ["mmproj-SmolVLM-500M-Instruct-f16.gguf"], 0),
        ("google_gemma-3-4b-it-Q4_K_M.gguf", ["mmproj-google_gemma-3-4b-it-bf16.gguf"], 0),
        ("moondream2-text-model-f16.gguf", ["moondream2-mmproj-f16.gguf"], 0),
        ("llava-v1.6-mistral-7b.Q4_K_M.gguf", ["mmproj-model-f16.gguf"], 0),
        ("A-2B-Q4_0.gguf", ["mmproj-A-7B-f16.gguf", "mmproj-A-2B-Q8_0.gguf"], 1),
        ("A-2B-Q4_0.gguf", ["mmproj-F16.gguf", "mmproj-A-2B-Q8_0.gguf"], 1),
        ("A-2B-Q4_0.gguf", ["mmproj-B-f16.gguf", "mmproj-A-7B-f16.gguf"], None),
        ("A-00001-of-00002.gguf", ["mmproj-A-f16.gguf"], 0),
        ("a.gguf", [], None),
    ],
)
def test_names_tell(model: str, names: list[str], chosen: int | None) -> None:
    assert projector.best(model, names) == (None if chosen is None else names[chosen])


def test_the_one_beside_the_model(tmp_path: Path) -> None:
    model = tmp_path / "A-Q4_0.gguf"
    assert projector.beside(str(model)) is None
    model.touch()
    (tmp_path / "A-Q8_0.gguf").touch()
    found = write(tmp_path / "mmproj-F16.gguf", "vision")
    assert projector.beside(str(model)) == str(found)
    (tmp_path / "B-Q8_0.gguf").touch()
    assert projector.beside(str(model)) is None, "of which of the two?"
    named = write(tmp_path / "mmproj-A-F16.gguf", "vision")
    assert projector.beside(str(model)) == str(named)


def test_the_one_above_a_folder_of_a_quantisation(tmp_path: Path) -> None:
    found = write(tmp_path / "mmproj-F16.gguf", "vision")
    for folder, expected in (("Q8_0", str(found)), ("others", None)):
        assert projector.beside(str(tmp_path / folder / "A.gguf")) == expected


def test_a_file_that_is_no_projector_is_not_taken_for_one(tmp_path: Path) -> None:
    for content in (b"", b"GGUF", (Path(gguf_files.tiny_model(tmp_path / "tiny"))).read_bytes()):
        (tmp_path / "mmproj-F16.gguf").write_bytes(content)
        assert projector.beside(str(tmp_path / "A.gguf")) is None


def test_what_a_model_takes(tmp_path: Path) -> None:
    assert projector.modalities(None) == ["text"]
    tiny = reader.read_header(gguf_files.tiny_model(tmp_path / "tiny.gguf"))
    assert projector.modalities(tiny) == ["text"]
    for kinds, taken in (
        (("vision",), ["image"]),
        (("audio",), ["audio"]),
        (("audio", "vision"), ["image", "audio"]),
    ):
        read = projector.read(str(write(tmp_path / "mmproj.gguf", *kinds)))
        assert projector.modalities(read) == ["text", *taken]
