"""`llama-sidecar doctor`: describes this machine and this installation, what is wrong with them, and what to do.

It uses the protocol for everything that an app can find out through it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import sidecar
from sidecar.cli import failure, tiny_model
from sidecar.cli.client import Client, SidecarFailed
from sidecar.cli.shown.figures import size
from sidecar.cli.shown.terminal import printable

if TYPE_CHECKING:
    from sidecar.message_handler._types import (
        CompleteParams,
        CompleteResult,
        CreateContextResult,
        InitResult,
        ListModelsResult,
        LoadModelResult,
    )

MANIFEST: Final = "MANIFEST.json"
LOW_MEMORY_BYTES: Final = 2_000_000_000
LOW_SPACE_BYTES: Final = 5_000_000_000
SELF_TEST_TOKENS: Final = 8
SHOWN_FILES: Final = 5
REINSTALL: Final = "Install the program again; a virus scanner may have removed some of its files."

Manifest = dict[str, Any]  # as the build writes it: target, glibc, files with checksums


@dataclass(slots=True)
class Finding:
    """One line of the report. `status`: "ok", "warning" (something does not work) or "problem" (nothing works)."""

    check: str
    status: str
    message: str
    advice: str | None = None


def doctor(options: argparse.Namespace) -> int:
    """Check everything and print the findings. Returns the exit status: 1 if there is a problem."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    findings = []
    for finding in examine(options.models_directory, options.endpoint):
        findings.append(finding)
        if not options.json:
            print(f"{finding.status:8} {finding.check:10} {printable(finding.message)}", flush=True)
            if finding.advice:
                print(f"{'':20}Do: {printable(finding.advice)}", flush=True)
    well = all(finding.status != "problem" for finding in findings)
    if options.json:
        report = {"version": sidecar.__version__, "ok": well, "findings": [asdict(each) for each in findings]}
        print(json.dumps(report, indent=2))
    return 0 if well else 1


def examine(models_directory: str | None, endpoint: str | None) -> Iterator[Finding]:
    """Yields each finding as soon as it is made."""
    yield _program()
    yield _files()
    with Client(log_level="error") as client:
        # Without `gpu`: an app gets the same default.
        yield from _engine(client)
        yield _memory()
        yield _guarded("self-test", lambda: _self_test(client))
        yield _guarded("models", lambda: _models(client, models_directory))
        yield _guarded("hub", lambda: _hub(client, endpoint))


def _guarded(check: str, make: Callable[[], Finding]) -> Finding:
    try:
        return make()
    except SidecarFailed as failed:
        return Finding(
            check,
            "problem",
            failure.sentence(failed),
            "Read the log above, and report it together with this output.",
        )
    except OSError as error:
        return Finding(check, "problem", str(error), "Check the folder's permissions and the disk.")


def _program() -> Finding:
    forms = {None: "from source", False: "the folder", True: "the one file"}
    manifest = _manifest()
    target = f", built for {manifest['target']}" if manifest else ""
    if manifest and manifest.get("glibc"):
        target += f" with glibc {manifest['glibc']} or later"
    if (wine := _wine()) is not None:
        target += f", running in Wine {wine} instead of Windows"
    form = forms[None if manifest is None else _is_one_file()]
    return Finding("program", "ok", f"llama-sidecar {sidecar.__version__}, {form}{target}: {sys.executable}")


def _wine() -> str | None:
    """The version of Wine, which runs programs for Windows on other systems; None if this is not it."""
    if sys.platform != "win32":
        return None
    import ctypes

    try:
        tell = ctypes.WinDLL("ntdll").wine_get_version
    except AttributeError:
        return None
    tell.restype = ctypes.c_char_p
    version: bytes = tell()
    return version.decode()


def _inside() -> str:
    return str(getattr(sys, "_MEIPASS", ""))


def _is_one_file() -> bool:
    return os.path.dirname(_inside()) != os.path.dirname(sys.executable)


def _manifest() -> Manifest | None:
    try:
        with open(os.path.join(_inside(), MANIFEST), encoding="utf-8") as file:
            found: Manifest = json.load(file)
            return found
    except (OSError, ValueError):
        return None


