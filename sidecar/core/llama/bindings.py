"""llama-cpp-python's low-level bindings: the C functions of llama.cpp.

`import llama_cpp` runs the package's `__init__`, which imports numpy, jinja2 and diskcache (275 ms). The module
`llama_cpp.llama_cpp` needs only ctypes, so an empty package takes the place of the real one.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sidecar.core.llama import c_api


def _import_lean() -> object:
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("llama-cpp-python is not installed")
    if getattr(sys, "frozen", False):  # a shipped program uses the libraries that it ships
        os.environ.pop("LLAMA_CPP_LIB_PATH", None)
    package = types.ModuleType("llama_cpp")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["llama_cpp"] = package
    # Of typing_extensions it uses only TypeAlias, which typing has; to import it takes 10 ms.
    # pathlib imports urllib.parse (6 ms) for one function that makes URLs, which nothing here calls.
    urls = types.ModuleType("urllib.parse")
    urls.quote_from_bytes = _quote_from_bytes  # type: ignore[attr-defined]
    with _substitutes(typing_extensions=typing, **{"urllib.parse": urls}):
        import llama_cpp.llama_cpp as module
    return module


@contextmanager
def _substitutes(**modules: types.ModuleType) -> Iterator[None]:
    """For a while, importing these names gives these modules, unless the real ones are imported already."""
    added = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(added)
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


def _quote_from_bytes(text: bytes, safe: str = "/") -> str:
    from urllib.parse import quote_from_bytes

    return quote_from_bytes(text, safe)


if TYPE_CHECKING:
    lib = c_api
else:
    lib = _import_lean()
    """The module llama_cpp.llama_cpp; its types are in c_api.pyi."""

KV_CACHE_TYPES: Final = {
    "f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "iq4_nl": 20, "bf16": 30,
}  # fmt: skip
"""Wire name → ggml_type (ggml.h)."""

KV_CACHE_BITS: Final = {
    "f32": 32, "f16": 16, "bf16": 16, "q8_0": 8.5, "q5_1": 6, "q5_0": 5.5, "q4_1": 5, "q4_0": 4.5, "iq4_nl": 4.5,
}  # fmt: skip
"""Wire name → bits per number, with the scale of its block (ggml-common.h)."""


def folder() -> str:
    """The folder of llama.cpp's libraries."""
    return str(lib._base_path)


def middle(name: str, prefix: str, *suffixes: str) -> str:
    """The part of a file name between a prefix and one of the suffixes; "" if it lacks either.

    No regular expression: to compile three of them takes 2 ms.
    """
    suffix = next((suffix for suffix in suffixes if name.endswith(suffix)), None)
    return name[len(prefix) : -len(suffix)] if suffix and name.startswith(prefix) else ""


def version() -> tuple[str, str]:
    """(version of llama.cpp, version of the bindings)."""
    # importlib.metadata does the same, but takes 10 ms to import.
    installed = os.listdir(os.path.dirname(os.path.dirname(lib.__file__)))
    found = (middle(name, "llama_cpp_python-", ".dist-info") for name in installed)
    return lib.llama_version().decode(), next(filter(None, found), "unknown")
