"""How the program ends: at the end of stdin, by shutdown, exit and signals. It leaves no process behind."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Start
from driver import WAIT_S, Sidecar
from process_work import ASKS, LONG_LOAD, asking, count, load, send_endless, send_long_prompt

pytestmark = pytest.mark.process

BOUND_S = 1.0 if sys.platform != "win32" else 3.0
"""The limit in seconds that the documentation promises. In Wine each system call is a message to a server: on a busy
machine the folder's start takes a second there, and removing the one file's folder another one."""

START_S = 5.0
"""A program that has just been started first starts, and one that is a single file unpacks itself: at most so long."""

Stage = Callable[[Sidecar, str], list[Any]]
"""Brings a program into a state; returns the requests that are open then."""


def just_started(_sidecar: Sidecar, _model: str) -> list[Any]:
    return []


def idle(sidecar: Sidecar, _model: str) -> list[Any]:
    sidecar.call("ping")
    return []


def idle_with_a_model(sidecar: Sidecar, model: str) -> list[Any]:
    load(sidecar, model)
    return []


def in_init(sidecar: Sidecar, _model: str) -> list[Any]:
    sidecar.call("abort", {"requestId": "none"})  # so that init's params need no slow import to be checked
    request = sidecar.send("init")
    sidecar.call("ping")
    return [request]


def in_load(sidecar: Sidecar, _model: str) -> list[Any]:
    request = sidecar.send("loadModel", LONG_LOAD)
    sidecar.wait_progress(request, "load")
    return [request, sidecar.send("createContext", {"modelId": "model-1"})]


def in_prompt(sidecar: Sidecar, model: str) -> list[Any]:
    load(sidecar, model)
    request = send_long_prompt(sidecar)
    sidecar.wait_progress(request, "prompt")
    return [request]


def in_generation(sidecar: Sidecar, model: str) -> list[Any]:
    load(sidecar, model, sequences=2)
    requests = [send_endless(sidecar)]
    sidecar.wait_progress(requests[0], "generate")  # else it might be the one that waits
    requests += [send_endless(sidecar) for _ in range(2)]
    sidecar.call("ping")  # now all are read
    return requests


STAGES = [just_started, idle, idle_with_a_model, in_init, in_load, in_prompt, in_generation]
AT_WORK = [in_init, in_load, in_prompt, in_generation]
ASKED = [(name, stage) for name in ASKS[:2] for stage in (idle, idle_with_a_model, *AT_WORK)]
ASKED += [(name, stage) for name in ASKS[2:] for stage in (in_load, in_generation)]


def assert_gone(sidecar: Sidecar, stage: Stage) -> None:
    """The program and all processes that it started end in time."""
    assert not sidecar.survivors(BOUND_S + START_S if stage is just_started else BOUND_S)
    assert sidecar.wait_exit(1) == 0


def assert_answered(sidecar: Sidecar, requests: list[Any]) -> None:
    """Each open request is answered once, with `shuttingDown`."""
    sidecar.drain()
    for request in requests:
        (response,) = sidecar.responses(request)
        assert response["error"]["data"]["kind"] == "shuttingDown"


@pytest.mark.parametrize("stage", STAGES)
def test_at_the_end_of_stdin_it_answers_what_is_open_and_is_gone(
    start: Start, model_path: str, stage: Stage
) -> None:
    sidecar = start()
    requests = stage(sidecar, model_path)
    sidecar.close_stdin()
    assert_gone(sidecar, stage)
    assert_answered(sidecar, requests)


def test_with_finish_it_does_what_is_open_before_it_ends(start: Start, model_path: str) -> None:
    sidecar = start("--finish")
    loading = sidecar.send("loadModel", {"path": model_path})
    creating = sidecar.send("createContext", {"modelId": "model-1", "contextSize": 256})
    completing = send_endless(sidecar, maxTokens=30)
    sidecar.close_stdin()
    sidecar.drain()
    assert sidecar.result(loading)["modelId"] == "model-1"
    assert sidecar.result(creating)["contextId"] == "context-1"
    assert sidecar.result(completing)["usage"]["completionTokens"] == 30
    assert sidecar.wait_exit(WAIT_S) == 0
    assert not sidecar.survivors()


def test_with_finish_a_slow_reader_gets_every_answer(start: Start) -> None:
    sidecar = start("--finish", read=False)
    requests = [sidecar.send("rpc.discover") for _ in range(20)]  # more than the pipe holds
    sidecar.close_stdin()
    with pytest.raises(subprocess.TimeoutExpired):
        sidecar.wait_exit(1.5)
    sidecar.start_reading()
    sidecar.drain()
    assert [len(sidecar.responses(request)) for request in requests] == [1] * 20
    assert sidecar.wait_exit(WAIT_S) == 0


@pytest.mark.parametrize("stage", AT_WORK)
def test_shutdown_answers_everything_and_itself_last(start: Start, model_path: str, stage: Stage) -> None:
    sidecar = start()
    requests = stage(sidecar, model_path)
    shutdown = sidecar.send("shutdown")
    assert_gone(sidecar, stage)
    assert_answered(sidecar, requests)
    assert sidecar.result(shutdown) is None
    assert sidecar.messages[-1] == sidecar.response(shutdown)


def test_shutdown_with_the_end_of_stdin_right_behind_is_answered_null(start: Start) -> None:
    for _ in range(10):
        sidecar = start()
        shutdown = sidecar.send("shutdown")
        sidecar.close_stdin()
        assert sidecar.wait_exit(WAIT_S) == 0
        sidecar.drain()
        assert sidecar.response(shutdown)["result"] is None


def test_after_shutdown_every_request_is_refused(start: Start, model_path: str) -> None:
    sidecar = start()
    load(sidecar, model_path)
    shutdown = sidecar.send("shutdown")
    late = []
    with contextlib.suppress(BrokenPipeError):  # it may have ended already
        late.extend(sidecar.send("ping") for _ in range(50))
    sidecar.drain()
    assert sidecar.result(shutdown) is None
    for request in late:
        for response in sidecar.responses(request):
            assert "result" in response or response["error"]["data"]["kind"] == "shuttingDown"


@pytest.mark.parametrize("stage", STAGES)
def test_exit_ends_it_at_once(start: Start, model_path: str, stage: Stage) -> None:
    sidecar = start()
    requests = stage(sidecar, model_path)
    sidecar.notify("exit")
    assert_gone(sidecar, stage)
    assert_answered(sidecar, requests)


@pytest.mark.parametrize(("name", "stage"), ASKED)
def test_a_signal_ends_it_cleanly(start: Start, model_path: str, stage: Stage, name: str) -> None:
    sidecar = start(new_session=True)
    sidecar.call("ping")
    ask = asking(sidecar, name)
    requests = stage(sidecar, model_path)
    ask()
    assert_gone(sidecar, stage)
    assert_answered(sidecar, requests)
    assert "Traceback" not in sidecar.log()


def test_a_signal_right_after_an_answer_is_not_missed(start: Start) -> None:
    """The main thread may or may not be waiting for input again at that moment."""
    for _ in range(20):
        sidecar = start(new_session=True)
        ask = asking(sidecar, ASKS[0])
        sidecar.call("ping")
        ask()
        assert sidecar.wait_exit(WAIT_S) == 0


def test_a_client_that_is_gone_from_stdout_ends_it(start: Start, model_path: str) -> None:
    sidecar = start()
    load(sidecar, model_path)
    send_endless(sidecar)
    sidecar.close_stdout()
    sidecar.wait_exit(WAIT_S)
    assert not sidecar.survivors()


def test_requests_that_come_while_it_ends_are_answered_too(start: Start, model_path: str) -> None:
    """Lines that are in the pipe when stdin ends are read before the end is seen."""
    sidecar = start()
    load(sidecar, model_path)
    assert count(sidecar)
    requests = [send_endless(sidecar) for _ in range(40)]
    sidecar.close_stdin()
    sidecar.wait_exit(WAIT_S)
    assert_answered(sidecar, requests)
