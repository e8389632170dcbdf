"""The engines: which process holds which model, a spare one to start with, and what a death means.

A model outlives its engine. When an engine dies, its requests fail with `engineCrashed`; the next
request for that model starts a new engine, which loads the model and its contexts anew under the
same ids (with empty KV caches) before it serves the request.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Final

from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.notifier import notification
from sidecar.worker.process import OnEnd, OnMessage, WorkerProcess

MAX_CRASHES: Final = 5
CRASH_WINDOW_S: Final = 180.0
"""A model whose engine died MAX_CRASHES times within the window is not started again by itself."""

MAX_TRANSFERS: Final = 16
"""Downloads and look-ups that may run at once; each has a process."""

MAX_WAITING_BYTES: Final = 128 * 1024 * 1024
"""Bytes that may wait for one engine to read them."""


class Settings:
    """What `init` set; models loaded afterwards go by it."""

    def __init__(
        self,
        gpu: str | bool = "auto",
        rpc_servers: tuple[str, ...] = (),
        max_threads: int | None = None,
        models_directory: str | None = None,
        log_level: str = "warning",
    ) -> None:
        self.gpu = gpu
        self.rpc_servers = rpc_servers
        self.max_threads = max_threads
        self.models_directory = models_directory
        self.log_level = log_level


class Model:
    """A model that was asked for. `load` and `contexts` are the params that make it again."""

    def __init__(self, model_id: str, load: dict[str, Any], process: WorkerProcess | None) -> None:
        self.model_id = model_id
        self.load = load
        self.process = process
        self.state = "loading"
        self.contexts: dict[str, dict[str, Any]] = {}
        self.crashes: deque[float] = deque(maxlen=MAX_CRASHES)
        self.idle_since = time.monotonic()
        """When the last of its requests ended; see idle.py."""
        self.watched = False
        """Whether a timer runs that will look at how long that is ago."""

    @property
    def rpc_servers(self) -> list[str]:
        """Servers that its layers may be on."""
        return self.load.get("rpcServers", []) if self.load.get("gpuLayers") != 0 else []

    @property
    def paths(self) -> dict[str, str]:
        """Field of loadModel → the model's file, or the draft model's."""
        return {field: self.load[field] for field in ("path", "draftPath") if field in self.load}

    @property
    def files(self) -> list[str]:
        """Paths of all that is loaded: the model, its draft model, its adapters."""
        return [*self.paths.values(), *(adapter["path"] for adapter in self.load.get("adapters", ()))]

    @property
    def keep_alive_s(self) -> float | None:
        """How long its engine lives without a request; None: for ever."""
        milliseconds = self.load.get("keepAliveMs")
        return None if milliseconds is None else milliseconds / 1000


class Pool:
    """All engines and models. Not thread-safe by itself: call it with the router's lock held."""

    def __init__(self, settings: Settings, on_message: OnMessage, on_end: OnEnd) -> None:
        self.settings = settings
        self.processes: list[WorkerProcess] = []
        self.models: dict[str, Model] = {}
        self.hardware: dict[str, Any] = {}
        """What the last `init` told of it: arguments of models.machine.Machine.here. Empty: not asked yet."""
        self._spare: WorkerProcess | None = None
        self._on_message = on_message
        self._on_end = on_end
        self._model_count = 0
        self._context_count = 0

    def spare(self) -> WorkerProcess:
        """The idle engine; started if there is none."""
        if self._spare is None:
            self._spare = self._start("engine")
        return self._spare

    def add_model(self, params: dict[str, Any]) -> Model:
        """Give a new model its id and the spare engine. `params` are loadModel's, its path resolved."""
        self._model_count += 1
        model_id = f"model-{self._model_count}"
        inner: dict[str, Any] = {
            "modelId": model_id,
            "gpu": self.settings.gpu,
            "maxThreads": self.settings.max_threads,
        }
        if self.settings.rpc_servers:
            inner["rpcServers"] = list(self.settings.rpc_servers)
        process, self._spare = self.spare(), None
        model = Model(model_id, {**params, **inner}, process)
        self.models[model_id] = model
        return model

    def add_context(self, model: Model, params: dict[str, Any]) -> dict[str, Any]:
        """Give a new context its id; returns the params that make it."""
        self._context_count += 1
        context_id = f"context-{self._context_count}"
        model.contexts[context_id] = {**params, "contextId": context_id}
        return model.contexts[context_id]

    def model(self, model_id: str) -> Model:
        """Find a model. Raises SidecarError `modelNotFound`."""
        model = self.models.get(model_id)
        if model is None:
            problem = f"/modelId: no model {model_id!r:.100} is loaded"
            known = sorted(self.models)
            raise SidecarError(
                "modelNotFound", problem, pointer="/modelId", value=model_id[:200], allowed=known
            )
        return model

    def model_of_context(self, context_id: str) -> Model:
        """Find the model that a context belongs to. Raises SidecarError `contextNotFound`."""
        for model in self.models.values():
            if context_id in model.contexts:
                return model
        problem = f"/contextId: there is no context {context_id!r:.100}"
        known = sorted(name for model in self.models.values() for name in model.contexts)
        raise SidecarError(
            "contextNotFound", problem, pointer="/contextId", value=context_id[:200], allowed=known
        )

    def engine(self, model: Model) -> WorkerProcess:
        """The model's engine, started anew if it is gone. Raises SidecarError `engineCrashed`, `overloaded`."""
        if model.process is None:
            model.process = self._restore(model)
        if model.process.writer.waiting_bytes > MAX_WAITING_BYTES:
            raise SidecarError("overloaded", f"The engine of {model.model_id} does not keep up")
        return model.process

    def transfer(self) -> WorkerProcess:
        """A new transfer process. Raises SidecarError `overloaded`."""
        running = sum(process.role == "transfer" for process in self.processes)
        if running >= MAX_TRANSFERS:
            raise SidecarError("overloaded", f"{MAX_TRANSFERS} downloads and look-ups are running already")
        return self._start("transfer")

    def give_back(self, process: WorkerProcess) -> bool:
        """Make an engine that holds nothing the spare one. False if there is one already."""
        self._spare = self._spare or process
        return self._spare is process

    def retire(self, process: WorkerProcess) -> None:
        """Give no new work to an engine that is about to end."""
        if process is self._spare:
            self._spare = None

    def forget(self, model: Model) -> WorkerProcess | None:
        """Take a model out; the caller ends its engine."""
        self.models.pop(model.model_id, None)
        process, model.process = model.process, None
        return process

    def unload(self, model: Model) -> WorkerProcess:
        """Take the engine of a model that stays known; the caller ends it, the next request starts another."""
        process, model.process = model.process, None
        assert process is not None
        model.state = "unloaded"
        return process

    def died(self, process: WorkerProcess) -> Model | None:
        """Note the end of an engine; returns the model that it held."""
        if process in self.processes:
            self.processes.remove(process)
        self.retire(process)
        for model in self.models.values():
            if model.process is process:
                model.process = None
                model.state = "crashed" if model.state == "ready" else model.state
                if not process.condemned:
                    model.crashes.append(time.monotonic())
                return model
        return None

    def _restore(self, model: Model) -> WorkerProcess:
        recent = [at for at in model.crashes if at > time.monotonic() - CRASH_WINDOW_S]
        if len(recent) >= MAX_CRASHES:
            problem = f"The engine of {model.model_id} died {MAX_CRASHES} times in {CRASH_WINDOW_S:.0f} s"
            raise SidecarError("engineCrashed", problem, cause="too many crashes")
        process = self._start("engine")
        params = {"load": model.load, "contexts": list(model.contexts.values())}
        process.send(notification("restore", params))
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


def end_in_background(process: WorkerProcess) -> None:
    """End an engine without waiting for it."""
    threading.Thread(target=process.end, name=f"sidecar:end-{process.pid}", daemon=True).start()
