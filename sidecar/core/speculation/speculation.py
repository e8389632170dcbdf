"""Speculative decoding: draft tokens that may come next are evaluated in one step with the last token.

A step with several tokens costs hardly more than a step with one, since it reads the weights once. The draft tokens
that the sampler also chooses are kept. Where they cost more time than they save (step_cost.py), they are not evaluated
but only compared with the tokens that come. Speculation does not change the text, with one exception: llama.cpp
rounds larger batches differently, so of two equally likely tokens the other one may come. Draft tokens come from
earlier text (prompt_lookup.py), from a draft model (draft_model.py), or from a head (mtp_head.py, eagle_head.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sidecar.core.context.sequence import shared_length
from sidecar.core.context.step_cost import MAX_DRAFT_TOKENS
from sidecar.core.speculation.prompt_lookup import PromptLookup
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.context.context import Context
    from sidecar.message_handler._types import SchedulingParams

RATE_WEIGHT: Final = 0.25
"""Weight of the last draft in the average share of accepted tokens."""

GRAPH_COST: Final = 1.2
"""Draft tokens must save this many times their cost: llama.cpp must plan a step of another size again."""

SURE: Final = 0.97
"""Draft tokens are always evaluated if at least this share is accepted."""

FIRST_DRAFT_TOKENS: Final = 6

MAX_MISSES: Final = 8
"""After so many steps in which no draft token was right, only one step of as many has draft tokens."""


class Speculation:
    """The draft tokens of one request, and how many are accepted."""

    def __init__(self, lookup: PromptLookup | None) -> None:
        """`lookup`: where the draft tokens come from; None: from the draft model or the head, by `offer`."""
        self._lookup = lookup
        self._offered: list[int] = []
        self.limit = FIRST_DRAFT_TOKENS
        """Maximum number of draft tokens in the next step."""
        self.drafted = 0
        """Draft tokens that were evaluated."""
        self.accepted = 0
        self._misses = 0
        """Steps since a draft token was right; also those that had none because of it."""
        self._rate = 1.0
        """Average share of accepted tokens."""
        self._unused: tuple[int, list[int]] | None = None
        """Draft tokens that are not evaluated but compared with what comes, and how many tokens came before them."""

    @property
    def uses_draft_model(self) -> bool:
        """Whether the draft tokens come from the draft model, which computes them before the step."""
        return self._lookup is None

    def takes_offer(self) -> bool:
        """Whether the next step shall have draft tokens of the draft model or the head."""
        if self._misses < MAX_MISSES:
            return True
        self._misses += 1
        return self._misses % MAX_MISSES == 0

    def offer(self, draft: list[int]) -> None:
        """The draft model's tokens for the next step."""
        self._offered = draft

    def propose(self, tokens: list[int], most: int, cost: float) -> list[int]:
        """Up to `most` draft tokens to evaluate after these tokens.

        `cost`: that of one more token per step, as a share of what a token costs without draft tokens. Empty if too
        few are accepted to save this cost.
        """
        self._compare_unused(tokens)
        if self._unused is not None:
            return []
        if self._lookup is None:
            draft, self._offered = self._offered, []
            return draft[: min(most, self.limit)]  # the draft model has computed them already
        draft = self._lookup.propose(tokens, min(most, self.limit))
        if not draft or self._rate >= min(GRAPH_COST * cost, SURE):
            return draft
        self._unused = len(tokens), draft
        return []

    def record(self, drafted: int, accepted: int) -> None:
        """Count the last draft tokens. The next limit depends on them."""
        self.drafted += drafted
        self.accepted += accepted
        self._misses = 0 if accepted else self._misses + 1
        self._adapt(drafted, accepted)

    def _adapt(self, drafted: int, accepted: int) -> None:
        self.limit = min(2 * self.limit, MAX_DRAFT_TOKENS) if accepted == drafted else max(accepted + 1, 2)
        self._rate += RATE_WEIGHT * (accepted / drafted - self._rate)

    def _compare_unused(self, tokens: list[int]) -> None:
        if self._unused is None:
            return
        at, draft = self._unused
        generated = tokens[at : at + len(draft)]
        accepted = shared_length(generated, draft)
        if accepted == len(draft) or accepted < len(generated):
            self._adapt(len(draft), accepted)
            self._unused = None
        elif len(tokens) < at:  # a context shift removed some
            self._unused = None


def speculation_of(context: Context, params: SchedulingParams) -> Speculation | None:
    """What a request asks for.

    Raises SidecarError `invalidParams` if it asks for a draft model or a head that is not there.
    """
    model = context.model
    own = "draft" if model.draft is not None else "mtp" if model.has_mtp else None
    asked = params.get("speculation", own or "none")
    if asked == "auto":
        asked = own or "lookup"
    if asked in ("draft", "mtp") and asked != own:
        without = "draftPath" if asked == "draft" else "mtp"
        problem = f"/speculation: {model.model_id} was loaded without {without}"
        allowed = ["none", "lookup", "auto", *([own] if own else [])]
        raise SidecarError("invalidParams", problem, pointer="/speculation", value=asked, allowed=allowed)
    if asked == own:
        return Speculation(None) if context.draft_tokens else None
    if asked == "lookup" and context.draft_tokens:
        return Speculation(PromptLookup())
    return None
