"""`keepAliveMs`: ends the engine of a model that has no requests for that long. Timers, no polling."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from sidecar.message_handler import log
from sidecar.message_handler.notifier import send_info
from sidecar.worker.pool import ModelEntry, end_in_background

if TYPE_CHECKING:
    from sidecar.worker.supervisor import Supervisor


def watch(supervisor: Supervisor, model: ModelEntry) -> None:
    """Start the model's idle time again: one of its requests has ended. The supervisor's lock is held."""
    if model.keep_alive_s is None:
        return
    model.idle_since = time.monotonic()
    if not model.watched:
        _check_later(supervisor, model, model.keep_alive_s)


def is_busy(supervisor: Supervisor, model: ModelEntry) -> bool:
    """Whether the model has open requests. The supervisor's lock is held."""
    return any(request.model is model for request in supervisor.ledger.all())


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
        process = supervisor.pool.unload(model)
    end_in_background(process)
    text = f"{model.model_id} had no requests for {model.keep_alive_s * 1000:.0f} ms and is unloaded"
    send_info(supervisor.writer, "info", text, modelId=model.model_id)
    log.log("info", text, engine=process.pid)
