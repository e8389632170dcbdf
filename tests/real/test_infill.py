"""`infill` is a completion of a prompt that the model's own tokens for it hold together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf_files
import pytest
from conftest import Start
from driver import Refused, Sidecar

pytestmark = pytest.mark.real

BEFORE, BEHIND, BETWEEN = 130, 131, 132
BEGIN = 1
ASKED: dict[str, Any] = {"contextId": "context-1", "temperature": 0, "maxTokens": 16, "ignoreEos": True}


@pytest.fixture
def filler(start: Start, tmp_path: Path) -> Sidecar:
    """A program with a made model that knows how to fill in."""
    numbers = {"pre": BEFORE, "suf": BEHIND, "mid": BETWEEN}
    known: Any = {
        f"tokenizer__ggml__fim_{name}_token_id": (gguf_files.UINT32, token) for name, token in numbers.items()
    }
    sidecar = start()
    sidecar.call("loadModel", {"path": gguf_files.tiny_model(tmp_path / "tiny.gguf", **known)})
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 256})
    return sidecar


def test_the_prompt_is_made_of_both_texts_and_the_tokens_around_them(filler: Sidecar) -> None:
    for prefix, suffix in [("ab", "cd"), ("", "cd"), ("ab", ""), ("", ""), ("<s>", "</s>")]:
        first, second = (
            filler.call("tokenize", {"modelId": "model-1", "text": text})["tokens"]
            for text in (prefix, suffix)
        )
        assert len(first) == len(prefix), "no special tokens are recognised"
        prompt = [BEGIN, BEFORE, *first, BEHIND, *second, BETWEEN]
        expected = filler.call("complete", {**ASKED, "prompt": prompt})
        request = filler.send("infill", {**ASKED, "prefix": prefix, "suffix": suffix})
        result = filler.result(request)
        assert result["text"] == expected["text"] == filler.streamed(request)
        assert result["usage"]["promptTokens"] == len(prompt)
        assert result["finishReason"] == "length"


def test_texts_that_are_too_long_are_refused(filler: Sidecar) -> None:
    with pytest.raises(Refused) as refused:
        filler.call("infill", {**ASKED, "prefix": "a" * 200, "suffix": "b" * 100})
    assert refused.value.kind == "promptTooLong"


def test_an_abort_returns_the_text_so_far(filler: Sidecar) -> None:
    endless = {**ASKED, "maxTokens": 2147483647, "stop": []}
    request = filler.send("infill", {**endless, "prefix": "a", "suffix": "b"})
    if filler.call("abort", {"requestId": request})["outcome"] == "aborted":
        partial = filler.response(request)["error"]["data"]["partial"]
        assert partial["text"] == filler.streamed(request)


def test_a_model_without_these_tokens_is_refused(real: Sidecar) -> None:
    with pytest.raises(Refused) as refused:
        real.call("infill", {**ASKED, "prefix": "a", "suffix": "b"})
    assert refused.value.kind == "unsuitableModel"
