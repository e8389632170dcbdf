"""A draft model belongs to its model: it is loaded, counted and unloaded with it, and must fit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import gguf_files
import made_models
import psutil
import pytest
from conftest import MODEL, Start
from driver import Refused, Sidecar

from models import GEMMA3

pytestmark = pytest.mark.real

GREEDY: dict[str, Any] = {"temperature": 0, "ignoreEos": True}
COUNT = "\n1, 2, 3, 4, 5, 6, 7, 8, 9,"
"""A prompt that the model continues with tokens far more likely than others."""


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
    gguf_files.tiny_model(tmp_path / "new.gguf", general__architecture=(gguf_files.STRING, "of-tomorrow"))
    for name, kind in (
        ("none.gguf", "fileNotFound"),
        ("cut.gguf", "modelDamaged"),
        ("text.gguf", "notGguf"),
        ("new.gguf", "modelLoadFailed"),
    ):
        error = refusal(sidecar, "loadModel", path=model_path, draftPath=str(tmp_path / name))
        assert (error.kind, error.data["pointer"]) == (kind, "/draftPath")
        assert "/draftPath" in error.error["message"]


def test_a_model_without_a_draft(loaded: Sidecar) -> None:
    error = refusal(loaded, "complete", contextId="context-1", prompt="a", speculation="draft")
    assert (error.kind, error.data["pointer"]) == ("invalidParams", "/speculation")
    assert error.data["allowed"] == ["none", "lookup", "auto"]
