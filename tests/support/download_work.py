"""What the tests of downloads share: one program, one hub and one models directory."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from driver import WAIT_S, Message, Refused, Sidecar, environment
from hub import Hub, Synthetic
from hub.client import wait_until
from hub.hub import SEND_BUFFER

REPO = "owner/Model-GGUF"
FILE = "Model-Q4_K_M.gguf"
SPEC = f"hf:{REPO}:Q4_K_M"
TARGET = f"{REPO}/{FILE}"

BLOCK = 1 << 20
"""Bytes that may come twice per interruption."""

RECEIVE_BUFFER = 128 << 10
"""Bytes that a system buffers for a slow reader before it enlarges its buffer."""

IN_FLIGHT = 2 * SEND_BUFFER + RECEIVE_BUFFER
"""Bytes of a connection that the hub counts as sent and that the program has not seen. Linux doubles what
SO_SNDBUF is set to."""

CONNECTIONS = 8
"""The largest number of ranges that are fetched at once."""

MOST_TWICE = BLOCK + CONNECTIONS * IN_FLIGHT
"""Bytes that may be sent twice for one interruption."""

SURROUNDINGS = (
    *("HF_", "HUGGING", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT", "XDG_DATA_HOME"),
)


def surroundings(home: Path, **more: str) -> dict[str, str]:
    """An environment without variables that change a download, except for timeouts and `more`.

    A hub on a busy machine is not taken for a silent one, of which bytes come twice.
    """
    kept = {name: value for name, value in environment().items() if not name.upper().startswith(SURROUNDINGS)}
    patience = dict.fromkeys(("HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"), str(round(WAIT_S)))
    return {**kept, "HF_HOME": str(home), **patience, **more}


class Downloads:
    """Sends `downloadModel` for models of a hub, into a directory."""

    def __init__(self, sidecar: Sidecar, hub: Hub, directory: Path) -> None:
        self.sidecar = sidecar
        self.hub = hub
        self.directory = directory

    def send(self, model: str = SPEC, **params: Any) -> Any:
        """Begin one; returns the request's id."""
        own = {"endpoint": self.hub.endpoint, "modelsDirectory": str(self.directory)}
        return self.sidecar.send("downloadModel", {"model": model, **own, **params})

    def fetch(self, model: str = SPEC, **params: Any) -> Any:
        """Do one; returns the result. Raises Refused."""
        return self.sidecar.result(self.send(model, **params))

    def refused(self, model: str = SPEC, **params: Any) -> Message:
        """The error object of one that must fail."""
        with pytest.raises(Refused) as caught:
            self.fetch(model, **params)
        return caught.value.error

    def wait_bytes(self, request_id: Any, count: int) -> None:
        """Wait until a running download reports this number of bytes."""

        def has_them(message: Any) -> bool:
            params = message.get("params", {})
            mine = message.get("method") == "progress" and params["requestId"] == request_id
            return mine and params.get("downloadedBytes", 0) >= count

        self.sidecar.wait_for(lambda message: has_them(message) or message.get("id") == request_id)
        assert not self.sidecar.has_response(request_id), self.sidecar.response(request_id)

    def abort(self, request_id: Any) -> Message:
        """Abort one; returns what its error calls the partial result."""
        assert self.sidecar.call("abort", {"requestId": request_id})["outcome"] == "aborted"
        error = self.sidecar.response(request_id)["error"]
        assert (error["code"], error["data"]["kind"]) == (-32800, "aborted")
        partial: Message = error["data"]["partial"]
        return partial

    def transfers(self) -> list[int]:
        """The pids of the transfer processes."""
        processes = self.sidecar.call("status")["processes"]
        return [process["pid"] for process in processes if process["role"] == "transfer"]

    def transfer(self) -> psutil.Process:
        """The one transfer process, as soon as it is there."""
        found: list[int] = []

        def has_come() -> bool:
            found[:] = self.transfers()
            return len(found) == 1

        wait_until(has_come)
        return psutil.Process(found[0])

    def infos(self) -> list[str]:
        """The messages of all `info` so far."""
        return [m["params"]["message"] for m in self.sidecar.messages if m.get("method") == "info"]

    def files(self) -> list[Path]:
        """What is in the directory under a final name."""
        return [path for path in files_below(self.directory) if not is_state(path, self.directory)]

    def unfinished(self) -> list[Path]:
        """The files of unfinished downloads, without locks, which are empty."""
        state = [path for path in files_below(self.directory) if is_state(path, self.directory)]
        return [path for path in state if path.suffix not in (".json", ".lock")]


def is_state(path: Path, directory: Path) -> bool:
    """Whether a file is the program's own, and no model."""
    return path.relative_to(directory).parts[0].startswith(".")


def files_below(folder: Path) -> list[Path]:
    """All files in a folder and its folders."""
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.exists() else []


def sha256_of(path: str | Path) -> str:
    """The checksum of a file on the disk."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def assert_whole(result: Any, content: Synthetic) -> None:
    """The file of a result has this content, and the result says so."""
    assert sha256_of(result["path"]) == content.sha256
    assert (result["sha256"], result["sizeBytes"]) == (content.sha256, content.size)
    assert all(file["verified"] for file in result["files"])


def kill(process: psutil.Process) -> None:
    """End a process as `kill -9` does."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


Begin = Callable[..., Downloads]
