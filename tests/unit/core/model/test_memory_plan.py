"""How many layers go to the devices, and whether the weights fit there, on machines made up here."""

from __future__ import annotations

from pathlib import Path

import projectors
import pytest
from gguf_files import WIDTH
from made_models import MADE

from sidecar.core.model import memory_plan
from sidecar.hardware.machine import Machine
from sidecar.message_handler.errors import SidecarError


def test_layers_are_placed_on_the_devices_that_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = MADE["mixture"](tmp_path / "model.gguf")
    gpu = {"name": "GPU0", "type": "gpu", "backend": "x", "memoryFreeBytes": 2**40}
    monkeypatch.setattr(memory_plan, "machine", lambda handles: Machine(2**40, [gpu] if handles else ()))
    assert memory_plan.plan_load({"path": path}, []) == 0
    assert memory_plan.plan_load({"path": path, "gpuLayers": 3}, []) == 0
    assert memory_plan.plan_load({"path": path, "gpuLayers": 3}, [1]) == 3
    assert memory_plan.plan_load({"path": path}, [1]) == 4 + 1
    gpu["memoryFreeBytes"] = 80 * 10**6
    assert 0 < memory_plan.plan_load({"path": path, "gpuLayers": "auto"}, [1]) < 4


@pytest.mark.parametrize("known", [True, False])
def test_weights_that_a_device_has_no_room_for_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """Some drivers report 0 because they do not know; then the driver itself has to refuse them."""
    path = MADE["mixture"](tmp_path / "model.gguf")
    gpu = {"name": "GPU0", "type": "gpu", "backend": "x", "memoryFreeBytes": 2**40}
    monkeypatch.setattr(memory_plan, "machine", lambda _: Machine(2**40, [gpu]))
    assert memory_plan.plan_load({"path": path, "gpuLayers": 5}, [1]) == 5
    gpu["memoryFreeBytes"] = 10**5 if known else 0
    if not known:
        assert memory_plan.plan_load({"path": path, "gpuLayers": 5}, [1]) == 5
        return
    with pytest.raises(SidecarError) as caught:
        memory_plan.plan_load({"path": path, "gpuLayers": 5}, [1])
    assert caught.value.kind == "outOfMemory" and "on GPU0" in caught.value.problem
    assert caught.value.details["value"] > caught.value.details["allowed"]["maximum"] == 10**5


def test_a_projector_that_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, sees = MADE["mixture"](tmp_path / "model.gguf"), projectors.tiny(tmp_path / "sees.gguf", WIDTH)
    monkeypatch.setattr(memory_plan, "machine", lambda _: Machine(2**40))
    assert memory_plan.plan_load({"path": path, "projectorPath": sees}, []) == 0
    monkeypatch.setattr(memory_plan, "machine", lambda _: Machine(10**4))
    with pytest.raises(SidecarError) as caught:
        memory_plan.plan_load({"path": path, "projectorPath": sees}, [])
    assert (caught.value.kind, caught.value.details["pointer"]) == ("outOfMemory", "/projectorPath")
    assert caught.value.details["value"] > 10**4


def test_a_projector_computes_on_a_device_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [{"name": f"GPU{handle}", "handle": handle} for handle in (1, 2, 3)]
    monkeypatch.setattr(memory_plan.ggml, "devices", lambda: there)
    for params, handles, device in (
        ({}, [], None),
        ({}, [9], None),  # of another machine
        ({}, [9, 3, 2], 2),
        ({"gpuLayers": 0}, [2], None),
        ({"gpuLayers": 0, "projectorDevice": "GPU2"}, [2, 3], 2),
        ({"projectorDevice": "GPU3"}, [2, 3], 3),
        ({"projectorDevice": "cpu"}, [2, 3], None),
    ):
        assert memory_plan.projector_device({"path": "a", **params}, handles) == device  # type: ignore[typeddict-item]
    with pytest.raises(SidecarError) as caught:
        memory_plan.projector_device({"path": "a", "projectorDevice": "GPU1"}, [2])
    assert caught.value.details["allowed"] == ["auto", "cpu", "GPU2"]
