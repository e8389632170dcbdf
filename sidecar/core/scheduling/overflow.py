"""What happens when a sequence is full: the param `contextOverflow`.

A prompt that is too long loses its middle: its beginning says what the conversation is about, its end asks for
something. When a text fills the sequence, llama.cpp's context shift removes the older half of the tokens and moves the
rest up in the cache. The first tokens stay, since much of the attention rests on them. Where a cache cannot be shifted
(windows, some positions of several dimensions), the tokens that stay are evaluated again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sidecar.core.context.context import Context
from sidecar.core.media import media_id
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.message_handler._types import CompleteParams

KEPT_AT_SHIFT: Final = 4
"""Tokens at the beginning that a shift keeps: attention sinks (Xiao et al. 2023, StreamingLLM)."""

HEAD_SHARE: Final = 4
"""A cut prompt takes 1/HEAD_SHARE of its tokens from the beginning and the others from the end."""

ROOM_SHARE: Final = 4
"""A cut prompt leaves 1/ROOM_SHARE of the sequence for the text, or `maxTokens` if that is less."""


def fit(prompt: list[int], context: Context, params: CompleteParams) -> tuple[list[int], int]:
    """The prompt, cut if it is too long, and how many tokens were removed.

    Raises SidecarError `promptTooLong`.
    """
    mode = params.get("contextOverflow", DEFAULTS["CompleteParams"]["contextOverflow"])
    if len(prompt) <= context.size:
        return prompt, 0
    if mode == "error":
        rows = sum(token < 0 for token in prompt)
        own = f", {rows} of them of pictures and sound" if rows else ""
        problem = f"The prompt has {len(prompt)} tokens{own}; a sequence of {context.context_id} holds {context.size}"
        raise SidecarError("promptTooLong", problem, value=len(prompt), allowed={"maximum": context.size})
    room = min(context.size // ROOM_SHARE, params.get("maxTokens", context.size))
    kept = max(context.size - room, 1)
    head = media_id.whole(prompt, kept // HEAD_SHARE)
    tail = len(prompt) - (kept - kept // HEAD_SHARE)
    if media_id.whole(prompt, tail) < tail:  # within a chunk of a picture or a sound, which is left out
        tail = media_id.begin_of(prompt, tail) + media_id.rows_of(prompt[tail])
    cut = prompt[:head] + prompt[tail:]
    return cut, len(prompt) - len(cut)
