"""The processes that transfer.py starts.

`serve MB FAULT HEAD` is the hub. `hf FOLDER` is hf_hub_download. `fetch FOLDER hash|plain` is our own download
without the program around it, with or without the checksum. The last two print the seconds they needed.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

REPO, FILE = "bench/Model-GGUF", "Model-Q4_K_M.gguf"
HEAD_BYTES = 2_000_000
"""More bytes than the header of a model has."""


def serve(size: str, fault: str, head: str) -> None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "support"))
    from hub import Content, Headed, Hub, Synthetic
    from hub.content import checksum

    content: Content = Synthetic(int(size) * 1_000_000, seed=1)
    if head:
        with Path(head).open("rb") as file:
            content = Headed(file.read(HEAD_BYTES), content.size)
        content = replace(content, sha256=checksum(content))
    with Hub(send_buffer=None) as served:
        served.add(REPO, {FILE: content})
        if json.loads(fault):
            served.fault(f"{REPO}/{FILE}", origin="cdn", **json.loads(fault))
        print(served.endpoint, flush=True)
        sys.stdin.read()


def hf(into: str) -> float:
    begin = (
        time.perf_counter()
    )  # before the import: our transfer process imports it in the measured time, too
    from huggingface_hub import hf_hub_download

    hf_hub_download(REPO, FILE, cache_dir=into)
    return time.perf_counter() - begin


def fetch(into: str, how: str) -> float:
    from types import SimpleNamespace

    from sidecar.models.download import download, partial_file
    from sidecar.models.sources import download_plan
    from sidecar.models.sources.hub.client import Hub as Client
    from sidecar.models.store.store import Store

    client = Client(None, None)
    (wanted,) = download_plan.make(client, {"model": f"hf:{REPO}"}, 1 << 40).wanted
    silent: Any = SimpleNamespace(
        waited=False, **dict.fromkeys(("downloaded", "verified", "info"), lambda _: None)
    )
    if how == "plain":
        partial_file.PartialFile.sha256 = lambda *_: wanted.sha256  # type: ignore[method-assign]
    begin = time.perf_counter()
    download.Download(client.client, Store(into), wanted, silent).run(False)
    return time.perf_counter() - begin


if __name__ == "__main__":
    task, *rest = sys.argv[1:]
    if task == "serve":
        serve(*rest)
    else:
        print(hf(*rest) if task == "hf" else fetch(*rest))
