"""Draft tokens of heads, of the model itself (MTP) or EAGLE-3: the same text, right guesses, wrong ones cost little."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gguf_files
import made_heads
import made_models
import media_cases
import projectors
import pytest
from driver import Refused, Sidecar
from media_talk import parts, text_of
from process_work import EXACT, made_contexts

from sidecar.core.speculation.speculation import FIRST_DRAFT_TOKENS, MAX_MISSES

pytestmark = pytest.mark.real

Made = Callable[[str], str]

TOKENS = 80
PROMPTS = ("abba", "Once upon a time, there was a head that guessed.", "abba")


WRITERS: dict[str, Callable[[Path], str]] = {
    "qwen": partial(made_models.talking_attention, guessable=True),
    "hybrid": made_heads.talking_hybrid_mtp,
    "mtp": made_heads.talking_mtp,
    "wrong mtp": partial(made_heads.talking_mtp, guesses=False),
    "eagle": made_heads.talking_eagle,
    "wrong eagle": partial(made_heads.talking_eagle, guesses=False),
}
"""Name of a file → function that writes it."""

HEADS = {
    "mtp": {"path": "mtp", "mtp": True},
    "mtp of a hybrid": {"path": "hybrid", "mtp": True},
    "wrong mtp": {"path": "wrong mtp", "mtp": True},
    "eagle": {"path": "qwen", "draftPath": "eagle"},
    "eagle of a hybrid": {"path": "hybrid", "draftPath": "eagle"},
    "wrong eagle": {"path": "qwen", "draftPath": "wrong eagle"},
}
"""Kind of the head → params of loadModel, with names of files."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("heads")


@pytest.fixture(scope="module")
def sidecar(program: list[str], folder: Path) -> Iterator[Sidecar]:
    sidecar = Sidecar(program, stderr=folder / "stderr.txt")
    yield sidecar
    assert not sidecar.end()


@pytest.fixture(scope="module")
def made(folder: Path) -> Made:
    """Gives the path of a file of WRITERS, which it writes when it is first asked."""
    return functools.cache(lambda name: WRITERS[name](folder / f"{name}.gguf"))


def params_of(made: Made, kind: str) -> dict[str, Any]:
    """The params of loadModel for a kind of HEADS."""
    return {key: made(value) if isinstance(value, str) else value for key, value in HEADS[kind].items()}


def send(sidecar: Sidecar, context: str, prompt: str, speculation: str, tokens: int = TOKENS) -> Any:
    own = {"contextId": context, "prompt": prompt, "maxTokens": tokens, "speculation": speculation}
    return sidecar.send("complete", {**own, "temperature": 0, "ignoreEos": True})


