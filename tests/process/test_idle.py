"""`keepAliveMs`: an idle engine ends, and the next request starts it again with all that it had."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gguf_files
import psutil
import pytest
from conftest import Start
from driver import WAIT_S, Sidecar
from process_work import abort_and_check, send_endless

pytestmark = pytest.mark.process

PARAMS: dict[str, Any] = {"prompt": "abc", "maxTokens": 8, "temperature": 0, "ignoreEos": True}


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """A model that loads within milliseconds."""
    return gguf_files.tiny_model(tmp_path / "tiny.gguf")


def load(sidecar: Sidecar, path: str, **params: Any) -> tuple[str, str]:
    """Load a model and make a context; returns their ids."""
    model_id = sidecar.call("loadModel", {"path": path, **params})["modelId"]
    made = sidecar.call("createContext", {"modelId": model_id, "contextSize": 256})
    return model_id, made["contextId"]


def status(sidecar: Sidecar, model_id: str) -> dict[str, Any]:
    (found,) = [m for m in sidecar.call("status")["models"] if m["modelId"] == model_id]
    return dict(found)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


@contextmanager
def at_work(sidecar: Sidecar, context: str) -> Iterator[None]:
    """Meanwhile a request runs."""
    request = send_endless(sidecar, context, contextOverflow="shift", maxTokens=10**9)
    sidecar.wait_progress(request, "generate")
    yield
    abort_and_check(sidecar, request)


def test_an_idle_engine_ends_and_the_next_request_finds_everything(start: Start, tiny: str) -> None:
    sidecar = start()
    model_id, context = load(sidecar, tiny, keepAliveMs=400)
    vectors = sidecar.call("createContext", {"modelId": model_id, "embeddings": True})["contextId"]
    params = {"contextId": context, **PARAMS}
    before = sidecar.call("complete", params)
    embedded = sidecar.call("embed", {"contextId": vectors, "input": "abc"})["embeddings"]
    with at_work(sidecar, context):
        pid = sidecar.engines()[model_id]
        known = status(sidecar, model_id)
    assert (known["state"], known["keepAliveMs"]) == ("ready", 400)
    wait_until(lambda: status(sidecar, model_id)["state"] == "unloaded")
    wait_until(lambda: not psutil.pid_exists(pid))
    assert sidecar.engines() == {}
    assert status(sidecar, model_id)["idleMs"] >= 400
    infos = [m["params"] for m in sidecar.messages if isinstance(m, dict) and m.get("method") == "info"]
    assert any(info.get("modelId") == model_id and "unloaded" in info["message"] for info in infos)
    again = sidecar.call("complete", params)
    assert again["text"] == before["text"]
    assert again["usage"]["cachedTokens"] == 0
    assert sidecar.call("embed", {"contextId": vectors, "input": "abc"})["embeddings"] == embedded
    with at_work(sidecar, context):
        assert status(sidecar, model_id)["state"] == "ready"
    wait_until(lambda: status(sidecar, model_id)["state"] == "unloaded")
    sidecar.call("unloadModel", {"modelId": model_id})
    assert sidecar.call("status")["models"] == []


def test_work_keeps_it_alive(start: Start, tiny: str) -> None:
    sidecar = start()
    model_id, context = load(sidecar, tiny, keepAliveMs=50)
    with at_work(sidecar, context):
        pid = sidecar.engines()[model_id]
        time.sleep(0.3)
        assert status(sidecar, model_id)["idleMs"] == 0
        assert sidecar.engines() == {model_id: pid}
    wait_until(lambda: status(sidecar, model_id)["state"] == "unloaded")


def test_whenever_a_request_comes_it_is_served(start: Start, tiny: str) -> None:
    sidecar = start()
    _, context = load(sidecar, tiny, keepAliveMs=20)
    params = {"contextId": context, **PARAMS}
    text = sidecar.call("complete", params)["text"]
    for _ in range(12):
        time.sleep(random.uniform(0, 0.06))
        assert sidecar.call("complete", params)["text"] == text


def test_others_are_not_touched(start: Start, tiny: str, tmp_path: Path) -> None:
    sidecar = start()
    other = gguf_files.tiny_bert(tmp_path / "bert.gguf", ranks=True)
    first, first_context = load(sidecar, tiny, keepAliveMs=100)
    second, second_context = load(sidecar, tiny)
    third = sidecar.call("loadModel", {"path": other})["modelId"]
    ranks = sidecar.call("createContext", {"modelId": third, "embeddings": True})["contextId"]
    engines = sidecar.engines()
    assert engines[second] != engines[third]
    wait_until(lambda: status(sidecar, first)["state"] == "unloaded")
    assert sidecar.engines() == {second: engines[second], third: engines[third]}
    requests = [sidecar.send("complete", {"contextId": c, **PARAMS}) for c in (first_context, second_context)]
    ranked = sidecar.send("rerank", {"contextId": ranks, "query": "a", "documents": ["b", "c"]})
    assert sidecar.result(requests[0])["text"] == sidecar.result(requests[1])["text"]
    assert len(sidecar.result(ranked)["results"]) == 2
    assert sidecar.engines()[second] == engines[second]


def test_a_model_that_cannot_be_loaded_again_is_reported(start: Start, tiny: str) -> None:
    sidecar = start()
    model_id, context = load(sidecar, tiny, keepAliveMs=50)
    wait_until(lambda: status(sidecar, model_id)["state"] == "unloaded")
    Path(tiny).rename(tiny + ".away")
    error = sidecar.response(sidecar.send("complete", {"contextId": context, **PARAMS}))["error"]
    assert error["data"]["kind"] == "engineCrashed"
    assert "no file" in error["data"]["cause"]


def test_the_model_used_longest_ago_makes_room(start: Start, tiny: str) -> None:
    sidecar = start()
    sidecar.call("init", {"maxLoadedModels": 2})
    first, first_context = load(sidecar, tiny)
    text = sidecar.call("complete", {"contextId": first_context, **PARAMS})["text"]
    second, second_context = load(sidecar, tiny)
    before = sidecar.engines()
    sidecar.call("complete", {"contextId": first_context, **PARAMS})
    third, third_context = load(sidecar, tiny)
    assert [status(sidecar, model)["state"] for model in (first, second, third)] == [
        "ready",
        "unloaded",
        "ready",
    ]
    wait_until(lambda: not psutil.pid_exists(before[second]))
    for context in (second_context, third_context, first_context) * 2:  # each takes the place of another
        assert sidecar.call("complete", {"contextId": context, **PARAMS})["text"] == text
        assert len(sidecar.engines()) == 2
    infos = [m["params"] for m in sidecar.messages if isinstance(m, dict) and m.get("method") == "info"]
    assert any(info.get("modelId") == second and "makes room" in info["message"] for info in infos)


def test_no_model_in_use_makes_room(start: Start, tiny: str) -> None:
    sidecar = start()
    sidecar.call("init", {"maxLoadedModels": 1})
    first, context = load(sidecar, tiny)
    request = send_endless(sidecar, context, contextOverflow="shift", maxTokens=10**9)
    sidecar.wait_progress(request, "generate")
    error = sidecar.response(sidecar.send("loadModel", {"path": tiny}))["error"]
    assert error["data"]["kind"] == "overloaded" and error["data"]["retryable"]
    assert "maxLoadedModels: 1" in error["message"]
    assert list(sidecar.engines()) == [first]
    sidecar.call("abort", {"requestId": request})
    sidecar.response(request)
    second = sidecar.call("loadModel", {"path": tiny})["modelId"]
    assert list(sidecar.engines()) == [second]
