"""A draft model proposes tokens: the text is the same as without it, whatever it proposes.

Where words do not matter, with a made model: its tokens take no time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gguf_files
import pytest
from driver import Sidecar
from process_work import EXACT, made_contexts

pytestmark = pytest.mark.real

GREEDY: dict[str, Any] = {"temperature": 0, "ignoreEos": True}
ENDLESS = 10**9
"""Tokens of a text that lasts until it is aborted, in a context that shifts."""

NUMBERS = "one two three four five six seven eight nine ten,"
LISTED = " ".join([NUMBERS] * 4)

COUNT = "\n1, 2, 3, 4, 5, 6, 7, 8, 9,"
ALPHABET = "The alphabet: a b c d e f g"
"""Prompts that the model continues with tokens far more likely than others, so that rounding changes none."""

SURE = 30.0
"""How many times the made model's logits are further apart than those of a model that hesitates."""

Make = Callable[..., str]


@pytest.fixture(scope="module", params=["right", "wrong"])
def drafted(
    request: pytest.FixtureRequest, program: list[str], model_path: str, tmp_path_factory: Any
) -> Iterator[Sidecar]:
    """A program with a model and a draft: itself, which is nearly always right, or one sure of random tokens."""
    folder = tmp_path_factory.mktemp("drafted")
    path = draft = (
        model_path
        if request.param == "real"
        else gguf_files.ascii_model(folder / "made.gguf", {"output_norm.weight": (-SURE, SURE)})
    )
    if request.param == "wrong":
        draft = gguf_files.worded_model(folder / "wrong.gguf", path, {"": (-30.0, 30.0)})  # always sure
    sidecar = Sidecar(program, stderr=folder / "stderr.txt")
    sidecar.call("loadModel", {"path": path, "draftPath": draft})
    engines = sidecar.engines()
    yield sidecar
    assert sidecar.engines() == engines, "a test cost the engine"
    log = sidecar.log()
    assert not sidecar.end()
    assert "traceback" not in log, log


also_with_a_real_model = pytest.mark.parametrize(
    "drafted", ["right", "wrong", "real"], indirect=True, scope="module"
)
with_a_real_model = pytest.mark.parametrize("drafted", ["real"], indirect=True, scope="module")


@pytest.fixture
def make(drafted: Sidecar) -> Iterator[Make]:
    """Makes contexts for one test alone."""
    with made_contexts(drafted, contextSize=512, **EXACT) as make_one:
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


@also_with_a_real_model
def test_one_stream_says_the_same(drafted: Sidecar, make: Make) -> None:
    for prompt in (LISTED, COUNT, ALPHABET):
        plain, result = both(drafted, make, prompt, 13)
        assert result["text"] == plain["text"]
        assert result["usage"]["completionTokens"] == 13
        if is_right(drafted):
            assert result["usage"]["guessedTokens"] >= result["usage"]["acceptedTokens"] >= 6
        else:
            assert result["usage"]["guessedTokens"] >= 8
            assert result["usage"]["acceptedTokens"] < result["usage"]["guessedTokens"] / 2


def test_four_streams_say_the_same_as_one(drafted: Sidecar, make: Make) -> None:
    context = make(sequences=4)
    prompts = [NUMBERS, COUNT, ALPHABET, NUMBERS + " one two"]
    expected = [
        drafted.result(ask(drafted, make(), prompt, 12, speculation="none"))["text"] for prompt in prompts
    ]
    requests = [ask(drafted, context, prompt, 12) for prompt in prompts]
    results = [drafted.result(request) for request in requests]
    assert [result["text"] for result in results] == expected
    assert all(result["usage"]["guessedTokens"] > 0 for result in results)


def test_prompt_look_up_a_draft_model_and_neither_at_once(drafted: Sidecar, make: Make) -> None:
    context = make(sequences=3)
    requests = [ask(drafted, context, NUMBERS, 24, speculation=s) for s in ("none", "lookup", "draft")]
    results = [drafted.result(request) for request in requests]
    assert len({result["text"] for result in results}) == 1
    assert ["guessedTokens" in result["usage"] for result in results] == [False, True, True]


def test_a_prompt_of_several_batches_while_a_stream_runs(drafted: Sidecar, make: Make) -> None:
    context = make(sequences=2, batchSize=32)
    jobs = [(COUNT, 90), (LISTED, 12)]
    expected = [drafted.result(ask(drafted, make(), *job, speculation="none"))["text"] for job in jobs]
    requests = [ask(drafted, context, *job) for job in jobs]
    assert [drafted.result(request)["text"] for request in requests] == expected


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_stop_string(drafted: Sidecar, make: Make, size: int) -> None:
    text = drafted.result(ask(drafted, make(), COUNT, 40, speculation="none"))["text"]
    stop = text[12 : 12 + size]
    plain, result = both(drafted, make, COUNT, 60, stop=stop)
    assert result["text"] == plain["text"] == text.partition(stop)[0]
    assert result["stopString"] == stop


