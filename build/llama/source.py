"""The pinned source of llama-cpp-python, with llama.cpp in it; fetched once per user."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from pathlib import Path

import cache
import pins

UNPACKED = "unpacked"
"""The file that says that a folder has the whole source."""


def key() -> str:
    """Names the pinned release."""
    return hashlib.sha256("\0".join(pins.pinned(pins.LLAMA_CPP)).encode()).hexdigest()[:16]


def package() -> Path:
    """The source package, a .tar.gz file in the cache."""
    return cache.entry("sources", key(), _fetch)


def unpack(folder: Path) -> Path:
    """Unpacks the source into a folder; returns the package's own folder in it. llama.cpp is in vendor/llama.cpp."""
    with tarfile.open(package()) as archive:
        archive.extractall(folder, filter="data")
        return folder / archive.getnames()[0].partition("/")[0]


def tree(folder: Path) -> Path:
    """The package's folder, unpacked once: a build in `folder` goes on where the last one stopped.

    Folders beside it belong to builds with other settings, and are removed.
    """
    if not (folder / UNPACKED).exists():
        discard(folder.parent)
        unpack(folder)
        (folder / UNPACKED).touch()
    return next(folder.glob("llama_cpp_python-*"))


def discard(trees: Path) -> None:
    """Removes a folder of such folders. One that is removed only in part is no longer whole."""
    for mark in trees.glob(f"*/{UNPACKED}"):
        mark.unlink()
    shutil.rmtree(trees, ignore_errors=True)


def _fetch(into: Path) -> Path:
    print("Fetching the source of llama-cpp-python …", flush=True)
    pins.install(
        pins.pinned(pins.WHEEL_TOOLS), "the build tools"
    )  # pip asks them what the package depends on
    command = [
        "download",
        "--quiet",
        "--no-deps",
        "--no-cache-dir",
        "--no-build-isolation",
        "--no-binary",
        ":all:",
    ]
    pins.pip([*command, "--dest", into], pins.pinned(pins.LLAMA_CPP), "Fetching llama-cpp-python's source")
    return next(into.glob("*.tar.gz"))
