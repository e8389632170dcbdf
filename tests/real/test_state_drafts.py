"""Draft tokens with a model that has a recurrent state: what is not accepted is taken back. A token is a character."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_models
import pytest
from driver import Refused, Sidecar
from process_work import EXACT, made_contexts

pytestmark = pytest.mark.real

TWO_LETTERS = [["a", 60], ["b", 60]]
"""Biases with which the model says nothing else, so that the same few letters come again and again."""

PROMPT = "abba"
SIZE = 512


@pytest.fixture(scope="module")
def hybrid(program: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    folder = tmp_path_factory.mktemp("hybrid")
    sidecar = Sidecar(program, stderr=folder / "stderr.txt")
    path = str(folder / "hybrid.gguf")
    made_models.talking_hybrid(Path(path))
    sidecar.call("loadModel", {"path": path})
    engines = sidecar.engines()
    yield sidecar
    assert sidecar.engines() == engines, "a test cost the engine"
    assert not sidecar.end()


@pytest.fixture
def context(hybrid: Sidecar) -> Iterator[str]:
    with made_contexts(hybrid, contextSize=SIZE, **EXACT) as make:
        yield make(draftTokens=4, sequences=2)


def send(sidecar: Sidecar, context: str, prompt: str, speculation: str, tokens: int = 120) -> Any:
    own = {"contextId": context, "prompt": prompt, "maxTokens": tokens, "speculation": speculation}
    return sidecar.send("complete", {**own, "temperature": 0, "ignoreEos": True, "logitBias": TWO_LETTERS})


def ask(sidecar: Sidecar, context: str, prompt: str, speculation: str, tokens: int = 120) -> Any:
    return sidecar.result(send(sidecar, context, prompt, speculation, tokens))


def test_the_text_is_the_same_and_some_drafts_are_right(hybrid: Sidecar, context: str) -> None:
    plain, drafted = (ask(hybrid, context, PROMPT, how) for how in ("none", "lookup"))
    assert drafted["text"] == plain["text"]
    assert 0 < drafted["usage"]["acceptedTokens"] < drafted["usage"]["guessedTokens"]
    assert ask(hybrid, context, PROMPT, "auto")["usage"]["guessedTokens"]
    assert "guessedTokens" not in plain["usage"]


def test_a_miss_costs_no_tokens_that_were_evaluated(hybrid: Sidecar, context: str) -> None:
    first = ask(hybrid, context, PROMPT, "lookup", 60)
    turns = PROMPT + first["text"] + "ab"
    after = ask(hybrid, context, turns, "lookup", 40)
    assert after["usage"]["cachedTokens"] >= len(PROMPT) + 59  # the last token was not evaluated
    with made_contexts(hybrid, contextSize=SIZE, **EXACT) as make:
        assert ask(hybrid, make(), turns, "none", 40)["text"] == after["text"]


def test_two_streams_with_drafts_say_what_each_says_alone(hybrid: Sidecar, context: str) -> None:
    prompts = (PROMPT, "bbbab")
    alone = [ask(hybrid, context, prompt, "none")["text"] for prompt in prompts]
    requests = [send(hybrid, context, prompt, "lookup") for prompt in prompts]
    assert [hybrid.result(request)["text"] for request in requests] == alone


def test_without_draft_tokens_such_a_model_does_not_speculate(hybrid: Sidecar) -> None:
    with made_contexts(hybrid, contextSize=SIZE, **EXACT) as make:
        assert "guessedTokens" not in ask(hybrid, make(), PROMPT, "lookup")["usage"]


def test_a_state_that_cannot_go_back_is_told(program: list[str], tmp_path: Path) -> None:
    sidecar = Sidecar(program, stderr=tmp_path / "stderr.txt")
    path = tmp_path / "recurrent.gguf"
    made_models.talking_recurrent(path)
    sidecar.call("loadModel", {"path": str(path)})
    with pytest.raises(Refused) as refused:
        sidecar.call("createContext", {"modelId": "model-1", "draftTokens": 2})
    assert refused.value.kind == "unsuitableModel"
    context = sidecar.call("createContext", {"modelId": "model-1"})["contextId"]
    assert ask(sidecar, context, PROMPT, "lookup", 5)["text"]
    assert not sidecar.end()