def _files() -> Finding:
    manifest = _manifest()
    if manifest is None:
        if getattr(sys, "frozen", False):
            return Finding("files", "problem", "The manifest is missing or cannot be read.", REINSTALL)
        return Finding("files", "ok", "There is no manifest: the program runs from source.")
    contents = os.path.basename(_inside()) if not _is_one_file() else "_internal"
    wrong, seen = [], 0
    for name, facts in manifest["files"].items():
        top, _, rest = name.partition("/")
        if _is_one_file() and top != contents:
            continue  # the starter of the folder form; here it is the one file itself
        path = (
            os.path.join(_inside(), rest)
            if top == contents
            else os.path.join(os.path.dirname(_inside()), name)
        )
        seen += 1
        if not (os.path.lexists(path) if "link" in facts else _sha256(path) == facts["sha256"]):
            wrong.append(name)
    if wrong:
        more = f" and {len(wrong) - SHOWN_FILES} more" if len(wrong) > SHOWN_FILES else ""
        message = f"Missing or changed: {', '.join(wrong[:SHOWN_FILES])}{more}."
        return Finding("files", "problem", message, REINSTALL)
    return Finding("files", "ok", f"{seen} files match the manifest.")


def _sha256(path: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError:
        return None
    return digest.hexdigest()


def _engine(client: Client) -> Iterator[Finding]:
    try:
        result: InitResult = client.call("init", {})
    except SidecarFailed as failed:
        yield Finding("engine", "problem", failure.sentence(failed), REINSTALL)
        return
    about = result["llamaCpp"]
    message = (
        f"llama.cpp {about['version']}, CPU code for {about['cpuVariant']}, {result['threads']} threads."
    )
    yield Finding("engine", "ok", message)
    for device in result["devices"]:
        free, total = size(device["memoryFreeBytes"]), size(device["memoryTotalBytes"])
        message = f"{device['backend']}: {device['description']}, {free} of {total} free."
        yield Finding("device", "ok", message)


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    message = f"{size(memory.available)} of {size(memory.total)} are available."
    if memory.available < LOW_MEMORY_BYTES:
        return Finding("memory", "warning", message, "Close other programs, or use small models only.")
    return Finding("memory", "ok", message)


def _self_test(client: Client) -> Finding:
    with tempfile.TemporaryDirectory(prefix="llama-sidecar-") as folder:
        path = os.path.join(folder, "self-test.gguf")
        with open(path, "wb") as file:
            file.write(tiny_model.content())
        model: LoadModelResult = client.call("loadModel", {"path": path})
        context: CreateContextResult = client.call(
            "createContext", {"modelId": model["modelId"], "contextSize": 128}
        )
        params: CompleteParams = {
            "contextId": context["contextId"],
            "prompt": "Hello",
            "maxTokens": SELF_TEST_TOKENS,
            "temperature": 0,
            "ignoreEos": True,
        }
        result: CompleteResult = client.call("complete", params)
        client.call("unloadModel", {"modelId": model["modelId"]})
    tokens = result["usage"]["completionTokens"]
    if tokens != SELF_TEST_TOKENS:
        problem = f"A tiny model generated {tokens} tokens instead of {SELF_TEST_TOKENS}."
        return Finding("self-test", "problem", problem, "Report it together with this output.")
    return Finding("self-test", "ok", f"A tiny model was loaded and generated {tokens} tokens.")


def _models(client: Client, directory: str | None) -> Finding:
    params = {"modelsDirectory": os.path.abspath(directory)} if directory else {}
    listing: ListModelsResult = client.call("listModels", params)
    place, there = listing["modelsDirectory"], len(listing["models"])
    existing = place
    while not os.path.lexists(existing) and os.path.dirname(existing) != existing:
        existing = os.path.dirname(existing)  # the first download makes the missing folders
    why_not = _why_not_writable(existing)
    if why_not is not None:
        advice = "Choose another modelsDirectory, or give this user the right to write there."
        return Finding("models", "warning", f"{place} cannot be written to: {why_not}", advice)
    import shutil

    free = shutil.disk_usage(existing).free
    message = f"{place} can be written to; {there} models are on this disk, {size(free)} are free."
    if free < LOW_SPACE_BYTES:
        return Finding(
            "models", "warning", message, "Free space, or choose a modelsDirectory on another disk."
        )
    return Finding("models", "ok", message)


def _why_not_writable(folder: str) -> str | None:
    if not os.path.isdir(folder):
        return f"{folder} is not a folder."
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return str(error)


def _hub(client: Client, endpoint: str | None) -> Finding:
    """Asks for a repository that does not exist: the answer shows that the hub can be reached."""
    where = {"endpoint": endpoint} if endpoint else {}
    try:
        client.call("inspectModel", {"model": "hf:llama-sidecar/doctor", **where})
    except SidecarFailed as failed:
        if failed.kind not in ("repositoryNotFound", "unauthorized", "gatedRepository", "remoteFileNotFound"):
            problem = str(failed).removesuffix(failed.data.get("remedy", "")).strip()
            advice = (
                "To download models, check the network, the proxy and --endpoint. Models on this disk work."
            )
            return Finding("hub", "warning", problem, advice)
    return Finding("hub", "ok", "The hub can be reached.")
