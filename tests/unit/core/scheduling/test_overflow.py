"""What is left of a prompt that is too long; no model is needed for that."""

from __future__ import annotations

from itertools import groupby
from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.core.media import media_id
from sidecar.core.scheduling import overflow
from sidecar.message_handler.errors import SidecarError

RED, BLUE = (media_id.make(sha, 0, rows, rows, flat=False) for sha, rows in (("a", 16), ("b", 5)))


def fit(prompt: list[int], size: int, **params: Any) -> tuple[list[int], int]:
    context: Any = SimpleNamespace(size=size, context_id="context-1")
    return overflow.fit(prompt, context, {"contextOverflow": "truncateMiddle", **params})  # type: ignore[typeddict-item]


def test_a_prompt_loses_its_middle_and_leaves_room() -> None:
    prompt = list(range(100))
    assert fit(prompt, 100) == (prompt, 0)
    assert fit(prompt, 80) == ([*range(15), *range(55, 100)], 40)
    assert fit(prompt, 80, maxTokens=4) == ([*range(19), *range(43, 100)], 24)


def test_pictures_are_left_out_as_a_whole() -> None:
    prompt = [1, *[RED] * 16 * 3, 2, *[BLUE] * 5, 3, *[RED] * 16, *[BLUE] * 5 * 4, 4, 5]
    lost = set()
    for size in range(4, len(prompt)):
        cut, count = fit(prompt, size)
        assert len(cut) == len(prompt) - count <= size
        assert cut[-1] == 5
        for token, run in groupby(cut):
            assert token > 0 or len(list(run)) % media_id.rows_of(token) == 0, size
        lost.add(count)
    assert len(lost) > 5


def test_by_default_it_is_refused_with_the_rows_of_pictures() -> None:
    with pytest.raises(SidecarError) as refused:
        fit([1, *[RED] * 16, 2], 17, contextOverflow="error")
    assert (refused.value.kind, refused.value.details["value"]) == ("promptTooLong", 18)
    assert "16 of them of pictures" in refused.value.problem
