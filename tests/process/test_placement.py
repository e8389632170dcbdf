"""Where a model's weights go: llama.cpp's own report equals the plan. The devices are those of rpc-workers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Start
from driver import Message, Refused, Sidecar
from gguf_files import hollow_model
from made_heads import talking_mtp
from made_models import GUESSING_WIDTH, MADE
from model_memory import run
from process_work import COUNTED, count
from rpc_worker import Worker

from sidecar.hardware.machine import Machine
from sidecar.models.gguf import reader
from sidecar.models.memory_estimate.estimate import estimate

pytestmark = [pytest.mark.process, pytest.mark.real]

NEAR = 600_000
"""Bytes by which a report may differ: it is rounded, and tables of a few kilobytes lie elsewhere."""

PLACES: list[dict[str, Any]] = [
    {},
    {"devices": ["RPC1", "RPC0"]},
    {"tensorSplit": [3, 1]},
    {"devices": ["RPC1", "RPC0"], "tensorSplit": [0, 1]},
    {"splitMode": "none", "mainDevice": "RPC1"},
    {"expertsOnCpu": True},
    {"expertsOnCpu": 2, "devices": ["RPC0"]},
    {"devices": []},
]

HEAD_PLACES: list[dict[str, Any]] = [{"gpuLayers": 2}, {"gpuLayers": "auto", "mtp": True}]
"""llama.cpp counts the head among the layers, also where it is not loaded."""


def steady(place: dict[str, Any]) -> dict[str, Any]:
    """A place that does not depend on free memory: llama.cpp divides by it, and tells that of the moment on Windows."""
    divided = len(place.get("devices", ("RPC0", "RPC1"))) == 2 and "splitMode" not in place
    return {"tensorSplit": [5, 2], **place} if divided and sys.platform == "win32" else place


@pytest.fixture
def workers(start: Start) -> list[Worker]:
    return [Worker(start), Worker(start)]


@pytest.fixture
def sidecar(start: Start, workers: list[Worker]) -> Sidecar:
    program = start()
    program.call("init", {"gpu": "cpu", "rpcServers": [worker.endpoint for worker in workers]})
    return program


def test_the_plan_is_what_llama_cpp_reports(sidecar: Sidecar, workers: list[Worker], tmp_path: Path) -> None:
    path = MADE["mixture"](tmp_path / "mixture.gguf")
    inner = 4 * GUESSING_WIDTH
    headed = talking_mtp(tmp_path / "headed.gguf", inner=inner, write=hollow_model)
    servers = [worker.endpoint for worker in workers]
    place_of = dict(zip(("RPC0", "RPC1"), servers, strict=True))
    for path, place in [*((path, place) for place in PLACES), *((headed, place) for place in HEAD_PLACES)]:
        params = {"gpuLayers": 99, **steady(place)}
        planned = sidecar.call("estimateModel", {"path": path, **params})["devices"]
        taken = run(path, [], rpcServers=servers, **params)["devices"]
        for device in planned:
            mark = place_of.get(device["name"], "CPU")
            found = sum(size for name, size in taken.items() if mark in name)
            assert abs(found - device["weightsBytes"]) < NEAR, (place, planned, taken)


def test_experts_on_the_cpu_make_room_for_more_layers(tmp_path: Path) -> None:
    header = reader.read_header(MADE["mixture"](tmp_path / "mixture.gguf"))
    gpu = {"name": "GPU0", "type": "gpu", "backend": "x", "memoryFreeBytes": 60 * 10**6}
    here = Machine(2**40, [gpu])
    layers = [
        estimate(header, params, here)["gpuLayers"]
        for params in (
            {},
            {"expertsOnCpu": 2},
            {"expertsOnCpu": True},
            {"expertsOnCpu": True, "memoryMarginBytes": 52 * 10**6},
            {"expertsOnCpu": True, "memoryMarginBytes": {"GPU0": 52 * 10**6}},
            {"expertsOnCpu": True, "memoryMarginBytes": 60 * 10**6},
            {"expertsOnCpu": True, "memoryMarginBytes": {"CPU": 60 * 10**6}},
            {"expertsOnCpu": True, "gpuLayers": {"min": 1, "max": 2}},
        )
    ]
    assert layers == [*sorted(layers[:3]), layers[3], layers[3], 0, layers[2], 2]
    assert layers[0] < layers[2] == 5
    assert 0 < layers[3] < 5


def test_a_model_on_named_devices_says_the_same(sidecar: Sidecar, model_path: str) -> None:
    placed = {"devices": ["RPC1", "RPC0"], "tensorSplit": [1, 2], "gpuLayers": {"min": 31, "preferred": 99}}
    sidecar.call("loadModel", {"path": model_path, **placed})
    params = {"contextSize": {"min": 256, "preferred": 512}, "kvCacheType": "q8_0", "valueCacheType": "f16"}
    made = sidecar.call("createContext", {"modelId": "model-1", **params})
    assert (made["contextSize"], made["kvCacheType"], made["valueCacheType"]) == (512, "q8_0", "f16")
    assert count(sidecar) == COUNTED


REFUSALS: list[tuple[Message, str, str]] = [
    ({"devices": ["RPC0", "CUDA7"]}, "deviceNotFound", "/devices/1"),
    ({"devices": ["CPU"]}, "deviceNotFound", "/devices/0"),
    ({"mainDevice": "CUDA7"}, "deviceNotFound", "/mainDevice"),
    ({"devices": ["RPC0"], "mainDevice": "RPC1"}, "invalidParams", "/mainDevice"),
    ({"memoryMarginBytes": {"CPU": 1, "CUDA/7": 1}}, "deviceNotFound", "/memoryMarginBytes/CUDA~17"),
    ({"tensorSplit": [1]}, "invalidParams", "/tensorSplit"),
    ({"tensorSplit": [0, 0]}, "invalidParams", "/tensorSplit"),
    ({"devices": [], "tensorSplit": [1]}, "invalidParams", "/tensorSplit"),
    ({"splitMode": "none", "tensorSplit": [1, 1]}, "invalidParams", "/tensorSplit"),
    ({"splitMode": "row"}, "invalidParams", "/splitMode"),
    ({"gpuLayers": {"min": 5, "max": 4}}, "invalidParams", "/gpuLayers/max"),
    ({"gpuLayers": {"min": 900}}, "outOfMemory", "/gpuLayers/min"),
    ({"useDirectIo": True, "useMlock": True}, "invalidParams", "/useMlock"),
    ({"useDirectIo": True, "useMmap": True}, "invalidParams", "/useMmap"),
]


def test_a_place_that_is_impossible_is_refused_and_the_next_load_works(
    sidecar: Sidecar, model_path: str
) -> None:
    for params, kind, pointer in REFUSALS:
        with pytest.raises(Refused) as refused:
            sidecar.call("loadModel", {"path": model_path, **params})
        found = refused.value
        assert (found.kind, found.data["pointer"]) == (kind, pointer), params
        assert "value" in found.data and found.data["remedy"]
    with pytest.raises(Refused) as refused:
        sidecar.call("estimateModel", {"path": model_path, "devices": ["gone"]})
    assert refused.value.data["allowed"] == ["RPC0", "RPC1"]
    loaded = sidecar.call("loadModel", {"path": model_path, "devices": [], "useDirectIo": True})
    model_id = loaded["modelId"]
    for size, kind in (({"min": 2**24}, "outOfMemory"), ({"min": 9, "preferred": 8}, "invalidParams")):
        with pytest.raises(Refused) as refused:
            sidecar.call("createContext", {"modelId": model_id, "contextSize": size})
        assert refused.value.kind == kind
    sidecar.call("createContext", {"modelId": model_id, "contextSize": 256})
