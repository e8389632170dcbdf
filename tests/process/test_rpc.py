"""A model on devices of other machines, through rpc-workers; what happens when one is missing or dies."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import Start
from driver import WAIT_S, Refused, Sidecar, environment
from process_work import ASKS, COUNTED, abort_and_check, asking, count, load, send_endless
from rpc_server import GREETING_BYTES, answer, free_port, listening, refusing
from rpc_worker import Worker

pytestmark = [pytest.mark.process, pytest.mark.real]

HALF_BYTES = 25_000_000
"""Less than each of two workers gets of the test model's 98 MB; the embeddings stay in the engine."""


def refused(sidecar: Sidecar, method: str, params: dict[str, Any], *endpoints: str) -> Refused:
    """Send a request that must fail over exactly these servers."""
    with pytest.raises(Refused) as caught:
        sidecar.call(method, params)
    error = caught.value
    assert (error.code, error.kind, error.data["retryable"]) == (1004, "rpcServerUnavailable", True)
    assert error.data["value"] == list(endpoints)
    assert all(endpoint in str(error) for endpoint in endpoints)
    return error


def test_a_model_split_over_two_workers_says_the_same(start: Start, model_path: str) -> None:
    workers = [Worker(start), Worker(start)]
    endpoints = [worker.endpoint for worker in workers]
    before = [worker.memory_bytes for worker in workers]
    sidecar = start()
    result = sidecar.call("init", {"rpcServers": endpoints, "gpu": "cpu"})
    assert (result["gpu"], result["llamaCpp"]["backends"]) == ("cpu", ["cpu"])
    lent = [device for device in result["devices"] if "endpoint" in device]
    assert [(d["endpoint"], d["backend"], d["type"]) for d in lent] == [(e, "rpc", "gpu") for e in endpoints]
    assert all(device["memoryFreeBytes"] > 0 for device in lent)

    estimate = sidecar.call("estimateModel", {"path": model_path, "contextSize": 512})
    assert [device["name"] for device in estimate["devices"]] == ["CPU", "RPC0", "RPC1"]
    assert all(device["weightsBytes"] > HALF_BYTES for device in estimate["devices"])
    assert estimate["gpuLayers"] == 31

    load(sidecar, model_path, contextSize=512)
    assert count(sidecar) == COUNTED
    held = [worker.memory_bytes - was for worker, was in zip(workers, before, strict=True)]
    assert all(size > HALF_BYTES for size in held), held

    local = start()
    local.call("init", {"gpu": "cpu"})
    load(local, model_path, contextSize=512)
    assert count(local) == COUNTED


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not tell what a process has loaded")
def test_the_backend_is_loaded_only_where_servers_are_named(start: Start) -> None:
    sidecar = start()
    sidecar.call("init")
    libraries = [each.path for engine in sidecar.workers() for each in engine.memory_maps()]
    assert any("ggml-base" in path for path in libraries)
    assert not any("ggml-rpc" in path for path in libraries)


@pytest.mark.form("source")  # a frozen one computes only with what it ships
def test_a_build_without_the_backend_is_reported(start: Start, tmp_path: Path) -> None:
    from sidecar.core.llama import bindings

    without = shutil.ignore_patterns("*ggml-rpc*")
    folder = shutil.copytree(bindings.folder(), tmp_path / "lib", ignore=without)
    sidecar = start(env=environment(LLAMA_CPP_LIB_PATH=str(folder)))
    with pytest.raises(Refused) as caught:
        sidecar.call("init", {"rpcServers": ["127.0.0.1:50052"]})
    assert (caught.value.kind, caught.value.data["pointer"]) == ("backendNotAvailable", "/rpcServers")
    assert sidecar.call("init")["gpu"] == "cpu"


def test_a_server_that_is_not_there_is_reported_and_the_next_line_works(
    start: Start, model_path: str
) -> None:
    sidecar = start()
    with refusing() as gone:
        refused(sidecar, "init", {"rpcServers": [gone]}, gone)
    assert sidecar.call("init", {"gpu": "cpu"})["gpu"] == "cpu"
    load(sidecar, model_path, contextSize=256)
    assert count(sidecar) == COUNTED


def test_a_server_that_serves_something_else_is_reported(start: Start) -> None:
    with listening(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 9)) as endpoint:
        error = refused(start(), "init", {"rpcServers": [endpoint]}, endpoint)
    assert "not an RPC server" in error.data["cause"]


def test_a_server_that_ends_in_the_middle_of_init_costs_that_request(start: Start, model_path: str) -> None:
    greeted = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(GREETING_BYTES, socket.MSG_WAITALL)
        if not greeted.is_set():
            connection.sendall(answer())
        greeted.set()  # all others are cut off

    with listening(serve) as endpoint:
        sidecar = start()
        error = refused(sidecar, "init", {"rpcServers": [endpoint]}, endpoint)
    assert greeted.is_set()
    if sys.platform != "win32":
        assert "SIGABRT" in error.data["cause"], "llama.cpp itself was to notice"
    sidecar.call("init", {"gpu": "cpu"})
    load(sidecar, model_path, contextSize=256)
    assert count(sidecar) == COUNTED


