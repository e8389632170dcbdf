"""What this machine must have for a target, by name: the build installs no package of the system."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path
from typing import Final

from checkout import Failed
from linux.targets import Target

NEWEST_KERNEL_WITHOUT: Final = (6, 6)
"""From the next one on, a user namespace has its own list of emulators (binfmt_misc)."""


IN_DEBIAN: Final = {"debootstrap": "debootstrap", "unshare": "util-linux"}
"""Program → package, for a command that runs in the oldest Debian."""


def require(target: Target, debian: bool = False) -> None:
    """Raises Failed, naming what to install, if the target cannot be made here, or run in the oldest Debian."""
    if platform.system() != "Linux":
        raise Failed(f"{target.name} can be made on Linux only.")
    wanted = {"mvn": "maven"}
    if target.foreign or debian:
        wanted |= IN_DEBIAN
    if target.foreign:
        wanted[f"qemu-{target.machine}"] = "qemu-user"
        wanted[f"{target.machine}-linux-gnu-objcopy"] = f"binutils-{target.machine}-linux-gnu"
    missing = [package for program, package in wanted.items() if not _found(program)]
    if missing:
        raise Failed(f"{target.name} needs more: apt-get install {' '.join(missing)}")
    if target.foreign and _kernel() <= NEWEST_KERNEL_WITHOUT:
        raise Failed(
            f"{target.name} needs Linux 6.7, which can set an emulator for one command; this is "
            f"{platform.release()}."
        )


def program(name: str) -> str:
    """The path of a program that is there."""
    return shutil.which(name) or next(str(place / name) for place in _SYSTEM if (place / name).is_file())


_SYSTEM: Final = (Path("/usr/sbin"), Path("/sbin"))
"""Where programs for root are, which a user's PATH may lack."""


def _found(name: str) -> bool:
    return shutil.which(name) is not None or any((place / name).is_file() for place in _SYSTEM)


def _kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
