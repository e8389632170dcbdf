"""What this machine must have, by name: the build installs no package of the system."""

from __future__ import annotations

import shutil
from typing import Final

from checkout import Failed

COMPILER: Final = "x86_64-w64-mingw32-g++-posix"
PACKAGES: Final = {
    "wine": "wine",
    "wine64": "wine64",
    COMPILER: "g++-mingw-w64-x86-64-posix",
    "mvn": "maven",
}
"""Program → the Debian package that has it. Maven fetches the Windows Python by the user's own settings."""

SOMETIMES_ELSEWHERE: Final = {"wine64": ("/usr/lib/wine/wine64",)}


def missing() -> list[str]:
    """The Debian packages that are not there."""
    return [
        package
        for program, package in PACKAGES.items()
        if not (shutil.which(program) or any(map(shutil.which, SOMETIMES_ELSEWHERE.get(program, ()))))
    ]


def require() -> None:
    """Raises Failed, naming what to install, if a tool is missing."""
    if packages := missing():
        raise Failed(f"the Windows program needs more: apt-get install {' '.join(packages)}")
