"""`saveState` and `restoreState`: they choose a sequence, and copy its state out of the cache and back."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from sidecar.core.chat import prompt as chat
from sidecar.core.context import sequence_state, state_file
from sidecar.core.context.context import Context
from sidecar.core.context.sequence import Sequence, shared_length
from sidecar.core.context.state_file import State
from sidecar.core.jobs import Job
from sidecar.core.methods import contexts
from sidecar.core.model.adapters import Scales
from sidecar.hardware.machine import available_bytes
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.engine import Engine
    from sidecar.message_handler._types import (
        RestoreStateParams,
        RestoreStateResult,
        SaveStateParams,
        TemplateParams,
    )


def save_state(engine: Engine, job: Job) -> None:
    """Begin a `saveState`: copy the state now, in the order of requests; write it while other requests go on."""
    params: SaveStateParams = job.params
    context = contexts.generating(engine, params["contextId"])
    prompt = _conversation(context, params, job)
    path = os.path.abspath(params["path"])
    saved, matched = engine.scheduler.between_steps(context, lambda: _copy_out(context, prompt))

    def write() -> None:
        try:
            size = state_file.write(path, saved, job.check)
        except Exception as error:
            job.fail(error)
        else:
            tokens = len(saved.tokens)
            job.answer({"path": path, "sizeBytes": size, "tokens": tokens, "matchedTokens": matched})

    threading.Thread(target=write, name="sidecar:state", daemon=True).start()


def restore_state(engine: Engine, job: Job) -> RestoreStateResult:
    """Answer `restoreState`. The next request waits for it, and finds the state."""
    params: RestoreStateParams = job.params
    context = contexts.generating(engine, params["contextId"])
    path = os.path.abspath(params["path"])
    saved = state_file.read(path, available_bytes(), job.check)
    scales = state_file.compare(saved, context, path)
    context.model.check_tokens(saved.tokens, "/path")
    engine.llama_log.clear()
    restored = engine.scheduler.between_steps(context, lambda: _copy_in(context, saved, scales))
    if not restored:
        raise state_file.mismatch(path, engine.llama_log.first_error())
    return {"path": path, "sizeBytes": os.path.getsize(path), "tokens": len(saved.tokens)}


def _conversation(context: Context, params: SaveStateParams, job: Job) -> list[int] | None:
    """The tokens that the wanted sequence begins with; None: the sequence that was used last."""
    if "prompt" in params and "messages" in params:
        problem = "/messages: give either the prompt or the messages, not both"
        raise SidecarError("invalidParams", problem, pointer="/messages")
    if "messages" in params:
        conversation: TemplateParams = {"messages": params["messages"], "addGenerationPrompt": False}
        return chat.tokenized(context.model, conversation, job)[1]
    prompt = params.get("prompt")
    if isinstance(prompt, str):
        return context.model.prompt_tokens(prompt)
    if prompt is not None:
        context.model.check_tokens(prompt, "/prompt")
    return prompt


def _copy_out(context: Context, prompt: list[int] | None) -> tuple[State, int | None]:
    """A sequence's state, and how many of its tokens belong to the prompt. Runs on the compute thread."""
    sequence, matched = _find(context, prompt)
    size, available = sequence_state.size(context, sequence), available_bytes()
    if size > available:
        problem = f"The state has {size} bytes, {available} of memory are available"
        raise SidecarError("outOfMemory", problem, value=size, allowed={"maximum": available})
    data = sequence_state.copy_out(context, sequence)
    if not data:
        raise SidecarError("notCached", "llama.cpp returned no state of the sequence")
    used = context.model.adapters.to_fingerprints(sequence.scales)
    tokens = list(sequence.tokens)
    header = {**state_file.header_of(context), **state_file.media_of(context, tokens), "adapters": used}
    return State(header, tokens, data), matched


def _find(context: Context, prompt: list[int] | None) -> tuple[Sequence, int | None]:
    """The sequence that shares most tokens with the prompt, and how many. Raises SidecarError `notCached`."""
    filled = [s for s in context.sequences if s.tokens and not s.shifted]
    if prompt is None:
        found = max(filled, key=lambda s: (s.in_use, s.last_used), default=None)
        matched = None
    else:
        found = max(filled, key=lambda s: (shared_length(s.tokens, prompt), s.last_used), default=None)
        matched = shared_length(found.tokens, prompt) if found is not None else 0
    if found is None or matched == 0:
        raise SidecarError("notCached", f"{context.context_id} holds nothing of this conversation")
    return found, matched


def _copy_in(context: Context, saved: State, scales: Scales) -> bool:
    """Put a state into a free sequence. Runs on the compute thread. Returns False if llama.cpp refuses the state."""
    free = [sequence for sequence in context.sequences if not sequence.in_use]
    if not free:
        raise SidecarError("overloaded", f"All sequences of {context.context_id} are in use")
    sequence = min(free, key=lambda s: (bool(s.tokens), s.last_used))
    if not sequence_state.copy_in(context, sequence, saved.data, saved.tokens, scales):
        return False
    sequence.last_used = time.monotonic()
    return True
