"""A Python that was made for an old glibc, with the pinned packages and llama.cpp's libraries."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from pathlib import Path
from typing import Final

import pins
from checkout import OUT, ROOT
from foreign import maven, packages
from linux import debian, libraries
from linux.targets import Target
from steps import Step, digest

LEFT_OUT: Final = re.compile(r"(test|idlelib|tkinter|turtledemo|ensurepip|config-[^/]*)/|site-packages/")
"""Of the standard library."""

LIBFFI: Final = "libffi.so.7"
TAGS: Final = (
    "manylinux_2_31",
    "manylinux_2_28",
    "manylinux_2_17",
    "manylinux2014",
    "manylinux_2_5",
    "manylinux1",
)
"""Wheels that the program may hold: up to glibc 2.31."""


def folder(target: Target) -> Path:
    """Where it is."""
    return OUT / target.name / "python"


def program(target: Target) -> Path:
    """The interpreter."""
    return folder(target) / "bin" / _name(target)


def steps(target: Target) -> list[Step]:
    """What makes it ready to run."""
    stamp = folder(target) / "stamp"
    own = Step(stamp, lambda: _key(target), lambda: _make(target))
    return [debian.step(target), own] if target.foreign else [own]


def _name(target: Target) -> str:
    return f"python{target.python.rpartition('.')[0]}"


def _key(target: Target) -> str:
    here = [Path(__file__), Path(packages.__file__), pins.LOCK]
    return digest([*here, libraries.key(target), target.sha256, str(ROOT)])


def _make(target: Target) -> None:
    print(f"Putting a Python together for {target.name} …", flush=True)
    shutil.rmtree(folder(target), ignore_errors=True)
    _unpack(target, maven.jar("linux-python", target.artifact, target.sha256))
    tags = [f"{tag}_{target.machine}" for tag in TAGS]
    found = packages.wheels(f"{target.name}-packages", target.markers, tags, OUT / target.name / "wheels")
    site_packages = folder(target) / "lib" / _name(target) / "site-packages"
    packages.unpack([*found, libraries.built(target)], site_packages)
    libraries.add_terms(site_packages)
    (site_packages / "llama_sidecar.pth").write_text(f"{ROOT}\n", encoding="utf-8")


def _unpack(target: Target, jar: Path) -> None:
    """Lays the files out as an installation has them; each finds its libraries by its own run path."""
    name = _name(target)
    library = f"lib/{name}/"
    with zipfile.ZipFile(jar) as archive:
        for member in archive.namelist():
            inside = member.partition("org/bytedeco/cpython/")[2].partition("/")[2]
            if inside == f"bin/{name}":
                place = inside
            elif inside == f"lib{name}.so.1.0":
                place = f"lib/{inside}"
            elif inside == LIBFFI:
                place = library + inside
            elif inside.startswith(library) and not inside.endswith("/"):
                if LEFT_OUT.match(inside.removeprefix(library)):
                    continue
                place = inside
            else:
                continue
            file = folder(target) / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(archive.read(member))
    program(target).chmod(0o755)
    terms = Path(os.__file__).parent / "LICENSE.txt"
    if terms.is_file():  # the archive has none; it is the same for every Python
        shutil.copy(terms, folder(target) / library)
