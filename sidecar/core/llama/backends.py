"""Starts llama.cpp, and loads the backends of GPUs: libraries that a GPU pack puts next to llama.cpp's own.

Loading such a backend runs a driver, and drivers can crash. So another process tries it first. An engine loads
only backends that did not crash and found a device.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from sidecar.core import crash
from sidecar.core.llama import bindings, cpu_backend, ggml
from sidecar.core.llama.bindings import lib
from sidecar.message_handler import log
from sidecar.options import own_command

TRIAL_S: Final = 15.0
"""Seconds that a driver may take to list its devices and to open them."""

KILLED_S: Final = 1.0
"""Seconds that its process may take to be gone after it was killed."""

NO_PACKS: Final = ("base", "cpu", "rpc")
"""Libraries that are always there. `rpc` is loaded only on demand (rpc.py)."""

TRUSTED: Final = ("metal", "blas")
"""Parts of the operating system: they are loaded without a trial."""

UNUSABLE: Final = (OSError, ImportError, AttributeError)
"""What loading raises if a library needs another one, finds no device, or is no backend."""

_callbacks: list[object] = []
"""Callbacks that C calls: without a reference Python would free them."""


def start(on_log: Callable[[int, bytes], None], on_abort: Callable[[str], None]) -> str:
    """Initialise llama.cpp with a CPU backend; returns the backend's variant. Raises ImportError if none can run.

    `on_log(level, line)` gets its log, `on_abort(message)` its message before it aborts the process.
    """

    def logged(level: int, text: bytes, _: object) -> None:
        on_log(level, text)

    def aborting(message: bytes) -> None:
        on_abort(message.decode("utf-8", "replace"))

    log_callback, abort_callback = lib.llama_log_callback(logged), ggml.AbortMessage(aborting)
    _callbacks.extend((log_callback, abort_callback))
    lib.llama_log_set(log_callback, None)
    ggml.set_abort_callback(abort_callback)
    variant = cpu_backend.load()
    lib.llama_backend_init()
    return variant


def load() -> list[tuple[str, str]]:
    """Load the GPU backends that work here. Returns (level, message) of an `info` for each that does not."""
    notes = []
    present = ggml.backends()
    for name, path in _installed().items():
        if name in present:  # in a custom build, part of libggml
            continue
        why_not = None if name in TRUSTED else _try(path)
        if why_not is None:
            try:
                _load(path)
            except UNUSABLE as error:
                why_not = str(error)
        if why_not is not None:
            level = "info" if why_not.startswith("no ") else "warning"
            notes.append((level, f"{name} is not used: {why_not}"))
    return notes


def _installed() -> dict[str, str]:
    """Backend → library, of the GPU backends in the folder of llama.cpp's libraries."""
    folder = bindings.folder()
    names = {
        file: bindings.middle(file.removeprefix("lib"), "ggml-", ".so", ".dll") for file in os.listdir(folder)
    }
    return {
        name: os.path.join(folder, file)
        for file, name in sorted(names.items())
        if name.isalnum() and name.islower() and name not in NO_PACKS  # CPU variants have a dash
    }


def _load(path: str) -> int:
    """Load a backend and open its devices; returns how many there are. Raises as `ggml.open_backend`."""
    backend = ggml.open_backend(path)
    ggml.register_backend(backend)
    found = ggml.devices_of(backend)
    for device in found:
        ggml.try_device(device)
    return len(found)


def _try(path: str) -> str | None:
    """Why a backend cannot be used; None if it can."""
    import subprocess

    try:
        trial = subprocess.Popen(
            own_command("--role", "trial"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,  # drivers write there what is not the log
            creationflags=getattr(subprocess, "DETACHED_PROCESS", 0),
        )
        output, errors = trial.communicate(path.encode(), TRIAL_S)
        result: dict[str, Any] = json.loads(output or b"{}")  # Any: JSON of the trial, see run_trial
    except subprocess.TimeoutExpired:
        # Not subprocess.run: it waits for the end of the pipes, which a process of the driver's may hold open.
        trial.kill()
        with suppress(subprocess.TimeoutExpired):
            trial.wait(KILLED_S)
        return f"its driver gave no answer within {TRIAL_S:.0f} s"
    except (OSError, ValueError) as error:
        return f"it could not be tried: {error}"
    if "error" in result:
        return f"no driver: {result['error']}"
    if trial.returncode != 0 or "devices" not in result:
        said = errors.decode(errors="replace")
        log.log("warning", "a backend crashed in its trial", library=path, status=trial.returncode, said=said)
        return f"its driver crashed when it was tried (exit status {trial.returncode})"
    return None if result["devices"] else "no device was found"


def run_trial(protocol_in: int, protocol_out: int) -> None:
    """The process of the trial: read a library's path from stdin, load it, write how many devices it has."""
    with open(protocol_in, "rb") as file:
        path = file.read().decode()
    result: dict[str, int | str]
    try:
        result = {"devices": _load(path)}
    except UNUSABLE as error:
        crash.end_if_caught(error)
        result = {"error": str(error)}
    with open(protocol_out, "wb") as output:
        output.write(json.dumps(result).encode())
    os._exit(0)  # a driver may crash when it is unloaded, and an engine never unloads one
