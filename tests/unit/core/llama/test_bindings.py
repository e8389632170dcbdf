"""The few things that the bindings' module adds to llama_cpp."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.core.llama import bindings


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ggml-cuda.so", "cuda"),
        ("ggml-cuda.dll", "cuda"),
        ("ggml-cpu-haswell.so", "cpu-haswell"),
        ("ggml.so", ""),
        ("libllama.so", ""),
        ("ggml-cuda.dylib", ""),
        ("ggml-cuda", ""),
    ],
)
def test_a_backend_is_known_by_the_name_of_its_file(name: str, found: str) -> None:
    assert bindings.middle(name, "ggml-", ".so", ".dll") == found


def test_the_types_of_the_kv_cache_have_a_number_and_a_size() -> None:
    assert bindings.KV_CACHE_TYPES.keys() == bindings.KV_CACHE_BITS.keys()


def test_it_finds_the_libraries_and_their_versions() -> None:
    assert Path(bindings.folder()).is_dir()
    llama_cpp, llama_cpp_python = bindings.version()
    assert llama_cpp
    assert llama_cpp_python[0].isdigit()
