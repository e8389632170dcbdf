"""Run by startup.py: prints the libraries that an engine loads, in order, with milliseconds, as one line of JSON."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import time
from pathlib import Path

from sidecar.message_handler import log  # noqa: F401  imported first, so that its time is not counted as a library's


def libllama() -> str:
    """The path of libllama, which loads ggml's libraries, too."""
    spec = importlib.util.find_spec("llama_cpp")
    assert spec is not None and spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "lib"
    names = ("libllama.so", "libllama.dylib", "llama.dll", "libllama.dll")
    return str(next(path for path in map(folder.joinpath, names) if path.is_file()))


def main() -> None:
    """Load all and print how long each took."""
    path = libllama()
    times = [time.perf_counter()]
    ctypes.CDLL(path)
    times.append(time.perf_counter())
    from sidecar.core.llama import backends

    times.append(time.perf_counter())
    backends.start(lambda *_: None, lambda *_: None)
    times.append(time.perf_counter())
    backends.load()
    times.append(time.perf_counter())
    names = ("libllama and ggml", "their bindings", "CPU variants", "packs tried")
    spent = zip(names, times, times[1:], strict=False)
    print(json.dumps({name: 1000 * (after - before) for name, before, after in spent}))


if __name__ == "__main__":
    main()
