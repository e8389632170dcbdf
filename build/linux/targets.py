"""What the program can be made for here, and of what."""

from __future__ import annotations

import platform
from typing import Final, NamedTuple

from checkout import Failed


class Target(NamedTuple):
    """One platform; `name` is the value of --target."""

    name: str
    machine: str  # as platform.machine() says there
    debian: str  # how Debian calls the processor
    python: str
    artifact: str  # that Python, at Maven Central
    sha256: str

    @property
    def triple(self) -> str:
        """How Tauri calls the platform."""
        return f"{self.machine}-unknown-linux-gnu"

    @property
    def compiled(self) -> str:
        """How Zig calls it. The libraries' own needs stay below Python's."""
        return f"{self.machine}-linux-gnu.2.28"

    @property
    def markers(self) -> dict[str, str]:
        """What the lock asks of a platform."""
        return {
            "python_full_version": self.python,
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": self.machine,
            "os_name": "posix",
        }

    @property
    def foreign(self) -> bool:
        """Whether this machine can run its programs in an emulator only."""
        return self.machine != platform.machine()


NEWEST_GLIBC: Final = (2, 31)
"""What the program may need: that of Debian 11 and Ubuntu 20.04."""

OLDEST_DEBIAN: Final = "bullseye"
"""The Debian with that glibc."""

TARGETS: Final = (
    Target(
        name="linux-x64-glibc2.31",
        machine="x86_64",
        debian="amd64",
        python="3.13.0",
        artifact="org.bytedeco:cpython:3.13.0-1.5.11:jar:linux-x86_64",
        sha256="70a2e31fd4bb5d7f34db69ac9d2f785232ea76f3f00c1e115bf73cef3860f4c0",
    ),
    Target(
        name="linux-arm64",
        machine="aarch64",
        debian="arm64",
        python="3.12.1",
        artifact="org.bytedeco:cpython:3.12.1-1.5.10:jar:linux-arm64",
        sha256="4876e6a9eb45c4e2faf7c9f9ef8cb9f16a462c45c3440d4c2e15e6acc8f4e0df",
    ),
)


def named(name: str) -> Target:
    """Raises Failed if there is none of this name."""
    for target in TARGETS:
        if target.name == name:
            return target
    raise Failed(f"there is no target {name!r}, but {', '.join(target.name for target in TARGETS)}.")
