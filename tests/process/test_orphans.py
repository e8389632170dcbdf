"""When the app, the launcher or the router is killed (SIGKILL), all processes of the program end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest
from conftest import Start
from driver import WAIT_S, Sidecar
from process_work import GONE_S, count, load, send_endless

pytestmark = pytest.mark.process

STARTING_S = GONE_S if sys.platform != "win32" else 6.0
"""The same for engines that start: they look at their stdin when they have, in Wine from source after up to 3 s."""

APP = "import sys; print('up', flush=True); sys.stdin.read()"
LAUNCHER = """
import os, subprocess, sys
subprocess.Popen([*sys.argv[1:], "--parent-pid", str(os.getpid())]).wait()
"""


@pytest.fixture
def app() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for the app, while this one holds the pipes: its death does not close stdin."""
    with subprocess.Popen(
        [sys.executable, "-c", APP], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def assert_gone(sidecar: Sidecar, seconds: float = GONE_S) -> None:
    """All processes of the program end in time by themselves."""
    assert not sidecar.survivors(seconds)


@pytest.mark.parametrize("given_by", ["argument", "init"])
@pytest.mark.parametrize("state", ["idle", "in load", "in generation"])
def test_it_ends_with_its_parent_though_another_process_holds_the_pipe(
    start: Start, model_path: str, app: subprocess.Popen[bytes], given_by: str, state: str
) -> None:
    sidecar = start(*(["--parent-pid", str(app.pid)] if given_by == "argument" else []))
    sidecar.call("init", {"processId": app.pid} if given_by == "init" else {})
    if state == "in load":
        sidecar.wait_progress(sidecar.send("loadModel", {"path": model_path}), "load")
    elif state == "in generation":
        load(sidecar, model_path)
        sidecar.wait_progress(send_endless(sidecar), "generate")
    assert sidecar.process.poll() is None
    app.kill()
    assert_gone(sidecar)
    assert sidecar.wait_exit(WAIT_S) == 0


def test_a_killed_launcher_whose_pipes_are_inherited_ends_all_processes(
    program: list[str], start: Start, model_path: str, tmp_path: object
) -> None:
    sidecar = Sidecar([sys.executable, "-c", LAUNCHER, *program], stderr=None)
    try:
        load(sidecar, model_path)
        sidecar.wait_progress(send_endless(sidecar), "generate")
        assert len(sidecar.family()) >= 3
        sidecar.process.kill()
        sidecar.process.wait()
        assert_gone(sidecar)
    finally:
        sidecar.end()


@pytest.mark.parametrize("pid", ["2147483000", "0", "-1", str(2**40)])
def test_a_parent_that_is_not_there_does_not_end_it(start: Start, pid: str) -> None:
    sidecar = start(f"--parent-pid={pid}")
    sidecar.call("init")
    assert sidecar.call("ping")["uptimeMs"] > 0


def test_a_process_id_of_init_that_is_not_there_does_not_end_it(start: Start) -> None:
    sidecar = start()
    for pid in (2147483000, 2**40, None):
        assert sidecar.call("init", {"processId": pid})["protocolVersion"] == 1
    assert sidecar.call("ping")["uptimeMs"] > 0


@pytest.mark.parametrize("state", ["idle", "in init", "in load", "in generation"])
def test_engines_end_with_a_killed_router(start: Start, model_path: str, state: str) -> None:
    sidecar = start()
    if state == "in init":
        sidecar.send("init")
        while not sidecar.workers():
            assert sidecar.process.poll() is None
    elif state == "in load":
        sidecar.wait_progress(sidecar.send("loadModel", {"path": model_path}), "load")
    else:
        load(sidecar, model_path, sequences=2)
        sidecar.call("init")  # a second, idle engine
        if state == "in generation":
            requests = [send_endless(sidecar) for _ in range(2)]
            sidecar.wait_progress(requests[1], "generate")
        assert len(sidecar.workers()) == 2
    sidecar.process.kill()
    assert_gone(sidecar, STARTING_S if state == "in init" else GONE_S)


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows has jobs, which end stopped processes")
def test_an_engine_that_hangs_ends_with_a_killed_router(start: Start) -> None:
    sidecar = start()
    sidecar.call("init")
    (engine,) = sidecar.workers()
    engine.suspend()
    sidecar.process.kill()
    assert_gone(sidecar)


def test_no_child_outlives_ten_rounds_of_load_and_kill(start: Start, model_path: str) -> None:
    for _ in range(10):
        sidecar = start()
        sidecar.send("loadModel", {"path": model_path})
        deadline = time.monotonic() + WAIT_S
        while not sidecar.workers() and time.monotonic() < deadline:
            time.sleep(0.001)
        os.kill(sidecar.process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        assert_gone(sidecar, STARTING_S)


def test_a_killed_spare_engine_is_replaced(start: Start, model_path: str) -> None:
    sidecar = start()
    sidecar.call("init")
    (spare,) = sidecar.workers()
    spare.kill()
    psutil.wait_procs([spare], timeout=WAIT_S)
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and any(
        each["pid"] == spare.pid for each in sidecar.call("status")["processes"]
    ):
        time.sleep(0.01)  # the router has not noticed it yet
    assert sidecar.call("init")["protocolVersion"] == 1
    load(sidecar, model_path)
    assert count(sidecar)
