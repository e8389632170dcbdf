"""The methods that the router serves itself, one function each: (router, request) → None.

Each closes its request in the ledger, at once or later. The engine's methods are in core/methods/.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import sidecar
from sidecar.message_handler import log
from sidecar.message_handler._wire import PROTOCOL_VERSION
from sidecar.message_handler.errors import SidecarError, error_object
from sidecar.worker import idle
from sidecar.worker.ledger import Request
from sidecar.worker.pool import Settings

if TYPE_CHECKING:
    from sidecar.worker.pool import Model
    from sidecar.worker.router import Router

UNLOAD_GRACE_S: Final = 0.05
"""How long running requests get to stop by themselves when their model is unloaded."""


def ping(router: Router, request: Request) -> None:
    router.ledger.answer(request, {"uptimeMs": _since(router.started)})


def discover(router: Router, request: Request) -> None:
    from sidecar.message_handler.document import openrpc_document

    router.ledger.answer(request, openrpc_document())


def init(router: Router, request: Request) -> None:
    """Take over the settings at once, so that requests behind go by them; the spare engine answers."""
    params, pool = request.params, router.pool
    asked = params.get("protocolVersion", PROTOCOL_VERSION)
    if asked != PROTOCOL_VERSION:
        problem = f"/protocolVersion: version {asked} is not spoken here"
        raise SidecarError(
            "unsupportedProtocolVersion",
            problem,
            pointer="/protocolVersion",
            value=asked,
            allowed=[PROTOCOL_VERSION],
        )
    debug = params.get("debug", False)
    request.earlier_settings, pool.settings = (
        pool.settings,
        Settings(
            gpu=params.get("gpu", "auto"),
            rpc_servers=tuple(params.get("rpcServers", ())),
            max_threads=params.get("maxThreads"),
            models_directory=params.get("modelsDirectory"),
            log_level="debug" if debug else router.log_level,
        ),
    )
    log.configure(pool.settings.log_level)
    if params.get("processId") is not None:
        router.watch_parent(params["processId"])
    request.process = pool.spare()
    request.process.writer.send(request.line)


def abort(router: Router, request: Request) -> None:
    target = router.ledger.find(request.params["requestId"])
    if target is None or target is request:
        router.ledger.answer(request, {"outcome": "notFound", "tookMs": _since(request.received)})
        return
    target.aborts.append((request, request.received))
    router.cancel(target)


def shutdown(router: Router, request: Request) -> None:
    router.begin_close(0, request)


def status(router: Router, request: Request) -> None:
    pool = router.pool
    engines = {model.process: model.model_id for model in pool.models.values()}
    processes: list[dict[str, Any]] = [{"role": "router", "pid": os.getpid()}]
    for process in pool.processes:
        entry: dict[str, Any] = {"role": process.role, "pid": process.pid}
        if process in engines:
            entry["modelId"] = engines[process]
        processes.append(entry)
    for entry in processes:
        entry["memoryBytes"] = _resident_bytes(entry["pid"])
    models = pool.models.values()
    result = {
        "version": sidecar.__version__,
        "uptimeMs": _since(router.started),
        "memoryBytes": sum(entry["memoryBytes"] for entry in processes),
        "processes": processes,
        "models": [_model_status(router, model) for model in models],
        "contexts": [{"contextId": name, "modelId": m.model_id} for m in models for name in m.contexts],
        "requests": [
            {"id": other.id, "method": other.method, "ageMs": _since(other.received)}
            for other in router.ledger.all()
            if other is not request
        ],
    }
    router.ledger.answer(request, result)


def _model_status(router: Router, model: Model) -> dict[str, Any]:
    status: dict[str, Any] = {"modelId": model.model_id, **model.paths, "state": model.state}
    if model.keep_alive_s is not None:
        busy = idle.is_busy(router, model)
        status["keepAliveMs"] = model.load["keepAliveMs"]
        status["idleMs"] = 0 if busy else _since(model.idle_since)
    return status


def transfer(router: Router, request: Request) -> None:
    """Give a request to a process of its own, with what that cannot know of the others."""
    from sidecar.models.gguf.splits import part_paths
    from sidecar.models.store.store import default_directory

    params, settings = request.params, router.pool.settings
    directory = params.get("modelsDirectory", settings.models_directory)
    if directory is None:
        directory = default_directory()
    loaded = [path for model in router.pool.models.values() for path in model.files]
    inner = {
        **params,
        "modelsDirectory": os.path.abspath(directory),
        "loaded": [os.path.realpath(part) for path in loaded for part in part_paths(path)],
        "hardware": router.pool.hardware,
    }
    if "folders" in params:
        inner["folders"] = [os.path.abspath(folder) for folder in params["folders"]]
    request.process = router.pool.transfer()
    request.process.send({"jsonrpc": "2.0", "id": request.id, "method": request.method, "params": inner})


def inspect_model(router: Router, request: Request) -> None:
    if "model" in request.params:
        transfer(router, request)
        return
    path = router.resolve_path(request.params["path"])

    def work() -> None:
        from sidecar.models.gguf import reader

        router.ledger.answer(request, reader.describe(path))

    router.desk.put((request, work))


def estimate_model(router: Router, request: Request) -> None:
    if "model" in request.params:
        transfer(router, request)
        return
    path, hardware = router.resolve_path(request.params["path"]), router.pool.hardware

    def work() -> None:
        from sidecar.hardware.machine import Machine
        from sidecar.models.gguf import reader
        from sidecar.models.gguf.header import join
        from sidecar.models.gguf.splits import part_paths
        from sidecar.models.memory.estimate import estimate

        header = join([reader.read_header(part) for part in part_paths(path)])
        figures = estimate(header, request.params, Machine.here(**hardware))
        router.ledger.answer(request, {"path": path, "source": None, **figures})

    router.desk.put((request, work))


def unload_model(router: Router, request: Request) -> None:
    model = router.pool.model(request.params["modelId"])
    pids = [os.getpid(), *(process.pid for process in router.pool.processes)]
    before = sum(map(_resident_bytes, pids))
    process = router.pool.forget(model)
    running = [other for other in router.ledger.all() if other.model is model]
    for other in running:
        router.cancel(other, grace_s=UNLOAD_GRACE_S)

    def work() -> None:
        router.ledger.wait_closed(running, UNLOAD_GRACE_S)
        if process is not None:
            process.end()
        after = sum(map(_resident_bytes, pids))
        router.ledger.answer(request, {"memoryBeforeBytes": before, "memoryAfterBytes": after})

    router.desk.put((request, work))


def _since(start: float) -> float:
    return round((time.monotonic() - start) * 1000, 3)


def _resident_bytes(pid: int) -> int:
    from sidecar.hardware.machine import process_memory

    return process_memory(pid).resident


def run_desk(router: Router) -> None:
    """The desk: one thread for what the router serves itself but must not wait for."""
    while True:
        request, work = router.desk.get()
        try:
            work()
        except Exception as error:
            if not isinstance(error, SidecarError):
                log.log_exception(f"{request.method} failed", error)
            router.ledger.fail(request, error_object(error))


HANDLERS: Final[dict[str, Callable[[Any, Request], None]]] = {
    "init": init,
    "ping": ping,
    "status": status,
    "abort": abort,
    "shutdown": shutdown,
    "rpc.discover": discover,
    "downloadModel": transfer,
    "listModels": transfer,
    "deleteModel": transfer,
    "inspectModel": inspect_model,
    "estimateModel": estimate_model,
    "unloadModel": unload_model,
}
