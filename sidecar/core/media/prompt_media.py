"""The pictures and sounds of one prompt: marks stand for them in the messages, and their pieces in the tokens.

The chat template sees a text that nobody can guess where a picture stands. The prompt is cut there, as llama.cpp cuts
it, so what a user writes never becomes a picture.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from sidecar.core.jobs import checkpoint
from sidecar.core.media import media_id
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.media.encoder import Encoder
    from sidecar.core.media.projector import Chunk, Pieces
    from sidecar.core.media.source import Media
    from sidecar.message_handler._types import ContentPart, MediaUse, Message
    from sidecar.message_handler.notifier import Progress

MAX_BYTES: Final = 256 * 1024 * 1024
"""Of all files of a request. They stay in memory until it ends."""

SHOWN: Final = "<__media__>"
"""What applyTemplate shows for a picture or a sound."""

MARK: Final = re.compile(r"qzmedia([0-9a-f]{32})n(\d+)zq")
"""Only letters and digits, which no template changes."""


class Placed(NamedTuple):
    """One of them."""

    pointer: str
    """Of its content part."""
    media: Media
    pieces: Pieces


class PromptMedia:
    """See above. `chunks`: by their ids in the prompt."""

    def __init__(
        self, encoder: Encoder, messages: Sequence[Message], directories: Sequence[str] | None
    ) -> None:
        """Raises SidecarError `unsupportedContent`, and those of `read_media`."""
        self._encoder = encoder
        self._secret = os.urandom(16).hex()
        self._placed: list[Placed] = []
        self._directories = directories
        self._progress: Progress | None = None
        self._expected = 0
        """Chunks that the cache did not hold."""
        self._encoded: set[int] = set()
        """Those of them whose rows have come."""
        self._told = -1
        """How many of them the app knows."""
        self.messages = [self._marked(index, message) for index, message in enumerate(messages)]
        """With marks."""
        self.chunks: dict[int, Chunk] = {
            chunk.id: chunk for placed in self._placed for chunk in placed.pieces.chunks
        }

    def _marked(self, index: int, message: Message) -> Message:
        content = message["content"]
        if not isinstance(content, list):
            return message
        parts = [
            self._mark(f"/messages/{index}/content/{number}", part) if part["type"] != "text" else part
            for number, part in enumerate(content)
        ]
        return {**message, "content": parts}

    def _mark(self, pointer: str, part: ContentPart) -> ContentPart:
        from sidecar.core.media.source import KINDS, read_media  # only for requests with pictures or sound

        checkpoint()
        kind, able = KINDS[part["type"]], self._encoder.projector.modalities
        if kind not in able:
            raise unsupported(pointer, part["type"], able)
        media = read_media(part, pointer, self._directories)
        size = len(media.data) + sum(len(placed.media.data) for placed in self._placed)
        if size > MAX_BYTES:
            problem = f"{pointer}: with it, the pictures and sounds have {size} bytes"
            allowed = {"maximum": MAX_BYTES}
            raise SidecarError("mediaTooLarge", problem, pointer=pointer, value=size, allowed=allowed)
        try:
            pieces = self._encoder.projector.pieces(media)
        except SidecarError as error:
            _point(error, pointer)
            raise
        self._placed.append(Placed(pointer, media, pieces))
        return {"type": "text", "text": f"qzmedia{self._secret}n{len(self._placed) - 1}zq"}

    # ---- text and tokens -------------------------------------------------------------------------

    def shown(self, text: str) -> str:
        """A prompt without marks."""
        return MARK.sub(SHOWN, text)

    def check(self, text: str) -> None:
        """Raise SidecarError `templateFailed` if a picture or a sound is not in a prompt any more."""
        there = {int(mark[2]) for mark in MARK.finditer(text) if mark[1] == self._secret}
        for number, placed in enumerate(self._placed):
            if number not in there:
                cause = f"it leaves out the {placed.media.kind} of {placed.pointer}"
                problem = f"The chat template failed: {cause}"
                raise SidecarError("templateFailed", problem, pointer=placed.pointer, cause=cause)

    def tokens(self, text: str, tokenize: Callable[[str], list[int]]) -> list[int]:
        """The tokens of a text with marks, without BOS and EOS. `tokenize`: of text without."""
        tokens: list[int] = []
        end = 0
        for mark in MARK.finditer(text):
            if mark[1] == self._secret:
                before = text[end : mark.start()]
                tokens += tokenize(before) if before else []
                tokens += self._placed[int(mark[2])].pieces.tokens
                end = mark.end()
        return tokens + (tokenize(text[end:]) if text[end:] else [])

    def check_batch(self, size: int) -> None:
        """Raise SidecarError `unsupportedContent` if a picture needs a step that is larger than a batch."""
        for placed in self._placed:
            for chunk in placed.pieces.chunks:
                rows = media_id.rows_of(chunk.id)
                if rows > size and not chunk.causal:
                    problem = f"{placed.pointer}: this picture takes {rows} tokens, a step of the context only {size}"
                    allowed = {"maximum": size}
                    raise SidecarError(
                        "unsupportedContent", problem, pointer=placed.pointer, value=rows, allowed=allowed
                    )

    # ---- rows ------------------------------------------------------------------------------------

    def expect(self, tokens: Sequence[int], progress: Progress) -> None:
        """These tokens will be evaluated; `progress` is told about the chunks among them."""
        self._progress, self._encoded, self._told = progress, set(), -1
        self._expected = len({token for token in tokens if token < 0})

    def rows(self, chunk: Chunk) -> bytearray | None:
        """The rows of a chunk; None: they will come. Raises SidecarError if they could not be made."""
        try:
            rows = self._encoder.rows(chunk, self)
        except SidecarError as error:
            placed = next(each for each in self._placed if chunk in each.pieces.chunks)
            _point(error, placed.pointer)
            raise
        if rows is not None:
            self._encoded.add(chunk.id)
        encoded = len(self._encoded)
        if self._progress is not None and encoded != self._told:
            self._told = encoded
            chunks = max(self._expected, encoded, 1)  # a shifted context may ask for rows once more
            self._progress.report(encoded / chunks, chunks=chunks, encodedChunks=encoded)
        return rows

    @property
    def waits(self) -> bool:
        """Whether rows that were asked for have not come yet."""
        return self._encoder.waits(self)

    def release(self) -> None:
        """No rows are needed now."""
        self._encoder.release(self)

    @property
    def told(self) -> list[MediaUse]:
        """The member `media` of a result."""
        return [_told(placed.media, placed.pieces) for placed in self._placed]


def of(
    encoder: Encoder | None, messages: Sequence[Message], directories: Sequence[str] | None
) -> PromptMedia | None:
    """What the messages have; None: only text. Raises SidecarError as PromptMedia does."""
    for index, message in enumerate(messages):
        content = message["content"]
        for number, part in enumerate(content if isinstance(content, list) else ()):
            if part["type"] == "text":
                continue
            if encoder is None:
                raise unsupported(f"/messages/{index}/content/{number}", part["type"], ["text"])
            return PromptMedia(encoder, messages, directories)
    return None


def unsupported(pointer: str, kind: str, able: Sequence[str]) -> SidecarError:
    """The error for a content part that the model does not take."""
    takes = " and ".join(able)
    problem = f"{pointer}: this part is of type {kind}, and the model takes only {takes}"
    return SidecarError("unsupportedContent", problem, pointer=pointer, value=kind, allowed=list(able))


def _point(error: SidecarError, pointer: str) -> None:
    """Let an error say which content part it is about."""
    error.details["pointer"] = pointer
    error.problem = f"{pointer}: {error.problem}"


def _told(media: Media, pieces: Pieces) -> MediaUse:
    tokens = len(pieces.tokens)
    if media.kind == "image":
        return {"kind": "image", "width": media.width, "height": media.height, "tokens": tokens}
    return {"kind": "audio", "seconds": media.seconds, "tokens": tokens}
