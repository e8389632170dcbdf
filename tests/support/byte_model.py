"""A vocabulary of single bytes in place of a model, for what follows texts byte by byte."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, cast

from sidecar.core.model.model import Model
from sidecar.core.structured_output.llguidance_api import Matcher

END = 256
MAX_STEPS = 3000
CLOSING = dict.fromkeys(b'"]}', 12.0)


class ByteModel:
    """What a grammar needs of a model. Its tokens are the bytes, the end, and a control token, `<call>`."""

    vocabulary_size = 258
    end_tokens = (END,)

    def piece(self, token: int) -> bytes:
        return bytes([token]) if token < END else b""

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        return ((token, self.piece(token)) for token in range(self.vocabulary_size))

    def token_name(self, token: int) -> str:
        return ["<end>", "<call>"][token - END]

    token_text = token_name

    def tokenize(self, text: str, add_special: bool, parse_special: bool) -> list[int]:
        before, found, after = text.partition("<call>") if parse_special else (text, "", "")
        return [*before.encode(), *([257] if found else []), *after.encode()]


MODEL = cast("Model", ByteModel())


def accepts(matcher: Matcher, text: str) -> bool:
    """Whether a matcher allows a whole text, and then its end."""
    followed = matcher.copy()
    for byte in text.encode():
        if not followed.allows(byte):
            return False
        followed.consume(byte)
    return followed.complete


def random_text(matcher: Matcher, chance: random.Random) -> str | None:
    """A text that the matcher allows; None if it has not ended in time. Bytes that close something come more often."""
    followed, written = matcher.copy(), bytearray()
    for step in range(MAX_STEPS):
        mask = int.from_bytes(followed.mask(), "little")
        choices = [byte for byte in range(END) if mask >> byte & 1]
        if followed.complete and (not choices or chance.random() < 0.5):
            return written.decode()
        pull_to_end = step / 40  # the longer the text, the likelier its end
        weights: list[Any] = [
            CLOSING.get(byte, 1) * (1 + pull_to_end if byte in CLOSING else 1) for byte in choices
        ]
        byte = chance.choices(choices, weights)[0]
        followed.consume(byte)
        written.append(byte)
    return None
