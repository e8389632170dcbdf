"""The memory of projectors, compared with the buffers that libmtmd reported for ones of these sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf_files
import pytest
from gguf_files import BOOL, F32, STRING, UINT32, entry, tensor_row

from sidecar.hardware.machine import Machine
from sidecar.models.gguf import projector, reader
from sidecar.models.memory_estimate.estimate import estimate
from sidecar.models.memory_estimate.projector_memory import buffer_bytes, needed_bytes

MIB = 2**20
WEIGHTS = 4096
ROOM = 8192
"""Bytes of a tensor, at most."""


def tensor(name: str, count: int) -> bytes:
    return tensor_row(name, [count], F32, 0)


def written(path: Path, kind: str, tensors: list[bytes], **numbers: int) -> str:
    """A projector with this header, and room for its tensors."""
    entries = [
        entry("general.architecture", STRING, "clip"),
        entry("clip.projector_type", STRING, kind),
        entry("clip.has_vision_encoder", BOOL, True),
        *(entry(f"clip.vision.{name}", UINT32, value) for name, value in numbers.items()),
    ]
    path.write_bytes(gguf_files.header(entries, tensors) + bytes(ROOM * len(tensors)))
    return str(path)


CLASS, GATE = ("v.class_embd",), ("v.blk.0.ffn_gate.weight",)
DEEP = tuple(f"v.deepstack.{layer}.fc2.weight" for layer in (2, 4, 6))


@pytest.mark.parametrize(
    ("kind", "side", "patch", "width", "inner", "names", "measured"),
    [
        ("mlp", 336, 14, 1024, 4096, (), 17.05),
        ("mlp", 336, 14, 1024, 4096, CLASS, 19.32),
        ("mlp", 224, 14, 1024, 4096, CLASS, 8.60),
        ("mlp", 336, 14, 768, 3072, CLASS, 14.82),
        ("gemma3", 896, 14, 1152, 4304, (), 103.25),
        ("idefics3", 512, 16, 768, 3072, (), 18.00),
        ("internvl", 448, 14, 1024, 4096, CLASS, 28.03),
        ("pixtral", 1540, 14, 1024, 4096, GATE, 58.37),
        ("qwen2vl_merger", 560, 14, 1280, 5120, (), 247.97),
        ("qwen2.5vl_merger", 560, 14, 1280, 3420, GATE, 704.79),
        ("qwen2.5vl_merger", 560, 14, 1280, 5120, GATE, 924.99),
        ("qwen3vl_merger", 768, 16, 1024, 4096, (), 223.30),
        ("qwen3vl_merger", 768, 16, 1024, 4096, DEEP, 322.49),
    ],
)
def test_buffers_for_pictures(
    tmp_path: Path,
    kind: str,
    side: int,
    patch: int,
    width: int,
    inner: int,
    names: tuple[str, ...],
    measured: float,
) -> None:
    numbers = {
        "image_size": side,
        "patch_size": patch,
        "embedding_length": width,
        "feed_forward_length": inner,
    }
    numbers |= {"spatial_merge_size": 2} if kind != "mlp" else {}
    path = written(tmp_path / "mmproj.gguf", kind, [tensor(name, width) for name in names], **numbers)
    header = reader.read_header(path)
    assert buffer_bytes(header) == pytest.approx(measured * MIB, rel=0.01)
    assert needed_bytes(header) > buffer_bytes(header) + 4 * width * len(names)


def test_what_gemma_turns_round_and_sound(tmp_path: Path) -> None:
    numbers = {"image_size": 896, "patch_size": 14, "embedding_length": 1152, "feed_forward_length": 4304}
    size = 4 * 1152
    turned = written(
        tmp_path / "turned.gguf", "gemma3", [tensor("mm.input_projection.weight", 1152)], **numbers
    )
    plain = written(tmp_path / "plain.gguf", "gemma3", [], **numbers)
    both = [needed_bytes(reader.read_header(path)) for path in (turned, plain)]
    assert both[0] - both[1] == 2 * size
    sound = {"audio.embedding_length": 1280, "audio.feed_forward_length": 5120}
    entries = [
        entry("general.architecture", STRING, "clip"),
        entry("clip.projector_type", STRING, "ultravox"),
    ]
    entries += [entry(f"clip.{name}", UINT32, value) for name, value in sound.items()]
    path = tmp_path / "hears.gguf"
    path.write_bytes(gguf_files.header(entries, []))
    header = reader.read_header(str(path))
    assert buffer_bytes(header) == pytest.approx(51.27 * MIB, rel=0.01)
    assert needed_bytes(header) == buffer_bytes(header) + 2 * 1500 * 5120


@pytest.mark.parametrize(("gpus", "layers", "place"), [(0, "auto", 0), (1, "auto", 1), (1, 0, 0)])
def test_an_estimate_counts_the_projector_on_its_device(
    tmp_path: Path, gpus: int, layers: str | int, place: int
) -> None:
    model = reader.read_header(gguf_files.tiny_model(tmp_path / "tiny.gguf"))
    sees = projector.read(written(tmp_path / "mmproj.gguf", "mlp", [tensor("mm.0.weight", WEIGHTS // 4)]))
    machine = Machine(10**9, [{"name": "GPU", "type": "gpu", "memoryFreeBytes": 10**9}] * gpus, frozenset())
    alone: Any = estimate(model, {"gpuLayers": layers}, machine)
    both: Any = estimate(model, {"gpuLayers": layers}, machine, sees)
    assert (alone["projectorBytes"], both["projectorBytes"]) == (0, WEIGHTS)
    assert both["totalBytes"] == alone["totalBytes"] + WEIGHTS
    assert [device["projectorBytes"] for device in both["devices"]].index(WEIGHTS) == place


def test_a_hostile_header_gives_a_number_that_javascript_keeps(tmp_path: Path) -> None:
    most = 2**32 - 1
    numbers = dict.fromkeys(("image_size", "embedding_length", "feed_forward_length"), most)
    path = written(tmp_path / "mmproj.gguf", "mlp", [], **numbers, patch_size=1)
    assert 2**40 < needed_bytes(reader.read_header(path)) < 2**53
