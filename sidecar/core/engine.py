"""What all requests of an engine process share: its model, its contexts, and where answers go."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sidecar.core.jobs import Jobs
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.context.context import Context
    from sidecar.core.embedding.embedding_context import EmbeddingContext
    from sidecar.core.llama.log import LlamaLog
    from sidecar.core.model.model import Model
    from sidecar.core.scheduling.saver import Saver
    from sidecar.core.scheduling.scheduler import Scheduler
    from sidecar.message_handler.writer import Writer


class Engine:
    """The state of an engine process. Only the request thread (engine_process.py) changes it."""

    scheduler: Scheduler
    """Set before the second request. `init` needs none, and answers before its module is imported."""

    def __init__(
        self, writer: Writer, llama_log: LlamaLog, cpu_variant: str, notes: Sequence[tuple[str, str]]
    ) -> None:
        self.writer = writer
        self.llama_log = llama_log
        self.cpu_variant = cpu_variant
        """The CPU backend that computes, as llama.cpp names its variants."""
        self.notes = notes
        """(level, message) of `info` notifications about backends that are not used."""
        self.jobs = Jobs(writer)
        self.model: Model | None = None
        self.contexts: dict[str, Context | EmbeddingContext] = {}
        """By contextId."""
        self.savers: dict[str, Saver] = {}
        """What writes conversations to a disk, by contextId; only for contexts with a `cacheDirectory`."""
        self.restore_error: SidecarError | None = None
        """Why the model of the engine before this one could not be loaded again."""
        self.restore_again: Callable[[], None] | None = None
        """Tries to load it once more; None if that cannot help."""

    def the_model(self) -> Model:
        """The loaded model. Raises SidecarError `modelNotFound`, or why it could not be loaded again."""
        if self.restore_again is not None:
            self.restore_again()
        if self.restore_error is not None:
            raise self.restore_error
        if self.model is None:
            raise SidecarError("modelNotFound", "No model is loaded in this engine")
        return self.model

    def context(self, context_id: str) -> Context | EmbeddingContext:
        """A context. Raises SidecarError `contextNotFound`, or as `the_model` does."""
        self.the_model()
        context = self.contexts.get(context_id)
        if context is None:
            problem = f"/contextId: there is no context {context_id!r}"
            raise SidecarError("contextNotFound", problem, pointer="/contextId", value=context_id)
        return context

    def leave(self, seconds: float) -> None:
        """Write the conversations that belong on a disk, for at most this time, before the process ends."""
        deadline = time.monotonic() + seconds
        for saver in list(self.savers.values()):
            saver.finish(deadline - time.monotonic())
