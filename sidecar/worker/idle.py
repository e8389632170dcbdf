"""Ends engines of models without requests: after `keepAliveMs`, or for another model (`maxLoadedModels`).

Timers, no polling.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.notifier import send_info
from sidecar.worker.pool import ModelEntry
from sidecar.worker.process import WorkerProcess

if TYPE_CHECKING:
    from sidecar.worker.supervisor import Supervisor


def watch(supervisor: Supervisor, model: ModelEntry) -> None:
    """Start the model's idle time again: one of its requests has ended. The supervisor's lock is held."""
    model.idle_since = time.monotonic()
    if model.keep_alive_s is not None and not model.watched:
        _check_later(supervisor, model, model.keep_alive_s)


def is_busy(supervisor: Supervisor, model: ModelEntry) -> bool:
    """Whether the model has open requests. The supervisor's lock is held."""
    return any(request.model is model for request in supervisor.ledger.all())


def make_room(supervisor: Supervisor) -> list[WorkerProcess]:
    """End idle engines, the one used longest ago first, until one more model may be loaded.

    Returns their processes. The supervisor's lock is held. Raises SidecarError `overloaded` if
    too many models are in use; then none ends.
    """
    pool = supervisor.pool
    limit = pool.settings.max_loaded_models
    loaded = [model for model in pool.models.values() if model.process is not None]
    if limit is None or len(loaded) < limit:
        return []
    idle = sorted((m for m in loaded if not is_busy(supervisor, m)), key=lambda model: model.idle_since)
    leaving = idle[: len(loaded) - limit + 1]
    if len(loaded) - len(leaving) >= limit:
        problem = f"All models that may be loaded at once are in use (maxLoadedModels: {limit})"
        raise SidecarError("overloaded", problem)
    return [_end(supervisor, model, "makes room for another model") for model in leaving]


def _check_later(supervisor: Supervisor, model: ModelEntry, seconds: float) -> None:
    model.watched = True
    timer = threading.Timer(seconds, _check, (supervisor, model))
    timer.daemon = True
    timer.start()


def _check(supervisor: Supervisor, model: ModelEntry) -> None:
    """End the engine if its model was idle long enough; else check again when it may be."""
    with supervisor.lock:
        model.watched = False
        forgotten = supervisor.pool.models.get(model.model_id) is not model
        if forgotten or model.process is None or model.keep_alive_s is None or is_busy(supervisor, model):
            return  # the end of its requests calls `watch` again
        left = model.idle_since + model.keep_alive_s - time.monotonic()
        if left > 0:
            _check_later(supervisor, model, left)
            return
        why = f"had no requests for {model.keep_alive_s * 1000:.0f} ms"
        _end(supervisor, model, why)


def _end(supervisor: Supervisor, model: ModelEntry, why: str) -> WorkerProcess:
    """End the engine of a model without waiting, and say so."""
    process = supervisor.pool.unload(model)
    process.end_in_background()
    text = f"{model.model_id} {why} and is unloaded"
    send_info(supervisor.writer, "info", text, modelId=model.model_id)
    log.log("info", text, engine=process.pid)
    return process
