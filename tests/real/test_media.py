"""The program says about pictures and sounds what llama-mtmd-cli says, with made projectors for the pinned models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import media_cases
import pytest
from conftest import Once
from driver import Sidecar
from media_cases import Case

pytestmark = pytest.mark.real

CASES = media_cases.cases()
TEXTS: dict[str, str] = media_cases.expected()["texts"]
GREEDY: dict[str, Any] = {"temperature": 0}
SIZE = 512
STREAMS = 4
PATIENCE_S = 300
"""Seconds for one text, on a busy machine."""


Pair = Callable[[str], tuple[str, str]]


@pytest.fixture(scope="session")
def pair(once: Once, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The paths of a model and of its projector. All workers share them."""

    def make(name: str) -> tuple[str, str]:
        folder: Path = once("pairs", lambda: tmp_path_factory.mktemp("pairs"))
        paths: tuple[str, str] = once(f"pair {name}", lambda: media_cases.pair(name, folder))
        return paths

    return make


@pytest.fixture(scope="module", params=["llava", "qwen2vl", "gemma3", "ultravox"])
def seeing(
    request: pytest.FixtureRequest, program: list[str], pair: Pair, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Sidecar]]:
    """A program with model-1 of each pair and context-1 of several sequences."""
    model, projector = pair(request.param)
    sidecar = Sidecar(program, stderr=tmp_path_factory.mktemp("seeing") / "stderr.txt")
    loaded = sidecar.call("loadModel", {"path": model, "projectorPath": projector})
    kind = "audio" if request.param == "ultravox" else "image"
    assert loaded["modalities"] == ["text", kind]
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": SIZE, "sequences": STREAMS})
    engines = sidecar.engines()
    yield request.param, sidecar
    assert sidecar.engines() == engines, "a test cost the engine"
    assert not sidecar.end()


def asked(case: Case, **params: Any) -> dict[str, Any]:
    """The params of a chat."""
    if case.pair == "gemma3":
        params["chatTemplate"] = media_cases.GEMMA_TEMPLATE
    messages = [{"role": "user", "content": list(case.parts())}]
    return {"contextId": "context-1", "messages": messages, "maxTokens": case.tokens, **GREEDY, **params}


def test_what_llama_mtmd_cli_says(seeing: tuple[str, Sidecar], pair: Pair) -> None:
    name, sidecar = seeing
    assert media_cases.fingerprint(pair(name)[1]) == media_cases.expected()["projectors"][name]
    cases = {each: case for each, case in CASES.items() if case.pair == name}
    for each, case in cases.items():  # as many at once as there are sequences
        sidecar.send("chat", asked(case), each)
    results = {each: sidecar.result(each, PATIENCE_S) for each in cases}
    said = {each: result["message"]["content"] for each, result in results.items()}
    assert said == {each: TEXTS[each] for each in cases}
    for each, case in cases.items():
        assert len(results[each]["media"]) == len(case.files)
