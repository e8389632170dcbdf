"""`keepAliveMs`: the engine of a model that nobody asks for is ended. Timers, no polling."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from sidecar.message_handler import log
from sidecar.message_handler.notifier import send_info
from sidecar.worker.pool import Model, end_in_background

if TYPE_CHECKING:
    from sidecar.worker.router import Router


def watch(router: Router, model: Model) -> None:
    """A request for the model has ended: its time begins anew. The router's lock is held."""
    if model.keep_alive_s is None:
        return
    model.idle_since = time.monotonic()
    if not model.watched:
        _look_later(router, model, model.keep_alive_s)


def is_busy(router: Router, model: Model) -> bool:
    """Whether there are requests for the model. The router's lock is held."""
    return any(request.model is model for request in router.ledger.all())


def _look_later(router: Router, model: Model, seconds: float) -> None:
    model.watched = True
    timer = threading.Timer(seconds, _look, (router, model))
    timer.daemon = True
    timer.start()


def _look(router: Router, model: Model) -> None:
    """End the engine if nothing came meanwhile; else look again when that is so long ago."""
    with router.lock:
        model.watched = False
        gone = router.pool.models.get(model.model_id) is not model
        if gone or model.process is None or model.keep_alive_s is None or is_busy(router, model):
            return  # when the requests have ended, it is watched again
        left = model.idle_since + model.keep_alive_s - time.monotonic()
        if left > 0:
            _look_later(router, model, left)
            return
        process = router.pool.unload(model)
    end_in_background(process)
    text = f"{model.model_id} was not asked for in {model.keep_alive_s * 1000:.0f} ms and is unloaded"
    send_info(router.writer, "info", text, modelId=model.model_id)
    log.log("info", text, engine=process.pid)
