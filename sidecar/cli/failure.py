"""Errors for people: one sentence on what happened, and what to do on a command line."""

from __future__ import annotations

import re
from typing import Final

from sidecar.cli.client import ErrorDetails, SidecarFailed
from sidecar.cli.shown.figures import size
from sidecar.cli.shown.terminal import printable

AGAIN: Final = "Run the same command again: it continues where this one stopped."
REMEDIES: Final = {
    "invalidParams": "`--help` after the command shows its options.",
    "fileNotFound": "Check the path; `llama-sidecar list` shows the models on this disk.",
    "repositoryNotFound": "Check owner and name; for a private repository, set HF_TOKEN to a token that may read it.",
    "remoteFileNotFound": "The repository's page on the hub lists its files.",
    "gatedRepository": (
        "Open the repository's page on the hub, accept the terms, and set HF_TOKEN to a token of that account."
    ),
    "unauthorized": "Create a token with read access in the hub's settings and set HF_TOKEN to it.",
    "offline": (
        "Check the network, the proxy and --endpoint; HF_HUB_OFFLINE must not be set. "
        "Downloaded bytes are kept."
    ),
    "rateLimited": "Wait, or set HF_TOKEN: known users have higher limits. Downloaded bytes are kept.",
    "downloadFailed": AGAIN,
    "transferCrashed": AGAIN,
    "checksumMismatch": (
        "Something between this machine and the hub changes the bytes, or the file on the hub is broken: "
        "try another network or --endpoint."
    ),
    "diskFull": (
        "Free space, delete models with `llama-sidecar rm`, or choose another --models-directory. "
        "Downloaded bytes are kept."
    ),
    "directoryNotWritable": "Choose a --models-directory that this user may write to.",
    "modelInUse": "End the program that uses it first.",
    "notInStore": "Use a path that `llama-sidecar list` shows.",
    "noChatTemplate": "Use an instruction-tuned model, or `llama-sidecar complete` with a prompt of your own.",
    "unsuitableContext": "Use a model that was made for this command.",
    "unsuitableModel": "Use a model that was made for this command.",
    "overloaded": "Wait a little and run it again.",
}
"""Kind → remedy. The remedies for apps name members of requests; these name options."""


def sentence(failed: SidecarFailed) -> str:
    """The text to print for an error response, without a newline."""
    data = failed.data
    remedy = REMEDIES.get(failed.kind, data.get("remedy", ""))
    pointer = data.get("pointer", "")
    problem = str(failed).removesuffix(data.get("remedy", "")).strip().removeprefix(f"{pointer}: ")
    if failed.kind == "invalidParams":
        problem = _as_option(problem, pointer)
    elif failed.kind == "diskFull" and isinstance(data.get("allowed"), dict):
        needed, free = data["value"], data["allowed"]["maximum"]
        problem = problem.replace(f"{needed} bytes", size(needed)).replace(str(free), size(free))
    cause = data.get("cause", "")
    if cause and cause not in problem:
        problem = f"{problem.rstrip('.')} ({cause})."
    return printable(f"{problem} {remedy}".strip())


def stopped(data: ErrorDetails) -> str:
    """The text to print for what Ctrl-C has aborted: a download says what it keeps."""
    kept = data.get("partial", {}).get("keptBytes")
    if kept is None:
        return "Stopped."
    if kept == 0:
        return "Stopped. Nothing was downloaded yet."
    return f"Stopped. {size(kept)} are kept; the same command continues from there."


def _as_option(problem: str, pointer: str) -> str:
    """`/contextSize does not fit` as `--context-size does not fit`."""
    name = pointer.lstrip("/")
    if name in ("", "model", "path"):
        return problem
    option = "--" + re.sub(r"[A-Z]", lambda match: "-" + match[0].lower(), name)
    return problem.replace(pointer, option)
