"""Estimates, compared with the memory that llama.cpp really takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_heads
import made_models
import pytest
from gguf_files import hollow_model
from made_models import MADE
from model_memory import GRID, MODELS, REAL, Taken, run

from sidecar.hardware.machine import Machine
from sidecar.models.gguf import reader
from sidecar.models.memory_estimate import estimate
from sidecar.models.memory_estimate.buffers import HEAD_DRAFT_TOKENS

pytestmark = pytest.mark.real

NEAR = 0.10
ROUNDING = 128 * 1024
"""llama.cpp's log rounds each of several figures to hundredths of a MiB; made models are small."""


def differences(expected: dict[str, int], estimated: dict[str, Any], near: float = NEAR) -> list[str]:
    """The figures that are not near what was really taken."""
    return [
        f"{key}: {estimated[key]} instead of {bytes_}"
        for key, bytes_ in expected.items()
        if abs(estimated[key] - bytes_) > max(near * bytes_, ROUNDING)
    ]


def compare(taken: Taken, number: int, near: float = NEAR) -> list[str]:
    """What is wrong with the estimate for a context of GRID."""
    estimated = estimate.estimate(taken.header, GRID[number], taken.machine)
    context = taken.contexts[number]
    expected = {
        "weightsBytes": taken.weights,
        "kvCacheBytes": context.get("KV", 0) + context.get("RS", 0),
        "computeBytes": context["compute"] + context["output"],
    }
    return differences(expected | {"totalBytes": sum(expected.values())}, estimated, near)


@pytest.mark.parametrize("model", REAL)
@pytest.mark.parametrize(
    "number", range(len(GRID)), ids=["-".join(map(str, params.values())) for params in GRID]
)
def test_every_figure_of_real_models_is_near(taken: Callable[[str], Taken], model: str, number: int) -> None:
    assert not compare(taken(model), number)


@pytest.mark.parametrize("model", MADE)
@pytest.mark.parametrize("flash", ["auto", False])
def test_every_figure_of_other_architectures_is_near(
    taken: Callable[[str], Taken], model: str, flash: str | bool
) -> None:
    near = 0.15 if model == "latent" and not flash else NEAR
    wrong = {
        str(params): found
        for number, params in enumerate(GRID)
        if params["flashAttention"] == flash and (found := compare(taken(model), number, near))
    }
    assert not wrong


def test_layers_with_a_sliding_window_keep_the_window_only() -> None:
    (taken,) = run(str(MODELS / REAL["Gemma 3"]), [{"contextSize": 32_768}])["contexts"]
    assert taken["KV"] <= 125 * 2**20


@pytest.mark.parametrize("model", REAL)
def test_without_mapping_the_weights_count_once(model: str) -> None:
    path = str(MODELS / REAL[model])
    result = run(path, [], useMmap=False)
    machine = Machine.here(system_info=result["systemInfo"])
    estimated = estimate.estimate(reader.read_header(path), {"useMmap": False}, machine)
    assert not differences({"weightsBytes": result["model"]["model"]}, estimated)


@pytest.mark.parametrize("kind", ["dense", "hybrid"])
def test_a_head_counts(tmp_path: Path, kind: str) -> None:
    file, inner = tmp_path / "headed.gguf", 4 * made_models.GUESSING_WIDTH
    path = (
        made_heads.talking_mtp(file, inner=inner, write=hollow_model)
        if kind == "dense"
        else made_heads.talking_hybrid_mtp(file, write=hollow_model)
    )
    sizes = ((256, 1, 512), (4096, 4, 512), (8192, 1, 64))
    contexts = [{"contextSize": size, "sequences": many, "batchSize": batch} for size, many, batch in sizes]
    own = {"draftTokens": HEAD_DRAFT_TOKENS}  # as createContext fills in, if there is a recurrent state
    result, header = run(path, [params | own for params in contexts], mtp=True), reader.read_header(path)
    machine = Machine.here(system_info=result["systemInfo"])
    for (size, many, batch), params, taken in zip(sizes, contexts, result["contexts"], strict=True):
        handed_out = (
            4 * made_models.GUESSING_WIDTH * min(batch, size * many)
        )  # states of the model; not in the log
        weights, caches = result["model"]["model"], taken["KV"] + taken.get("RS", 0)
        total = weights + caches + taken["compute"] + taken["output"] + handed_out
        estimated = estimate.estimate(header, {**params, "mtp": True}, machine)
        expected = {"weightsBytes": weights, "kvCacheBytes": caches, "totalBytes": total}
        assert not differences(expected, estimated), params
