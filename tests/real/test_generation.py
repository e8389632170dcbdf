"""What the model says through the program, against a plain loop over the same bindings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from driver import Refused, Sidecar

pytestmark = pytest.mark.real

PROMPTS = (
    "1, 2, 3, 4, 5,",
    "Once upon a time, in a village by the sea,",
    "The capital of France is Paris. The capital of Italy is Rome. The capital of Spain is",
    " ".join(f"Item {number} costs {2 * number} dollars." for number in range(60)),
)
TOKENS = 40

CLEAR_MARGIN = 0.5
"""Logits further apart than this do not change places with the shape of the batch."""


@pytest.fixture(scope="module")
def plain(model_path: str) -> list[dict[str, Any]]:
    """The plain loop's outcomes for PROMPTS, each on a context of its own."""
    order = {
        "model": model_path,
        "contextSize": 1024,
        "sequences": 1,
        "batchSize": 512,
        "threads": 2,
        "jobs": [{"prompt": prompt, "maxTokens": TOKENS} for prompt in PROMPTS],
    }
    script = Path(__file__).with_name("plain_loop.py")
    run = subprocess.run(
        [sys.executable, str(script)],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    outcomes: list[dict[str, Any]] = json.loads(run.stdout)
    return outcomes


def text_of(outcome: dict[str, Any]) -> str:
    return bytes.fromhex("".join(outcome["pieces"])).decode("utf-8", "replace")


def certain_text(outcome: dict[str, Any]) -> str:
    """The text before the first token that another batch shape could choose differently."""
    unsure = [at for at, margin in enumerate(outcome["margins"]) if margin < CLEAR_MARGIN]
    pieces = outcome["pieces"][: unsure[0]] if unsure else outcome["pieces"]
    return bytes.fromhex("".join(pieces)).decode("utf-8", "ignore")


def greedy(prompt: Any, tokens: int = TOKENS, **params: Any) -> dict[str, Any]:
    return {"contextId": "context-1", "prompt": prompt, "maxTokens": tokens, "temperature": 0, **params}


def new_context(sidecar: Sidecar, **params: Any) -> str:
    context: str = sidecar.call("createContext", {"modelId": "model-1", "contextSize": 1024, **params})[
        "contextId"
    ]
    return context


@pytest.mark.parametrize("index", range(len(PROMPTS)))
def test_greedy_text_equals_a_plain_loop(loaded: Sidecar, plain: list[dict[str, Any]], index: int) -> None:
    context = new_context(loaded)
    result = loaded.call("complete", greedy(PROMPTS[index], contextId=context))
    loaded.call("disposeContext", {"contextId": context})
    assert result["text"] == text_of(plain[index])
    assert result["usage"]["promptTokens"] == len(plain[index]["prompt"])
    assert result["usage"]["completionTokens"] == len(plain[index]["tokens"])


def test_token_ids_as_a_prompt_give_the_same_text(loaded: Sidecar, plain: list[dict[str, Any]]) -> None:
    result = loaded.call("complete", greedy(plain[1]["prompt"]))
    assert result["text"].startswith(certain_text(plain[1]))


def test_streams_share_batches_and_each_is_right(loaded: Sidecar, plain: list[dict[str, Any]]) -> None:
    ids = [loaded.send("complete", greedy(prompt)) for prompt in PROMPTS[:2]]
    texts = [loaded.result(request_id)["text"] for request_id in ids]
    for text, outcome in zip(texts, plain, strict=False):
        assert text.startswith(certain_text(outcome))
    order = [m["params"]["requestId"] for m in loaded.messages if m.get("method") == "progress"]
    first, second = ids
    assert order.index(second) < len(order) - 1 - order[::-1].index(first), "they did not interleave"


def test_more_requests_than_sequences_wait_and_are_all_right(
    loaded: Sidecar, plain: list[dict[str, Any]]
) -> None:
    ids = [loaded.send("complete", greedy(PROMPTS[0], tokens=15)) for _ in range(8)]
    assert {loaded.result(request_id)["text"] for request_id in ids} == {" 6, 7, 8, 9, 10"}
    positions = [p["position"] for request_id in ids for p in loaded.progress(request_id, "queue")]
    assert max(positions) == 5, "two run, six wait"


def test_a_long_prompt_does_not_stop_a_running_stream(loaded: Sidecar) -> None:
    stream = loaded.send("complete", greedy(PROMPTS[1], tokens=300, ignoreEos=True))
    loaded.wait_progress(stream, "generate")
    long = loaded.send("complete", greedy("Begin: " + PROMPTS[3], tokens=1))
    loaded.result(long)
    kinds = [
        (m["params"]["requestId"], m["params"]["progressType"])
        for m in loaded.messages
        if m.get("method") == "progress"
    ]
    begin = kinds.index((long, "prompt"))
    end = len(kinds) - 1 - kinds[::-1].index((long, "prompt"))
    assert kinds[begin:end].count((stream, "generate")) >= 5
    loaded.call("abort", {"requestId": stream})


def test_a_second_turn_pays_for_its_new_tokens_only(loaded: Sidecar) -> None:
    messages = [{"role": "user", "content": "Name three fruits. " + PROMPTS[3]}]
    params = {"contextId": "context-1", "maxTokens": 20, "temperature": 0}
    first = loaded.call("chat", {**params, "messages": messages})
    messages += [first["message"], {"role": "user", "content": "And three vegetables."}]
    second = loaded.call("chat", {**params, "messages": messages})
    assert second["usage"]["cachedTokens"] >= first["usage"]["promptTokens"] - 8
    fresh = new_context(loaded)
    anew = loaded.call("chat", {**params, "contextId": fresh, "messages": messages})
    assert anew["usage"]["cachedTokens"] == 0
    assert anew["message"]["content"][:20] == second["message"]["content"][:20]
    loaded.call("disposeContext", {"contextId": fresh})


def test_deltas_joined_are_the_text_and_none_holds_half_a_character(loaded: Sidecar) -> None:
    prompt = "Emoji: 😀 🎉 🚀 😀 🎉 🚀 😀 🎉 🚀 😀 🎉 🚀 😀"
    request_id = loaded.send("complete", greedy(prompt, tokens=60))
    text = loaded.result(request_id)["text"]
    assert any(ord(character) > 0xFFFF for character in text), (
        "the model said no emoji: choose another prompt"
    )
    tokens = loaded.call("tokenize", {"modelId": "model-1", "text": "🎉"})["tokens"]
    assert len(tokens) > 1, "the character is not split over tokens: the test shows nothing"
    assert loaded.streamed(request_id) == text
    assert "�" not in text


def test_a_stop_string_that_spans_tokens_ends_the_text_before_it(
    loaded: Sidecar, plain: list[dict[str, Any]]
) -> None:
    pieces = [bytes.fromhex(piece).decode() for piece in plain[0]["pieces"]]
    assert "".join(pieces[:6]) == " 6, 7,"
    stop = ", 7"
    assert stop not in pieces, "the stop string is one token: the test shows nothing"
    request_id = loaded.send("complete", greedy(PROMPTS[0], stop=["never", stop]))
    result = loaded.result(request_id)
    assert result["text"] == loaded.streamed(request_id) == " 6"
    assert (result["finishReason"], result["stopString"]) == ("stop", stop)


def test_what_could_have_become_a_stop_string_is_given_out_at_the_end(loaded: Sidecar) -> None:
    request_id = loaded.send("complete", greedy(PROMPTS[0], tokens=15, stop="10 apples"))
    result = loaded.result(request_id)
    assert result["text"] == loaded.streamed(request_id) == " 6, 7, 8, 9, 10"
    assert (result["finishReason"], result["stopString"]) == ("length", None)


def test_a_seed_repeats_the_text_and_the_reported_one_does_too(loaded: Sidecar) -> None:
    hot = {"contextId": "context-1", "prompt": PROMPTS[1], "maxTokens": 24, "temperature": 1.5, "topK": 0}
    first = loaded.call("complete", {**hot, "seed": 7})
    assert first["seed"] == 7
    assert loaded.call("complete", {**hot, "seed": 7})["text"] == first["text"]
    free = loaded.call("complete", hot)
    assert loaded.call("complete", {**hot, "seed": free["seed"]})["text"] == free["text"]
    texts = {loaded.call("complete", {**hot, "seed": seed})["text"] for seed in range(4)}
    assert len(texts) > 1


def test_top_k_of_one_is_greedy_and_penalties_change_the_text(loaded: Sidecar) -> None:
    plain_text = loaded.call("complete", greedy(PROMPTS[0], tokens=15))["text"]
    narrow = {"contextId": "context-1", "prompt": PROMPTS[0], "maxTokens": 15, "temperature": 2, "topK": 1}
    assert loaded.call("complete", narrow)["text"] == plain_text
    for penalty in ({"repeatPenalty": 2}, {"frequencyPenalty": 20}, {"presencePenalty": 20}):
        assert loaded.call("complete", greedy(PROMPTS[0], tokens=15, **penalty))["text"] != plain_text


def test_generation_ends_by_length_by_the_model_and_by_a_full_context(loaded: Sidecar) -> None:
    one = loaded.call("complete", greedy(PROMPTS[0], tokens=1))
    assert (one["finishReason"], one["usage"]["completionTokens"]) == ("length", 1)
    assert one["timings"]["tokensPerSecond"] is None
    question = [{"role": "user", "content": "Say hello."}]
    ended = loaded.call("chat", {"contextId": "context-1", "messages": question, "temperature": 0})
    assert ended["finishReason"] == "stop"
    small = new_context(loaded, contextSize=256)
    size = 256
    tokens = loaded.call("tokenize", {"modelId": "model-1", "text": PROMPTS[3]})["tokens"]
    full = {**greedy(tokens[: size - 1]), "contextId": small, "ignoreEos": True}
    del full["maxTokens"]
    result = loaded.call("complete", full)
    assert (result["finishReason"], result["usage"]["completionTokens"]) == ("contextFull", 2)
    with pytest.raises(Refused) as refused:
        loaded.call("complete", {**greedy(tokens[: size + 1]), "contextId": small})
    assert refused.value.kind == "promptTooLong"
    assert loaded.call("complete", {**greedy(PROMPTS[0], tokens=15), "contextId": small})["text"]
    loaded.call("disposeContext", {"contextId": small})


def test_without_stream_the_text_comes_in_the_result_only(loaded: Sidecar) -> None:
    request_id = loaded.send("complete", greedy(PROMPTS[0], tokens=15, stream=False))
    assert loaded.result(request_id)["text"] == " 6, 7, 8, 9, 10"
    assert loaded.progress(request_id, "generate") == []
    fractions = [p["progress"] for p in loaded.progress(request_id, "prompt")]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_load_progress_rises_to_one(loaded: Sidecar, model_path: str) -> None:
    request_id = loaded.send("loadModel", {"path": model_path})
    loaded.call("unloadModel", {"modelId": loaded.result(request_id)["modelId"]})
    fractions = [p["progress"] for p in loaded.progress(request_id, "load")]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_a_context_is_described_as_llama_cpp_made_it(loaded: Sidecar) -> None:
    asked = {
        "modelId": "model-1",
        "contextSize": 100,
        "sequences": 3,
        "kvCacheType": "q8_0",
        "flashAttention": True,
    }
    made = loaded.call("createContext", asked)
    assert made["contextSize"] == 256, "llama.cpp rounds up to a multiple of 256"
    assert (made["sequences"], made["kvCacheType"]) == (3, "q8_0")
    text = loaded.call("complete", greedy(PROMPTS[0], tokens=15, contextId=made["contextId"]))["text"]
    assert text == " 6, 7, 8, 9, 10"
    loaded.call("disposeContext", {"contextId": made["contextId"]})
    with pytest.raises(Refused) as refused:
        loaded.call("complete", greedy(PROMPTS[0], contextId=made["contextId"]))
    assert refused.value.kind == "contextNotFound"


def test_an_impossible_context_is_refused_and_the_engine_goes_on(loaded: Sidecar) -> None:
    impossible = {"modelId": "model-1", "contextSize": 16_000_000, "sequences": 64}
    with pytest.raises(Refused) as refused:
        loaded.call("createContext", impossible)
    assert refused.value.kind in ("outOfMemory", "contextCreationFailed")
    assert loaded.call("complete", greedy(PROMPTS[0], tokens=15))["text"] == " 6, 7, 8, 9, 10"


def test_disposing_of_a_context_aborts_what_runs_on_it(loaded: Sidecar) -> None:
    context = new_context(loaded)
    running = loaded.send("complete", greedy(PROMPTS[1], tokens=900, ignoreEos=True, contextId=context))
    loaded.wait_progress(running, "generate")
    loaded.call("disposeContext", {"contextId": context})
    assert loaded.response(running)["error"]["data"]["kind"] == "aborted"


def test_inspect_and_load_agree(loaded: Sidecar, model_path: str) -> None:
    seen = loaded.call("inspectModel", {"path": model_path})
    made = loaded.call("loadModel", {"path": model_path})
    loaded.call("unloadModel", {"modelId": made["modelId"]})
    shared = (
        "architecture",
        "name",
        "parameters",
        "vocabularySize",
        "embeddingSize",
        "layers",
        "chatTemplate",
    )
    assert {key: seen[key] for key in shared} == {key: made[key] for key in shared}
    assert seen["contextLengthTrained"] == made["contextLengthTrained"]


def test_text_survives_tokens_and_back(loaded: Sidecar) -> None:
    for text in ("Hello world", "naïve café 東京 🎉", "<|im_start|> as text", " leading and trailing ", ""):
        tokens = loaded.call("tokenize", {"modelId": "model-1", "text": text})["tokens"]
        assert loaded.call("detokenize", {"modelId": "model-1", "tokens": tokens})["text"] == text
    special = {"modelId": "model-1", "text": "<|im_start|>", "parseSpecial": True}
    assert len(loaded.call("tokenize", special)["tokens"]) == 1
    assert len(loaded.call("tokenize", {**special, "parseSpecial": False})["tokens"]) > 1
