"""The engine refuses what does not fit into memory before it tries, and fills in "auto"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf_files as files
import pytest
from driver import Refused, Sidecar
from made_models import ENDS, MADE, NORMS, OUTPUT, WIDTH, attention, blocks, feed_forward, numbers

pytestmark = pytest.mark.process


@pytest.fixture
def huge(tmp_path: Path) -> str:
    """A model of some terabytes that takes no space on the disk."""
    width, layers = 2**24, 40
    metadata = numbers("llama", block_count=layers, feed_forward_length=width, attention__head_count=8)
    layer = NORMS | attention(WIDTH, WIDTH) | feed_forward(width)
    return files.hollow_model(tmp_path / "huge.gguf", metadata, ENDS | OUTPUT | blocks(layers, layer))


def refused(sidecar: Sidecar, method: str, params: dict[str, Any]) -> dict[str, Any]:
    with pytest.raises(Refused) as caught:
        sidecar.call(method, params)
    assert caught.value.kind == "outOfMemory", caught.value
    assert caught.value.data["value"] > caught.value.data["allowed"]["maximum"] > 0
    return caught.value.data


def test_a_context_that_cannot_fit_is_refused_and_a_small_one_works(sidecar: Sidecar, tmp_path: Path) -> None:
    path = MADE["mixture"](tmp_path / "model.gguf")
    sidecar.call("loadModel", {"path": path})
    engines = sidecar.engines()
    data = refused(sidecar, "createContext", {"modelId": "model-1", "contextSize": 2**24, "sequences": 64})
    assert data["value"] > 4 * 2 * 128 * 2 * 2**30
    assert sidecar.call("createContext", {"modelId": "model-1", "contextSize": 256})["contextSize"] == 256
    assert sidecar.engines() == engines


def test_weights_that_cannot_fit_are_refused(sidecar: Sidecar, huge: str, tmp_path: Path) -> None:
    data = refused(sidecar, "loadModel", {"path": huge, "useMmap": False})
    assert data["pointer"] == "/path"
    assert data["value"] > 2**40
    sidecar.call("loadModel", {"path": files.tiny_model(tmp_path / "tiny.gguf")})


def test_the_largest_context_is_at_most_what_the_model_was_trained_for(
    sidecar: Sidecar, tmp_path: Path
) -> None:
    path = files.tiny_model(tmp_path / "tiny.gguf", llama__context_length=(files.UINT32, 1280))
    sidecar.call("loadModel", {"path": path})
    made = sidecar.call("createContext", {"modelId": "model-1", "contextSize": "auto", "sequences": 2})
    assert (made["contextSize"], made["sequences"]) == (1280, 2)
