"""The memory of projectors, compared with the buffers that libmtmd reported for ones of these sizes.

The buffers are a tenth of the weights, so they need not be exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf_files
import pytest
from gguf_files import BOOL, F32, STRING, UINT32, entry, tensor_row

from sidecar.hardware.machine import Machine
from sidecar.models.gguf import projector, reader
from sidecar.models.memory.estimate import estimate
from sidecar.models.memory.projector import needed_bytes

MIB = 2**20
WEIGHTS = 4096


def written(path: Path, kind: str, tensors: list[bytes], **numbers: int) -> str:
    """A projector with this header, and room for its tensors."""
    entries = [
        entry("general.architecture", STRING, "clip"),
        entry("clip.projector_type", STRING, kind),
        entry("clip.has_vision_encoder", BOOL, True),
        *(entry(f"clip.vision.{name}", UINT32, value) for name, value in numbers.items()),
    ]
    path.write_bytes(gguf_files.header(entries, tensors) + bytes(WEIGHTS * len(tensors)))
    return str(path)


@pytest.mark.parametrize(
    ("kind", "side", "width", "inner", "measured"),
    [
        ("mlp", 336, 1024, 4096, 17.05),
        ("mlp", 224, 1024, 4096, 7.58),
        ("gemma3", 896, 1152, 4304, 106.06),
        ("gemma3", 448, 1152, 4304, 28.62),
        ("qwen2vl_merger", 560, 1280, 5120, 247.97),
    ],
)
def test_buffers(tmp_path: Path, kind: str, side: int, width: int, inner: int, measured: float) -> None:
    numbers = {"image_size": side, "patch_size": 14, "embedding_length": width, "feed_forward_length": inner}
    read = reader.read_header(written(tmp_path / "mmproj.gguf", kind, [], **numbers))
    assert needed_bytes(read) == pytest.approx(measured * MIB, rel=0.25)


@pytest.mark.parametrize(("gpus", "layers", "place"), [(0, "auto", 0), (1, "auto", 1), (1, 0, 0)])
def test_an_estimate_counts_the_projector_on_its_device(
    tmp_path: Path, gpus: int, layers: str | int, place: int
) -> None:
    model = reader.read_header(gguf_files.tiny_model(tmp_path / "tiny.gguf"))
    tensor = tensor_row("mm.0.weight", [WEIGHTS // 4], F32, 0)
    sees = projector.read(written(tmp_path / "mmproj.gguf", "mlp", [tensor]))
    machine = Machine(10**9, [{"name": "GPU", "type": "gpu", "memoryFreeBytes": 10**9}] * gpus, frozenset())
    alone: Any = estimate(model, {"gpuLayers": layers}, machine)
    both: Any = estimate(model, {"gpuLayers": layers}, machine, sees)
    assert (alone["projectorBytes"], both["projectorBytes"]) == (0, WEIGHTS)
    assert both["totalBytes"] == alone["totalBytes"] + WEIGHTS
    assert [device["projectorBytes"] for device in both["devices"]].index(WEIGHTS) == place
