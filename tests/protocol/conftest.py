"""One program per module, so that every case also shows that the cases before it did no harm."""

from __future__ import annotations

from collections.abc import Iterator

import gguf_files
import pytest
from driver import Sidecar


@pytest.fixture(scope="module")
def shared(program: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """The program of this module."""
    sidecar = Sidecar(program, stderr=tmp_path_factory.mktemp("shared") / "stderr.txt")
    yield sidecar
    sidecar.end()  # then the log is whole
    assert "Traceback" not in sidecar.log()


@pytest.fixture(scope="module")
def tiny(shared: Sidecar, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """(modelId, contextId) of a tiny model that stays loaded during all cases."""
    path = gguf_files.tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf")
    model = shared.call("loadModel", {"path": path})["modelId"]
    context = shared.call("createContext", {"modelId": model, "contextSize": 256})
    return model, context["contextId"]


@pytest.fixture
def next_line_works(shared: Sidecar, tiny: tuple[str, str]) -> Iterator[None]:
    """After the case, a ping is answered and the model that was loaded before still generates."""
    yield
    assert shared.call("ping")["uptimeMs"] > 0
    params = {"contextId": tiny[1], "prompt": "Hi", "maxTokens": 1}
    assert shared.call("complete", params)["usage"]["completionTokens"] == 1


@pytest.fixture(autouse=True)
def _forget(shared: Sidecar) -> Iterator[None]:
    """Cases reuse the same ids."""
    shared.messages.clear()
    yield
    shared.messages.clear()
