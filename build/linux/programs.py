"""`dev.py freeze --target NAME`: both forms of the program for another Linux, in out/dist-NAME/."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Final

from checkout import OUT, ROOT, Failed, quietly
from linux import debian, libraries, python, tools
from linux.targets import NEWEST_GLIBC, Target
from ship import bundle, freeze
from steps import Step, digest, ensure

HERE: Final = Path(__file__).parent

OF_THE_SYSTEM: Final = ("libgcc_s.so.1",)
"""What glibc itself depends on, so it is on every machine; it is left out, as this machine's needs its own glibc."""

OF_BINUTILS: Final = ("objcopy", "strip")
"""What PyInstaller calls, and must know the other processor."""


def dist(target: Target) -> Path:
    """Where both forms are."""
    return OUT / f"dist-{target.name}"


def program(target: Target) -> Path:
    """The folder's program."""
    return dist(target) / "llama-sidecar" / "llama-sidecar"


def one_file(target: Target) -> Path:
    """The other form."""
    return dist(target) / f"llama-sidecar-{target.triple}"


def run(target: Target, again: bool) -> None:
    """Makes both forms; with `again` twice, and compares the bytes."""
    if again:
        freeze.twice(lambda: make(target), dist(target), _stamp(target))
    else:
        make(target)


def make(target: Target) -> None:
    """Makes both forms, unless nothing that goes into them has changed."""
    tools.require(target)
    step = Step(_stamp(target), lambda: _key(target), lambda: _freeze(target))
    if step.done():
        print(f"{dist(target).relative_to(ROOT)} is up to date.")
        return
    started = time.monotonic()
    ensure([*python.steps(target), step])
    files = [file for file in program(target).parent.rglob("*") if file.is_file() and not file.is_symlink()]
    whole, single = (
        sum(file.stat().st_size for file in found) / 1e6 for found in (files, [one_file(target)])
    )
    print(f"{program(target).parent.relative_to(ROOT)}: {whole:.1f} MB in {len(files)} files")
    print(
        f"{one_file(target).relative_to(ROOT)}: {single:.1f} MB, both made in {time.monotonic() - started:.0f} s"
    )


def _stamp(target: Target) -> Path:
    return dist(target) / "llama-sidecar.stamp"


def _key(target: Target) -> str:
    if not (program(target).exists() and one_file(target).exists()):
        return ""
    here = [Path(__file__), Path(python.__file__)]
    return digest([*freeze.inputs(), *here, target.sha256, libraries.key(target)])


def _freeze(target: Target) -> None:
    print(f"Freezing the program for {target.name} …", flush=True)
    work = OUT / target.name / "work"
    for old in (work, dist(target)):
        shutil.rmtree(old, ignore_errors=True)
    options: list[str | Path] = [
        "--noconfirm",
        "--log-level",
        "WARN",
        "--workpath",
        work,
        "--distpath",
        dist(target),
    ]
    command: list[str | Path] = [
        python.program(target),
        "-m",
        "PyInstaller",
        *options,
        freeze.HERE / "sidecar.spec",
    ]
    env = {
        **freeze.REPRODUCIBLE,
        "LLAMA_SIDECAR_ONE_FILE": one_file(target).name,
        "LLAMA_SIDECAR_OF_THE_SYSTEM": " ".join(OF_THE_SYSTEM),
    }
    if target.foreign:
        env["PATH"] = os.pathsep.join([str(_binutils(target)), os.environ.get("PATH", "")])
    quietly(_run(target, command), "PyInstaller", env)
    check(program(target).parent)
    for made in (program(target), one_file(target)):
        quietly(_run(target, [made, "--version"]), "Starting the frozen program")


def check(folder: Path) -> None:
    """Raises Failed, naming the file, if one needs a newer glibc than a target may."""
    for file, needed in sorted(bundle.needed_glibc(folder).items()):
        if needed > NEWEST_GLIBC:
            plain, allowed = (".".join(map(str, version)) for version in (needed, NEWEST_GLIBC))
            raise Failed(f"{file} needs glibc {plain}; the newest allowed is {allowed}.")


def _run(target: Target, command: list[str | Path]) -> list[str | Path]:
    return debian.inside(target, command) if target.foreign else command


def _binutils(target: Target) -> Path:
    """A folder with what PyInstaller calls, under the names by which it calls it."""
    folder = OUT / target.name / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for name in OF_BINUTILS:
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(tools.program(f"{target.machine}-linux-gnu-{name}"))
    # The loader's own list, by the loader that is for these programs.
    listing = folder / "ldd"
    listing.write_text(f'#!/bin/sh\nexec "{debian.loader(target)}" --list "$1"\n', encoding="utf-8")
    listing.chmod(0o755)
    return folder
