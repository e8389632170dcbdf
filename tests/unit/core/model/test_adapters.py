"""Which scales a request gets, and how a file keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gguf_files import STRING, tiny_model

from sidecar.core.model.adapters import Adapter, Adapters
from sidecar.message_handler.errors import SidecarError


@pytest.fixture
def adapters(tmp_path: Path) -> Adapters:
    handle: Any = None
    paths = [tiny_model(tmp_path / f"{name}.gguf", general__name=(STRING, name)) for name in "ba"]
    scales = (1.0, 0.5)
    return Adapters(
        "model-1", [Adapter(handle, path, scale) for path, scale in zip(paths, scales, strict=True)]
    )


def test_a_request_that_names_none_gets_the_defaults(adapters: Adapters) -> None:
    assert adapters.scales_of({}) == adapters.default_scales == (1.0, 0.5)


def test_adapters_that_a_request_leaves_out_are_off(adapters: Adapters) -> None:
    assert adapters.scales_of({"adapters": []}) == (0.0, 0.0)
    assert adapters.scales_of({"adapters": [{"id": 1, "scale": 2}]}) == (0.0, 2.0)


@pytest.mark.parametrize(
    ("asked", "pointer"), [([2], "/adapters/0/id"), ([0, 5], "/adapters/1/id"), ([1, 1], "/adapters/1/id")]
)
def test_unknown_and_repeated_adapters_are_refused(
    adapters: Adapters, asked: list[int], pointer: str
) -> None:
    with pytest.raises(SidecarError) as caught:
        adapters.scales_of({"adapters": [{"id": number, "scale": 1} for number in asked]})
    assert (caught.value.kind, caught.value.details["pointer"]) == ("invalidParams", pointer)
    assert caught.value.details["allowed"] == [0, 1]


def test_a_file_keeps_scales_by_the_weights_without_those_that_are_off(adapters: Adapters) -> None:
    written = adapters.to_fingerprints((0.25, 0.5))
    assert written == sorted(written) and len(written) == 2
    assert adapters.from_fingerprints(written) == (0.25, 0.5)
    assert adapters.from_fingerprints(adapters.to_fingerprints((0.0, 0.5))) == (0.0, 0.5)
    assert adapters.from_fingerprints([]) == (0.0, 0.0)


@pytest.mark.parametrize("written", [None, 7, [["unknown", 1.0]], ["x"], [[1, 2, 3]]])
def test_a_file_of_other_adapters_fits_none(adapters: Adapters, written: Any) -> None:
    assert adapters.from_fingerprints(written) is None
