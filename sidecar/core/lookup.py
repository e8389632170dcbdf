"""Prompt look-up decoding: what was said before after the same words is guessed to come again.

Several tokens cost one step hardly more than one does, since the weights are read once. So the guesses are
evaluated together with the last token, and those that the sampler would have chosen are kept. The text is
the same; where much is repeated (editing, summarising, code) it comes quicker (Saxena 2023).
"""

from __future__ import annotations

from typing import Final

NGRAMS: Final = (3, 2)
"""How many tokens must have been the same; the longer ones are asked first."""

FIRST_GUESSES: Final = 6
MAX_GUESSES: Final = 16
"""Of one request in one step: after so many, a step takes twice as long as with one token on a CPU."""


class Lookup:
    """The places of all n-grams in the tokens of one request."""

    def __init__(self) -> None:
        self._behind: dict[tuple[int, ...], int] = {}
        """n-gram → the place behind the last one of its kind, but for the end itself."""
        self._seen = 0
        self._limit = FIRST_GUESSES
        self.guessed = 0
        self.accepted = 0

    def guess(self, tokens: list[int], most: int) -> list[int]:
        """Up to `most` tokens that may come next."""
        self._learn(tokens)
        for n in NGRAMS:
            place = self._behind.get(tuple(tokens[-n:])) if len(tokens) > n else None
            if place is not None:
                return tokens[place : place + min(most, self._limit)]
        return []

    def judge(self, guessed: int, accepted: int) -> None:
        """Tell how many of the last guesses were right: the next ones go by it."""
        self.guessed += guessed
        self.accepted += accepted
        self._limit = min(2 * self._limit, MAX_GUESSES) if accepted == guessed else max(accepted + 1, 2)

    def _learn(self, tokens: list[int]) -> None:
        if len(tokens) < self._seen:  # some were taken out
            self._behind.clear()
            self._seen = 0
        for end in range(max(self._seen, 1), len(tokens)):
            for n in NGRAMS:
                if end >= n:
                    self._behind[tuple(tokens[end - n : end])] = end
        self._seen = len(tokens)
