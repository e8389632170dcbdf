"""How a request steers what the model says, beyond sampling."""

from __future__ import annotations

from typing import NamedTuple

from sidecar.core.structured_output.grammar import Grammar


class Steering(NamedTuple):
    """What a request does to the model's words beside sampling them."""

    shown: frozenset[int] = frozenset()
    """Control tokens whose text the output wants to see."""
    thought_budget: int | None = None
    """Tokens that thoughts may take."""
    thought_end: tuple[int, ...] = ()
    """The tokens that end a thought."""
    grammar: Grammar | None = None
    """That of a call that must be made, instead of one that the params ask for."""
