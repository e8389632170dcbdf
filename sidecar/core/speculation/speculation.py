"""Speculative decoding: tokens that may come next are evaluated in one step with the last one.

Several tokens cost one step hardly more than one does, since the weights are read once. So guesses are
evaluated together with the last token, and those that the sampler would have chosen are kept. Where more tokens
do cost more (price.py) than guesses that are right bring, they are only compared with what comes. The text is
the same, but that llama.cpp rounds larger batches otherwise: of two tokens that are as likely, the other one
may come. Who guesses is a source: what was said before (lookup.py), or a draft model (draft.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from sidecar.core.context.context import shared_length
from sidecar.core.speculation.draft_model import Drafted
from sidecar.core.speculation.prompt_lookup import Lookup
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.context.context import Context

RATE_WEIGHT: Final = 0.25
"""How much the last guesses count for how often guesses are right."""

GRAPH_COST: Final = 1.2
"""How much more than their price guesses must bring: llama.cpp plans a step of another size anew."""

SURE: Final = 0.97
"""Guesses that are right so often are always evaluated."""

FIRST_GUESSES: Final = 6
MAX_GUESSES: Final = 16
"""Of one request in one step: after so many, a step takes twice as long as with one token on a CPU."""


class Source(Protocol):
    """Who guesses for one request."""

    def guess(self, tokens: list[int], most: int) -> list[int]:
        """Up to `most` tokens that may come behind these."""


class Speculation:
    """The guesses of one request, and what became of them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.limit = FIRST_GUESSES
        """How many to guess next."""
        self.guessed = 0
        self.accepted = 0
        self._rate = 1.0
        """Share of the guesses that are right."""
        self._unused: tuple[int, list[int]] | None = None
        """Guesses that would not have paid, and how many tokens there were: what comes is compared with them."""

    @property
    def is_drafted(self) -> bool:
        """Whether a draft model guesses, which it does before the step."""
        return isinstance(self.source, Drafted)

    def guess(self, tokens: list[int], most: int, price: float) -> list[int]:
        """Up to `most` tokens that may come behind these; none if they are right too seldom for their `price`.

        That is what one costs as a share of what a token costs without guesses.
        """
        self._judge_unused(tokens)
        if self._unused is not None:
            return []
        guesses = self.source.guess(tokens, min(most, self.limit))
        pays = self._rate >= min(GRAPH_COST * price, SURE)
        if not guesses or pays or self.is_drafted:  # those of a draft are paid for already
            return guesses
        self._unused = len(tokens), guesses
        return []

    def judge(self, guessed: int, accepted: int) -> None:
        """Tell how many of the last guesses were right: the next ones go by it."""
        self.guessed += guessed
        self.accepted += accepted
        self._learn(guessed, accepted)

    def _learn(self, guessed: int, accepted: int) -> None:
        self.limit = min(2 * self.limit, MAX_GUESSES) if accepted == guessed else max(accepted + 1, 2)
        self._rate += RATE_WEIGHT * (accepted / guessed - self._rate)

    def _judge_unused(self, tokens: list[int]) -> None:
        if self._unused is None:
            return
        at, guesses = self._unused
        said = tokens[at : at + len(guesses)]
        right = shared_length(said, guesses)
        if right == len(guesses) or right < len(said):
            self._learn(len(guesses), right)
            self._unused = None
        elif len(tokens) < at:  # some were taken out
            self._unused = None

    def usage(self) -> dict[str, int]:
        """What `usage` tells of it."""
        return {"guessedTokens": self.guessed, "acceptedTokens": self.accepted}


def speculation_of(context: Context, params: dict[str, Any]) -> Speculation | None:
    """What a request asks for. Raises SidecarError `invalidParams` if there is no draft model to ask."""
    asked = params.get("speculation", "none" if context.draft is None else "draft")
    if asked == "draft":
        if context.draft is None:
            problem = f"/speculation: {context.model.model_id} was loaded without a draftPath"
            allowed = ["none", "lookup"]
            raise SidecarError("invalidParams", problem, pointer="/speculation", value=asked, allowed=allowed)
        return Speculation(Drafted())
    if asked == "lookup" and not context.model.has_state_beyond_kv:
        return Speculation(Lookup())
    return None
