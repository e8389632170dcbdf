"""`python -m ship.signing FOLDER`, in build/: the commands that sign the macOS program's folder, in their order.

With LLAMA_SIDECAR_CODESIGN_IDENTITY set it runs them, and corrects the manifests; without, it prints them.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Final

from checkout import Failed, quietly
from ship import bundle

ENTITLEMENTS: Final = Path(__file__).with_name("entitlements.plist")
IDENTITY: Final = "LLAMA_SIDECAR_CODESIGN_IDENTITY"
PROGRAM: Final = "llama-sidecar"

MACH_O: Final = frozenset(
    [
        *(b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe"),  # 64 and 32 bits
        b"\xca\xfe\xba\xbe",  # several processors in one file
    ]
)
"""How a file begins that holds macOS' code."""


def order(folder: Path) -> list[Path]:
    """What has code, from the inside out, the program last. A link is signed with what it names."""
    program = folder / PROGRAM
    found = [
        path for path in folder.rglob("*") if path != program and not path.is_symlink() and _has_code(path)
    ]
    inner_first = sorted(found, key=lambda path: (-len(path.parts), path.as_posix()))
    if not (program.is_file() and _has_code(program)):
        raise Failed(f"{program} is no program of macOS.")
    return [*inner_first, program]


def commands(folder: Path, identity: str) -> list[list[str]]:
    """One call of codesign for each file; only the program gets entitlements, as notarisation wants."""
    base = ["codesign", "--force", "--timestamp", "--options", "runtime", "--sign", identity]
    *libraries, program = order(folder)
    signed = [[*base, str(library)] for library in libraries]
    return [*signed, [*base, "--entitlements", str(ENTITLEMENTS), str(program)]]


def _has_code(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in MACH_O


def main(folder: Path) -> int:
    """Signs, or says how."""
    identity = os.environ.get(IDENTITY, "")
    try:
        for command in commands(folder, identity or f"${IDENTITY}"):
            if identity:
                quietly(command, f"Signing {command[-1]}")
            else:
                print(shlex.join(command))
    except Failed as failure:
        print(f"signing.py: {failure}", file=sys.stderr)
        return 1
    if identity:
        bundle.describe_anew(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
