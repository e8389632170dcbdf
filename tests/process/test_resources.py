"""What the program takes and gives back: memory, processes, threads, descriptors, processor time."""

from __future__ import annotations

import sys
import time

import psutil
import pytest
import time_slices
from conftest import Start
from driver import WAIT_S, Refused
from hub.client import wait_until
from process_work import COUNTED, LONG_LOAD, assert_aborted, count, let_work, load, processor_s, send_endless

from sidecar.core.llama.time_slice import SLICE_NS

pytestmark = pytest.mark.process

TRIES = 10
"""How often a load may be faster than this process."""


def test_unloading_gives_the_memory_back_and_ends_the_process(start: Start, model_path: str) -> None:
    sidecar = start()
    size = sidecar.call("loadModel", {"path": model_path})["sizeBytes"]
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 512})
    assert count(sidecar) == COUNTED
    pid = sidecar.engines()["model-1"]
    unloaded = sidecar.call("unloadModel", {"modelId": "model-1"})
    assert not psutil.pid_exists(pid)
    assert unloaded["memoryBeforeBytes"] - unloaded["memoryAfterBytes"] > 0.8 * size
    status = sidecar.call("status")
    assert (status["models"], status["contexts"]) == ([], [])
    assert status["memoryBytes"] < unloaded["memoryBeforeBytes"] - 0.8 * size


def test_unloading_aborts_what_runs_and_its_ids_are_gone_for_good(start: Start, model_path: str) -> None:
    sidecar = start()
    load(sidecar, model_path)
    requests = [send_endless(sidecar)]
    sidecar.wait_progress(requests[0], "generate")  # else another one might come first
    requests += [send_endless(sidecar) for _ in range(2)]
    unload = sidecar.send("unloadModel", {"modelId": "model-1"})
    late = sidecar.send("tokenize", {"modelId": "model-1", "text": "a"})
    assert sidecar.result(unload)["memoryAfterBytes"] > 0
    unloaded = sidecar.messages.index(sidecar.response(unload))
    for request in requests:
        assert_aborted(sidecar, request)
        assert sidecar.messages.index(sidecar.response(request)) < unloaded
    assert sidecar.response(late)["error"]["data"]["kind"] == "modelNotFound"
    for method, params, kind in [
        ("unloadModel", {"modelId": "model-1"}, "modelNotFound"),
        ("createContext", {"modelId": "model-1"}, "modelNotFound"),
        ("complete", {"contextId": "context-1", "prompt": "a"}, "contextNotFound"),
        ("disposeContext", {"contextId": "context-1"}, "contextNotFound"),
    ]:
        with pytest.raises(Refused) as refused:
            sidecar.call(method, params)
        assert refused.value.kind == kind
    assert sidecar.call("loadModel", {"path": model_path})["modelId"] == "model-2"
    assert sidecar.call("createContext", {"modelId": "model-2"})["contextId"] == "context-2"
    assert count(sidecar, "context-2") == COUNTED


def test_unloading_in_the_middle_of_the_load_aborts_the_load(start: Start) -> None:
    sidecar = start()
    for number in range(1, TRIES + 1):
        model = {"modelId": f"model-{number}"}
        loading = sidecar.send("loadModel", LONG_LOAD)
        creating = sidecar.send("createContext", model)
        sidecar.wait_progress(loading, "load")
        unload = sidecar.send("unloadModel", model)
        assert "memoryAfterBytes" in sidecar.result(unload)
        aborted = "error" in sidecar.response(loading)
        if aborted:  # else the load had ended before
            assert_aborted(sidecar, loading)
            assert "error" in sidecar.response(creating)
        assert sidecar.call("status")["models"] == []
        if aborted:
            return
    pytest.fail("the load always ended before it was unloaded")


def test_unloading_a_model_whose_engine_died_works(start: Start, model_path: str) -> None:
    sidecar = start()
    load(sidecar, model_path)
    psutil.Process(sidecar.engines()["model-1"]).kill()
    sidecar.call("unloadModel", {"modelId": "model-1"})
    assert sidecar.call("status")["models"] == []
    assert "engineCrashed" not in str(sidecar.messages)


