"""Where a prompt gets checkpoints, if the model has a recurrent state (context/checkpoints.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.core.context.checkpoints import SHORTEST_PROMPT, TAIL
from sidecar.core.media import media_id

if TYPE_CHECKING:
    from sidecar.core.scheduling.generation import Generation


def of(generation: Generation) -> list[int]:
    """Where a prompt gets checkpoints: where another conversation has parted from it, and before its end."""
    length = len(generation.prompt)
    if length < SHORTEST_PROMPT or not generation.context.model.has_state_beyond_kv:
        return []
    places = (media_id.whole(generation.prompt, place) for place in (generation.common, length - TAIL))
    return sorted(place for place in places if place >= SHORTEST_PROMPT - TAIL)


def distance(generation: Generation) -> int:
    """How many tokens may be evaluated in one step, so that it ends where a checkpoint belongs."""
    assert generation.sequence is not None
    done = len(generation.sequence.tokens)
    return next((place - done for place in of(generation) if place > done), len(generation.tokens))
