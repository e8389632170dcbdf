"""Prompt look-up decoding (Saxena 2023): finds the last few tokens earlier in the text, and proposes what followed.

Text that repeats itself (editing, summarising, code) comes faster: see speculation.py.
"""

from __future__ import annotations

from typing import Final

from sidecar.core.media import media_id

NGRAMS: Final = (3, 2)
"""Lengths of the n-grams that are looked up, in this order."""


class PromptLookup:
    """The places of all n-grams in the tokens of one request."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, ...], int] = {}
        """n-gram → the place after its last occurrence. The one at the end of the tokens does not count."""
        self._indexed = 0
        """Tokens that are in the index."""

    def propose(self, tokens: list[int], most: int) -> list[int]:
        """Up to `most` tokens that may come next."""
        self._index(tokens)
        for n in NGRAMS:
            place = self._places.get(tuple(tokens[-n:])) if len(tokens) > n else None
            if place is not None:
                found = tokens[place : place + most]
                return found[: media_id.text_length(found)]
        return []

    def _index(self, tokens: list[int]) -> None:
        if len(tokens) < self._indexed:  # a context shift removed some
            self._places.clear()
            self._indexed = 0
        for end in range(max(self._indexed, 1), len(tokens)):
            for n in NGRAMS:
                if end >= n:
                    self._places[tuple(tokens[end - n : end])] = end
        self._indexed = len(tokens)
