"""The methods that the router serves itself, one function per method: (supervisor, request) → None.

Each closes its request in the ledger, at once or later. The supervisor's lock is held. The engine's methods are
in core/methods/, those of a transfer, which this starts, in models/methods.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import sidecar
from sidecar.message_handler import log
from sidecar.message_handler._wire import PROTOCOL_VERSION
from sidecar.message_handler.errors import SidecarError
from sidecar.worker import idle
from sidecar.worker.ledger import Request
from sidecar.worker.pool import Settings

if TYPE_CHECKING:
    from sidecar.worker.pool import ModelEntry
    from sidecar.worker.supervisor import Supervisor

UNLOAD_GRACE_S: Final = 0.05
"""How long running requests may take to stop by themselves when their model is unloaded."""


def ping(supervisor: Supervisor, request: Request) -> None:
    supervisor.ledger.answer(request, {"uptimeMs": _since(supervisor.started)})


def discover(supervisor: Supervisor, request: Request) -> None:
    from sidecar.message_handler.document import openrpc_document

    supervisor.ledger.answer(request, openrpc_document())


def init(supervisor: Supervisor, request: Request) -> None:
    """Apply the settings at once, so that the next requests use them. The spare engine answers."""
    params, pool = request.params, supervisor.pool
    asked = params.get("protocolVersion", PROTOCOL_VERSION)
    if asked != PROTOCOL_VERSION:
        problem = f"/protocolVersion: version {asked} is not supported"
        raise SidecarError(
            "unsupportedProtocolVersion",
            problem,
            pointer="/protocolVersion",
            value=asked,
            allowed=[PROTOCOL_VERSION],
        )
    if "modelsDirectory" in params:
        _check_directory(params["modelsDirectory"], "/modelsDirectory")
    for index, directory in enumerate(params.get("mediaDirectories", ())):
        _check_directory(directory, f"/mediaDirectories/{index}")
    media = params.get("mediaDirectories")
    debug = params.get("debug", False)
    request.earlier_settings, pool.settings = (
        pool.settings,
        Settings(
            gpu=params.get("gpu", "auto"),
            rpc_servers=tuple(params.get("rpcServers", ())),
            max_threads=params.get("maxThreads"),
            max_loaded_models=params.get("maxLoadedModels"),
            models_directory=params.get("modelsDirectory"),
            media_directories=None if media is None else [os.path.abspath(folder) for folder in media],
            log_level="debug" if debug else supervisor.log_level,
        ),
    )
    log.configure(pool.settings.log_level)
    if params.get("processId") is not None:
        supervisor.watch_parent(params["processId"])
    request.process = pool.spare()
    request.process.writer.send(request.line)


def abort(supervisor: Supervisor, request: Request) -> None:
    target = supervisor.ledger.find(request.params["requestId"])
    if target is None or target is request:
        supervisor.ledger.answer(request, {"outcome": "notFound", "tookMs": _since(request.received)})
        return
    target.aborts.append((request, request.received))
    supervisor.cancel(target)


def shutdown(supervisor: Supervisor, request: Request) -> None:
    supervisor.begin_close(0, request)


def status(supervisor: Supervisor, request: Request) -> None:
    pool = supervisor.pool
    models = pool.models.values()
    engines = {model.process: {"modelId": model.model_id} for model in models}
    found = [("router", os.getpid(), dict[str, str]())]
    found += [(process.role, process.pid, engines.get(process, {})) for process in pool.processes]
    memory = [_resident_bytes(pid) for _, pid, _ in found]
    result = {
        "version": sidecar.__version__,
        "uptimeMs": _since(supervisor.started),
        "memoryBytes": sum(memory),
        "processes": [
            {"role": role, "pid": pid, **model, "memoryBytes": size}
            for (role, pid, model), size in zip(found, memory, strict=True)
        ],
        "models": [_model_status(supervisor, model) for model in models],
        "contexts": [_context_status(model, name) for model in models for name in model.contexts],
        "requests": [
            {"id": other.id, "method": other.method, "ageMs": _since(other.received)}
            for other in supervisor.ledger.all()
            if other is not request
        ],
    }
    supervisor.ledger.answer(request, result)


def _model_status(supervisor: Supervisor, model: ModelEntry) -> dict[str, object]:
    status: dict[str, object] = {"modelId": model.model_id, **model.paths, "state": model.state}
    if model.keep_alive_s is not None:
        busy = idle.is_busy(supervisor, model)
        status["keepAliveMs"] = model.load["keepAliveMs"]
        status["idleMs"] = 0 if busy else _since(model.idle_since)
    return status


def _context_status(model: ModelEntry, context_id: str) -> dict[str, object]:
    status: dict[str, object] = {"contextId": context_id, "modelId": model.model_id}
    if model.process is not None and context_id in model.process.caches:
        status["cache"] = model.process.caches[context_id]
    return status


def transfer(supervisor: Supervisor, request: Request) -> None:
    """Give a request to a new transfer process, with what only the router knows: settings and loaded files."""
    from sidecar.models.gguf.splits import part_paths
    from sidecar.models.store.store import default_directory

    params, settings = request.params, supervisor.pool.settings
    directory = params.get("modelsDirectory", settings.models_directory)
    if directory is None:
        directory = default_directory()
    _check_directory(directory, "/modelsDirectory")
    for index, folder in enumerate(params.get("folders", ())):
        _check_directory(folder, f"/folders/{index}")
    loaded = [path for model in supervisor.pool.models.values() for path in model.files]
    inner = {
        **params,
        "modelsDirectory": os.path.abspath(directory),
        "loaded": [os.path.realpath(part) for path in loaded for part in part_paths(path)],
        "hardware": supervisor.pool.hardware,
    }
    if "folders" in params:
        inner["folders"] = [os.path.abspath(folder) for folder in params["folders"]]
    request.process = supervisor.pool.transfer()
    request.process.send({"jsonrpc": "2.0", "id": request.id, "method": request.method, "params": inner})


def _check_directory(path: str, pointer: str) -> None:
    """Raise SidecarError `invalidParams` for a path that no system call accepts."""
    try:
        possible = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:  # half a surrogate pair
        possible = False
    if not possible:
        problem = f"{pointer}: {path!r:.200} cannot be a path"
        raise SidecarError("invalidParams", problem, pointer=pointer, value=path[:200])


def inspect_model(supervisor: Supervisor, request: Request) -> None:
    if "model" in request.params:
        transfer(supervisor, request)
        return
    path = supervisor.pool.settings.absolute(request.params["path"])

    def work() -> None:
        from sidecar.models.gguf.description import describe

        supervisor.ledger.answer(request, describe(path))

    supervisor.run_in_background(request, work)


def estimate_model(supervisor: Supervisor, request: Request) -> None:
    if "model" in request.params:
        transfer(supervisor, request)
        return
    path, hardware = supervisor.pool.settings.absolute(request.params["path"]), supervisor.pool.hardware

    def work() -> None:
        from sidecar.hardware.device_choice import machine_for
        from sidecar.models.gguf import parts, projector
        from sidecar.models.gguf.header import join
        from sidecar.models.memory_estimate.estimate import estimate

        header = join(parts.read_headers(path))
        found = projector.beside(path) if request.params.get("projector", True) else None
        sees_with = None if found is None else projector.read(found)
        figures = estimate(header, request.params, machine_for(request.params, **hardware), sees_with)
        supervisor.ledger.answer(request, {"path": path, "source": None, "projectorPath": found, **figures})

    supervisor.run_in_background(request, work)


def unload_model(supervisor: Supervisor, request: Request) -> None:
    model = supervisor.pool.model(request.params["modelId"])
    pids = [os.getpid(), *(process.pid for process in supervisor.pool.processes)]
    before = sum(map(_resident_bytes, pids))
    process = supervisor.pool.forget(model)
    running = [other for other in supervisor.ledger.all() if other.model is model]
    for other in running:
        supervisor.cancel(other, grace_s=UNLOAD_GRACE_S)

    def work() -> None:
        supervisor.ledger.wait_closed(running, UNLOAD_GRACE_S)
        if process is not None:
            process.end_when_saved()
        after = sum(map(_resident_bytes, pids))
        supervisor.ledger.answer(request, {"memoryBeforeBytes": before, "memoryAfterBytes": after})

    supervisor.run_in_background(request, work)


def _since(start: float) -> float:
    return round((time.monotonic() - start) * 1000, 3)


def _resident_bytes(pid: int) -> int:
    from sidecar.hardware.machine import process_memory

    return process_memory(pid).resident


HANDLERS: Final[dict[str, Callable[[Supervisor, Request], None]]] = {
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
