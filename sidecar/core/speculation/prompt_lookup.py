"""Prompt look-up decoding: what was said before after the same words is guessed to come again.

Where much is repeated (editing, summarising, code) the text comes quicker (Saxena 2023); see speculation.py.
"""

from __future__ import annotations

from typing import Final

NGRAMS: Final = (3, 2)
"""How many tokens must have been the same; the longer ones are asked first."""


class Lookup:
    """The places of all n-grams in the tokens of one request."""

    def __init__(self) -> None:
        self._behind: dict[tuple[int, ...], int] = {}
        """n-gram → the place behind the last one of its kind, but for the end itself."""
        self._seen = 0

    def guess(self, tokens: list[int], most: int) -> list[int]:
        """Up to `most` tokens that may come next."""
        self._learn(tokens)
        for n in NGRAMS:
            place = self._behind.get(tuple(tokens[-n:])) if len(tokens) > n else None
            if place is not None:
                return tokens[place : place + most]
        return []

    def _learn(self, tokens: list[int]) -> None:
        if len(tokens) < self._seen:  # some were taken out
            self._behind.clear()
            self._seen = 0
        for end in range(max(self._seen, 1), len(tokens)):
            for n in NGRAMS:
                if end >= n:
                    self._behind[tuple(tokens[end - n : end])] = end
        self._seen = len(tokens)
