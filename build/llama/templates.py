"""The chat templates that llama.cpp ships, which the tests render. They come out of the pinned source.

They are other people's work, so they are not in the repository; the per-user cache keeps a zip of them.
"""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path

import cache
from checkout import MODELS
from llama import source

FOLDER = "vendor/llama.cpp/models/templates/"
FILE = MODELS / "templates.zip"


def state() -> str:
    """A text that changes with their source, or if they are removed."""
    return f"{source.key()} {FILE.is_file()}"


def fetch() -> None:
    """Puts them into `.models`, out of the cache or the source package."""
    FILE.parent.mkdir(exist_ok=True)
    shutil.copyfile(cache.entry("templates", source.key(), _extract), FILE)


def _extract(into: Path) -> Path:
    made = into / FILE.name
    with tarfile.open(source.package()) as archive, zipfile.ZipFile(made, "w") as kept:
        for member in archive:
            folder, _, name = member.name.partition(FOLDER)
            if folder and name.endswith(".jinja") and (file := archive.extractfile(member)) is not None:
                kept.writestr(name, file.read())
    return made
