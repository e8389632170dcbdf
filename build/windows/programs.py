"""`dev.py windows`: the Windows program, as a folder and as one file, in out/dist-windows/, and its npm package."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from checkout import OUT, ROOT
from ship import freeze, npm
from steps import Step, digest, ensure
from windows import libraries, python, tools, wine

DIST: Final = OUT / "dist-windows"
STAMP: Final = DIST / "llama-sidecar.stamp"
FOLDER: Final = DIST / "llama-sidecar"
PROGRAM: Final = FOLDER / "llama-sidecar.exe"
TARGET: Final = "x86_64-pc-windows-msvc"
ONE_FILE: Final = DIST / f"llama-sidecar-{TARGET}.exe"
NPM: Final = OUT / "npm-windows"

REPRODUCIBLE: Final = {**freeze.REPRODUCIBLE, "LLAMA_SIDECAR_ONE_FILE": ONE_FILE.stem}


def run(arguments: Sequence[str]) -> None:
    """Makes both forms and the npm package; with --again both forms twice, and compares the bytes."""
    tools.require()
    if arguments:
        freeze.twice(make, DIST, STAMP)
    else:
        make()
    folder = npm.platform_package(PROGRAM, NPM, ("win32", "x64"))
    print(f"{folder.relative_to(ROOT)}: the npm package")


def make() -> None:
    """Makes both forms, unless nothing that goes into them has changed."""
    tools.require()
    step = Step(STAMP, _key, _freeze)
    if step.done():
        print(f"{FOLDER.relative_to(ROOT)} and {ONE_FILE.name} are up to date.")
        return
    started = time.monotonic()
    ensure([*python.steps(), step])
    files = [file for file in FOLDER.rglob("*") if file.is_file()]
    whole, single = (sum(file.stat().st_size for file in found) / 1e6 for found in (files, [ONE_FILE]))
    print(f"{FOLDER.relative_to(ROOT)}: {whole:.1f} MB in {len(files)} files")
    print(f"{ONE_FILE.relative_to(ROOT)}: {single:.1f} MB, both made in {time.monotonic() - started:.0f} s")


def _key() -> str:
    if not (PROGRAM.exists() and ONE_FILE.exists()):
        return ""
    return digest([*freeze.inputs(), Path(__file__), Path(python.__file__), python.SHA256, libraries.key()])


def _freeze() -> None:
    print("Freezing the program in Wine …", flush=True)
    work = OUT / "windows" / "work"
    for old in (work, DIST):
        shutil.rmtree(old, ignore_errors=True)
    places = {"--workpath": work, "--distpath": DIST}
    options = [part for name, path in places.items() for part in (name, wine.windows_path(path))]
    spec = wine.windows_path(freeze.HERE / "sidecar.spec")
    wine.quietly(
        python.command("-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", *options, spec),
        "PyInstaller",
        REPRODUCIBLE,
    )
    for made in (PROGRAM, ONE_FILE):
        wine.quietly([made, "--version"], "Starting the frozen program")
