"""Work that tests interrupt, and checks of the state after an interruption."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import console
import psutil
from driver import TURN_S, Message, Sidecar, environment
from wine_8 import IN_WINE

from models import GEMMA3
from sidecar.core.scheduling.runner import PROMPT_CHUNK_WHILE_STREAMING as PIECE

ABORTED = -32800

GONE_S = 1.0 if sys.platform != "win32" else 2.0
"""How long processes may be there after the app, the launcher or the router was killed."""

ASKS = ("SIGTERM", "SIGINT", "Ctrl-C") if sys.platform != "win32" else ("Ctrl-C",)
"""How the system asks a program to end. Ctrl-C at a terminal reaches its children, too."""

COUNT = "1, 2, 3, 4, 5,"
COUNTED = " 6, 7"
"""The model's greedy continuation by 5 tokens, each far more likely than the next best."""

EXACT: Message = {"kvCacheType": "f32", "flashAttention": False}
"""Params of contexts that round in the same way for each batch."""

ENDLESS: Message = {"maxTokens": 10**9, "contextOverflow": "shift", "ignoreEos": True, "temperature": 0}
"""Params of a greedy text that lasts until it is aborted, however late that is."""

LONG_LOAD: Message = {"path": str(GEMMA3.path), "useMmap": False}
"""loadModel's params for a slow load that tests can interrupt: the file is read and copied."""


def asking(sidecar: Sidecar, name: str) -> Callable[[], None]:
    """What sends one of ASKS to a program that was started with `new_session`. On Windows preparing takes a second."""
    if sys.platform == "win32":
        return console.ctrl_c(sidecar.process.pid)
    if name == "Ctrl-C":
        return partial(os.killpg, sidecar.process.pid, signal.SIGINT)
    return partial(sidecar.process.send_signal, getattr(signal, name))


def let_work(seconds: float) -> None:
    """Wait, counted in turns."""
    for _ in range(round(seconds / TURN_S)):
        time.sleep(TURN_S)


def processor_s(process: psutil.Process) -> float:
    """The processor time that a process has used, in seconds; in Wine that of the threads that it still has.

    Wine 8 tells the caller's own time for every process (GetProcessTimes), and the right one for a thread.
    """
    if IN_WINE:
        return sum(thread.user_time + thread.system_time for thread in process.threads())
    times = process.cpu_times()
    return times.user + times.system


def load(sidecar: Sidecar, model_path: str, **context: Any) -> None:
    """Load model-1 and make context-1."""
    sidecar.call("loadModel", {"path": model_path})
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 2048, **context})


@contextmanager
def made_contexts(sidecar: Sidecar, **always: Any) -> Iterator[Callable[..., str]]:
    """Yields what makes contexts of model-1 and returns their ids; they are disposed of at the end."""
    made: list[str] = []

    def make(**params: Any) -> str:
        asked = {"modelId": "model-1", **always, **params}
        made.append(sidecar.call("createContext", asked)["contextId"])
        return made[-1]

    yield make
    for context_id in made:
        sidecar.call("disposeContext", {"contextId": context_id})


def count(sidecar: Sidecar, context_id: str = "context-1") -> str:
    """A short greedy text, to see whether a context works: COUNTED if it does."""
    params = {"contextId": context_id, "prompt": COUNT, "maxTokens": 5, "temperature": 0}
    text: str = sidecar.call("complete", params)["text"]
    return text


def cut_after(sidecar: Sidecar, request_id: Any, characters: int) -> Message:
    """Abort an endless text when so much of it has come; returns its `partial`."""
    while len(sidecar.streamed(request_id)) < characters:
        sidecar.receive()
    return abort_and_check(sidecar, request_id)


def send_endless(sidecar: Sidecar, context_id: str = "context-1", **params: Any) -> Any:
    """A completion that runs until the context is full, which takes many seconds."""
    endless = {"contextId": context_id, "prompt": COUNT, "ignoreEos": True, "temperature": 0}
    return sidecar.send("complete", {**endless, **params})


def send_long_prompt(sidecar: Sidecar, context_id: str = "context-1", **params: Any) -> Any:
    """A completion whose prompt takes seconds: about 1,500 tokens, none of them in a cache."""
    first = random.randint(0, 10**6)
    prompt = " ".join(f"Item {first + number} costs {number} dollars." for number in range(120))
    return sidecar.send("complete", {"contextId": context_id, "prompt": prompt, "maxTokens": 4, **params})


def assert_not_held_up(sidecar: Sidecar, stream: Any, long: Any) -> None:
    """While the prompt of `long` is evaluated, a piece of it at a time, the stream gets its tokens in between."""
    sidecar.response(long)
    reported = [m["params"] for m in sidecar.messages if m.get("method") == "progress"]
    at = [i for i, p in enumerate(reported) if p["requestId"] == long and p["progressType"] == "prompt"]
    pieces = (reported[at[-1]]["processedTokens"] - reported[at[0]]["processedTokens"]) / PIECE
    said = [
        p["completionTokens"]
        for p in reported[: at[-1]]
        if p["requestId"] == stream and "completionTokens" in p
    ]
    before = [
        p["completionTokens"]
        for p in reported[: at[0]]
        if p["requestId"] == stream and "completionTokens" in p
    ]
    assert pieces > 4
    assert said[-1] - before[-1] >= pieces / 2, "the stream stood still while the prompt was evaluated"


def assert_aborted(sidecar: Sidecar, request_id: Any) -> Message:
    """The request ended as an aborted one must; returns its `partial`."""
    response = sidecar.response(request_id)
    assert response.get("error", {}).get("code") == ABORTED, response
    assert response["error"]["data"]["kind"] == "aborted"
    assert len(sidecar.responses(request_id)) == 1
    partial: Message = response["error"]["data"].get("partial", {})
    if "text" in partial:
        assert partial["text"] == sidecar.streamed(request_id)
    assert_silent_after_response(sidecar, request_id)
    return partial


def assert_silent_after_response(sidecar: Sidecar, request_id: Any) -> None:
    """No progress of a request came after its response."""
    answered = sidecar.messages.index(sidecar.response(request_id))
    late = [
        m
        for m in sidecar.messages[answered:]
        if m.get("method") == "progress" and m["params"]["requestId"] == request_id
    ]
    assert not late


def abort_and_check(sidecar: Sidecar, request_id: Any) -> Message:
    """Abort a request that cannot have ended yet; returns its `partial`."""
    abort = sidecar.send("abort", {"requestId": request_id})
    result = sidecar.result(abort)
    assert result["outcome"] == "aborted"
    partial = assert_aborted(sidecar, request_id)
    answers = [sidecar.messages.index(sidecar.response(which)) for which in (request_id, abort)]
    assert answers == sorted(answers), "abort was answered before the work had stopped"
    return partial


def pids(sidecar: Sidecar) -> dict[str, int]:
    """modelId → pid of its engine."""
    return sidecar.engines()


def in_temp(folder: Path, **more: str) -> dict[str, str]:
    """An environment with this temporary folder."""
    names = ("TMPDIR", "TEMP", "TMP")
    return {**environment(**dict.fromkeys(names, str(folder))), **more}
