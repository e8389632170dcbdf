"""The worker processes: which engine holds which model, a spare engine, and the transfers.

A model outlives its engine. When an engine dies, its requests fail with `engineCrashed`. The next request for
that model starts a new engine, which first loads the model and its contexts again, under the same ids and with
empty KV caches.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.framing import encode
from sidecar.message_handler.notifier import notification
from sidecar.worker.process import OnEnd, OnMessage, Params, WorkerProcess

PATHS: Final = ("path", "draftPath", "projectorPath")  # params of loadModel that name a file

MAX_CRASHES: Final = 5
CRASH_WINDOW_S: Final = 180.0
"""After MAX_CRASHES deaths of a model's engine within this time, its requests do not start another engine."""

MAX_GUILTY: Final = 64
"""Requests per model that are known to end its engine."""

MAX_TRANSFERS: Final = 16
"""Downloads and look-ups that may run at once. Each has a process of its own."""

MAX_WAITING_BYTES: Final = 128 * 1024 * 1024
"""Bytes of requests that may wait for one engine to read them."""


class Settings:
    """What `init` has set. It applies to models that are loaded afterwards."""

    def __init__(
        self,
        gpu: str | bool = "auto",
        rpc_servers: tuple[str, ...] = (),
        max_threads: int | None = None,
        max_loaded_models: int | None = None,
        models_directory: str | None = None,
        media_directories: Sequence[str] | None = None,
        log_level: str = "warning",
    ) -> None:
        self.gpu = gpu
        self.rpc_servers = rpc_servers
        self.max_threads = max_threads
        self.max_loaded_models = max_loaded_models
        self.models_directory = models_directory
        self.media_directories = media_directories
        """Absolute paths of the folders whose pictures and sounds may be read; None: all may."""
        self.log_level = log_level

    def absolute(self, path: str) -> str:
        """An absolute path. A relative one starts at modelsDirectory, or at the working directory."""
        return os.path.abspath(os.path.join(self.models_directory or "", path))

    def with_absolute_paths(self, params: Params) -> Params:
        """A copy of loadModel's params with absolute paths."""
        resolved = params | {field: self.absolute(params[field]) for field in PATHS if params.get(field)}
        if "adapters" in params:
            resolved["adapters"] = [{**a, "path": self.absolute(a["path"])} for a in params["adapters"]]
        return resolved


class Crashes:
    """The deaths of one model's engines: which are the model's fault, and which requests cause them."""

    def __init__(self) -> None:
        self._deaths: deque[tuple[float, frozenset[int]]] = deque(maxlen=MAX_CRASHES)
        """When, and the fingerprints of the requests that were open."""
        self._guilty: deque[int] = deque(maxlen=MAX_GUILTY)

    def add(self, requests: Iterable[bytes]) -> None:
        """Count a death. `requests`: the params of those that were open.

        A request that was open at two deaths, as the only one, has caused both. They do not count.
        """
        fingerprints = frozenset(map(hash, requests))
        again = {each for _, others in self._deaths for each in fingerprints & others}
        if len(again) == 1:
            self._guilty.extend(again)
            self._deaths = deque((d for d in self._deaths if not again & d[1]), MAX_CRASHES)
        elif not fingerprints.intersection(self._guilty):
            self._deaths.append((time.monotonic(), fingerprints))

    @property
    def recent(self) -> int:
        """How many deaths count that are not long ago."""
        return sum(at > time.monotonic() - CRASH_WINDOW_S for at, _ in self._deaths)

    def check_restart(self, model_id: str) -> None:
        """Raise SidecarError `engineCrashed` if the model's engines have died too often."""
        if self.recent >= MAX_CRASHES:
            problem = f"The engine of {model_id} died {MAX_CRASHES} times in {CRASH_WINDOW_S:.0f} s"
            raise SidecarError("engineCrashed", problem, cause="too many crashes")

    def check(self, params: Params) -> None:
        """Raise SidecarError `requestCrashes` if a request with these params has ended an engine twice."""
        if self._guilty and hash(encode(params)) in self._guilty:
            raise SidecarError("requestCrashes", "This request has ended the engine of its model twice")


class ModelEntry:
    """A model that the client has loaded. `load` and `contexts` are the params that restore it."""

    def __init__(self, model_id: str, load: Params, process: WorkerProcess | None) -> None:
        self.model_id = model_id
        self.load = load
        self.process = process
        self.state = "loading"
        self.contexts: dict[str, Params] = {}
        self.crashes = Crashes()
        self.idle_since = time.monotonic()
        """When its last request ended, in monotonic seconds; see idle.py."""
        self.watched = False
        """Whether a timer of idle.py runs."""

    @property
    def rpc_servers(self) -> list[str]:
        """RPC servers that may hold some of its layers, as "host:port"."""
        return self.load.get("rpcServers", []) if self.load.get("gpuLayers") != 0 else []

    @property
    def paths(self) -> dict[str, str]:
        """Member of PATHS → path."""
        return {field: self.load[field] for field in PATHS if self.load.get(field)}

    @property
    def files(self) -> list[str]:
        """Paths of the model, its draft model, its projector and its adapters."""
        return [*self.paths.values(), *(adapter["path"] for adapter in self.load.get("adapters", ()))]

    @property
    def keep_alive_s(self) -> float | None:
        """How long its engine runs without a request; None: without limit."""
        milliseconds = self.load.get("keepAliveMs")
        return None if milliseconds is None else milliseconds / 1000


