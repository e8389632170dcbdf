"""Compiles grammars on threads of their own, so that a huge one holds up nothing but its own request."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from sidecar.core.jobs import checkpoint, start_thread
from sidecar.core.model.model import Model
from sidecar.core.structured_output.llguidance_api import Matcher, Vocabulary
from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError

MAX_COMPILE_S: Final = 20.0
"""How long a grammar may take to compile: usual ones take milliseconds. llguidance cannot be interrupted meanwhile, but
its own limits of work end it."""

MAX_QUEUE_S: Final = 20.0
"""How long a grammar may wait until others are compiled."""

MAX_COMPILING: Final = 2
"""Grammars that are compiled at once, with those that nobody waits for any more."""

MAX_KEPT: Final = 16
"""Compiled grammars that are kept: a program sends the same ones again."""

MAX_KEPT_CHARS: Final = 100_000
"""Longest grammar that is kept."""

PATIENCE_S: Final = 0.05
"""How often a waiting request looks whether it is still wanted."""

MAX_MAKING: Final = 4
"""Grammars that are made beside their requests at once. If there are as many, the next request makes its own."""

_room: Final = threading.BoundedSemaphore(MAX_COMPILING)
_making: Final = threading.BoundedSemaphore(MAX_MAKING)
_lock: Final = threading.Lock()


class TooSlow(Exception):
    """A grammar takes too long to compile."""


@lru_cache(maxsize=1)
def _vocabulary(model: Model) -> Vocabulary:
    return Vocabulary(model)


def vocabulary(model: Model) -> Vocabulary:
    """The model's vocabulary. The first call takes up to a second; other streams go on meanwhile."""
    with _lock:
        return _vocabulary(model)


class _Kept:
    """The matchers that are kept, the most recently used one last. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._matchers: dict[tuple[Model, str, str], Matcher] = {}

    def take(self, key: tuple[Model, str, str]) -> Matcher | None:
        with self._lock:
            matcher = self._matchers.pop(key, None)
            if matcher is None:
                return None
            self._matchers[key] = matcher
            return matcher.copy()

    def add(self, key: tuple[Model, str, str], matcher: Matcher) -> None:
        with self._lock:
            self._matchers[key] = matcher.copy()
            if len(self._matchers) > MAX_KEPT:
                del self._matchers[next(iter(self._matchers))]


_kept: Final = _Kept()


def compiled(model: Model, kind: str, grammar: str, most_s: float = math.inf) -> Matcher:
    """A new matcher of a grammar, which may be in error. `kind`: see `Matcher.compile`. `most_s`: how long it may take.

    Raises TooSlow; SidecarError `overloaded`; `aborted`, `timedOut` if the request is no longer wanted.
    """
    key = model, kind, grammar
    kept = _kept.take(key)
    if kept is not None:
        return kept
    vocabulary(model)  # before the clock runs
    matcher = _compile(model, kind, grammar, most_s)
    if len(grammar) <= MAX_KEPT_CHARS and not matcher.error:
        _kept.add(key, matcher)
    return matcher


def _compile(model: Model, kind: str, grammar: str, most_s: float) -> Matcher:
    done = threading.Event()
    made: list[Matcher | Exception] = []

    def compile_it() -> None:
        try:
            made.append(Matcher.compile(vocabulary(model), kind, grammar))
        except Exception as error:  # raised again below
            made.append(error)
        finally:
            _room.release()
            done.set()

    end = time.monotonic() + min(MAX_QUEUE_S, most_s)
    while not _room.acquire(timeout=PATIENCE_S):
        checkpoint()
        if time.monotonic() > end:
            raise SidecarError("overloaded", f"Other grammars have been compiling for {MAX_QUEUE_S:.0f} s")
    try:
        start_thread(compile_it, "sidecar:compile")
    except RuntimeError:
        _room.release()
        raise
    end = time.monotonic() + min(most_s, MAX_COMPILE_S)
    while not done.wait(PATIENCE_S):
        checkpoint()
        if time.monotonic() > end:
            raise TooSlow
    if isinstance(made[0], Exception):
        raise made[0]
    return made[0]


class Promised:
    """A matcher that a thread makes while the request that may need it goes on."""

    def __init__(self, make: Callable[[], Matcher | None]) -> None:
        """`make` makes the matcher; None if that is impossible."""
        self._done = threading.Event()
        self._matcher: Matcher | None = None
        self.failed = False
        """Whether it could not be made now; later it may be possible."""
        if not _making.acquire(blocking=False):
            self._fail()
            return
        try:
            start_thread(lambda: self._run(make), "sidecar:calls")
        except RuntimeError:  # no more threads
            _making.release()
            self._fail()

    def _fail(self) -> None:
        self.failed = True
        self._done.set()

    @property
    def ready(self) -> bool:
        """Whether `copy` need not wait."""
        return self._done.is_set()

    def copy(self) -> Matcher | None:
        """A matcher at the beginning of its text; None if there is none."""
        self._done.wait()
        return None if self._matcher is None else self._matcher.copy()

    def _run(self, make: Callable[[], Matcher | None]) -> None:
        try:
            self._matcher = make()
        except Exception as error:
            log.log_exception("No grammar of calls could be made", error)
            self.failed = True
        finally:
            _making.release()
            self._done.set()
