"""Draft tokens of a model's own head (MTP): the text stays the same, some guesses are right, wrong ones cost little."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_models
import pytest
from driver import Refused, Sidecar
from process_work import made_contexts
from real.conftest import EXACT

from sidecar.core.speculation.speculation import FIRST_DRAFT_TOKENS, MAX_MISSES

pytestmark = pytest.mark.real

TOKENS = 80
PROMPTS = ("abba", "Once upon a time, there was a head that guessed.", "abba")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mtp")


@pytest.fixture(scope="module")
def sidecar(program: list[str], folder: Path) -> Iterator[Sidecar]:
    sidecar = Sidecar(program, stderr=folder / "stderr.txt")
    yield sidecar
    assert not sidecar.end()


def send(sidecar: Sidecar, context: str, prompt: str, speculation: str) -> Any:
    own = {"contextId": context, "prompt": prompt, "maxTokens": TOKENS, "speculation": speculation}
    return sidecar.send("complete", {**own, "temperature": 0, "ignoreEos": True})


@pytest.mark.parametrize("kind", ["dense", "hybrid", "wrong"])
def test_the_text_is_the_same(sidecar: Sidecar, folder: Path, kind: str) -> None:
    file = folder / f"{kind}.gguf"
    guesses = kind != "wrong"
    path = (
        made_models.talking_hybrid_mtp(file) if kind == "hybrid" else made_models.talking_mtp(file, guesses)
    )
    model = sidecar.call("loadModel", {"path": path, "mtp": True})["modelId"]
    with made_contexts(sidecar, modelId=model, contextSize=256, threads=1, **EXACT) as make:
        plain, context = make(sequences=2), make(sequences=2)
        expected = [sidecar.result(send(sidecar, plain, prompt, "none")) for prompt in PROMPTS]
        alone = [sidecar.result(send(sidecar, context, prompt, "auto")) for prompt in PROMPTS]
        together = [send(sidecar, context, prompt, "mtp") for prompt in PROMPTS]
        for results in (alone, [sidecar.result(each) for each in together]):
            for result, wanted in zip(results, expected, strict=True):
                assert result["text"] == wanted["text"]
                counted, right = result["usage"]["guessedTokens"], result["usage"]["acceptedTokens"]
                if guesses:
                    assert 0 < right < counted
                else:
                    assert right == 0 and counted <= FIRST_DRAFT_TOKENS + 2 * (
                        MAX_MISSES + TOKENS // MAX_MISSES
                    )
    sidecar.call("unloadModel", {"modelId": model})


def test_conversations_that_a_pool_put_away_leave_the_head_room(sidecar: Sidecar, folder: Path) -> None:
    model = sidecar.call("loadModel", {"path": made_models.talking_mtp(folder / "pool.gguf"), "mtp": True})
    with made_contexts(sidecar, modelId=model["modelId"], contextSize=256, threads=1, sequences=2) as make:
        counted = []
        for context in (make(), make(kvUnified=True)):
            own = {"contextId": context, "temperature": 0, "ignoreEos": True}
            sidecar.result(sidecar.send("complete", {**own, "prompt": "abba", "maxTokens": 248}))
            result = sidecar.result(sidecar.send("complete", {**own, "prompt": "zz top", "maxTokens": 150}))
            counted.append(result["usage"]["guessedTokens"])
    assert counted[1] > 0.8 * counted[0]
    sidecar.call("unloadModel", {"modelId": model["modelId"]})


def test_a_head_that_does_not_fit_is_refused_and_the_next_load_works(sidecar: Sidecar, folder: Path) -> None:
    head, without = str(folder / "head.gguf"), str(folder / "without.gguf")
    made_models.talking_mtp(Path(head))
    made_models.talking_attention(Path(without))
    several = made_models.talking_mtp(folder / "several.gguf", heads=2)
    wrong = (
        (without, {}, "unsuitableDraft"),
        (several, {}, "unsuitableDraft"),
        (head, {"draftPath": head}, "invalidParams"),
    )
    for path, params, kind in wrong:
        with pytest.raises(Refused) as refused:
            sidecar.call("loadModel", {"path": path, "mtp": True, **params})
        assert (refused.value.kind, refused.value.data["pointer"]) == (kind, "/mtp")
    model = sidecar.call("loadModel", {"path": head})["modelId"]
    with made_contexts(sidecar, modelId=model, contextSize=256, threads=1) as make:
        context = make()
        with pytest.raises(Refused) as refused:
            sidecar.result(send(sidecar, context, "a", "mtp"))
        assert refused.value.data["allowed"] == ["none", "lookup", "auto"]
        assert sidecar.result(send(sidecar, context, "a", "auto"))["text"]
