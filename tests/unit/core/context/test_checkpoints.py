"""Checkpoints stay within their number and bytes; the newest one and that of the system prompt stay."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.core.context import checkpoints
from sidecar.core.context.checkpoints import MAX_CHECKPOINTS, Checkpoints


@pytest.mark.parametrize(("size", "most"), [(10, MAX_CHECKPOINTS), (100, 5), (300, 1), (501, 0)])
@pytest.mark.parametrize("kept", [0, 60])
def test_they_stay_within_their_bytes(
    monkeypatch: pytest.MonkeyPatch, size: int, most: int, kept: int
) -> None:
    fake = SimpleNamespace(
        llama_state_seq_get_size_ext=lambda *_: size, llama_state_seq_get_data_ext=lambda *_: size
    )
    monkeypatch.setattr(checkpoints, "lib", fake)
    handle: Any = None
    one = Checkpoints()
    one.kept = kept
    for length in (60, *range(500, 30_000, 500)):
        one.take(handle, 0, length, 500)
        assert sum(len(each.data) for each in one.all) <= 500
        assert one.tried == length, "a large state is not copied again with each token"
        if most:
            assert one.all[-1].length == length
        if kept and most > 1:
            assert one.all[0].length == kept
    assert len(one.all) == most
    lengths = [each.length for each in one.all]
    assert lengths == sorted(lengths)
