"""Where a step of a prompt ends: at a checkpoint (context/checkpoints.py), or with a piece (Context.piece)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.core.context.checkpoints import DISTANCE, SHORTEST_PROMPT, TAIL
from sidecar.core.media import media_id

if TYPE_CHECKING:
    from sidecar.core.scheduling.generation import Generation


def of(generation: Generation) -> list[int]:
    """Where the system prompt ends; with a state, also where another conversation has parted, and before the end."""
    length, places = len(generation.prompt), [generation.system_end]
    context = generation.context
    if length < SHORTEST_PROMPT or not context.needs_checkpoints or context.piece:
        return []
    if context.model.has_state_beyond_kv:
        places += [generation.common, length - TAIL]
    whole = (media_id.whole(generation.prompt, place) for place in places)
    return sorted(place for place in whole if place >= SHORTEST_PROMPT - TAIL)


def distance(generation: Generation) -> int:
    """How many tokens may be evaluated in one step, so that it ends where a checkpoint, or a piece, belongs."""
    assert generation.sequence is not None
    done, length, piece = len(generation.sequence.tokens), len(generation.prompt), generation.context.piece
    if piece:
        return 1 if done >= length else min(piece - done % piece, length - done)
    return next((place - done for place in of(generation) if place > done), len(generation.tokens))


def is_due(generation: Generation) -> bool:
    """Whether one belongs where the sequence ends: at one of those places, or far from the last one."""
    sequence, context = generation.sequence, generation.context
    assert sequence is not None
    done = len(sequence.tokens)
    if not context.needs_checkpoints or (context.piece and done != sequence.aligned):
        return False
    since = done - sequence.checkpoints.tried
    if context.piece and 0 <= len(generation.prompt) - done <= context.piece:
        return True  # the last whole piece
    return done in of(generation) or since >= min(DISTANCE, context.batch_size)


def note_piece(generation: Generation) -> None:
    """In a reproducible context: note that the sequence ends with a whole piece of the prompt, if it does."""
    sequence, piece = generation.sequence, generation.context.piece
    if piece and sequence is not None and len(sequence.tokens) <= len(generation.prompt):
        sequence.aligned = len(sequence.tokens) // piece * piece
