"""An engine is killed: its request gets one typed error, and nothing else is disturbed."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import gguf_files
import psutil
import pytest
from conftest import Start
from driver import WAIT_S, Message, Refused, Sidecar
from process_work import COUNT, COUNTED, EXACT, LONG_LOAD, count, load, send_endless, send_long_prompt

pytestmark = [pytest.mark.process, pytest.mark.real]

TERMINATE, ACCESS_VIOLATION = 1, 0xC0000005
"""Windows' right to end a process, and a status that it gives itself."""


def kill_engine(sidecar: Sidecar, model_id: str = "model-1") -> None:
    """Kill the engine of a model, and wait until the program has noticed."""
    pid = sidecar.engines()[model_id]
    psutil.Process(pid).kill()
    deadline = time.monotonic() + WAIT_S
    while any(p["pid"] == pid for p in sidecar.call("status")["processes"]):
        assert time.monotonic() < deadline, "the death of an engine was not noticed"


def end_by_fault(pid: int) -> None:
    """End a process as the system does after a wrong memory access."""
    if sys.platform == "win32":
        import _winapi

        process = _winapi.OpenProcess(TERMINATE, False, pid)
        _winapi.TerminateProcess(process, ACCESS_VIOLATION)
        _winapi.CloseHandle(process)
    else:
        os.kill(pid, signal.SIGSEGV)


def assert_crashed(sidecar: Sidecar, request: Any) -> None:
    """The request got the typed error, once."""
    error = sidecar.response(request)["error"]
    assert (error["code"], error["data"]["kind"]) == (1040, "engineCrashed")
    assert error["data"]["retryable"] is True
    assert "SIGKILL" in error["data"]["cause"] or "exit status" in error["data"]["cause"]
    assert len(sidecar.responses(request)) == 1


def test_killed_in_generation_it_costs_the_request_and_nothing_else(start: Start, made_path: str) -> None:
    sidecar = start()
    load(sidecar, made_path, **EXACT)
    sidecar.call("loadModel", {"path": made_path})
    sidecar.call("createContext", {"modelId": "model-2", "contextSize": 2048, **EXACT})
    before = count(sidecar)
    survivor = send_endless(sidecar, "context-2", maxTokens=10_000, contextOverflow="shift")
    victim = send_endless(sidecar, contextOverflow="shift")
    sidecar.wait_progress(victim, "generate")
    survivor_pid = sidecar.engines()["model-2"]
    kill_engine(sidecar)
    assert_crashed(sidecar, victim)
    assert sidecar.call("ping")
    assert count(sidecar) == before
    result = sidecar.result(survivor)
    assert result["usage"]["completionTokens"] == 10_000
    assert result["text"] == sidecar.streamed(survivor)
    assert result["text"].startswith(before)
    assert sidecar.engines()["model-2"] == survivor_pid


def test_killed_with_several_requests_each_is_answered_once(start: Start, model_path: str) -> None:
    sidecar = start()
    load(sidecar, model_path, sequences=2)
    requests = [send_endless(sidecar)]
    sidecar.wait_progress(requests[0], "generate")  # else it might be one that waits
    requests += [*(send_endless(sidecar) for _ in range(4)), send_long_prompt(sidecar)]
    kill_engine(sidecar)
    for request in requests:
        assert_crashed(sidecar, request)
    assert count(sidecar) == COUNTED


def there_and_back(sidecar: Sidecar) -> Message:
    """A text's tokens, and their text."""
    tokens = sidecar.call("tokenize", {"modelId": "model-1", "text": COUNT})["tokens"]
    text = sidecar.call("detokenize", {"modelId": "model-1", "tokens": tokens})["text"]
    return {"tokens": tokens, "text": text}


def test_killed_while_idle_the_next_request_finds_its_model_and_contexts(
    start: Start, made_path: str
) -> None:
    sidecar = start()
    load(sidecar, made_path, **EXACT)
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 512, "sequences": 2})
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 256, **EXACT})
    before, tokens = count(sidecar), there_and_back(sidecar)
    assert len(tokens["tokens"]) >= len(COUNT) == len(tokens["text"])
    sidecar.call("disposeContext", {"contextId": "context-2"})
    kill_engine(sidecar)
    status = sidecar.call("status")
    assert status["models"][0]["state"] == "crashed"
    assert [count(sidecar, name) for name in ("context-1", "context-3")] == [before, before]
    assert sidecar.call("status")["models"][0]["state"] == "ready"
    with pytest.raises(Refused) as refused:
        count(sidecar, "context-2")
    assert refused.value.kind == "contextNotFound"
    assert there_and_back(sidecar) == tokens


def test_a_context_made_after_a_crash_is_made_once(start: Start, model_path: str) -> None:
    sidecar = start()
    sidecar.call("loadModel", {"path": model_path})
    size = {"modelId": "model-1", "contextSize": 8192, "sequences": 1}
    healthy = sidecar.call("createContext", size)["memoryBytes"]
    sidecar.call("disposeContext", {"contextId": "context-1"})
    kill_engine(sidecar)
    restored = sidecar.call("createContext", size)["memoryBytes"]
    cache = 8192 * 23040  # bytes per token: 30 layers × 2 × 192 × 2
    assert restored < healthy + cache / 2
    assert count(sidecar, "context-2") == COUNTED


