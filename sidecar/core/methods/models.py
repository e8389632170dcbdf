"""`loadModel`."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sidecar.core.model import loading
from sidecar.hardware.machine import process_memory
from sidecar.message_handler.notifier import Progress

if TYPE_CHECKING:
    from sidecar.core.engine import Engine
    from sidecar.core.jobs import Job
    from sidecar.core.model.model import Model
    from sidecar.core.model.placement import LoadParams
    from sidecar.message_handler._types import LoadModelResult

SWITCH_INTERVAL_S: Final = 0.0001
"""A load has a thousand callbacks, each of which waits this long for the thread that imports. Python's default
is 5 ms."""


def load_model(engine: Engine, job: Job) -> LoadModelResult:
    """Answer `loadModel`."""
    progress = Progress(engine.writer, job.id, "load")
    engine.model = load(engine, job.params, progress, lambda: job.cancelled)
    loaded_ms = round((time.monotonic() - job.arrived) * 1000, 3)
    return engine.model.describe(loaded_ms, process_memory().resident)


def load(
    engine: Engine, params: LoadParams, progress: Progress | None, cancelled: Callable[[], bool]
) -> Model:
    """Load a model. Meanwhile a thread imports what its first request will need (100 ms)."""
    threading.Thread(target=_preload, name="sidecar:preload", daemon=True).start()
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        model = loading.load(params, engine.llama_log, progress, cancelled)
    finally:
        sys.setswitchinterval(usual)
    if model.encoder is not None:
        model.encoder.on_rows = engine.scheduler.look
    return model


def _preload() -> None:
    from sidecar.core.chat.rendering import template
    from sidecar.core.methods import embed, generate, tokens  # noqa: F401

    template.preload()
