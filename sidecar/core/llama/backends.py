"""Backends for GPUs: libraries beside llama.cpp's own, put there by a pack. Each is tried before it is loaded.

Loading one runs a driver, and drivers crash. So a throw-away process does it first; an engine loads only what has
survived that and found a device.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final

from sidecar.core.llama import bindings
from sidecar.message_handler import log
from sidecar.options import own_command

TRIAL_S: Final = 15.0
"""How long a driver may take to tell its devices and open them."""

NO_PACKS: Final = ("base", "cpu", "rpc")
"""What is there always; `rpc` is loaded only if it is asked for (remote.py)."""

TRUSTED: Final = ("metal", "blas")
"""Parts of the system: they are loaded untried."""

UNUSABLE: Final = (OSError, ImportError, AttributeError)
"""What a library raises that lacks another one, finds nothing, or is no backend at all."""


def load() -> list[tuple[str, str]]:
    """Load the backends that work here. Returns why the others were not, each as (level, message) of an `info`."""
    notes = []
    present = bindings.backends()
    for name, path in _installed().items():
        if name in present:  # in a build of one's own it may be linked in
            continue
        why_not = None if name in TRUSTED else _try(path)
        if why_not is None:
            try:
                bindings.load_backend(path)
            except UNUSABLE as error:
                why_not = str(error)
        if why_not is not None:
            level = "info" if why_not.startswith("no ") else "warning"
            notes.append((level, f"{name} is not used: {why_not}"))
    return notes


def _installed() -> dict[str, str]:
    """Backend → library, of what is in the folder of llama.cpp's libraries."""
    folder = bindings.folder()
    # A name with a dash in it is a variant of the CPU's.
    files = {
        name: bindings.part(name.removeprefix("lib"), "ggml-", ".so", ".dll") for name in os.listdir(folder)
    }
    return {
        found: os.path.join(folder, name)
        for name, found in sorted(files.items())
        if found.isalnum() and found.islower() and found not in NO_PACKS
    }


def _try(path: str) -> str | None:
    """Why a backend cannot be used; None if it can."""
    import subprocess

    try:
        tried = subprocess.run(
            own_command("--role", "trial"),
            input=path.encode(),
            stdout=subprocess.PIPE,
            timeout=TRIAL_S,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        result: dict[str, Any] = json.loads(tried.stdout or b"{}")
    except subprocess.TimeoutExpired:
        return f"its driver gave no answer within {TRIAL_S:.0f} s"
    except (OSError, ValueError) as error:
        return f"it could not be tried: {error}"
    if "error" in result:
        return f"no driver: {result['error']}"
    if tried.returncode != 0 or "devices" not in result:
        log.log("warning", "a backend crashed when it was tried", library=path, status=tried.returncode)
        return f"its driver crashed when it was tried (exit status {tried.returncode})"
    return None if result["devices"] else "no device was found"


def run_trial(protocol_in: int, protocol_out: int) -> None:
    """The trial role: load the library whose path is on stdin, open its devices, tell how many there are."""
    with open(protocol_in, "rb") as file:
        path = file.read().decode()
    result: dict[str, Any]
    try:
        result = {"devices": bindings.load_backend(path)}
    except UNUSABLE as error:
        result = {"error": str(error)}
    with open(protocol_out, "wb") as output:
        output.write(json.dumps(result).encode())
    os._exit(0)  # a driver may crash when it is unloaded, which an engine never does