def test_killed_in_load_it_is_a_typed_error_and_the_next_load_works(start: Start, made_path: str) -> None:
    sidecar = start()
    sidecar.call("init")
    loading = sidecar.send("loadModel", LONG_LOAD)
    follower = sidecar.send("createContext", {"modelId": "model-1"})
    sidecar.wait_progress(loading, "load")
    (engine,) = sidecar.workers()
    engine.kill()
    assert_crashed(sidecar, loading)
    assert sidecar.response(follower)["error"]["data"]["kind"] in ("modelNotFound", "engineCrashed")
    assert sidecar.call("status")["models"] == []
    model = sidecar.call("loadModel", {"path": made_path})
    context = sidecar.call("createContext", {"modelId": model["modelId"], "contextSize": 256})
    assert count(sidecar, context["contextId"])


def test_killed_while_it_is_restored_the_request_is_answered_and_the_next_works(
    start: Start, made_path: str
) -> None:
    sidecar = start()
    load(sidecar, made_path, **EXACT)
    before = count(sidecar)
    kill_engine(sidecar)
    request = send_endless(sidecar, contextOverflow="shift")
    kill_engine(sidecar)
    assert_crashed(sidecar, request)
    assert count(sidecar) == before


def test_after_five_deaths_in_a_row_a_model_must_be_unloaded_and_loaded_again(
    start: Start, made_path: str
) -> None:
    sidecar = start()
    load(sidecar, made_path, **EXACT)
    before = count(sidecar)
    for _ in range(5):
        request = send_endless(sidecar, contextOverflow="shift")
        sidecar.wait_progress(request, "generate")
        kill_engine(sidecar)
        assert_crashed(sidecar, request)
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            count(sidecar)
        assert refused.value.kind == "engineCrashed"
        assert "too many" in refused.value.data["cause"]
    with pytest.raises(Refused):
        sidecar.call("createContext", {"modelId": "model-1"})
    assert [c["contextId"] for c in sidecar.call("status")["contexts"]] == ["context-1"]
    sidecar.call("unloadModel", {"modelId": "model-1"})
    model = sidecar.call("loadModel", {"path": made_path})
    context = sidecar.call("createContext", {"modelId": model["modelId"], "contextSize": 256, **EXACT})
    assert model["modelId"] == "model-2"
    assert count(sidecar, context["contextId"]) == before


def test_a_request_that_crashes_two_engines_is_refused_and_others_are_served(
    start: Start, tmp_path: Path
) -> None:
    sidecar = start()
    load(sidecar, gguf_files.tiny_model(tmp_path / "tiny.gguf"))
    for _ in range(2):
        request = send_endless(sidecar, contextOverflow="shift")
        sidecar.wait_progress(request, "generate")
        end_by_fault(sidecar.engines()["model-1"])
        assert sidecar.response(request)["error"]["data"]["kind"] == "engineCrashed"
    for _ in range(2):
        assert (
            sidecar.response(send_endless(sidecar, contextOverflow="shift"))["error"]["data"]["kind"]
            == "requestCrashes"
        )
        assert sidecar.call("complete", {"contextId": "context-1", "prompt": "a", "maxTokens": 1})


def test_an_engine_that_dies_is_reported_as_info(start: Start, made_path: str) -> None:
    sidecar = start()
    load(sidecar, made_path)
    psutil.Process(sidecar.engines()["model-1"]).kill()
    info = sidecar.wait_for(lambda m: m.get("method") == "info" and m["params"]["level"] == "warning")
    assert info["params"]["modelId"] == "model-1"


@pytest.mark.skipif(sys.platform != "linux", reason="a folder in /proc")
def test_a_death_is_noticed_though_another_process_holds_the_engines_output(
    start: Start, made_path: str
) -> None:
    sidecar = start()
    load(sidecar, made_path)
    victim = send_endless(sidecar, contextOverflow="shift")
    sidecar.wait_progress(victim, "generate")
    engine = sidecar.engines()["model-1"]
    held: list[int] = []
    for path in Path(f"/proc/{engine}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was open for a moment
            if str(path.readlink()).startswith("pipe:"):
                held.append(os.open(path, os.O_WRONLY))
    try:
        kill_engine(sidecar)
        assert_crashed(sidecar, victim)
        sidecar.send("tokenize", {"modelId": "model-1", "text": "a"}, victim)  # its id is free
        assert sidecar.wait_for(lambda m: m.get("id") == victim and "result" in m)
    finally:
        for descriptor in held:
            os.close(descriptor)


def test_requests_sent_at_the_moment_of_death_are_all_answered(start: Start, made_path: str) -> None:
    sidecar = start()
    load(sidecar, made_path)
    text = {"modelId": "model-1", "text": "a"}
    requests = [sidecar.send("tokenize", text) for _ in range(20)]
    psutil.Process(sidecar.engines()["model-1"]).kill()
    requests += [sidecar.send("tokenize", text) for _ in range(50)]
    outcomes = [sidecar.response(request) for request in requests]
    crashed = [m for m in outcomes if "error" in m]
    assert all(m["error"]["data"]["kind"] == "engineCrashed" for m in crashed)
    assert sidecar.call("tokenize", text)["tokens"]
