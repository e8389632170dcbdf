"""What a step is for when one request streams and another one has rows of a picture; no model is needed for that."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.core.context.sequence import Sequence
from sidecar.core.media import media_id
from sidecar.core.scheduling.generation_runner import GenerationRunner
from sidecar.core.scheduling.runner import PROMPT_CHUNK_WHILE_STREAMING

ROWS = 400
PICTURE = media_id.make("a", 0, ROWS, ROWS, flat=False)
MOST = PROMPT_CHUNK_WHILE_STREAMING + 1
"""Rows of a step beside one stream."""


class Request:
    """The part of a Generation that this needs. Its sequence holds the first token."""

    def __init__(self, name: str, context: Any, tokens: list[int], media: Any = None) -> None:
        self.name, self.context, self.tokens, self.media = name, context, tokens, media
        self.prompt, self.system_end = tokens, 0
        self.job = SimpleNamespace(cancelled=False)
        self.sequence = Sequence(0, tokens[:1])
        self.batch_index = -1

    def pending_tokens(self) -> list[int]:
        left = self.tokens[len(self.sequence.tokens) :]
        return left[: media_id.text_length(left)]

    def propose(self, most: int, streams: int) -> list[int]:
        return []


@pytest.mark.parametrize(
    ("causal", "beside", "pieces"),
    [(True, True, [MOST] * (ROWS // MOST) + [ROWS % MOST]), (False, True, [ROWS]), (True, False, [ROWS])],
)
def test_rows_take_turns_with_the_tokens_of_a_stream(causal: bool, beside: bool, pieces: list[int]) -> None:
    context: Any = SimpleNamespace(
        batch_size=512, piece=0, max_outputs=8, needs_checkpoints=False, abort_flag=threading.Event()
    )
    context.clear_batch, context.add_to_batch = lambda: None, lambda sequence, chunk, outputs: 0
    chunk = SimpleNamespace(id=PICTURE, causal=causal)
    media = SimpleNamespace(chunks={PICTURE: chunk}, rows=lambda _: bytearray(4 * ROWS))
    sees = Request("sees", context, [1, *[PICTURE] * ROWS, 2], media)
    streams = Request("streams", context, [5, 6])
    nobody: Any = None
    runner, steps = GenerationRunner(nobody, context, None, nobody), []
    while len(sees.sequence.tokens) <= ROWS:
        requests: Any = [streams, sees] if beside else [sees]
        runner._in_step = requests
        assert runner.fill()
        ((request, evaluated),) = runner._chunks.items()
        steps.append((request.name, len(evaluated)))  # type: ignore[attr-defined]
        if request is sees:  # type: ignore[comparison-overlap]
            sees.sequence.add(evaluated)
    assert [count for name, count in steps if name == "sees"] == pieces
    assert [name for name, _ in steps] == ["sees", *(["streams", "sees"] * (len(pieces) - 1))]
