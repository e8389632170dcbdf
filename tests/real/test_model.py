"""What the program reports of a model and its contexts; tokens; the chat template."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import jinja2
import pytest
from conftest import Start
from driver import Refused, Sidecar
from process_work import COUNT, COUNTED, count

pytestmark = pytest.mark.real


# ---- the model ---------------------------------------------------------------------------------------


def test_inspecting_says_what_loading_says(real: Sidecar, model_path: str) -> None:
    seen = real.call("inspectModel", {"path": model_path})
    request = real.send("loadModel", {"path": model_path})
    made = real.result(request)
    real.call("unloadModel", {"modelId": made["modelId"]})
    shared = ["architecture", "name", "parameters", "contextLengthTrained", "vocabularySize"]
    shared += ["embeddingSize", "layers", "chatTemplate"]
    assert {key: seen[key] for key in shared} == {key: made[key] for key in shared}
    assert seen["sizeBytes"] >= made["sizeBytes"] > 0.9 * seen["sizeBytes"]
    fractions = [p["progress"] for p in real.progress(request, "load")]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert made["loadMs"] > 0
    assert made["memoryBytes"] > made["sizeBytes"]


@pytest.mark.parametrize(
    "options",
    [{"useMmap": False}, {"useMmap": True}, {"gpuLayers": 0}, {"gpuLayers": 99}, {"checkTensors": True}],
    ids=str,
)
def test_a_model_works_with_each_option(real: Sidecar, model_path: str, options: dict[str, Any]) -> None:
    model_id = real.call("loadModel", {"path": model_path, **options})["modelId"]
    context = real.call("createContext", {"modelId": model_id, "contextSize": 256})["contextId"]
    assert count(real, context) == COUNTED
    real.call("unloadModel", {"modelId": model_id})


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere pages are not given back")
def test_the_weights_are_in_memory_once(start: Start, model_path: str) -> None:
    """Also where the processor wants them in another order than the file's, and llama.cpp makes a copy."""
    sidecar = start()
    made = sidecar.call("loadModel", {"path": model_path})
    overhead = 60_000_000  # Python, libraries, the vocabulary
    assert made["sizeBytes"] < made["memoryBytes"] < 1.1 * made["sizeBytes"] + overhead


# ---- contexts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ({"contextSize": 100}, {"contextSize": 256, "sequences": 1}),
        ({"contextSize": 512}, {"contextSize": 512, "kvCacheType": "f16"}),
        ({"contextSize": 100, "sequences": 3}, {"contextSize": 256, "sequences": 3}),
        ({"contextSize": 256, "sequences": 4, "batchSize": 1}, {"batchSize": 4, "sequences": 4}),
        ({"contextSize": 256, "batchSize": 32}, {"batchSize": 32}),
        ({"contextSize": 256, "threads": 1}, {"threads": 1}),
        ({"contextSize": 256, "kvCacheType": "q8_0", "flashAttention": True}, {"kvCacheType": "q8_0"}),
        ({"contextSize": 256, "kvCacheType": "f32", "flashAttention": False}, {"kvCacheType": "f32"}),
        *(
            ({"contextSize": 256, "kvCacheType": kind}, {"kvCacheType": kind})
            for kind in ("bf16", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
        ),
    ],
    ids=str,
)
def test_a_context_is_as_asked_for_and_works(
    real: Sidecar, asked: dict[str, Any], made: dict[str, Any]
) -> None:
    result = real.call("createContext", {"modelId": "model-1", **asked})
    assert {key: result[key] for key in made} == made
    assert result["memoryBytes"] > 0
    assert count(real, result["contextId"]) == COUNTED
    real.call("disposeContext", {"contextId": result["contextId"]})


def test_by_default_a_context_is_what_the_model_was_trained_on_at_most_4096(real: Sidecar) -> None:
    result = real.call("createContext", {"modelId": "model-1"})
    real.call("disposeContext", {"contextId": result["contextId"]})
    assert (result["contextSize"], result["sequences"], result["batchSize"]) == (4096, 1, 512)
    assert result["threads"] == real.call("init")["threads"]


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        ({"contextSize": 16777216, "sequences": 64}, ["outOfMemory", "contextCreationFailed"]),
        ({"contextSize": 256, "kvCacheType": "q8_0", "flashAttention": False}, ["contextCreationFailed"]),
    ],
    ids=str,
)
def test_an_impossible_context_is_refused_and_the_engine_goes_on(
    real: Sidecar, asked: dict[str, Any], kinds: list[str]
) -> None:
    before = real.call("status")["contexts"]
    with pytest.raises(Refused) as refused:
        real.call("createContext", {"modelId": "model-1", **asked})
    assert refused.value.kind in kinds
    assert real.call("status")["contexts"] == before
    assert count(real, "context-1") == COUNTED


def test_disposing_of_a_context_aborts_what_runs_and_waits_on_it(real: Sidecar) -> None:
    context = real.call("createContext", {"modelId": "model-1", "contextSize": 2048})["contextId"]
    params = {"contextId": context, "prompt": COUNT, "ignoreEos": True, "temperature": 0}
    running, waiting = (real.send("complete", params) for _ in range(2))
    elsewhere = real.send("complete", {**params, "contextId": "context-1", "maxTokens": 5})
    real.wait_progress(running, "generate")
    dispose = real.send("disposeContext", {"contextId": context})
    assert real.result(dispose) is None
    for request in (running, waiting):
        error = real.response(request)["error"]
        assert error["data"]["kind"] == "aborted"
        assert error["data"]["partial"]["text"] == real.streamed(request)
        assert real.messages.index(real.response(request)) < real.messages.index(real.response(dispose))
    assert real.result(elsewhere)["text"] == COUNTED
    for method in ("complete", "disposeContext"):
        with pytest.raises(Refused) as refused:
            real.call(method, {"contextId": context, **({"prompt": "a"} if method == "complete" else {})})
        assert refused.value.kind == "contextNotFound"


