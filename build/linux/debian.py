"""The oldest Debian: its root folder, and commands that run in it, or with its libraries in an emulator.

A command gets a user and a mount namespace of its own, so it needs no root and changes nothing of the machine. Only
fetching the folder, once, needs root.
"""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cache
from checkout import OUT, Failed, quietly
from linux import tools
from linux.targets import OLDEST_DEBIAN, Target
from steps import Step

SECONDS: Final = 900.0
"""Longest time of fetching it."""

KEPT: Final = ("bin", "sbin", "lib", "lib64", "usr")
"""The top folders that a command sees of it; of all others it sees this machine's."""

LEFT_OUT: Final = ("usr/share", "usr/lib/locale")

HERE: Final = Path(__file__).parent
OF_ANOTHER_PROCESSOR: Final = HERE / "emulate.sh"
IN_THE_ROOT: Final = HERE / "enter.sh"


def root(target: Target) -> Path:
    """Its root folder."""
    return OUT / target.name / OLDEST_DEBIAN


def step(target: Target) -> Step:
    """Unpacks it."""
    return Step(root(target) / "stamp", lambda: OLDEST_DEBIAN, lambda: _unpack(target))


def loader(target: Target) -> Path:
    """Its program that loads libraries."""
    return root(target) / "lib" / f"ld-linux-{target.machine}.so.1"


def inside(target: Target, command: Sequence[str | Path]) -> list[str | Path]:
    """The command line that runs a command of the target."""
    own: list[str | Path] = [tools.program("unshare"), "--user", "--map-root-user", "--mount", "sh"]
    if target.foreign:
        return [*own, OF_ANOTHER_PROCESSOR, tools.program(f"qemu-{target.machine}"), root(target), *command]
    return [*own, IN_THE_ROOT, root(target), *command]


def _unpack(target: Target) -> None:
    folder = root(target)
    shutil.rmtree(folder, ignore_errors=True)
    whole = cache.entry("debian", f"{OLDEST_DEBIAN}-{target.debian}", lambda into: _fetch(target, into))
    with tarfile.open(whole) as archive:
        archive.extractall(folder, filter="tar")


def _fetch(target: Target, into: Path) -> Path:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise Failed(f"debootstrap fetches Debian {OLDEST_DEBIAN} as root only; run this once with sudo.")
    print(f"Fetching Debian {OLDEST_DEBIAN} for {target.debian}: some minutes, once.", flush=True)
    whole = into / "root.tar"
    with tempfile.TemporaryDirectory(dir=into.parent) as temporary:
        made = Path(temporary) / "root"
        # --foreign: without its second stage, which would configure a system that is never started
        options = ["--foreign", "--variant=minbase", f"--arch={target.debian}", OLDEST_DEBIAN, str(made)]
        quietly([tools.program("debootstrap"), *options], "debootstrap", seconds=SECONDS)
        with tarfile.open(whole, "w") as archive:
            for name in KEPT:
                if (made / name).exists():
                    archive.add(made / name, name, filter=_kept)
    return whole


def _kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if member.name in LEFT_OUT or member.isdev() else member