@pytest.mark.parametrize("kind", HEADS)
def test_the_text_is_the_same(sidecar: Sidecar, made: Made, kind: str) -> None:
    params = params_of(made, kind)
    own = "mtp" if "mtp" in params else "draft"
    model = sidecar.call("loadModel", params)["modelId"]
    with made_contexts(sidecar, modelId=model, contextSize=256, threads=1, **EXACT) as make:
        plain, context = make(sequences=2), make(sequences=2)
        expected = [sidecar.result(send(sidecar, plain, prompt, "none")) for prompt in PROMPTS]
        alone = [sidecar.result(send(sidecar, context, prompt, "auto")) for prompt in PROMPTS]
        together = [send(sidecar, context, prompt, own) for prompt in PROMPTS]
        for results in (alone, [sidecar.result(each) for each in together]):
            for result, wanted in zip(results, expected, strict=True):
                assert result["text"] == wanted["text"]
                counted, right = result["usage"]["guessedTokens"], result["usage"]["acceptedTokens"]
                if "wrong" not in kind:
                    assert 0 < right < counted
                else:
                    most = FIRST_DRAFT_TOKENS + 2 * (MAX_MISSES + TOKENS // MAX_MISSES)
                    assert right == 0 < counted <= most
    sidecar.call("unloadModel", {"modelId": model})


@pytest.mark.parametrize("kind", ["mtp", "eagle", "eagle of a hybrid"])
def test_after_an_abort_the_text_is_the_same_and_goes_on(sidecar: Sidecar, made: Made, kind: str) -> None:
    model = sidecar.call("loadModel", params_of(made, kind))["modelId"]
    with made_contexts(sidecar, modelId=model, contextSize=512, threads=1, **EXACT) as make:
        plain, context = make(), make()
        endless = {"maxTokens": 10**9, "contextOverflow": "shift", "temperature": 0, "ignoreEos": True}
        stream = sidecar.send("complete", {"contextId": context, "prompt": "abba", **endless})
        sidecar.wait_progress(stream, "generate")
        assert sidecar.call("abort", {"requestId": stream})["outcome"] == "aborted"
        prompt, right = "abba", 0
        for _ in range(3):  # the whole, and twice more of it
            wanted = sidecar.result(send(sidecar, plain, prompt, "none"))
            result = sidecar.result(send(sidecar, context, prompt, "auto"))
            assert result["text"] == wanted["text"]
            right += result["usage"]["acceptedTokens"]
            prompt += wanted["text"] + "!"
        assert right > 0 and result["usage"]["cachedTokens"] > 0
    sidecar.call("unloadModel", {"modelId": model})


def test_conversations_that_a_pool_put_away_leave_the_head_room(sidecar: Sidecar, made: Made) -> None:
    model = sidecar.call("loadModel", params_of(made, "mtp"))
    with made_contexts(sidecar, modelId=model["modelId"], contextSize=256, threads=1, sequences=2) as make:
        counted = []
        for context in (make(), make(kvUnified=True)):
            own = {"contextId": context, "temperature": 0, "ignoreEos": True}
            sidecar.result(sidecar.send("complete", {**own, "prompt": "abba", "maxTokens": 248}))
            result = sidecar.result(sidecar.send("complete", {**own, "prompt": "zz top", "maxTokens": 150}))
            counted.append(result["usage"]["guessedTokens"])
    assert counted[1] > 0.8 * counted[0]
    sidecar.call("unloadModel", {"modelId": model["modelId"]})


def test_an_eagle_draft_reads_the_state_of_each_token(folder: Path, made: Made) -> None:
    draft = made_heads.talking_eagle(folder / "reads.gguf", reads_only=True)
    texts = [
        [3 + 7 * at % 251 for at in range(100)],
        [200 - at for at in range(9)],
    ]  # one has more than STEP_TOKENS
    order = json.dumps({"model": made("qwen"), "draft": draft, "texts": texts})
    script = str(Path(made_heads.__file__).with_name("eagle_states.py"))
    done = subprocess.run(
        [sys.executable, script], input=order, text=True, stdout=subprocess.PIPE, check=True
    )
    found = json.loads(done.stdout)
    assert found["read"] == texts[0] + texts[1]
    assert found["whole"] == found["single"]
    assert found["whole"][1]


@pytest.mark.parametrize("kind", ["mtp of a hybrid", "eagle"])
def test_behind_a_picture_a_head_begins_anew(sidecar: Sidecar, folder: Path, made: Made, kind: str) -> None:
    """Its rows have a position each with the one model, all the same with the other (M-RoPE)."""
    projector = folder / f"{kind} sees.gguf"
    projectors.tiny(projector, made_models.GUESSING_WIDTH)
    model = sidecar.call("loadModel", {**params_of(made, kind), "projectorPath": str(projector)})["modelId"]
    message = {"role": "user", "content": parts("Say@ it.", media_cases.picture("red"))}
    own = {"messages": [message], "chatTemplate": gguf_files.CHAT_TEMPLATE, "maxTokens": 30}
    own |= {"temperature": 0, "ignoreEos": True}
    with made_contexts(sidecar, modelId=model, contextSize=256, threads=1, **EXACT) as make:
        plain, guessed = (
            sidecar.call("chat", {"contextId": make(), "speculation": speculation, **own})
            for speculation in ("none", "auto")
        )
    assert text_of(guessed) == text_of(plain)
    assert guessed["usage"]["guessedTokens"] > 0
    assert guessed["usage"]["acceptedTokens"] > 0 or kind != "eagle"
    sidecar.call("unloadModel", {"modelId": model})


def test_a_step_has_room_for_what_can_be_taken_back(sidecar: Sidecar, made: Made) -> None:
    model = sidecar.call("loadModel", params_of(made, "mtp of a hybrid"))["modelId"]
    for own, least in (({}, 5), ({"draftTokens": 16}, 18), ({"draftTokens": 0}, 1)):
        asked = {"modelId": model, "contextSize": 64, "threads": 1, "batchSize": 1, **own}
        context = sidecar.call("createContext", asked)
        assert context["batchSize"] == least
        assert sidecar.result(send(sidecar, context["contextId"], "abba", "auto", 20))["usage"]
    sidecar.call("unloadModel", {"modelId": model})


# ---- refusals ----------------------------------------------------------------------------------------


def test_a_head_that_does_not_fit_is_refused_and_the_next_load_works(
    sidecar: Sidecar, folder: Path, made: Made
) -> None:
    head, without = made("mtp"), made("qwen")
    several = made_heads.talking_mtp(folder / "several.gguf", heads=2, write=gguf_files.hollow_model)
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


def test_an_eagle_draft_that_does_not_fit_is_refused(sidecar: Sidecar, folder: Path, made: Made) -> None:
    def draft(name: str, **changed: Any) -> str:
        return made_heads.eagle(folder / f"{name}.gguf", gguf_files.hollow_model, **changed)

    def in_parts(stem: Path, *whole: Any) -> str:
        return str(gguf_files.split_model(stem, 2, *whole)[0])

    array, number = gguf_files.ARRAY, gguf_files.INT32
    tokens = [*gguf_files.TOKENS[:-1], "<0xFE>x"]
    good = params_of(made, "eagle")
    wrong = {
        draft("size", read=128): "128 numbers, the model's have 256",
        draft(
            "states", eagle3__embedding_length_out=(gguf_files.UINT32, 2**31 - 1)
        ): "header says 2147483647",
        draft("layers", eagle3__target_layers=(array, (number, [0, 1, 3]))): "0 to 2 can be read",
        draft("below", eagle3__target_layers=(array, (number, [-1, 1, 2]))): "0 to 2 can be read",
        draft("type", tokens=8): "type F32",
        **{
            draft(f"turned {turned}", eagle3__rope__dimension_count=(gguf_files.UINT32, turned)): "of a head"
            for turned in (0, 63, 66)
        },
        draft("values", eagle3__attention__value_length=(gguf_files.UINT32, 32)): "different lengths",
        made_heads.eagle(folder / "mapped.gguf", gguf_files.random_model, 300): "others than the 259",
        made_heads.eagle(folder / "parts", in_parts, 300): "others than the 259",
        draft("words", tokenizer__ggml__tokens=(array, (gguf_files.STRING, tokens))): "token 258",
    }
    for path, cause in wrong.items():
        with pytest.raises(Refused) as refused:
            sidecar.call("loadModel", {"path": good["path"], "draftPath": path})
        assert (refused.value.kind, refused.value.data["pointer"]) == ("unsuitableDraft", "/draftPath")
        assert cause in refused.value.data["cause"]
    with pytest.raises(Refused) as refused:  # llama.cpp would end the process
        sidecar.call("loadModel", {"path": made("mtp"), "draftPath": good["draftPath"]})
    assert "does not hand out" in refused.value.data["cause"]

    good["draftPath"] = made_heads.eagle(folder / "good", in_parts, 100)  # its map is in the second part
    sidecar.call("unloadModel", {"modelId": sidecar.call("loadModel", good)["modelId"]})


@pytest.mark.parametrize("kind", ["eagle", "dflash", "gemma4_assistant"])
def test_a_draft_is_no_model(sidecar: Sidecar, folder: Path, made: Made, kind: str) -> None:
    draft = made("eagle") if kind == "eagle" else getattr(made_heads, kind)(folder / f"{kind}.gguf")
    with pytest.raises(Refused) as refused:
        sidecar.call("loadModel", {"path": draft})
    assert (refused.value.kind, refused.value.data["pointer"]) == ("unsuitableModel", "/path")
    assert ("give it as draftPath" in refused.value.error["message"]) == (kind == "eagle")
    if kind == "eagle":
        return
    with pytest.raises(Refused) as refused:
        sidecar.call("loadModel", {"path": made("qwen"), "draftPath": draft})
    assert (refused.value.kind, refused.value.data["pointer"]) == ("unsuitableDraft", "/draftPath")
    assert "not supported" in refused.value.data["cause"]
