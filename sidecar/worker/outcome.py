"""What an engine's answer, or its death, means for the models and for who waits."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError, error_object
from sidecar.message_handler.notifier import send_info
from sidecar.worker import idle
from sidecar.worker.ledger import Request
from sidecar.worker.pool import Model, end_in_background
from sidecar.worker.process import WorkerProcess

if TYPE_CHECKING:
    from sidecar.worker.router import Router


def settle(router: Router, request: Request, message: dict[str, Any], line: bytes) -> None:
    """Close a request with its engine's response, and keep the pool in step. The router's lock is held."""
    failed = "error" in message
    pool, model = router.pool, request.model
    if request.method == "init" and failed and request.earlier_settings is not None:
        pool.settings = request.earlier_settings
        log.configure(pool.settings.log_level)
    elif request.method == "init":
        told = message["result"]
        pool.hardware = {
            "gpu": told["gpu"],
            "devices": told["devices"],
            "system_info": told["llamaCpp"]["systemInfo"],
        }
    elif request.method == "loadModel" and model is not None and not failed:
        model.state = "ready"
        router.desk.put((request, lambda: _note_use(model.files)))
    elif request.method == "createContext" and not failed:
        request.params["contextSize"] = message["result"][
            "contextSize"
        ]  # an "auto" must come to the same again
    elif request.method == ("createContext" if failed else "disposeContext") and model is not None:
        model.contexts.pop(request.params["contextId"], None)
    router.ledger.forward(request, message, line)
    if request.method == "loadModel" and model is not None and failed:
        engine = pool.forget(model)
        _fail_followers(router, model)
        if engine is not None and not _keep_for_init(router, engine):
            end_in_background(engine)
        pool.spare()  # whoever failed to load one model will try another
    elif model is not None:
        idle.watch(router, model)


def _note_use(paths: list[str]) -> None:
    """Remember when models of a store were used last; on the desk."""
    from sidecar.models.store.store import note_use

    for path in paths:
        note_use(path, round(time.time() * 1000))


def _keep_for_init(router: Router, engine: WorkerProcess) -> bool:
    """Make an engine the spare one again if `init` is still to be answered from it: the load had not begun."""
    others = any(other.process is engine for other in router.ledger.all())
    return others and router.pool.give_back(engine)


def after_death(router: Router, process: WorkerProcess, model: Model | None, orphans: list[Request]) -> None:
    """Answer the requests that a dead engine leaves behind, on its relay thread."""
    loading = model is not None and model.state == "loading"
    cause = cause_of_death(process)
    if process.role != "transfer" and (lost := _lost_servers(process, model, orphans)) is not None:
        lost.details["cause"] = f"{cause}; {lost.details['cause']}"
        error = lost.to_wire()
    elif process.role == "transfer":
        error = SidecarError("transferCrashed", "The transfer process died", cause=cause).to_wire()
    elif not process.ready and process.fault:
        error = SidecarError("engineStartFailed", "The engine could not start", cause=cause).to_wire()
    elif loading and process.exit_status not in (-9, -15):
        assert model is not None
        error = _died_of_a_file(model.paths, cause)
    else:
        error = SidecarError("engineCrashed", "The engine process died", cause=cause).to_wire()
    with router.lock:
        for request in orphans:
            if request.method == "createContext" and model is not None:
                model.contexts.pop(request.params["contextId"], None)  # it may be what the engine died of
            if request.cancelled:
                aborted = SidecarError("aborted", f"{request.method} was aborted")
                if request.method == "downloadModel":
                    aborted.details["partial"] = {"keptBytes": request.kept_bytes}
                router.ledger.fail(request, aborted.to_wire())
            elif request.model is None or not loading or request.method == "loadModel":
                router.ledger.fail(request, error)  # the others of a failed load: _fail_followers
        if loading:
            assert model is not None
            successor = router.pool.forget(model)  # what a follower has started meanwhile
            _fail_followers(router, model)
            if successor is not None:
                end_in_background(successor)
            router.pool.spare()
    if model is not None and not loading:
        text = f"The engine of {model.model_id} died ({cause}); its next request starts it again"
        send_info(router.writer, "warning", text, modelId=model.model_id)
        log.log("warning", text, engine=process.pid)


def _lost_servers(process: WorkerProcess, model: Model | None, orphans: list[Request]) -> SidecarError | None:
    """The error if llama.cpp ended its process and RPC servers that it worked with are gone; else None."""
    servers = set(model.rpc_servers if model is not None else ())
    servers.update(*(request.params.get("rpcServers", ()) for request in orphans))  # of `init`
    if not servers or not process.fault:
        return None
    from sidecar.hardware import rpc_servers

    gone = rpc_servers.unavailable(sorted(servers))
    return rpc_servers.error(gone) if gone else None


def cause_of_death(process: WorkerProcess) -> str:
    """One phrase: llama.cpp's last words if there were any, and the signal or status."""
    status = process.exit_status or 0
    if status < 0:
        try:
            how = signal.Signals(-status).name
        except ValueError:
            how = f"signal {-status}"
    else:
        how = f"exit status {status}"
    return f"{process.fault} ({how})" if process.fault else how


def _fail_followers(router: Router, model: Model) -> None:
    """Requests that were sent in the hope that a load succeeds, which did not."""
    error = SidecarError("modelNotFound", f"/modelId: {model.model_id} could not be loaded").to_wire()
    for other in router.ledger.all():
        if other.model is model:
            router.ledger.fail(other, error)


def _died_of_a_file(paths: dict[str, str], cause: str) -> dict[str, Any]:
    """llama.cpp ended its process over a model file: look at the file, or both, for the reason."""
    from sidecar.models.gguf import reader

    for field, path in paths.items():
        try:
            reader.check(path)
        except SidecarError as error:
            error.point_to(f"/{field}")
            error.details["cause"] = cause
            return error.to_wire()
        except Exception as error:
            log.log_exception("cannot inspect the model file", error)
            return error_object(error)
    problem = f"llama.cpp ended its process over {' or '.join(map(repr, paths.values()))}"
    return SidecarError("modelLoadFailed", problem, cause=cause).to_wire()
