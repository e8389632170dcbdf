"""Is there a C and C++ compiler, and if not, what to install on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from checkout import Failed

_LINUX = {
    "apt-get": "sudo apt-get install build-essential",
    "dnf": "sudo dnf install gcc gcc-c++",
    "pacman": "sudo pacman -S base-devel",
    "zypper": "sudo zypper install gcc gcc-c++",
    "apk": "sudo apk add build-base linux-headers",
}
_VS_TOOLS = "Microsoft.VisualStudio.Component.VC.Tools"


def require() -> None:
    """Raises Failed, naming what to install, if C or C++ cannot be compiled."""
    found = {"win32": _on_windows, "darwin": _on_macos}.get(sys.platform, _on_path)()
    if not found:
        raise Failed(f"llama.cpp is built once, which needs a C++ compiler. {_advice()}")


def _on_path() -> bool:
    c = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    cxx = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    return _any_program(c) and _any_program(cxx)


def _any_program(commands: list[str]) -> bool:
    # CC may hold options, or a launcher such as "ccache gcc": its first word must be there.
    return any(command and shutil.which(command.split()[0]) for command in commands)


def _on_macos() -> bool:
    # /usr/bin/c++ is always there; without the command line tools it only opens a dialog.
    selected = subprocess.run(["xcode-select", "-p"], capture_output=True, check=False)
    return selected.returncode == 0 and _on_path()


def _on_windows() -> bool:
    if shutil.which("cl"):
        return True
    programs = os.environ.get("PROGRAMFILES(X86)") or r"C:\Program Files (x86)"
    vswhere = Path(programs) / "Microsoft Visual Studio" / "Installer" / "vswhere.exe"
    if not vswhere.exists():
        return False
    query: list[str | Path] = [
        vswhere,
        "-latest",
        "-products",
        "*",
        "-property",
        "installationPath",
        "-requiresAny",
    ]
    query += ["-requires", f"{_VS_TOOLS}.x86.x64", f"{_VS_TOOLS}.ARM64"]
    return bool(subprocess.run(query, capture_output=True, check=False).stdout.strip())


def _advice() -> str:
    if sys.platform == "win32":
        return (
            'Install "Build Tools for Visual Studio" with the workload "Desktop development with '
            'C++": winget install Microsoft.VisualStudio.2022.BuildTools --override '
            '"--passive --wait --add Microsoft.VisualStudio.Workload.VCTools;includeRecommended"'
        )
    if sys.platform == "darwin":
        return "Install Apple's command line tools: xcode-select --install"
    mine = [command for tool, command in _LINUX.items() if shutil.which(tool)]
    return "Install one: " + " or ".join(mine or _LINUX.values())
