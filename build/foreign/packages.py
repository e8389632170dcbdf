"""The pinned packages of another platform, as wheels, from the cache or the index."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import cache
import pins
from checkout import BUILD, VENV_PYTHON, quietly

SCHEMES: Final = ("purelib", "platlib")


def wheels(kind: str, markers: Mapping[str, str], tags: Sequence[str], folder: Path) -> list[Path]:
    """Puts the wheels for a platform, given by its markers and by the tags of its wheels, into a folder."""
    env = {"PYTHONPATH": str(BUILD)}
    found = quietly([VENV_PYTHON, "-m", "foreign.pinned", json.dumps(markers)], "Reading the lock", env)
    requirements = found.splitlines()
    key = hashlib.sha256("\0".join(requirements).encode()).hexdigest()[:16]
    target = [part for tag in tags for part in ("--platform", tag)]
    target += [
        "--python-version",
        markers["python_full_version"].rpartition(".")[0],
        "--implementation",
        "cp",
    ]
    whole = cache.entry(kind, key, lambda into: _download(requirements, target, into))
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(whole) as archive:
        archive.extractall(folder)
    return sorted(folder.glob("*.whl"))


def unpack(found: Iterable[Path], site_packages: Path) -> None:
    """Unpacks wheels where that Python imports from."""
    site_packages.mkdir(parents=True, exist_ok=True)
    for wheel in found:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site_packages)
    for data in site_packages.glob("*.data"):  # what a wheel has beside its modules
        for part in (data / scheme for scheme in SCHEMES):
            if part.is_dir():
                shutil.copytree(part, site_packages, dirs_exist_ok=True)
        shutil.rmtree(data)


def _download(requirements: list[str], target: list[str], into: Path) -> Path:
    print("Fetching the packages for another platform …", flush=True)
    whole = into / "wheels.zip"
    with tempfile.TemporaryDirectory() as temporary:
        options = ["download", "--quiet", "--only-binary", ":all:", *target, "--dest", temporary]
        pins.pip(options, requirements, "Fetching the packages for another platform")
        with zipfile.ZipFile(whole, "w") as archive:
            for wheel in sorted(Path(temporary).glob("*.whl")):
                archive.write(wheel, wheel.name)
    return whole
