"""The scheduler: one thread that computes. Each step is one batch in which all requests of a context share.

In a step every request that is generating has one token, and requests whose prompt is not done share
what room is left. Requests beyond the number of sequences wait, oldest first.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

from sidecar.core.context import DECODE_ABORTED, Context, Sequence
from sidecar.core.generation import Generation
from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.notifier import send_progress
from sidecar.message_handler.writer import Writer

PROMPT_CHUNK_BESIDE_STREAMS: Final = 64
"""Prompt tokens a step while other requests generate: what a long prompt may hold them up by."""

TELL_INTERVAL_S: Final = 0.016
"""Deltas leave at most this often, once a frame of a screen: each wakes three threads of two other processes,
which take their time from the two that compute. The first one leaves at once."""

MAX_WAITING: Final = 256
"""Requests that may wait for a sequence of one context."""


class Scheduler:
    """Thread-safe from outside; `run` is the compute thread."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._changed = threading.Condition()
        self._waiting: dict[Context, deque[Generation]] = {}
        self._retired: list[tuple[Context, threading.Event]] = []
        self._in_step: list[Generation] = []
        """Requests in the batch of the moment; nobody but the compute thread may touch them."""
        self._computing: Context | None = None
        self._urgent = False
        """Something was cancelled: do not wait for a slow reader."""

    # ---- from other threads ----------------------------------------------------------------------

    def add(self, context: Context) -> None:
        """Serve a new context."""
        with self._changed:
            self._waiting[context] = deque()

    def remove(self, context: Context) -> None:
        """Abort a context's requests and free it; returns when that is done."""
        done = threading.Event()
        with self._changed:
            self._retired.append((context, done))
            if self._computing is context:
                context.abort_flag.set()
            self._urgent = True
            self._changed.notify()
        self._writer.nudge()
        done.wait()

    def submit(self, generation: Generation) -> None:
        """Queue a request. Raises SidecarError `overloaded`; `contextNotFound` if it went meanwhile."""
        context = generation.context
        with self._changed:
            waiting = self._waiting.get(context)
            if waiting is None:
                raise SidecarError("contextNotFound", f"The context {context.context_id} was disposed of")
            if len(waiting) >= MAX_WAITING:
                raise SidecarError(
                    "overloaded", f"{MAX_WAITING} requests wait for {context.context_id} already"
                )
            waiting.append(generation)
            self._changed.notify()
        generation.job.interruptible(lambda: self.interrupt(generation))

    def interrupt(self, generation: Generation) -> None:
        """Stop a cancelled request now: at once, or in the middle of the batch that it is in."""
        with self._changed:
            if generation not in self._in_step:
                self._drop(generation)
            elif self._may_abort(generation.context):
                generation.context.abort_flag.set()
            self._urgent = True
            self._changed.notify()
        self._writer.nudge()

    def _may_abort(self, context: Context) -> bool:
        """A recurrent state cannot take back an aborted batch: others in it would have to start again."""
        return not context.model.has_state_beyond_kv or len(self._in_step) == 1

    def _drop(self, generation: Generation) -> None:
        """Abort a request that is waiting, or between two steps."""
        waiting = self._waiting.get(generation.context, ())
        if generation in waiting:
            self._waiting[generation.context].remove(generation)
        elif generation.sequence is None or generation.sequence.generation is not generation:
            return  # it ended by itself
        generation.abort()

    # ---- the compute thread ----------------------------------------------------------------------

    def run(self) -> None:
        """Serve for ever."""
        tell_at = 0.0
        while True:
            contexts = self._next_contexts()
            for context in contexts:
                self._step(context)
            now = time.monotonic()
            if now >= tell_at:
                with self._changed:
                    for generation in self._running():
                        generation.tell()
                self._writer.wake()
                tell_at = now + TELL_INTERVAL_S
            if not self._writer.has_room():
                self._writer.wait_for_room(lambda: self._urgent)

    def _next_contexts(self) -> list[Context]:
        """Wait until there is work; drop what was cancelled; return the contexts to step."""
        with self._changed:
            while True:
                self._urgent = False
                self._free_retired()
                for generation in [g for g in self._running() if g.job.cancelled]:
                    self._drop(generation)
                busy = [context for context in self._waiting if self._has_work(context)]
                if busy:
                    return busy
                self._writer.wake()
                self._changed.wait()

    def _has_work(self, context: Context) -> bool:
        return bool(self._waiting[context]) or any(s.generation for s in context.sequences)

    def _running(self) -> list[Generation]:
        return [s.generation for c in self._waiting for s in c.sequences if s.generation]

    def _free_retired(self) -> None:
        for context, done in self._retired:
            for generation in [s.generation for s in context.sequences if s.generation]:
                generation.abort()
            for generation in self._waiting.pop(context, ()):
                generation.abort()
            context.free()
            done.set()
        self._retired.clear()

    def _step(self, context: Context) -> None:
        """One batch: admit, evaluate, sample."""
        with self._changed:
            self._admit(context)
            generations = [s.generation for s in context.sequences if s.generation]
            if any(g.job.cancelled for g in generations) or self._retired:
                return  # seen by _next_contexts; nothing is computed for what nobody wants
            chunks = self._fill(context, generations)
            self._in_step, self._computing = list(chunks), context
            context.abort_flag.clear()
        code = context.decode()
        if code == 0:
            for generation, chunk in chunks.items():
                assert generation.sequence is not None
                generation.sequence.tokens.extend(chunk)
            for generation in chunks:
                self._sample(generation)
        else:
            self._undecoded(context, list(chunks), code)
        with self._changed:
            self._in_step, self._computing = [], None

    def _admit(self, context: Context) -> None:
        """Give free sequences to the requests that wait, each the one that shares most of its prompt."""
        waiting = self._waiting.get(context, deque())
        while waiting:
            free = [s for s in context.sequences if s.generation is None]
            if not free:
                self._tell_queue(waiting)
                return
            generation = waiting.popleft()
            best = max(free, key=lambda s: (_shared(s.tokens, generation.prompt), -s.last_used))
            # The last prompt token is always evaluated: its logits give the first new token.
            reusable = min(_shared(best.tokens, generation.prompt), len(generation.prompt) - 1)
            generation.admit(best, context.keep_prefix(best, reusable))

    def _tell_queue(self, waiting: deque[Generation]) -> None:
        for position, generation in enumerate(waiting):
            if generation.queue_position != position:
                generation.queue_position = position
                job = generation.job
                send_progress(self._writer, job.id, "queue", None, position=position, wake=False)

    def _fill(self, context: Context, generations: list[Generation]) -> dict[Generation, list[int]]:
        """Put the next batch together; returns which tokens of which request are in it."""
        context.clear_batch()
        chunks: dict[Generation, list[int]] = {}
        room = context.batch_size
        streaming = any(g.generating for g in generations)
        if streaming:
            room = min(room, len(generations) + PROMPT_CHUNK_BESIDE_STREAMS)
        for generation in sorted(generations, key=lambda g: not g.generating):
            pending = generation.pending_tokens()
            chunk = pending[:room]
            if not chunk:
                continue
            assert generation.sequence is not None
            last = len(chunk) == len(pending)
            index = context.add_to_batch(generation.sequence, chunk, want_logits=last)
            generation.batch_index = index if last else -1
            chunks[generation] = chunk
            room -= len(chunk)
        return chunks

    def _sample(self, generation: Generation) -> None:
        if not generation.generating:
            generation.tell_prompt()
        if generation.batch_index < 0:
            return
        try:
            reason = generation.take(generation.next_token())
        except Exception as error:
            generation.fail(error)
            return
        if reason is not None:
            generation.finish(reason)

    def _undecoded(self, context: Context, generations: list[Generation], code: int) -> None:
        """A batch was aborted or failed. llama.cpp took back what did not run: go by what it holds."""
        for generation in generations:
            sequence = generation.sequence
            assert sequence is not None
            self._resynchronise(context, sequence)
            if code != DECODE_ABORTED:
                cause = f"llama_decode returned {code}"
                generation.fail(SidecarError("decodeFailed", "The batch could not be evaluated", cause=cause))
        if code != DECODE_ABORTED:
            log.log("warning", "llama_decode failed", code=code, context=context.context_id)

    def _resynchronise(self, context: Context, sequence: Sequence) -> None:
        assert sequence.generation is not None
        held = context.cached_length(sequence)
        if context.model.has_state_beyond_kv or held < len(sequence.tokens):
            context.clear_sequence(sequence)
        else:
            sequence.tokens = sequence.generation.tokens[:held]
            # llama.cpp runs a batch in pieces, and some may have run: the logits of those are gone, though.
            context.keep_prefix(sequence, len(sequence.generation.tokens) - 1)


def _shared(left: list[int], right: list[int]) -> int:
    """Length of the common prefix."""
    limit = min(len(left), len(right))
    if left[:limit] == right[:limit]:
        return limit
    low, high = 0, limit  # left[:low] is shared, left[:high] is not
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low
