"""How a request controls what the model says, beyond sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sidecar.core.structured_output.grammar import Grammar

if TYPE_CHECKING:
    from sidecar.core.structured_output.compiling import Promised


class OutputConstraints(NamedTuple):
    """What a chat request shows and forces while tokens are generated."""

    visible_tokens: frozenset[int] = frozenset()
    """Control tokens whose text the output must see, because they are marks."""
    reasoning_budget: int | None = None
    """Maximum number of tokens of the reasoning. None: no limit."""
    reasoning_end: tuple[int, ...] = ()
    """The tokens that are forced in order to end the reasoning."""
    at_budget: tuple[int, ...] = ()
    """The same when the budget is used up."""
    grammar: Grammar | None = None
    """The grammar of a forced tool call. It replaces a grammar from the params."""
    calls: Promised | None = None
    """What may follow the mark of a call. None: the model writes what it likes."""
    system_end: int = 0
    """Tokens of the prompt up to the first message after the system's. Other conversations begin with them, too."""