@pytest.mark.slow
def test_a_server_serves_one_model_at_a_time(start: Start, model_path: str) -> None:
    worker = Worker(start)
    sidecar = start()
    sidecar.call("init", {"rpcServers": [worker.endpoint], "gpu": "cpu"})
    load(sidecar, model_path, contextSize=256)
    error = refused(sidecar, "loadModel", {"path": model_path}, worker.endpoint)
    assert "busy" in error.data["cause"]
    assert count(sidecar) == COUNTED
    result = sidecar.call("init", {"rpcServers": [worker.endpoint], "gpu": "cpu"})
    assert not any("endpoint" in device for device in result["devices"])
    infos = [m["params"] for m in sidecar.messages if m.get("method") == "info"]
    assert any(info["level"] == "warning" and worker.endpoint in info["message"] for info in infos)
    sidecar.call("unloadModel", {"modelId": "model-1"})
    model = sidecar.call("loadModel", {"path": model_path})
    context = sidecar.call("createContext", {"modelId": model["modelId"], "contextSize": 256})
    assert count(sidecar, context["contextId"]) == COUNTED


def test_killed_in_generation_a_worker_costs_that_model_until_it_is_back(
    start: Start, model_path: str
) -> None:
    workers = [Worker(start), Worker(start)]
    sidecar = start()
    sidecar.call("init", {"rpcServers": [worker.endpoint for worker in workers], "gpu": "cpu"})
    load(sidecar, model_path)
    sidecar.call("loadModel", {"path": model_path, "gpuLayers": 0})
    sidecar.call("createContext", {"modelId": "model-2", "contextSize": 2048})
    before = sidecar.engines()["model-2"]
    victim = send_endless(sidecar)
    sidecar.wait_progress(victim, "generate")
    workers[1].kill()
    error = sidecar.response(victim)["error"]
    assert (error["code"], error["data"]["kind"]) == (1004, "rpcServerUnavailable")
    assert error["data"]["value"] == [workers[1].endpoint]
    assert len(sidecar.responses(victim)) == 1
    assert count(sidecar, "context-2") == COUNTED
    assert sidecar.engines()["model-2"] == before
    params = {"contextId": "context-1", "prompt": "a", "maxTokens": 1}
    for _ in range(2):
        refused(sidecar, "complete", params, workers[1].endpoint)
    Worker(start, workers[1].port)
    assert count(sidecar) == COUNTED


def test_a_worker_that_no_longer_answers_does_not_delay_an_abort(start: Start, model_path: str) -> None:
    worker = Worker(start)
    sidecar = start()
    sidecar.call("init", {"rpcServers": [worker.endpoint], "gpu": "cpu"})
    load(sidecar, model_path)
    request = send_endless(sidecar)
    sidecar.wait_progress(request, "generate")
    stopped = worker.program.router()
    stopped.suspend()
    try:
        abort_and_check(sidecar, request)
    finally:
        stopped.resume()
    assert count(sidecar) == COUNTED


def test_it_listens_on_loopback_by_default(start: Start) -> None:
    worker = Worker(start)  # which names no host
    with socket.socket() as other:
        other.settimeout(WAIT_S)
        assert other.connect_ex(("127.0.0.2", worker.port)) != 0, "it listens on other addresses, too"
    assert "not a loopback address" not in worker.program.log()


def test_it_warns_that_others_can_reach_it_and_ends_with_its_stdin(program: list[str]) -> None:
    warned = []
    for host in ("127.0.0.1", "0.0.0.0"):
        ran = subprocess.run(
            [*program, "rpc-worker", "--host", host, "--port", str(free_port())],
            input=b"", capture_output=True, timeout=WAIT_S, env=environment(),
        )  # fmt: skip
        assert (ran.returncode, ran.stdout) == (0, b"")
        log = ran.stderr.decode()
        assert "neither authentication nor encryption" in log
        warned.append("not a loopback address" in log)
    assert warned == [False, True]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "0"], "0 is not a port: a number from 1 to 65535"),
        (["--port", "65536"], "65536 is not a port"),
        (["--port", "http"], "http is not a port"),
        (["--threads", "0"], "0 is not a number of at least 1"),
        (["--host", "::1"], "neither an IPv4 address nor a host name"),
        (["--host", ""], "neither an IPv4 address nor a host name"),
        (["--host", "192.0.2.1"], "this machine has no such address"),
    ],
)
def test_a_wrong_address_is_reported_in_a_sentence(
    program: list[str], arguments: list[str], words: str
) -> None:
    ran = subprocess.run(
        [*program, "rpc-worker", *arguments], capture_output=True, timeout=WAIT_S, env=environment(),
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ran.returncode in (1, 2)
    assert words in ran.stderr.decode().splitlines()[-1]


def test_a_port_in_use_is_reported(program: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        command = [*program, "rpc-worker", "--port", port]
        ran = subprocess.run(
            command, capture_output=True, timeout=WAIT_S, env=environment(), stdin=subprocess.DEVNULL
        )
    assert ran.returncode == 1
    assert f"127.0.0.1:{port}: the port is in use already" in ran.stderr.decode()


@pytest.mark.parametrize("name", ASKS)
def test_a_signal_ends_it_quietly(start: Start, name: str) -> None:
    worker = Worker(start, new_session=True)
    before = worker.program.log()
    asking(worker.program, name)()
    assert worker.program.wait_exit(WAIT_S) == 0
    said_since = worker.program.log()[len(before) :].splitlines()
    assert all(json.loads(line)["level"] == "info" for line in said_since)
