"""The engine refuses what cannot fit, before it dies of it, and fills in "auto"."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf_files as files
import pytest
from driver import Refused, Sidecar
from made_models import ENDS, MADE, NORMS, OUTPUT, WIDTH, attention, blocks, feed_forward, numbers

from sidecar.core.context import memory_check
from sidecar.core.model import memory_plan
from sidecar.hardware.machine import Machine
from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import reader

pytestmark = pytest.mark.process


@pytest.fixture
def huge(tmp_path: Path) -> str:
    """A model of some terabytes that takes no space on the disk."""
    if sys.platform == "win32":
        pytest.skip("files with holes are not made here")
    width, layers = 2**24, 40
    metadata = numbers("llama", block_count=layers, feed_forward_length=width, attention__head_count=8)
    layer = NORMS | attention(WIDTH, WIDTH) | feed_forward(width)
    return files.hollow_model(tmp_path / "huge.gguf", metadata, ENDS | OUTPUT | blocks(layers, layer))


def refused(sidecar: Sidecar, method: str, params: dict[str, Any]) -> dict[str, Any]:
    with pytest.raises(Refused) as caught:
        sidecar.call(method, params)
    assert caught.value.kind == "outOfMemory", caught.value
    assert caught.value.data["value"] > caught.value.data["allowed"]["maximum"] > 0
    return caught.value.data


def test_a_context_that_cannot_fit_is_refused_and_a_small_one_works(sidecar: Sidecar, tmp_path: Path) -> None:
    path = MADE["mixture"](tmp_path / "model.gguf")
    sidecar.call("loadModel", {"path": path})
    engines = sidecar.engines()
    data = refused(sidecar, "createContext", {"modelId": "model-1", "contextSize": 2**24, "sequences": 64})
    assert data["value"] > 4 * 2 * 128 * 2 * 2**30
    assert sidecar.call("createContext", {"modelId": "model-1", "contextSize": 256})["contextSize"] == 256
    assert sidecar.engines() == engines


def test_weights_that_cannot_fit_are_refused(sidecar: Sidecar, huge: str, tmp_path: Path) -> None:
    data = refused(sidecar, "loadModel", {"path": huge, "useMmap": False})
    assert data["pointer"] == "/path"
    assert data["value"] > 2**40
    sidecar.call("loadModel", {"path": files.tiny_model(tmp_path / "tiny.gguf")})


def test_the_largest_context_is_at_most_what_the_model_was_trained_for(
    sidecar: Sidecar, tmp_path: Path
) -> None:
    path = files.tiny_model(tmp_path / "tiny.gguf", llama__context_length=(files.UINT32, 1280))
    sidecar.call("loadModel", {"path": path})
    made = sidecar.call("createContext", {"modelId": "model-1", "contextSize": "auto", "sequences": 2})
    assert (made["contextSize"], made["sequences"]) == (1280, 2)


# ---- on machines made up here --------------------------------------------------------------------------


def model_of(path: str) -> Any:
    """As much of a loaded model as counts here."""
    return SimpleNamespace(header=reader.read_header(path), devices=(), gpu_layers=0, draft=None)


def test_the_largest_context_leaves_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(MADE["mixture"](tmp_path / "model.gguf"))
    sizes = []
    for megabytes in (20, 30, 40, 1000):
        free = megabytes * 10**6
        monkeypatch.setattr(memory_plan, "machine", lambda _, free=free: Machine(free))
        sizes.append(memory_check.largest_context(model, {"contextSize": "auto"}))
    assert sizes == sorted(sizes)
    assert 256 <= sizes[0] < sizes[1] < sizes[2] < sizes[3] == 8192
    monkeypatch.setattr(memory_plan, "machine", lambda _: Machine(10**6))
    with pytest.raises(SidecarError) as caught:
        memory_check.largest_context(model, {})
    assert caught.value.kind == "outOfMemory"


def test_the_largest_context_leaves_room_for_the_drafts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = MADE["mixture"](tmp_path / "model.gguf")
    alone, drafted = model_of(path), model_of(path)
    drafted.draft = model_of(path)
    sizes = []
    for model, megabytes in ((alone, 20), (drafted, 20), (drafted, 40)):
        monkeypatch.setattr(memory_plan, "machine", lambda _, free=megabytes * 10**6: Machine(free))
        sizes.append(memory_check.largest_context(model, {"contextSize": "auto"}))
    assert sizes[1] < sizes[0] == sizes[2]


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


@pytest.mark.parametrize("told", [True, False])
def test_what_a_device_has_no_room_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    """Weights and contexts; but where a driver says 0, as some do that cannot tell, it has to refuse by itself."""
    path = MADE["mixture"](tmp_path / "model.gguf")
    gpu = {"name": "GPU0", "type": "gpu", "backend": "x", "memoryFreeBytes": 2**40}
    model = model_of(path)
    model.devices, model.gpu_layers = (1,), 5
    monkeypatch.setattr(memory_plan, "machine", lambda _: Machine(2**40, [gpu]))
    monkeypatch.setattr(memory_check, "_upper_bound", lambda *_: 2**39)

    def load() -> None:
        assert memory_plan.plan_load({"path": path, "gpuLayers": 5}, [1]) == 5

    def make_context() -> None:
        memory_check.check_context(model, {}, 2**20)

    for act in (load, make_context):
        gpu["memoryFreeBytes"] = 2**40
        act()
        gpu["memoryFreeBytes"] = 10**5 if told else 0
        if not told:
            act()
            continue
        with pytest.raises(SidecarError) as caught:
            act()
        assert caught.value.kind == "outOfMemory" and "on GPU0" in caught.value.problem
        assert caught.value.details["value"] > caught.value.details["allowed"]["maximum"] == 10**5