# ---- tokens ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Hello world",
        "  two spaces,\ttab\r\nand lines\n\n",
        "naïve café, 東京, 🎉👩‍👩‍👧, \u2028, e\u0301",
        "<|im_start|> as text",
        "\x00\x01\x7f",
        "Ünï" * 5000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_text_survives_tokens_and_back(real: Sidecar, text: str) -> None:
    for options in ({}, {"addSpecial": True}, {"parseSpecial": True}):
        tokens = real.call("tokenize", {"modelId": "model-1", "text": text, **options})["tokens"]
        assert real.call("detokenize", {"modelId": "model-1", "tokens": tokens})["text"] == text


def test_special_tokens_are_read_only_if_asked(real: Sidecar) -> None:
    params = {"modelId": "model-1", "text": "<|im_start|>user"}
    as_text = real.call("tokenize", params)["tokens"]
    as_token = real.call("tokenize", {**params, "parseSpecial": True})["tokens"]
    assert len(as_text) > len(as_token) == 2
    assert as_token[0] == 1


def test_tokens_are_those_of_the_plain_loop(real: Sidecar, plain: Any) -> None:
    params = {"modelId": "model-1", "text": "Once upon a time", "addSpecial": True, "parseSpecial": True}
    assert real.call("tokenize", params)["tokens"] == plain["story"].prompt


def test_half_characters_become_replacement_characters(real: Sidecar, plain: Any) -> None:
    half = plain["foxes"].tokens[0]
    assert real.call("detokenize", {"modelId": "model-1", "tokens": [half]})["text"] == "\ufffd"
    lone = real.call("tokenize", {"modelId": "model-1", "text": "a\ud83db"})["tokens"]
    assert real.call("detokenize", {"modelId": "model-1", "tokens": lone})["text"] == "a?b"


def test_a_token_outside_the_vocabulary_is_refused(real: Sidecar) -> None:
    for method, params in [
        ("detokenize", {"modelId": "model-1", "tokens": [1, 49152]}),
        ("complete", {"contextId": "context-1", "prompt": [1, 49152]}),
    ]:
        with pytest.raises(Refused) as refused:
            real.call(method, params)
        assert refused.value.kind == "invalidToken"
        assert refused.value.data["pointer"].endswith("/1")
    assert count(real, "context-1") == COUNTED


# ---- the template ------------------------------------------------------------------------------------

USER = {"role": "user", "content": "Hi <|im_end|> {{ 7 * 7 }} & 'é'"}
SYSTEM = {"role": "system", "content": "Be brief."}
ASSISTANT = {"role": "assistant", "content": ""}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "find", "description": "Finds it."}}


@pytest.mark.parametrize("messages", [[USER], [SYSTEM, USER], [USER, ASSISTANT, USER], [SYSTEM]], ids=str)
@pytest.mark.parametrize("add", [True, False])
def test_the_template_is_the_models_own(
    real: Sidecar, model_path: str, messages: list[dict[str, str]], add: bool
) -> None:
    metadata = real.call("inspectModel", {"path": model_path})["metadata"]
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    source = metadata["tokenizer.chat_template"]
    expected = environment.from_string(source).render(messages=messages, add_generation_prompt=add)
    params = {"modelId": "model-1", "messages": messages, "addGenerationPrompt": add}
    assert real.call("applyTemplate", params)["prompt"] == expected
    assert "trained by Hugging Face" in expected or messages[0]["role"] == "system"


def test_the_generation_prompt_is_added_by_default(real: Sidecar) -> None:
    prompt = real.call("applyTemplate", {"modelId": "model-1", "messages": [SYSTEM]})["prompt"]
    assert prompt == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>assistant\n"


def test_the_tokens_of_a_conversation_are_those_of_its_chat(real: Sidecar, fresh: Callable[..., str]) -> None:
    context, asked = fresh(), {"messages": [SYSTEM, USER], "reasoning": False}
    size = real.call("countTokens", {"contextId": context, **asked})
    answer = real.call("chat", {"contextId": context, **asked, "maxTokens": 1})
    assert size["tokens"] == answer["usage"]["promptTokens"]
    assert size["contextSize"] >= size["tokens"]
    alone = real.call("countTokens", {"modelId": "model-1", **asked, "addGenerationPrompt": False})
    assert alone["tokens"] < size["tokens"] and "contextSize" not in alone
    with_tools = {"modelId": "model-1", "messages": [SYSTEM], "tools": [TOOL]}
    prompt = real.call("applyTemplate", with_tools)["prompt"]
    tokens = real.call("tokenize", {"modelId": "model-1", "text": prompt, "parseSpecial": True})["tokens"]
    assert TOOL["function"]["description"] in prompt
    assert real.call("countTokens", with_tools)["tokens"] == len(tokens)


def test_chat_is_complete_over_the_rendered_prompt(real: Sidecar, fresh: Callable[..., str]) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    prompt = real.call("applyTemplate", {"modelId": "model-1", "messages": messages})["prompt"]
    greedy = {"temperature": 0, "maxTokens": 20}
    completed = real.call("complete", {"contextId": fresh(), "prompt": prompt, **greedy})
    chatted = real.call("chat", {"contextId": fresh(), "messages": messages, **greedy})
    assert chatted["message"]["content"] == completed["text"]
    assert chatted["usage"] == completed["usage"]