class Pool:
    """All worker processes and models. Not thread-safe: call it with the supervisor's lock held."""

    def __init__(self, settings: Settings, on_message: OnMessage, on_end: OnEnd) -> None:
        self.settings = settings
        self.processes: list[WorkerProcess] = []
        self.models: dict[str, ModelEntry] = {}
        self.hardware: dict[str, Any] = {}  # members of InitResult, passed on as JSON
        """Arguments of hardware.machine.Machine.here, from the last `init`. Empty before the first one."""
        self._spare: WorkerProcess | None = None
        self._on_message = on_message
        self._on_end = on_end
        self._model_count = 0
        self._context_count = 0

    def spare(self) -> WorkerProcess:
        """The engine without a model; started if there is none."""
        if self._spare is None:
            self._spare = self._start("engine")
        return self._spare

    def add_model(self, params: Params, leaving: Sequence[WorkerProcess] = ()) -> ModelEntry:
        """Give a new model its id and the spare engine, which starts after those that are `leaving`.

        `params`: loadModel's, with absolute paths.
        """
        self._model_count += 1
        model_id = f"model-{self._model_count}"
        inner: Params = {
            "modelId": model_id,
            "gpu": self.settings.gpu,
            "maxThreads": self.settings.max_threads,
        }
        if self.settings.rpc_servers:
            inner["rpcServers"] = list(self.settings.rpc_servers)
        if self.settings.media_directories is not None:
            inner["mediaDirectories"] = self.settings.media_directories
        process, self._spare = self.spare(), None
        process.start_after(leaving)
        model = ModelEntry(model_id, {**params, **inner}, process)
        self.models[model_id] = model
        return model

    def add_context(self, model: ModelEntry, params: Params) -> Params:
        """Give a new context its id; returns the params that create it in an engine."""
        self._context_count += 1
        context_id = f"context-{self._context_count}"
        model.contexts[context_id] = {**params, "contextId": context_id}
        return model.contexts[context_id]

    def model(self, model_id: str) -> ModelEntry:
        """Find a model. Raises SidecarError `modelNotFound`."""
        model = self.models.get(model_id)
        if model is None:
            problem = f"/modelId: no model {model_id!r:.100} is loaded"
            known = sorted(self.models)
            raise SidecarError(
                "modelNotFound", problem, pointer="/modelId", value=model_id[:200], allowed=known
            )
        return model

    def model_of_context(self, context_id: str) -> ModelEntry:
        """Find the model that a context belongs to. Raises SidecarError `contextNotFound`."""
        for model in self.models.values():
            if context_id in model.contexts:
                return model
        problem = f"/contextId: there is no context {context_id!r:.100}"
        known = sorted(name for model in self.models.values() for name in model.contexts)
        raise SidecarError(
            "contextNotFound", problem, pointer="/contextId", value=context_id[:200], allowed=known
        )

    def engine(self, model: ModelEntry, leaving: Sequence[WorkerProcess] = ()) -> WorkerProcess:
        """The model's engine; a new one if it has ended, which starts after those that are `leaving`.

        Raises SidecarError `engineCrashed`, `engineStartFailed`, `overloaded`.
        """
        if model.process is None:
            model.process = self._restore(model, leaving)
        if model.process.writer.waiting_bytes > MAX_WAITING_BYTES:
            raise SidecarError(
                "overloaded", f"The engine of {model.model_id} does not keep up with its requests"
            )
        return model.process

    def transfer(self) -> WorkerProcess:
        """A new transfer process. Raises SidecarError `overloaded`."""
        running = sum(process.role == "transfer" for process in self.processes)
        if running >= MAX_TRANSFERS:
            raise SidecarError("overloaded", f"{MAX_TRANSFERS} downloads and look-ups are running already")
        return self._start("transfer")

    def give_back(self, process: WorkerProcess) -> bool:
        """Make an engine without a model the spare one. False if there is a spare one already."""
        self._spare = self._spare or process
        return self._spare is process

    def retire(self, process: WorkerProcess) -> None:
        """Give no more work to an engine that is about to end."""
        if process is self._spare:
            self._spare = None

    def forget(self, model: ModelEntry) -> WorkerProcess | None:
        """Remove a model; the caller ends its engine."""
        self.models.pop(model.model_id, None)
        process, model.process = model.process, None
        return process

    def unload(self, model: ModelEntry) -> WorkerProcess:
        """Detach the engine of a model that stays known. The caller ends it; the next request starts another."""
        process, model.process = model.process, None
        assert process is not None
        model.state = "unloaded"
        return process

    def died(self, process: WorkerProcess, requests: Iterable[Params] = ()) -> ModelEntry | None:
        """Remove a process that has ended; returns the model that it held. `requests`: what it worked on."""
        if process in self.processes:
            self.processes.remove(process)
        self.retire(process)
        for model in self.models.values():
            if model.process is process:
                model.process = None
                model.state = "crashed" if model.state == "ready" else model.state
                if not process.killed_by_us:
                    model.crashes.add(map(encode, requests if process.crashed else ()))
                return model
        return None

    def _restore(self, model: ModelEntry, leaving: Sequence[WorkerProcess]) -> WorkerProcess:
        model.crashes.check_restart(model.model_id)
        process = self._start("engine")
        process.start_after(leaving)
        params = {"load": model.load, "contexts": list(model.contexts.values())}
        process.send(notification("restore", params))
        process.saves = any("cacheDirectory" in context for context in model.contexts.values())
        model.state = "ready"
        return process

    def _start(self, role: str) -> WorkerProcess:
        arguments = ["--log-level", self.settings.log_level]
        try:
            process = WorkerProcess(role, arguments, self._on_message, self._on_end)
        except OSError as error:
            problem = f"The {role} process cannot be started"
            raise SidecarError("engineStartFailed", problem, cause=str(error)) from error
        log.log("debug", f"{role} started", pid=process.pid)
        self.processes.append(process)
        return process
