"""The interface between the scheduler and the runners. Each kind of context has its own kind of runner."""

from __future__ import annotations

from typing import Any, Final, Protocol

from sidecar.core.context.context import Context

PROMPT_CHUNK_WHILE_STREAMING: Final = 64
"""Max prompt tokens per step while other requests generate."""


class Runner(Protocol):
    """Computes the requests of one context.

    A step is `admit` and `place` for each request that can begin, then `plan`, `draft`, `fill`, `compute`, `end`; if
    `plan` or `fill` returns False, the step is over. The scheduler holds its lock during all calls except `place`,
    `draft` and `compute`. Only the compute thread calls these three, and all methods that change the cache.
    """

    # ---- requests --------------------------------------------------------------------------------

    @property
    def context(self) -> Context:
        """Its context, which it owns."""

    @property
    def waiting(self) -> int:
        """How many requests wait."""

    def add(self, request: Any) -> None:  # a Generation or a TextsRequest: each kind of runner has its own
        """Queue a request."""

    def interrupt(self, request: Any) -> None:  # as in `add`
        """Stop a cancelled request now: at once, or in the middle of the batch that it is in."""

    def drop_unwanted(self) -> None:
        """Answer the requests that were cancelled or took too long."""

    def has_work(self) -> bool:
        """Whether there is something to compute."""

    def is_idle(self) -> bool:
        """Whether it has no request at all, not even one that waits for something else."""

    def is_streaming(self) -> bool:
        """Whether a request generates."""

    def send_deltas(self) -> None:
        """Send the text that has come since the last call."""

    def close(self) -> None:
        """Abort all requests and free the context."""

    # ---- a step ----------------------------------------------------------------------------------

    def admit(self) -> bool:
        """Choose a place for the next request that can begin. False: there is none."""

    def place(self) -> None:
        """Bring the cache of that request to its place, which may take long."""

    def plan(self, others_streaming: bool) -> bool:
        """Choose the requests of the next step. `others_streaming`: whether another context generates."""

    def draft(self) -> None:
        """Make room for this step, and get the draft model's tokens for it."""

    def fill(self) -> bool:
        """Fill the batch."""

    def compute(self) -> None:
        """Evaluate the batch, and give each request its results."""

    def end(self) -> None:
        """End the step: the batch is no longer used."""
