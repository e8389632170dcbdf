"""A draft model proposes tokens: the text is the same as without it, whatever it proposes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf_files
import made_models
import psutil
import pytest
from conftest import MODEL, Start
from driver import Refused, Sidecar
from process_work import made_contexts

from models import GEMMA3

pytestmark = pytest.mark.real

GREEDY: dict[str, Any] = {"temperature": 0, "ignoreEos": True}
NUMBERS = "one two three four five six seven eight nine ten,"
LISTED = " ".join([NUMBERS] * 4)

COUNT = "\n1, 2, 3, 4, 5, 6, 7, 8, 9,"
ALPHABET = "The alphabet: a b c d e f g"
"""Prompts that the model continues with tokens far more likely than others, so that rounding changes none."""

Make = Callable[..., str]


@pytest.fixture(scope="module", params=["right", "wrong"])
def drafted(
    request: pytest.FixtureRequest, program: list[str], model_path: str, tmp_path_factory: Any
) -> Iterator[Sidecar]:
    """A program with a model and a draft: itself, which is nearly always right, or one sure of random tokens."""
    folder = tmp_path_factory.mktemp("drafted")
    path = draft = model_path
    if request.param == "made":
        tiny = gguf_files.tiny_model(folder / "tiny.gguf")
        path = gguf_files.sure_model(folder / "made.gguf", tiny, seed=2)
    if request.param != "right":
        draft = gguf_files.sure_model(folder / "wrong.gguf", path)
    sidecar = Sidecar(program, stderr=folder / "stderr.txt")
    sidecar.call("loadModel", {"path": path, "draftPath": draft})
    engines = sidecar.engines()
    yield sidecar
    assert sidecar.engines() == engines, "a test cost the engine"
    log = sidecar.log()
    assert not sidecar.end()
    assert "traceback" not in log, log


also_with_a_made_model = pytest.mark.parametrize("drafted", ["right", "made"], indirect=True, scope="module")
"""For tests in which words do not matter: a made model and wrong draft tokens, which take no time."""


@pytest.fixture
def make(drafted: Sidecar) -> Iterator[Make]:
    """Makes contexts for one test alone."""
    with made_contexts(drafted, contextSize=512) as make_one:
        yield make_one


def ask(sidecar: Sidecar, context_id: str, prompt: str | list[int], tokens: int, **params: Any) -> Any:
    own = {"contextId": context_id, "prompt": prompt, "maxTokens": tokens, **GREEDY, **params}
    return sidecar.send("complete", own)


def both(
    sidecar: Sidecar, make: Make, prompt: str | list[int], tokens: int, size: int = 512, **params: Any
) -> Any:
    """The result without draft tokens, and the one with those of the draft model, which is the default.

    Each in a context of its own: a prompt that is cached is not rounded as one that is evaluated.
    """
    plain = sidecar.result(ask(sidecar, make(contextSize=size), prompt, tokens, speculation="none", **params))
    assert "guessedTokens" not in plain["usage"]
    request = ask(sidecar, make(contextSize=size), prompt, tokens, **params)
    result = sidecar.result(request)
    assert result["text"] == sidecar.streamed(request)
    return plain, result


def is_right(sidecar: Sidecar) -> bool:
    model = sidecar.call("status")["models"][0]
    return bool(model["draftPath"] == model["path"])


# ---- the same text -----------------------------------------------------------------------------------


def test_one_stream_says_the_same(drafted: Sidecar, make: Make) -> None:
    for prompt in (LISTED, COUNT, ALPHABET):
        plain, result = both(drafted, make, prompt, 13)
        assert result["text"] == plain["text"]
        assert result["usage"]["completionTokens"] == 13
        if is_right(drafted):
            assert result["usage"]["guessedTokens"] >= result["usage"]["acceptedTokens"] >= 6
        else:
            assert result["usage"]["guessedTokens"] >= 8
            assert result["usage"]["acceptedTokens"] <= 2


@also_with_a_made_model
def test_four_streams_say_the_same_as_one(drafted: Sidecar, make: Make) -> None:
    alone, context = make(), make(sequences=4)
    prompts = [LISTED, COUNT, ALPHABET, LISTED + " one two"]
    expected = [
        drafted.result(ask(drafted, alone, prompt, 12, speculation="none"))["text"] for prompt in prompts
    ]
    requests = [ask(drafted, context, prompt, 12) for prompt in prompts]
    results = [drafted.result(request) for request in requests]
    assert [result["text"] for result in results] == expected
    assert all(result["usage"]["guessedTokens"] > 0 for result in results)


def test_prompt_look_up_a_draft_model_and_neither_at_once(drafted: Sidecar, make: Make) -> None:
    context = make(sequences=3)
    requests = [ask(drafted, context, LISTED, 24, speculation=s) for s in ("none", "lookup", "draft")]
    results = [drafted.result(request) for request in requests]
    assert len({result["text"] for result in results}) == 1
    assert ["guessedTokens" in result["usage"] for result in results] == [False, True, True]


def test_a_prompt_of_several_batches_while_a_stream_runs(drafted: Sidecar, make: Make) -> None:
    context = make(sequences=2, batchSize=32)
    long = " ".join([LISTED] * 2)
    plain = drafted.result(ask(drafted, context, long, 12, speculation="none"))
    requests = [ask(drafted, context, COUNT, 30), ask(drafted, context, long, 12)]
    short, result = (drafted.result(request) for request in requests)
    assert result["text"] == plain["text"]
    assert short["text"].startswith(" 10, 11, 12, 13")


def test_a_stop_string_and_the_last_token_wanted(drafted: Sidecar, make: Make) -> None:
    plain, result = both(drafted, make, LISTED, 60, stop="six")
    assert (plain["text"], plain["stopString"]) == (result["text"], result["stopString"])
    assert result["text"].endswith("five ")
    for tokens in (1, 2, 7):
        plain, result = both(drafted, make, COUNT, tokens)
        assert result["text"] == plain["text"]
        assert result["usage"]["completionTokens"] == tokens


@also_with_a_made_model
def test_a_grammar_holds(drafted: Sidecar, make: Make) -> None:
    grammar = 'root ::= (" " [0-9]{1,2} ";"){5}'
    plain, result = both(drafted, make, COUNT, 40, grammar=grammar, ignoreEos=False)
    assert result["text"] == plain["text"]
    assert result["text"].count(";") == 5
    assert result["finishReason"] == "stop"


def test_sampling_takes_the_same_tokens(drafted: Sidecar, make: Make) -> None:
    sampled = {"temperature": 1, "minP": 0.2, "seed": 5, "repeatPenalty": 1.1}
    plain, result = both(drafted, make, LISTED, 16, **sampled)
    assert result["text"] == plain["text"]


@also_with_a_made_model
def test_logprobs_are_those_of_the_model(drafted: Sidecar, make: Make) -> None:
    plain, result = both(drafted, make, COUNT, 12, logprobs=True)
    assert [each["id"] for each in result["logprobs"]] == [each["id"] for each in plain["logprobs"]]
    for one, other in zip(plain["logprobs"], result["logprobs"], strict=True):
        assert other["logprob"] == pytest.approx(one["logprob"], abs=0.05)


# ---- what happens to the cache -----------------------------------------------------------------------


def test_a_second_turn_finds_the_first(drafted: Sidecar, make: Make) -> None:
    plain, context = make(), make()
    said = COUNT
    for cached in (0, 26, 38):
        expected = drafted.result(ask(drafted, plain, said, 12, speculation="none"))
        result = drafted.result(ask(drafted, context, said, 12))
        assert result["text"] == expected["text"]
        assert result["usage"]["cachedTokens"] >= cached
        said += result["text"]


def test_an_abort_leaves_a_context_that_goes_on(drafted: Sidecar, make: Make) -> None:
    alone, context = make(), make(sequences=2)
    expected = drafted.result(ask(drafted, alone, COUNT, 16, speculation="none"))["text"]
    for length in (1, 60):
        victim = ask(drafted, context, LISTED, 400)
        other = ask(drafted, context, COUNT, 16)
        drafted.wait_progress(victim, "generate")
        while len(drafted.streamed(victim)) < length:
            drafted.receive()
        assert drafted.call("abort", {"requestId": victim})["outcome"] == "aborted"
        assert drafted.result(other)["text"] == expected
    assert drafted.result(ask(drafted, context, COUNT, 16))["text"] == expected


def nearly_full(sidecar: Sidecar) -> list[int]:
    """Nearly all of a context of 256 tokens."""
    text = " ".join([NUMBERS] * 22)
    tokens: list[int] = sidecar.call("tokenize", {"modelId": "model-1", "text": text})["tokens"]
    return tokens[:240]


@also_with_a_made_model
def test_the_end_of_the_context(drafted: Sidecar, make: Make) -> None:
    plain, result = both(drafted, make, nearly_full(drafted), 400, 256)
    assert (plain["finishReason"], result["finishReason"]) == ("contextFull", "contextFull")
    assert result["text"] == plain["text"]


@also_with_a_made_model
def test_a_shifted_context(drafted: Sidecar, make: Make) -> None:
    plain, result = both(drafted, make, nearly_full(drafted), 28, 256, contextOverflow="shift")
    assert result["usage"]["truncatedTokens"] == plain["usage"]["truncatedTokens"] > 50
    assert result["text"] == plain["text"]


def test_a_background_request_gives_way_and_goes_on(drafted: Sidecar, make: Make) -> None:
    context = make()
    expected = drafted.result(ask(drafted, context, LISTED, 30, speculation="none"))["text"]
    background = ask(drafted, context, LISTED, 30, priority="background")
    drafted.wait_progress(background, "generate")
    assert drafted.result(ask(drafted, context, COUNT, 8))["text"].startswith(" 10, 11")
    assert drafted.result(background)["text"] == expected


# ---- load and unload of it ---------------------------------------------------------------------------


def test_an_engine_that_was_killed_comes_back_with_its_draft(start: Start, model_path: str) -> None:
    sidecar = start()
    sidecar.call("loadModel", {"path": model_path, "draftPath": model_path})
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 256})
    order = {"contextId": "context-1", "prompt": COUNT, "maxTokens": 24, **GREEDY}
    before = sidecar.call("complete", order)
    psutil.Process(sidecar.engines()["model-1"]).kill()
    while sidecar.call("status")["models"][0]["state"] != "crashed":
        pass
    after = sidecar.call("complete", order)
    assert after["text"] == before["text"]
    assert after["usage"] == before["usage"]
    assert after["usage"]["acceptedTokens"] > 10


def test_memory_goes_with_the_context_and_the_load_has_one_progress(start: Start, model_path: str) -> None:
    sidecar = start()
    loading = sidecar.send("loadModel", {"path": model_path, "draftPath": model_path})
    loaded = sidecar.result(loading)["memoryBytes"]
    fractions = [
        m["params"]["progress"]
        for m in sidecar.messages
        if m.get("method") == "progress" and m["params"]["requestId"] == loading
    ]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    size = {"modelId": "model-1", "contextSize": 8192}
    cache = 8192 * 23040  # bytes per token: 30 layers × 2 × 192 × 2
    made = sidecar.call("createContext", size)
    assert made["memoryBytes"] > loaded + 2 * cache
    sidecar.call("disposeContext", {"contextId": made["contextId"]})
    assert sidecar.call("createContext", size)["memoryBytes"] < made["memoryBytes"] + cache / 2
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 256, "embeddings": True})


def test_a_draft_in_use_cannot_be_deleted(start: Start, tmp_path: Path) -> None:
    sidecar = start()
    for name in ("main.gguf", "draft.gguf"):
        gguf_files.tiny_model(tmp_path / name)
    sidecar.call("init", {"modelsDirectory": str(tmp_path)})
    sidecar.call("loadModel", {"path": "main.gguf", "draftPath": "draft.gguf"})
    assert sidecar.call("status")["models"][0]["draftPath"] == str(tmp_path / "draft.gguf")
    with pytest.raises(Refused) as refused:
        sidecar.call("deleteModel", {"path": "draft.gguf"})
    assert refused.value.kind == "modelInUse"
    sidecar.call("unloadModel", {"modelId": "model-1"})
    sidecar.call("deleteModel", {"path": "draft.gguf"})


# ---- refusals ----------------------------------------------------------------------------------------


def refusal(sidecar: Sidecar, method: str, **params: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        sidecar.call(method, params)
    return refused.value


def test_drafts_that_do_not_fit(start: Start, model_path: str, tmp_path: Path) -> None:
    sidecar = start()
    tiny = gguf_files.tiny_model(tmp_path / "tiny.gguf")
    recurrent = made_models.recurrent(tmp_path / "recurrent.gguf")
    other_tokens = [*gguf_files.TOKENS[:-1], "<0xFE>x"]
    other = gguf_files.tiny_model(
        tmp_path / "other.gguf",
        tokenizer__ggml__tokens=(gguf_files.ARRAY, (gguf_files.STRING, other_tokens)),
        tokenizer__ggml__token_type=(gguf_files.ARRAY, (gguf_files.INT32, [*gguf_files.KINDS[:-1], 1])),
    )
    for path, draft, why in (
        (model_path, str(GEMMA3.path), "different types"),
        (model_path, tiny, "different types"),
        (tiny, recurrent, "the draft model's state is recurrent"),
        (recurrent, tiny, "the model's state is recurrent"),
        (tiny, other, "token 258 differs"),
    ):
        error = refusal(sidecar, "loadModel", path=path, draftPath=draft)
        assert (error.kind, error.data["pointer"]) == ("unsuitableDraft", "/draftPath")
        assert why in error.data["cause"]
        assert error.data["value"] == draft
    assert sidecar.call("status")["models"] == []


def test_files_that_are_not_a_draft(start: Start, model_path: str, tmp_path: Path) -> None:
    sidecar = start()
    cut = tmp_path / "cut.gguf"
    shutil.copyfile(MODEL, cut)
    with cut.open("r+b") as file:
        file.truncate(50_000_000)
    (tmp_path / "text.gguf").write_text("not a model")
    for name, kind in (("none.gguf", "fileNotFound"), ("cut.gguf", "modelDamaged"), ("text.gguf", "notGguf")):
        error = refusal(sidecar, "loadModel", path=model_path, draftPath=str(tmp_path / name))
        assert (error.kind, error.data["pointer"]) == (kind, "/draftPath")
        assert "/draftPath" in error.error["message"]


def test_a_model_without_a_draft(loaded: Sidecar) -> None:
    error = refusal(loaded, "complete", contextId="context-1", prompt="a", speculation="draft")
    assert (error.kind, error.data["pointer"]) == ("invalidParams", "/speculation")
    assert error.data["allowed"] == ["none", "lookup"]
