"""Text to tokens in pieces, so that no text is too long for llama.cpp.

For a whole text, llama_tokenize takes stack for each character of a word (std::regex recurses), and for some texts a
time that grows with the square of their length. Nothing can stop it. A piece has bounds for both, and after each
piece the work can be stopped. Pieces end where no token of the whole text spans; only in a word that is longer than
a piece, and with a few rare tokenizers, one token may be split at the end of a piece.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Final

from sidecar.core.jobs import checkpoint
from sidecar.core.llama.bindings import lib
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import VocabPointer

PIECE_CHARS: Final = 16_384
"""Longest text for one call of llama_tokenize. It takes up to 330 bytes of stack for each of them."""


SHORT_PIECE_CHARS: Final = 2_048
SQUARE: Final = frozenset({"deepseek-llm", "superbpe"})
"""Pre-tokenizers whose time grows with the square of a run of spaces or digits: 0.1 s for a short piece."""

MAX_TOKENS: Final = 4 * 1024 * 1024
"""Most tokens that a text may have; no context is as large."""

SPECIAL: Final = 1 << 0 | 1 << 3
USER_DEFINED: Final = 1 << 4
"""Attributes of tokens (llama_token_attr): unknown or control; defined by a user."""

SENTENCE_PIECE: Final = 1
"""The vocabulary type (llama_vocab_type) that may put a space before a text."""

_BETWEEN_WORDS: Final = re.compile(r".*[^\W_](?=[ \n][^\W_])", re.DOTALL)
"""Matches up to the last blank between two words. With nearly all vocabularies, a word begins with its blank."""


class Tokenizer:
    """Of one vocabulary. Thread-safe."""

    def __init__(self, vocab: VocabPointer, pre_tokenizer: str | None) -> None:
        self._vocab = vocab
        self._piece_chars = SHORT_PIECE_CHARS if pre_tokenizer in SQUARE else PIECE_CHARS

    def tokenize(self, text: str, add_special: bool, parse_special: bool) -> list[int]:
        """Text to token ids. Lone surrogates, which UTF-8 does not have, become question marks.

        Raises SidecarError `promptTooLong`; `aborted` and `timedOut` as `checkpoint` does.
        """
        if len(text) <= self._piece_chars:
            return self._call(text, add_special, parse_special)
        around = self._call("", True, False) if add_special else []
        begin = around[:1] if lib.llama_vocab_get_add_bos(self._vocab) else []
        tokens, start, after_token = begin.copy(), 0, True
        while start < len(text):
            checkpoint()
            end, at_token = self._end_of_piece(text, start, parse_special)
            piece = text[start:end]
            tokens += (
                self._call(piece, False, parse_special) if after_token else self._later(piece, parse_special)
            )
            start, after_token = end, at_token
            if len(tokens) > MAX_TOKENS:
                problem = f"The text has more than {MAX_TOKENS} tokens"
                allowed = {"maximum": MAX_TOKENS}
                raise SidecarError("promptTooLong", problem, value=len(tokens), allowed=allowed)
        return tokens + around[len(begin) :]

    def _call(self, text: str, add_special: bool, parse_special: bool) -> list[int]:
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        while True:
            tokens = (lib.llama_token * room)()
            count = lib.llama_tokenize(self._vocab, data, len(data), tokens, room, add_special, parse_special)
            if count >= 0:
                return tokens[:count]
            room = -count

    def _later(self, piece: str, parse_special: bool) -> list[int]:
        """The tokens of a piece in the middle of a text, where llama.cpp puts no space before it."""
        lead = self._lead
        if not lead:
            return self._call(piece, False, parse_special)
        tokens = self._call("\n" + piece, False, parse_special)
        return tokens[len(lead) :] if tokens[: len(lead)] == lead else tokens

    @cached_property
    def _lead(self) -> list[int]:
        """The tokens of a newline if llama.cpp puts a space before a text; else none.

        A newline merges with no text after it, so its tokens can be cut off together with the space.
        """
        if lib.llama_vocab_type(self._vocab) != SENTENCE_PIECE:
            return []
        newline = self._call("\n", False, False)
        return newline if len(newline) > 1 else []

    def _end_of_piece(self, text: str, start: int, parse_special: bool) -> tuple[int, bool]:
        """Where a piece ends, and whether a special token ends there."""
        last = start + self._piece_chars
        if last >= len(text):
            return len(text), False
        middle, end = start + self._piece_chars // 2, last
        found = 0
        for token in self._fixed_texts[parse_special]:
            at = text.rfind(token, middle, last)
            if (
                at >= 0 and not text[at + len(token)].isspace()
            ):  # some special tokens take the blanks after them
                found = max(found, at + len(token))
            straddling = text.find(token, last - len(token) + 1, last + len(token) - 1)
            if start < straddling < last:
                end = min(end, straddling)
        if found:
            return found, True
        between = _BETWEEN_WORDS.match(text, middle, end)
        return (end if between is None else between.end()), False

    @cached_property
    def _fixed_texts(self) -> dict[bool, list[str]]:
        """Texts that are found before all others and become one token: with and without `parse_special`."""
        found: dict[int, list[str]] = {SPECIAL: [], USER_DEFINED: []}
        for token in range(lib.llama_vocab_n_tokens(self._vocab)):
            attributes = lib.llama_vocab_get_attr(self._vocab, token)
            for kind, texts in found.items():
                if attributes & kind and (text := lib.llama_vocab_get_text(self._vocab, token)):
                    texts.append(text.decode("utf-8", "replace"))
        return {True: found[SPECIAL] + found[USER_DEFINED], False: found[USER_DEFINED]}
