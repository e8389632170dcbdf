"""The program that needs no Python, in out/dist/: the folder llama-sidecar/ and one file, with manifests."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import cache
import pins
import provision
from checkout import OUT, ROOT, VENV, VENV_PYTHON, Failed, quietly
from llama import wheel
from ship import bundle
from steps import Step, digest, ensure

HERE = Path(__file__).parent
DIST = Path(os.environ.get("LLAMA_SIDECAR_DIST") or OUT / "dist")
STAMP = DIST / "llama-sidecar.stamp"
_EXE = ".exe" if os.name == "nt" else ""
FOLDER = DIST / "llama-sidecar"
PROGRAM = FOLDER / f"llama-sidecar{_EXE}"
ONE_FILE = DIST / f"llama-sidecar-{os.environ.get('LLAMA_SIDECAR_TRIPLE') or bundle.target_triple()}{_EXE}"
PROGRAMS = {"onedir": PROGRAM, "onefile": ONE_FILE}

REPRODUCIBLE = {
    "PYTHONHASHSEED": "0",
    "PYTHONNODEBUGRANGES": "1",  # columns for carets in tracebacks, which nobody sees
    "SOURCE_DATE_EPOCH": "315532800",  # 1 January 1980, the first day of the zip format
    "LLAMA_SIDECAR_ONE_FILE": ONE_FILE.name.removesuffix(_EXE),
}


def program() -> None:
    """Makes both forms, unless nothing that goes into them has changed."""
    step = Step(STAMP, _key, _freeze)
    if step.done():
        print(f"{FOLDER.relative_to(ROOT)} and {ONE_FILE.name} are up to date.")
        return
    provision.every_processor()
    started = time.monotonic()
    ensure([step])
    files = [file for file in FOLDER.rglob("*") if file.is_file() and not file.is_symlink()]
    whole, single = (sum(file.stat().st_size for file in files) / 1e6 for files in (files, [ONE_FILE]))
    print(f"{FOLDER.relative_to(ROOT)}: {whole:.1f} MB in {len(files)} files")
    print(f"{ONE_FILE.relative_to(ROOT)}: {single:.1f} MB, both made in {time.monotonic() - started:.0f} s")


def again() -> None:
    """Makes both forms twice. Raises Failed if the bytes differ."""
    twice(program, DIST, STAMP)


def twice(make: Callable[[], None], folder: Path, stamp: Path) -> None:
    """Makes what is in a folder, removes the stamp and makes it once more. Raises Failed if the bytes differ."""
    make()
    before = _bytes(folder, stamp)
    stamp.unlink()
    make()
    after = _bytes(folder, stamp)
    differing = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    if differing:
        raise Failed(f"freezing twice gave other bytes: {', '.join(differing)}")
    print(f"Frozen once more, the {len(after)} files have the same bytes.")


def _bytes(folder: Path, stamp: Path) -> dict[str, str]:
    """File → hash of what is in it."""
    files = (path for path in folder.rglob("*") if path.is_file() and path != stamp)
    return {path.relative_to(folder).as_posix(): cache.sha256(path) for path in files}


def _key() -> str:
    """The hash of the program's inputs; empty, and so never up to date, if there is no program."""
    if not (PROGRAM.exists() and ONE_FILE.exists()):
        return ""
    return digest([*inputs(), VENV / "pyvenv.cfg", wheel.key()])


def inputs() -> list[str | Path]:
    """What goes into the program on every platform: its sources, its recipe, the pins and who signs it."""
    sources = [file for file in (ROOT / "sidecar").rglob("*") if file.suffix in (".py", ".json")]
    recipe = [HERE / name for name in ("sidecar.spec", "entry.py", "bundle.py", "components.py", "freeze.py")]
    recipe += [HERE / name for name in ("bootstrap.py", "entitlements.plist", "windows.manifest")]
    recipe += (HERE / "hooks").glob("*.py")
    identity = os.environ.get("LLAMA_SIDECAR_CODESIGN_IDENTITY", "")
    return [pins.LOCK, *sorted(sources), *sorted(recipe), identity]


def _freeze() -> None:
    print("Freezing the program …", flush=True)
    work = OUT / "work"
    for old in (work, DIST):
        shutil.rmtree(old, ignore_errors=True)
    options = ["--noconfirm", "--log-level", "WARN", "--workpath", str(work)]
    options += ["--distpath", str(DIST), str(HERE / "sidecar.spec")]
    quietly([VENV_PYTHON, "-m", "PyInstaller", *options], "PyInstaller", REPRODUCIBLE)
    for made in (PROGRAM, ONE_FILE):
        quietly([made, "--version"], "Starting the frozen program")
