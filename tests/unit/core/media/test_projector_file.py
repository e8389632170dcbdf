"""Which files are refused as projectors before llama.cpp reads them, and how its words are told."""

from __future__ import annotations

from pathlib import Path

import gguf_files
import pytest
from gguf_files import STRING, entry

from sidecar.core.media.projector_file import BY_PLACE, check, unsuitable
from sidecar.message_handler.errors import SidecarError


def written(path: Path, key: str, kind: str) -> str:
    entries = [entry("general.architecture", STRING, "clip"), entry(key, STRING, kind)]
    path.write_bytes(gguf_files.header(entries, []))
    return str(path)


@pytest.mark.parametrize("key", ["clip.projector_type", "clip.vision.projector_type"])
def test_a_projector_whose_rows_depend_on_their_place_is_refused(tmp_path: Path, key: str) -> None:
    for kind in BY_PLACE:
        with pytest.raises(SidecarError) as refused:
            check(written(tmp_path / "mmproj.gguf", key, kind))
        assert (refused.value.kind, refused.value.details["pointer"]) == (
            "unsuitableProjector",
            "/projectorPath",
        )
        assert kind in refused.value.details["cause"]
    check(written(tmp_path / "mmproj.gguf", key, "gemma3"))


def test_llama_cpps_words_about_sizes_are_told_shortly() -> None:
    words = "mismatch between text model (n_embd = 640) and mmproj (n_embd = 576)"
    assert unsuitable("a.gguf", words).details["cause"] == (
        "the model's embeddings have 640 numbers, those of the projector 576"
    )
    assert unsuitable("a.gguf", "no room").details["cause"] == "no room"
