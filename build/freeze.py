"""The program that needs no Python: PyInstaller's one-folder form, in out/dist/llama-sidecar/."""

from __future__ import annotations

import os
import time

import pins
import wheel
from checkout import BUILD, OUT, ROOT, VENV, VENV_PYTHON, quietly
from steps import Step, digest, ensure

DIST = OUT / "dist"
FOLDER = DIST / "llama-sidecar"
PROGRAM = FOLDER / ("llama-sidecar.exe" if os.name == "nt" else "llama-sidecar")


def program() -> None:
    """Makes it, unless nothing that goes into it has changed."""
    step = Step(DIST / "llama-sidecar.stamp", _key, _freeze)
    name = PROGRAM.relative_to(ROOT)
    if step.done():
        print(f"{name} is up to date.")
        return
    started = time.monotonic()
    ensure([step])
    files = [file for file in FOLDER.rglob("*") if file.is_file() and not file.is_symlink()]
    size = sum(file.stat().st_size for file in files) / 1e6
    seconds = time.monotonic() - started
    print(f"{name}: {size:.1f} MB in {len(files)} files, made in {seconds:.0f} s")


def _key() -> str:
    """What goes into the program; empty, and so never up to date, if there is none."""
    if not PROGRAM.exists():
        return ""
    sources = [file for file in (ROOT / "sidecar").rglob("*") if file.suffix in (".py", ".json")]
    recipe = [BUILD / "sidecar.spec", BUILD / "entry.py", *(BUILD / "hooks").glob("*.py")]
    return digest([pins.LOCK, VENV / "pyvenv.cfg", *sorted(sources), *sorted(recipe), wheel.key()])


def _freeze() -> None:
    print("Freezing the program …", flush=True)
    options = ["--noconfirm", "--log-level", "WARN", "--workpath", str(OUT / "work")]
    options += ["--distpath", str(DIST), str(BUILD / "sidecar.spec")]
    quietly([VENV_PYTHON, "-m", "PyInstaller", *options], "PyInstaller")
    quietly([PROGRAM, "--version"], "Starting the frozen program")
