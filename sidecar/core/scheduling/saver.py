"""Writes conversations to a disk when they rest, and reads them back before a request needs them.

A thread of its own writes; only the copies that it needs are made between two steps. So a conversation is warm after
its engine has ended: unloaded, idle, killed, or with the program.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from sidecar.core.context.context import Context
from sidecar.core.context.conversation_store import ConversationStore, Held, copy_of
from sidecar.core.context.disk_store import DiskStore
from sidecar.core.context.sequence import Sequence, shared_length
from sidecar.core.context.state_file import Check
from sidecar.core.model.adapters import Scales
from sidecar.hardware.machine import available_bytes
from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError

REST_S: Final = 1.0
"""A conversation rests when it has had no request for this long: an agent's next one comes sooner."""

MAX_QUEUED: Final = 2
"""Conversations that wait to be written. With more, the one that waits longest is not written."""

MIN_SAVED_TOKENS: Final = 64
"""A file is read if it saves the evaluation of at least this many tokens."""

BetweenSteps = Callable[[Context, Callable[[], "Held | None"]], "Held | None"]


class Saver:
    """The conversations of one context, on their way to the disk and back."""

    def __init__(
        self,
        disk: DiskStore,
        memory: ConversationStore,
        context: Context,
        between_steps: BetweenSteps,
        tell: Callable[[str], None],
    ) -> None:
        """`tell(problem)` is called when the disk refuses a conversation, once until it takes one again."""
        self._disk = disk
        self._memory = memory
        self._context = context
        self._between_steps = between_steps
        self._tell = tell
        self._changed = threading.Condition()
        self._resting: dict[Sequence, float] = {}
        """Sequences that are not written yet → when they will have rested long enough."""
        self._queued: deque[Held] = deque(maxlen=MAX_QUEUED)
        self._writing = self._hurried = self._ended = self._failed = False
        self._ready = threading.Event()
        self._reading = threading.Lock()
        """Several requests that begin alike wait for the first one's file, instead of reading it each."""
        threading.Thread(target=self._run, name="sidecar:saver", daemon=True).start()

    # ---- from other threads ------------------------------------------------------------------------

    def note(self, sequence: Sequence) -> None:
        """A request has left this sequence."""
        with self._changed:
            self._resting[sequence] = time.monotonic() + REST_S
            self._changed.notify_all()

    def forget(self, sequence: Sequence, copy: Held | None) -> None:
        """Another conversation takes the sequence; on the compute thread. `copy`: what it holds, if there is one."""
        with self._changed:
            if self._resting.pop(sequence, None) is None:
                return
        copy = copy or copy_of(self._context, sequence, available_bytes() // 2)
        if copy is not None:
            with self._changed:
                self._queued.append(copy)
                self._changed.notify_all()

    def bring(self, tokens: list[int], scales: Scales, check: Check) -> None:
        """Read a conversation into memory that begins most of these tokens, if it is worth it."""
        while not self._ready.wait(0.1):
            check()
        if self._ended:
            return
        while not self._reading.acquire(timeout=0.1):
            check()
        try:
            self._bring(tokens[:-1], scales, check)
        finally:
            self._reading.release()

    def _bring(self, wanted: list[int], scales: Scales, check: Check) -> None:
        name, count = self._disk.find(wanted, scales)
        there = max(self._memory.find(wanted, scales)[1], self._at_hand(wanted, scales))
        if count >= MIN_SAVED_TOKENS + there and (held := self._disk.read(name, check)) is not None:
            self._memory.add(held)

    def _at_hand(self, tokens: list[int], scales: Scales) -> int:
        """About how many of the tokens the sequences hold. The compute thread may change them meanwhile."""
        most = 0
        for sequence in self._context.sequences:
            if sequence.scales == scales and not sequence.shifted:
                held, checkpoints = list(sequence.tokens), list(sequence.checkpoints.all)
                shared = shared_length(held, tokens)
                if self._context.needs_checkpoints and shared < len(held):
                    shared = max((each.length for each in checkpoints if each.length <= shared), default=0)
                most = max(most, shared)
        return most

    def finish(self, seconds: float) -> None:
        """Write what is not written yet, for at most this time. Nothing is written afterwards."""
        deadline = time.monotonic() + seconds
        with self._changed:
            self._hurried = True
            self._changed.notify_all()
            while not self._ended and (self._resting or self._queued or self._writing):
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            self._ended = True
            self._changed.notify_all()

    # ---- its thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._disk.open()
        except Exception as error:  # the model's file is gone: nothing can be named
            log.log_exception("conversations cannot be cached on the disk", error)
            self._ended = True
            self._ready.set()
            return
        self._memory.report(self._disk.size)
        self._ready.set()
        while (work := self._next()) is not None:
            try:
                self._write(*work)
            except SidecarError as error:
                if not self._failed:
                    self._tell(error.problem)
                self._failed = True
            except Exception as error:
                log.log_exception("a conversation cannot be written", error)
            with self._changed:
                self._writing = False
                self._changed.notify_all()

    def _write(self, held: Held | None, sequence: Sequence | None) -> None:
        if sequence is not None:
            try:
                held = self._between_steps(self._context, partial(self._copy, sequence))
            except BaseException:
                with self._changed:
                    self._resting.pop(sequence, None)
                raise
        if held is None or self._disk.holds(held.tokens, held.scales):
            return
        self._disk.write(held, self._check)
        self._failed = False
        self._memory.report(self._disk.size)

    def _check(self) -> None:
        if self._ended:
            raise SidecarError("aborted", "The context was disposed of")

    def _next(self) -> tuple[Held | None, Sequence | None] | None:
        """Wait for something to write: a copy, or a sequence that rests. None: nothing comes any more."""
        with self._changed:
            while not self._ended:
                self._writing = True
                if self._queued:
                    return self._queued.popleft(), None
                now = time.monotonic()
                due = next((s for s, at in self._resting.items() if at <= now or self._hurried), None)
                if due is not None:
                    return None, due
                self._writing = False
                self._changed.notify_all()
                self._changed.wait(min((at - now for at in self._resting.values()), default=None))
            return None

    def _copy(self, sequence: Sequence) -> Held | None:
        """What a sequence holds, if no request runs in it and `forget` has not copied it. On the compute thread."""
        with self._changed:
            if self._resting.pop(sequence, None) is None or sequence.in_use:
                return None
        return copy_of(self._context, sequence, available_bytes() // 2)
