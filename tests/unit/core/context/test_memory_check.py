"""The largest context, and which contexts are refused, on machines made up here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf_files
import made_heads
import pytest
from made_models import ENDS, MADE, NORMS, OUTPUT, WIDTH, attention, blocks, feed_forward, numbers

from sidecar.core.context import memory_check
from sidecar.core.model import memory_plan
from sidecar.core.model.model import PLACEMENT
from sidecar.hardware.machine import Machine
from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import reader
from sidecar.models.memory_estimate import estimate


def model_of(path: str) -> Any:
    """The part of a loaded model that this needs."""
    return SimpleNamespace(
        header=reader.read_header(path), devices=(), gpu_layers=0, draft=None, placement={}
    )


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


def test_windows_of_their_own_size_leave_room_for_a_larger_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = {"attention__head_count": 8, "attention__head_count_kv": 4, "attention__sliding_window": 64}
    metadata = numbers("gemma3", block_count=6, feed_forward_length=1536, **heads)
    layer = NORMS | attention(WIDTH, 256) | feed_forward(1536)
    tensors = ENDS | OUTPUT | blocks(6, layer)
    model = model_of(gguf_files.hollow_model(tmp_path / "model.gguf", metadata, tensors))
    monkeypatch.setattr(memory_plan, "machine", lambda _: Machine(10**8))
    monkeypatch.setattr(memory_check, "_upper_bound", lambda *_: 2**39)
    sizes = [memory_check.largest_context(model, {"swaFull": full}, most=2**20) for full in (True, False)]
    assert sizes[1] > 2 * sizes[0] > 0  # type: ignore[operator]
    memory_check.check_context(model, {}, sizes[1])  # type: ignore[arg-type]
    with pytest.raises(SidecarError) as caught:
        memory_check.check_context(model, {"swaFull": True}, sizes[1])  # type: ignore[arg-type]
    assert caught.value.kind == "outOfMemory"


@pytest.mark.parametrize("known", [True, False])
def test_a_context_that_a_device_has_no_room_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """Some drivers report 0 because they do not know; then the driver itself has to refuse it."""
    gpu = {"name": "GPU0", "type": "gpu", "backend": "x", "memoryFreeBytes": 2**40}
    model = model_of(MADE["mixture"](tmp_path / "model.gguf"))
    model.devices, model.gpu_layers = (1,), 5
    monkeypatch.setattr(memory_plan, "machine", lambda _: Machine(2**40, [gpu]))
    monkeypatch.setattr(memory_check, "_upper_bound", lambda *_: 2**39)
    memory_check.check_context(model, {}, 2**20)
    gpu["memoryFreeBytes"] = 10**5 if known else 0
    if not known:
        memory_check.check_context(model, {}, 2**20)
        return
    with pytest.raises(SidecarError) as caught:
        memory_check.check_context(model, {}, 2**20)
    assert caught.value.kind == "outOfMemory" and "on GPU0" in caught.value.problem
    assert caught.value.details["value"] > caught.value.details["allowed"]["maximum"] == 10**5


def test_the_largest_context_leaves_room_for_the_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made_heads.talking_mtp(tmp_path / "model.gguf", write=gguf_files.hollow_model)
    alone, headed = model_of(path), model_of(path)
    headed.placement = {"mtp": True}
    monkeypatch.setattr(memory_plan, "machine", lambda _: Machine(10**7))
    sizes = [memory_check.largest_context(model, {"contextSize": "auto"}) for model in (alone, headed)]
    assert 256 <= sizes[1] < 0.75 * sizes[0] <= 0.75 * 8192


def test_a_context_counts_the_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a context fits only without the context of the head, it is refused."""
    path = made_heads.talking_mtp(tmp_path / "model.gguf", write=gguf_files.hollow_model)
    alone, headed = model_of(path), model_of(path)
    headed.placement = {name: True for name in PLACEMENT if name == "mtp"}
    needed = estimate.Planner(alone.header, {"gpuLayers": 0}, Machine(0), loaded=True).plan(4096, 0)[0].needed
    monkeypatch.setattr(memory_plan, "machine", lambda _: Machine(needed))
    monkeypatch.setattr(memory_check, "_upper_bound", lambda *_: 2**39)
    memory_check.check_context(alone, {}, 4096)
    with pytest.raises(SidecarError) as caught:
        memory_check.check_context(headed, {}, 4096)
    assert caught.value.kind == "outOfMemory"
