"""The scheduler: one thread that computes. Each step is one batch in which all requests of a context share.

In a step every request that is generating has one token, and requests whose prompt is not done share
what room is left (step.py). Who has a sequence, and who waits for one, is decided in admission.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sized
from typing import TYPE_CHECKING, Any, Final

from sidecar.core.context.context import Context
from sidecar.core.embedding.context import EmbeddingContext
from sidecar.core.scheduling import step
from sidecar.core.scheduling.between_steps import Errand, Result
from sidecar.core.scheduling.slots import Queue
from sidecar.core.scheduling.step import PROMPT_CHUNK_BESIDE_STREAMS
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.writer import Writer

if TYPE_CHECKING:
    from sidecar.core.embedding.request import TextsRequest
    from sidecar.core.scheduling.generation import Generation

TURN_STEPS: Final = 8
"""Steps that requests with other adapters wait for; a change makes llama.cpp plan its memory anew."""

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
        self._waiting: dict[Context, Queue] = {}
        self._retired: list[tuple[Context, threading.Event]] = []
        self._errands: list[Errand[Any]] = []
        self._in_step: list[Generation] = []
        """Requests in the batch of the moment; nobody but the compute thread may touch them."""
        self._computing: Context | None = None
        self._turn_steps = 0
        """Steps since other adapters had their turn."""
        self._urgent = False
        """Something was cancelled: do not wait for a slow reader."""

    # ---- from other threads ----------------------------------------------------------------------

    def add(self, context: Context) -> None:
        """Serve a new context."""
        with self._changed:
            self._waiting[context] = Queue(context)

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
            self._check_room(context, self._waiting.get(context, ()))
            self._waiting[context].add(generation)
            self._changed.notify()
        generation.job.interruptible(lambda: self.interrupt(generation))

    def _check_room(self, context: Context, waiting: Sized) -> None:
        if context not in self._waiting:
            raise SidecarError("contextNotFound", f"The context {context.context_id} was disposed of")
        if len(waiting) >= MAX_WAITING:
            raise SidecarError("overloaded", f"{MAX_WAITING} requests wait for {context.context_id} already")

    def between_steps(self, context: Context, work: Callable[[], Result]) -> Result:
        """Do something with a context's cache on the compute thread; returns, or raises, what `work` does.

        Raises SidecarError `contextNotFound` if the context went meanwhile.
        """
        errand = Errand(context, work)
        with self._changed:
            self._errands.append(errand)
            self._changed.notify()
        return errand.wait()

    def embed(self, request: TextsRequest) -> None:
        """Queue texts to be embedded. Raises SidecarError as `submit` does."""
        with self._changed:
            self._check_room(request.context, request.context.requests)
            request.context.requests.append(request)
            self._changed.notify()
        request.job.interruptible(lambda: self._interrupt_texts(request))

    def _interrupt_texts(self, request: TextsRequest) -> None:
        """Stop a cancelled request now; the other texts of its batch are computed again."""
        with self._changed:
            if request.context.computes(request):
                request.context.abort_flag.set()
            elif not request.ended:
                request.abort()
            self._urgent = True
            self._changed.notify()
        self._writer.nudge()

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
        if self._take_out(generation):
            generation.abort()

    def _take_out(self, generation: Generation) -> bool:
        """Take a request from the queue. False if it ended by itself."""
        waiting = self._waiting.get(generation.context)
        if waiting is not None and generation in waiting:
            waiting.remove(generation)
            return True
        return generation.sequence is not None and generation.sequence.generation is generation

    # ---- the compute thread ----------------------------------------------------------------------

    def run(self) -> None:
        """Serve for ever."""
        tell_at = 0.0
        while True:
            contexts = self._next_contexts()
            self._run_errands()
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
                running = self._running()
                for generation in running:
                    if generation.job.cancelled:
                        self._drop(generation)
                self._expire(running)
                busy = [context for context in self._waiting if self._has_work(context)]
                if busy or self._errands:
                    return busy
                self._writer.wake()
                self._changed.wait()

    def _expire(self, running: list[Generation]) -> None:
        """Answer requests whose time is up."""
        waiting = [generation for queue in self._waiting.values() for generation in queue]
        for generation in [*running, *waiting]:
            if generation.job.late and self._take_out(generation):
                generation.expire()

    def _run_errands(self) -> None:
        if not self._errands:  # most steps: no lock for them; what comes meanwhile, the next step sees
            return
        with self._changed:
            errands, self._errands = self._errands, []
        for errand in errands:
            errand.run(errand.context in self._waiting)

    def _has_work(self, context: Context) -> bool:
        if isinstance(context, EmbeddingContext):
            return bool(context.requests)
        return len(self._waiting[context]) > 0 or any(s.generation for s in context.sequences)

    def _running(self) -> list[Generation]:
        return [s.generation for c in self._waiting for s in c.sequences if s.generation]

    def _free_retired(self) -> None:
        for context, done in self._retired:
            for generation in [s.generation for s in context.sequences if s.generation]:
                generation.abort()
            for generation in self._waiting.pop(context, ()):
                generation.abort()
            if isinstance(context, EmbeddingContext):
                context.abort_all()
            context.free()
            done.set()
        self._retired.clear()

    def _step_texts(self, context: EmbeddingContext) -> None:
        """One batch of texts, a small one beside streams."""
        with self._changed:
            context.drop_ended()
            streaming = any(g.prompt_done for g in self._running())
            room = min(context.room, PROMPT_CHUNK_BESIDE_STREAMS) if streaming else context.room
            if self._retired or not context.fill(room):
                return
            self._computing = context
            context.abort_flag.clear()
        code = context.decode()
        with self._changed:
            self._computing = None
            context.take(code)

    def _step(self, context: Context) -> None:
        """One batch: admit, let the draft model guess, evaluate, sample."""
        if isinstance(context, EmbeddingContext):
            self._step_texts(context)
            return
        with self._changed:
            self._admit(context)
            generations = [s.generation for s in context.sequences if s.generation]
            if self._unwanted(generations):
                return
            generations = self._take_turns(context, generations)
            self._begin(context, generations)
            # Streams of other contexts, or with other adapters, which this step keeps waiting.
            beside = len(running := self._running()) > len(generations) and any(
                g.prompt_done for g in running if g.context is not context or g.scales != context.scales
            )
        step.draft(context, generations, beside)
        with self._changed:
            if self._unwanted(generations):
                self._end()
                return
            chunks = step.fill(context, generations, beside)
            if beside and sum(map(len, chunks.values())) > len(chunks):
                self._turn_steps = TURN_STEPS  # a piece of a prompt is turn enough
            self._begin(context, list(chunks))
        step.take(context, chunks, context.decode())
        with self._changed:
            self._end()

    def _unwanted(self, generations: list[Generation]) -> bool:
        """Seen by _next_contexts; nothing is computed for what nobody wants."""
        return any(g.job.cancelled for g in generations) or bool(self._retired)

    def _begin(self, context: Context, generations: list[Generation]) -> None:
        """Compute for these requests from now on."""
        self._in_step, self._computing = generations, context
        context.abort_flag.clear()

    def _end(self) -> None:
        self._in_step, self._computing = [], None

    def _admit(self, context: Context) -> None:
        """Give sequences to the requests that wait."""
        waiting = self._waiting.get(context)
        if waiting:
            waiting.admit()
            waiting.tell(self._writer)

    def _take_turns(self, context: Context, generations: list[Generation]) -> list[Generation]:
        """The requests of one set of adapters: of the one that had its turn until that is over."""
        sets = sorted({generation.scales for generation in generations})
        self._turn_steps += 1
        if sets and (context.scales not in sets or self._turn_steps >= TURN_STEPS):
            self._turn_steps = 0
            context.use_adapters(next((scales for scales in sets if scales > context.scales), sets[0]))
        return [generation for generation in generations if generation.scales == context.scales]
