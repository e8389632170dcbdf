"""Updates pool and ledger when a worker process has answered a request, or has died."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError, error_object
from sidecar.message_handler.notifier import send_info
from sidecar.message_handler.writer import RpcMessage
from sidecar.worker import exit_status, idle
from sidecar.worker.ledger import Request
from sidecar.worker.pool import ModelEntry
from sidecar.worker.process import WorkerProcess

if TYPE_CHECKING:
    from sidecar.worker.supervisor import Supervisor


def settle(supervisor: Supervisor, request: Request, message: RpcMessage, line: bytes) -> None:
    """Close a request with the response of its process, and update the pool. The supervisor's lock is held."""
    failed = "error" in message
    pool, model = supervisor.pool, request.model
    if request.method == "init" and failed and request.earlier_settings is not None:
        pool.settings = request.earlier_settings
        log.configure(pool.settings.log_level)
    elif request.method == "init":
        result = message["result"]
        pool.hardware = {
            "gpu": result["gpu"],
            "devices": result["devices"],
            "system_info": result["llamaCpp"]["systemInfo"],
        }
    elif request.method == "loadModel" and model is not None and not failed:
        model.state = "ready"
        supervisor.run_in_background(request, lambda: _note_use(model.files))
    elif request.method == "createContext" and not failed:
        # A restored context must get the same size, also where the client has asked for "auto".
        request.params["contextSize"] = message["result"]["contextSize"]
    elif request.method == ("createContext" if failed else "disposeContext") and model is not None:
        model.contexts.pop(request.params["contextId"], None)
    supervisor.ledger.forward(request, message, line)
    if request.method == "loadModel" and model is not None and failed:
        engine = pool.forget(model)
        _fail_followers(supervisor, model)
        if engine is not None and not _keep_for_init(supervisor, engine):
            engine.end_in_background()
        pool.spare()  # the client will probably try another model
    elif model is not None:
        idle.watch(supervisor, model)


def _note_use(paths: list[str]) -> None:
    """Record when the models of a store were used last; on the background thread."""
    from sidecar.models.store.store import note_use

    for path in paths:
        note_use(path, round(time.time() * 1000))


def _keep_for_init(supervisor: Supervisor, engine: WorkerProcess) -> bool:
    """Make an engine the spare one again if it still has to answer `init`: then the load had not begun."""
    others = any(other.process is engine for other in supervisor.ledger.all())
    return others and supervisor.pool.give_back(engine)


def after_death(
    supervisor: Supervisor, process: WorkerProcess, model: ModelEntry | None, orphans: list[Request]
) -> None:
    """Answer the open requests of a process that has died; on its relay thread."""
    loading = model is not None and model.state == "loading"
    cause = cause_of_death(process)
    if process.role != "transfer" and (lost := _lost_servers(process, model, orphans)) is not None:
        lost.details["cause"] = f"{cause}; {lost.details['cause']}"
        error = lost.to_wire()
    elif process.role == "transfer":
        error = SidecarError("transferCrashed", "The transfer process died", cause=cause).to_wire()
    elif not process.ready and process.fault:
        error = SidecarError("engineStartFailed", "The engine could not start", cause=cause).to_wire()
    elif loading and not exit_status.was_killed(process.exit_status):
        assert model is not None
        error = _died_of_a_file(model.paths, cause)
    else:
        error = SidecarError("engineCrashed", "The engine process died", cause=cause).to_wire()
    with supervisor.lock:
        for request in orphans:
            if request.method == "createContext" and model is not None:
                model.contexts.pop(request.params["contextId"], None)  # it may be the cause of the death
            if request.cancelled:
                aborted = SidecarError("aborted", f"{request.method} was aborted")
                if request.method == "downloadModel":
                    aborted.details["partial"] = {"keptBytes": request.kept_bytes}
                supervisor.ledger.fail(request, aborted.to_wire())
            elif request.model is None or not loading or request.method == "loadModel":
                supervisor.ledger.fail(request, error)  # _fail_followers does the rest of a failed load
        if loading:
            assert model is not None
            successor = supervisor.pool.forget(model)  # started by a later request for the model
            _fail_followers(supervisor, model)
            if successor is not None:
                successor.end_in_background()
            supervisor.pool.spare()
    if model is not None and not loading:
        text = f"The engine of {model.model_id} died ({cause}); its next request starts it again"
        send_info(supervisor.writer, "warning", text, modelId=model.model_id)
        log.log("warning", text, engine=process.pid)


def _lost_servers(
    process: WorkerProcess, model: ModelEntry | None, orphans: list[Request]
) -> SidecarError | None:
    """The error if llama.cpp has ended its process and one of its RPC servers is unavailable; else None."""
    servers = set(model.rpc_servers if model is not None else ())
    servers.update(*(request.params.get("rpcServers", ()) for request in orphans))  # those of `init`
    if not servers or not process.fault:
        return None
    from sidecar.hardware import rpc_servers

    gone = rpc_servers.unavailable(sorted(servers))
    return rpc_servers.error(gone) if gone else None


def cause_of_death(process: WorkerProcess) -> str:
    """One phrase: llama.cpp's last message if there was one, and the signal or exit status."""
    how = exit_status.in_words(process.exit_status)
    return f"{process.fault} ({how})" if process.fault else how


def _fail_followers(supervisor: Supervisor, model: ModelEntry) -> None:
    """Fail the requests that were sent before the load of their model failed."""
    error = SidecarError("modelNotFound", f"/modelId: {model.model_id} could not be loaded").to_wire()
    for other in supervisor.ledger.all():
        if other.model is model:
            supervisor.ledger.fail(other, error)


def _died_of_a_file(paths: dict[str, str], cause: str) -> RpcMessage:
    """The error if a model file made llama.cpp end its process: what is wrong with the first bad one of `paths`."""
    from sidecar.models.gguf import parts

    for field, path in paths.items():
        try:
            parts.check(path)
        except SidecarError as error:
            error.point_to(f"/{field}")
            error.details["cause"] = cause
            return error.to_wire()
        except Exception as error:
            log.log_exception("cannot inspect the model file", error)
            return error_object(error)
    problem = f"llama.cpp ended its process because of {' or '.join(map(repr, paths.values()))}"
    return SidecarError("modelLoadFailed", problem, cause=cause).to_wire()
