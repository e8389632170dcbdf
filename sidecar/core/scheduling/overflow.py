"""What happens when a sequence can hold no more: `contextOverflow`.

A prompt that is too long loses its middle: the beginning says what the conversation is about, the end
what is asked. A text that reaches the end loses the older half of what it came from, and the rest moves
up in the cache (llama.cpp's context shift), but for the first tokens, on which much of the attention rests.
"""

from __future__ import annotations

from typing import Any, Final

from sidecar.core.context.context import Context
from sidecar.core.llama.bindings import lib
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError

KEPT_AT_SHIFT: Final = 4
"""Tokens at the beginning that a shift leaves alone: attention sinks (Xiao et al. 2023, StreamingLLM)."""

HEAD_SHARE: Final = 4
"""Of a prompt that is cut, the beginning keeps one part of so many, the end the others."""

ROOM_SHARE: Final = 4
"""Of a sequence, a cut prompt leaves one part of so many for the text, or `maxTokens` if that is less."""


def fit(prompt: list[int], context: Context, params: dict[str, Any]) -> tuple[list[int], int]:
    """(the prompt as the context can hold it, tokens that were cut out).

    Raises SidecarError `promptTooLong`, or `invalidParams` where the cache cannot be shifted.
    """
    mode = params.get("contextOverflow", DEFAULTS["CompleteParams"]["contextOverflow"])
    if mode == "shift" and not lib.llama_memory_can_shift(context.memory):
        problem = "/contextOverflow: this model's cache cannot be shifted"
        allowed = ["error", "truncateMiddle"]
        raise SidecarError(
            "invalidParams", problem, pointer="/contextOverflow", value="shift", allowed=allowed
        )
    if len(prompt) <= context.size:
        return prompt, 0
    if mode == "error":
        problem = (
            f"The prompt has {len(prompt)} tokens, a sequence of {context.context_id} holds {context.size}"
        )
        raise SidecarError("promptTooLong", problem, value=len(prompt), allowed={"maximum": context.size})
    room = min(context.size // ROOM_SHARE, params.get("maxTokens", context.size))
    kept = max(context.size - room, 1)
    head = kept // HEAD_SHARE
    return prompt[:head] + prompt[len(prompt) - (kept - head) :], len(prompt) - kept
