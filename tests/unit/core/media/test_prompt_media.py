"""Marks stand for pictures in messages, pieces in tokens; no projector is needed for that."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import media_cases
import pytest

from sidecar.core.media import media_id, prompt_media
from sidecar.core.media.prompt_media import SHOWN, PromptMedia
from sidecar.message_handler.errors import SidecarError

ROWS = 3


class Encoder:
    """Each picture becomes a token, rows, and a token."""

    def __init__(self) -> None:
        self.projector = SimpleNamespace(modalities=["text", "image"], pieces=self.pieces)

    def pieces(self, media: Any) -> Any:
        own = media_id.make(media.sha256, 0, ROWS, ROWS, flat=False)
        chunk = SimpleNamespace(id=own, media=media, causal=False)
        return SimpleNamespace(tokens=[1, *[own] * ROWS, 2], chunks=[chunk])

    def rows(self, chunk: Any, request: object) -> bytearray:
        return bytearray(4)


def made(*content: Any) -> PromptMedia:
    messages: Any = [{"role": "user", "content": list(content)}]
    media = prompt_media.of(Encoder(), messages, None)  # type: ignore[arg-type]
    assert media is not None
    return media


RED = media_cases.media_part(media_cases.picture("red"))
BLUE = media_cases.media_part(media_cases.picture("blue"))


def marks(media: PromptMedia) -> list[str]:
    return [part["text"] for part in media.messages[0]["content"]]  # type: ignore[union-attr]


def test_a_prompt_is_cut_at_its_own_marks_only() -> None:
    media, other = made(RED, BLUE), made(RED)
    red, blue = marks(media)
    (strange,) = marks(other)
    texts: list[str] = []

    def tokenize(text: str) -> list[int]:
        texts.append(text)
        return [100 + len(texts)]

    tokens = media.tokens(f"a{blue}{strange}{red}b", tokenize)
    assert texts == ["a", strange, "b"]
    assert [token for token in tokens if token > 0] == [101, 1, 2, 102, 1, 2, 103]
    assert sum(token < 0 for token in tokens) == 2 * ROWS
    assert media.shown(f"a{red}") == f"a{SHOWN}"


def test_a_picture_that_is_missing_in_the_prompt_is_named() -> None:
    media = made(RED, BLUE)
    media.check("".join(marks(media)))
    with pytest.raises(SidecarError) as failed:
        media.check(marks(media)[0])
    assert failed.value.kind == "templateFailed"
    assert failed.value.details["pointer"] == "/messages/0/content/1"


def test_progress_counts_each_chunk_once_and_those_that_nobody_expected() -> None:
    media, reports = made(RED, BLUE), []
    progress: Any = SimpleNamespace(report=lambda share, **fields: reports.append((share, fields["chunks"])))
    red, blue = media.chunks.values()
    media.expect([red.id, red.id, blue.id], progress)
    for chunk in (red, red, blue, blue):
        media.rows(chunk)
    assert reports == [(0.5, 2), (1.0, 2)]
    media.expect([], progress)
    media.rows(red)
    assert reports[2:] == [(1.0, 1)]


def test_a_step_must_hold_a_chunk_that_is_evaluated_as_a_whole() -> None:
    made(RED).check_batch(ROWS)
    with pytest.raises(SidecarError) as failed:
        made(RED).check_batch(ROWS - 1)
    assert (failed.value.kind, failed.value.details["value"]) == ("unsupportedContent", ROWS)


def test_all_files_of_a_request_together_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_media, "MAX_BYTES", len(media_cases.picture("red")))
    made(RED)
    with pytest.raises(SidecarError) as failed:
        made(RED, BLUE)
    assert (failed.value.kind, failed.value.details["pointer"]) == ("mediaTooLarge", "/messages/0/content/1")
