"""Where a conversation gets checkpoints (context/checkpoints.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.core.context.checkpoints import DISTANCE, SHORTEST_PROMPT, TAIL
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


def is_due(generation: Generation) -> bool:
    """Whether one belongs where the sequence ends: at one of those places, or far from the last one."""
    sequence, context = generation.sequence, generation.context
    assert sequence is not None
    if not context.needs_checkpoints:
        return False
    done = len(sequence.tokens)
    since = done - sequence.checkpoints.tried
    return done in of(generation) or since >= min(DISTANCE, context.batch_size)
