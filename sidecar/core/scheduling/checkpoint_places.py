"""Where a prompt gets checkpoints, beside those that come after so many tokens (context/checkpoints.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.core.context.checkpoints import SHORTEST_PROMPT, TAIL
from sidecar.core.media import media_id

if TYPE_CHECKING:
    from sidecar.core.scheduling.generation import Generation


def of(generation: Generation) -> list[int]:
    """Where the system prompt ends; with a state, also where another conversation has parted, and before the end."""
    length, places = len(generation.prompt), [generation.system_end]
    if length < SHORTEST_PROMPT or not generation.context.needs_checkpoints:
        return []
    if generation.context.model.has_state_beyond_kv:
        places += [generation.common, length - TAIL]
    whole = (media_id.whole(generation.prompt, place) for place in places)
    return sorted(place for place in whole if place >= SHORTEST_PROMPT - TAIL)


def distance(generation: Generation) -> int:
    """How many tokens may be evaluated in one step, so that it ends where a checkpoint belongs."""
    assert generation.sequence is not None
    done = len(generation.sequence.tokens)
    return next((place - done for place in of(generation) if place > done), len(generation.tokens))
