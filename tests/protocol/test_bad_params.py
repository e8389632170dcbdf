"""Bad params give an error with the field, the value and what is allowed, and the next line works."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from driver import Sidecar
from protocol_cases import refused

from sidecar.message_handler._wire import PARAMS

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("next_line_works")]

COUNTEREXAMPLES = Path(__file__).resolve().parents[2] / "schema" / "counterexamples"


@pytest.mark.parametrize("method", [m for m in PARAMS if m not in ("exit", "$/cancelRequest")])
def test_every_violation_names_field_value_and_what_is_allowed(shared: Sidecar, method: str) -> None:
    paths = sorted((COUNTEREXAMPLES / PARAMS[method]).glob("*.json"))
    assert paths, "no counterexample"
    for path in paths:
        params = json.loads(path.read_text(encoding="utf-8"))
        error = refused(shared, method, params)
        assert error.kind == "invalidParams", path.name
        assert error.data.keys() >= {"pointer", "allowed"}, path.name
        assert (error.data["pointer"] or "params") in error.error["message"]
        assert "value" in error.data or "is missing" in error.error["message"], path.name


def test_unknown_models_and_contexts_are_refused(shared: Sidecar, tiny: tuple[str, str]) -> None:
    messages = [{"role": "user", "content": "x"}]
    for method, params in (
        ("createContext", {}),
        ("unloadModel", {}),
        ("tokenize", {"text": "x"}),
        ("detokenize", {"tokens": [1]}),
        ("applyTemplate", {"messages": messages}),
    ):
        for model in ("model-999", "nothing", "\ud800", "x" * 10_000):
            error = refused(shared, method, {"modelId": model, **params})
            assert (error.kind, error.data["pointer"]) == ("modelNotFound", "/modelId"), method
            assert tiny[0] in error.data["allowed"]
    for method, params in (
        ("disposeContext", {}),
        ("complete", {"prompt": "x"}),
        ("chat", {"messages": messages}),
    ):
        error = refused(shared, method, {"contextId": "context-999", **params})
        assert (error.kind, error.data["pointer"]) == ("contextNotFound", "/contextId"), method
        assert tiny[1] in error.data["allowed"]


def test_missing_versions_and_backends_are_refused(shared: Sidecar) -> None:
    error = refused(shared, "init", {"protocolVersion": 99})
    assert (error.kind, error.data["allowed"]) == ("unsupportedProtocolVersion", [1])
    error = refused(shared, "init", {"gpu": "no-such-backend"})
    assert error.kind == "backendNotAvailable"
    assert {"auto", "cpu"} <= set(error.data["allowed"])
    assert shared.call("init", {"gpu": "cpu"})["gpu"] == "cpu"


def test_an_unused_process_id_does_not_end_the_program(shared: Sidecar) -> None:
    for process_id in (2**31, 2**64, 2**22 + 77):
        assert shared.call("init", {"processId": process_id})["protocolVersion"] == 1


def test_unusable_prompts_are_refused(shared: Sidecar, tiny: tuple[str, str]) -> None:
    model, context = tiny
    for params, kind, pointer in (
        ({"prompt": "x", "maxTokens": -1}, "invalidParams", "/maxTokens"),
        ({"prompt": ""}, "invalidParams", "/prompt"),
        ({"prompt": []}, "invalidParams", "/prompt"),
        ({"prompt": "x" * 300}, "promptTooLong", None),
        ({"prompt": [5] * 257}, "promptTooLong", None),
        ({"prompt": [1, 259]}, "invalidToken", "/prompt/1"),
        ({"prompt": [2**31 - 1]}, "invalidToken", "/prompt/0"),
        ({"prompt": [2**31]}, "invalidParams", "/prompt/0"),
    ):
        error = refused(shared, "complete", {"contextId": context, **params})
        assert (error.kind, error.data.get("pointer")) == (kind, pointer), params
    error = refused(shared, "detokenize", {"modelId": model, "tokens": [3, 4, 259]})
    assert (error.kind, error.data["pointer"], error.data["value"]) == ("invalidToken", "/tokens/2", 259)
    assert error.data["allowed"] == {"minimum": 0, "maximum": 258}


def test_a_prompt_that_fills_the_context_is_accepted_and_ends_with_context_full(
    shared: Sidecar, tiny: tuple[str, str]
) -> None:
    result = shared.call("complete", {"contextId": tiny[1], "prompt": [5] * 256, "ignoreEos": True})
    assert result["finishReason"] == "contextFull"
    assert result["usage"]["completionTokens"] == 1


def test_lone_surrogates_in_a_prompt_do_no_harm(shared: Sidecar, tiny: tuple[str, str]) -> None:
    assert shared.call("tokenize", {"modelId": tiny[0], "text": "\ud800"})["tokens"] == [ord("?") + 3]


no_utf8 = pytest.param(
    "\ud800",
    marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows takes lone surrogates in names"),
)


@pytest.mark.parametrize("path", ["\0", "a\0b", no_utf8])
def test_paths_that_no_system_has_are_refused(shared: Sidecar, tiny: tuple[str, str], path: str) -> None:
    for method, params, pointer in (
        ("init", {"modelsDirectory": path}, "/modelsDirectory"),
        ("downloadModel", {"model": "hf:a/b", "modelsDirectory": path}, "/modelsDirectory"),
        ("listModels", {"modelsDirectory": path}, "/modelsDirectory"),
        ("listModels", {"folders": ["a", path]}, "/folders/1"),
        ("deleteModel", {"path": "x.gguf", "modelsDirectory": path}, "/modelsDirectory"),
    ):
        error = refused(shared, method, params)
        assert (error.kind, error.data["pointer"]) == ("invalidParams", pointer), method
    context = {"contextId": tiny[1]}
    shared.call("complete", {**context, "prompt": "Hi", "maxTokens": 1})
    assert refused(shared, "saveState", {**context, "path": path}).kind == "directoryNotWritable"
    assert refused(shared, "restoreState", {**context, "path": path}).kind == "fileNotFound"
    assert refused(shared, "loadModel", {"path": path}).kind == "fileNotFound"