@with_a_real_model
def test_a_stop_string_and_the_last_token_wanted(drafted: Sidecar, make: Make) -> None:
    plain, result = both(drafted, make, LISTED, 60, stop="six")
    assert (plain["text"], plain["stopString"]) == (result["text"], result["stopString"])
    assert result["text"].endswith("five ")
    for tokens in (1, 2, 7):
        plain, result = both(drafted, make, COUNT, tokens)
        assert result["text"] == plain["text"]
        assert result["usage"]["completionTokens"] == tokens


def test_a_grammar_holds(drafted: Sidecar, make: Make) -> None:
    grammar = 'root ::= (" " [0-9]{1,2} ";"){5}'
    plain, result = both(drafted, make, COUNT, 40, grammar=grammar, ignoreEos=False)
    assert result["text"] == plain["text"]
    assert result["text"].count(";") == 5
    assert result["finishReason"] == "stop"


def test_sampling_takes_the_same_tokens(drafted: Sidecar, make: Make) -> None:
    sampled = {"temperature": SURE, "minP": 0.2, "repeatPenalty": 1.1}
    results = [both(drafted, make, NUMBERS, 16, **sampled, seed=seed) for seed in (5, 6)]
    texts = [[each["text"] for each in result] for result in results]
    assert texts[0][0] == texts[0][1] != texts[1][0] == texts[1][1]


def test_logprobs_are_those_of_the_model(drafted: Sidecar, make: Make) -> None:
    plain, result = both(drafted, make, COUNT, 12, logprobs=True)
    assert [each["id"] for each in result["logprobs"]] == [each["id"] for each in plain["logprobs"]]
    for one, other in zip(plain["logprobs"], result["logprobs"], strict=True):
        assert other["logprob"] == pytest.approx(one["logprob"], abs=0.05)


# ---- what happens to the cache -----------------------------------------------------------------------


def test_a_second_turn_finds_the_first(drafted: Sidecar, make: Make) -> None:
    context, said, evaluated = make(), COUNT, 1
    for _ in range(3):
        expected = drafted.result(ask(drafted, make(), said, 12, speculation="none"))
        result = drafted.result(ask(drafted, context, said, 12))
        assert result["text"] == expected["text"]
        assert result["usage"]["cachedTokens"] >= evaluated - 1
        evaluated = result["usage"]["promptTokens"] + 12
        said += result["text"]


def test_an_abort_leaves_a_context_that_goes_on(drafted: Sidecar, make: Make) -> None:
    alone, context = make(), make(sequences=2)
    expected = drafted.result(ask(drafted, alone, COUNT, 16, speculation="none"))["text"]
    for length in (1, 60):
        victim = ask(drafted, context, LISTED, ENDLESS, contextOverflow="shift")
        other = ask(drafted, context, COUNT, 16)
        drafted.wait_progress(victim, "generate")
        while len(drafted.streamed(victim)) < length:
            drafted.receive()
        assert drafted.call("abort", {"requestId": victim})["outcome"] == "aborted"
        assert drafted.result(other)["text"] == expected
    assert drafted.result(ask(drafted, context, COUNT, 16))["text"] == expected


def nearly_full(sidecar: Sidecar) -> list[int]:
    """Nearly all of a context of 256 tokens."""
    text = " ".join([LISTED] * 6)
    tokens: list[int] = sidecar.call("tokenize", {"modelId": "model-1", "text": text})["tokens"]
    return tokens[:240]


def test_the_end_of_the_context(drafted: Sidecar, make: Make) -> None:
    plain, result = both(drafted, make, nearly_full(drafted), 400, 256)
    assert (plain["finishReason"], result["finishReason"]) == ("contextFull", "contextFull")
    assert result["text"] == plain["text"]


def test_a_shifted_context(drafted: Sidecar, make: Make) -> None:
    plain, result = both(drafted, make, nearly_full(drafted), 28, 256, contextOverflow="shift")
    assert result["usage"]["truncatedTokens"] == plain["usage"]["truncatedTokens"] > 50
    assert result["text"] == plain["text"]


def test_a_background_request_gives_way_and_goes_on(drafted: Sidecar, make: Make) -> None:
    context = make()
    jobs = [(NUMBERS, 200), (COUNT, 8)]
    expected = [drafted.result(ask(drafted, make(), *job, speculation="none"))["text"] for job in jobs]
    background = ask(drafted, context, *jobs[0], priority="background")
    drafted.wait_progress(background, "generate")
    assert drafted.result(ask(drafted, context, *jobs[1]))["text"] == expected[1]
    assert drafted.result(background)["text"] == expected[0]
