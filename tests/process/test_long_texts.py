"""No text ends an engine: it is tokenized, in whatever request it comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import vocabularies
from conftest import Start
from driver import Sidecar

pytestmark = pytest.mark.process

LETTERS = "A" * 60_000
"""Of one call of llama_tokenize, they take 20 MB of stack."""


@pytest.fixture
def sidecar(start: Start, tmp_path: Path) -> Sidecar:
    """With a model whose tokenizer recurses for each letter of a word, and two contexts."""
    started = start()
    path = vocabularies.byte_pair_model(tmp_path / "tiny.gguf", "gpt-4o")
    started.call("loadModel", {"path": path})
    started.call("createContext", {"modelId": "model-1", "contextSize": 512})
    started.call("createContext", {"modelId": "model-1", "contextSize": 512, "embeddings": True})
    return started


REQUESTS: dict[str, dict[str, Any]] = {
    "tokenize": {"modelId": "model-1", "text": LETTERS},
    "complete": {
        "contextId": "context-1",
        "prompt": LETTERS,
        "contextOverflow": "truncateMiddle",
        "maxTokens": 1,
    },
    "chat": {"contextId": "context-1", "messages": [{"role": "user", "content": LETTERS}], "maxTokens": 1},
    "embed": {"contextId": "context-2", "input": ["a", LETTERS]},
}


def test_a_long_word_costs_no_engine(sidecar: Sidecar, tmp_path: Path) -> None:
    engine = sidecar.engines()["model-1"]
    asked = {method: sidecar.send(method, params) for method, params in REQUESTS.items()}
    assert len(sidecar.result(asked["tokenize"])["tokens"]) == len(LETTERS) // 4
    assert sidecar.result(asked["complete"])["usage"]["promptTokens"] < 512
    for method in ("chat", "embed"):
        assert sidecar.response(asked[method])["error"]["data"]["kind"] == "promptTooLong"
    saved = {"contextId": "context-1", "prompt": LETTERS, "path": str(tmp_path / "state")}
    assert sidecar.call("saveState", saved)["matchedTokens"] > 0
    assert sidecar.engines()["model-1"] == engine