def test_loading_and_unloading_leaves_no_thread_descriptor_or_process(start: Start, model_path: str) -> None:
    sidecar = start()
    router = sidecar.router()

    def round_trip() -> None:
        model_id = sidecar.call("loadModel", {"path": model_path})["modelId"]
        sidecar.call("unloadModel", {"modelId": model_id})

    def held() -> tuple[int, int, int]:
        descriptors = router.num_handles() if sys.platform == "win32" else router.num_fds()
        return router.num_threads(), descriptors, len(sidecar.family())

    round_trip()
    before = held()
    for _ in range(4):
        round_trip()
    deadline = time.monotonic() + WAIT_S
    while any(now > then for now, then in zip(held(), before, strict=True)):
        assert time.monotonic() < deadline, f"{before} became {held()}"
        time.sleep(0.05)


def test_disposing_of_a_context_gives_its_memory_back(start: Start, model_path: str) -> None:
    sidecar = start()
    sidecar.call("loadModel", {"path": model_path})
    engine = psutil.Process(sidecar.engines()["model-1"])
    size = {"modelId": "model-1", "contextSize": 8192}
    sidecar.call("disposeContext", {"contextId": sidecar.call("createContext", size)["contextId"]})
    before = engine.memory_info().rss
    for _ in range(5):
        made = sidecar.call("createContext", size)
        assert made["memoryBytes"] > before + 100_000_000
        sidecar.call("disposeContext", {"contextId": made["contextId"]})
    assert engine.memory_info().rss < before + 20_000_000


def test_an_idle_program_uses_no_processor_time(start: Start, model_path: str) -> None:
    sidecar = start()
    load(sidecar, model_path, sequences=2)
    sidecar.call("init")  # a second, idle engine
    for request in [send_endless(sidecar, maxTokens=8) for _ in range(2)]:
        sidecar.result(request)
    request = send_endless(sidecar)
    sidecar.wait_progress(request, "generate")
    sidecar.call("abort", {"requestId": request})
    processes = sidecar.family()
    assert len(sidecar.workers()) == 2

    def used() -> list[tuple[float, int]]:
        return [(processor_s(process), process.num_ctx_switches().voluntary) for process in processes]

    def working(seconds: float) -> list[tuple[float, int]]:
        """What those used that did anything for so long."""
        before = used()
        let_work(seconds)
        more = [
            (cpu - cpu_before, switches - switches_before)
            for (cpu, switches), (cpu_before, switches_before) in zip(used(), before, strict=True)
        ]
        return [(cpu, switches) for cpu, switches in more if cpu > 0.0101 or switches > 5]

    deadline = time.monotonic() + WAIT_S
    while at_work := working(1.5) or working(5):  # first the abort's grace, OpenMP's spinning, late imports
        assert time.monotonic() < deadline, f"something polls: seconds and switches {at_work}"


def test_model_ids_are_not_used_again_and_status_is_correct(start: Start, model_path: str) -> None:
    sidecar = start()
    for _ in range(2):
        sidecar.call("loadModel", {"path": model_path})
    sidecar.call("unloadModel", {"modelId": "model-1"})
    with pytest.raises(Refused):
        sidecar.call("loadModel", {"path": model_path + ".missing"})
    sidecar.call("loadModel", {"path": model_path})
    counted = {*sidecar.engines().values(), sidecar.router().pid}

    def settled() -> bool:
        """The engine of model-3 has ended."""
        return {process["pid"] for process in sidecar.call("status")["processes"]} == counted

    def taken() -> int:
        return sum(process.memory_info().rss for process in sidecar.family() if process.pid in counted)

    wait_until(settled)
    before, status, after = taken(), sidecar.call("status"), taken()  # an engine still imports
    assert [model["modelId"] for model in status["models"]] == ["model-2", "model-4"]
    assert 0.9 * min(before, after) <= status["memoryBytes"] <= 1.1 * max(before, after)


@pytest.mark.skipif(not time_slices.CAN_BE_READ or not time_slices.can_be_set(), reason="Linux 6.12 or newer")
def test_the_threads_that_compute_have_a_short_time_slice(start: Start, model_path: str) -> None:
    sidecar = start()
    load(sidecar, model_path)
    send_endless(sidecar)
    engine = psutil.Process(sidecar.engines()["model-1"])
    deadline = time.monotonic() + 60
    while not (busy := [t.id for t in engine.threads() if t.user_time > 0.2]):
        assert time.monotonic() < deadline
        sidecar.receive()
    assert {time_slices.of_thread(thread).ns for thread in busy} == {SLICE_NS}
