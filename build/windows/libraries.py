"""llama.cpp's DLLs, cross-compiled by mingw-w64: the wheel of llama-cpp-python for win_amd64, kept in the cache."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Final

import cache
import pins
from checkout import OUT, VENV_BIN, Failed, environment, quietly
from llama import packs, source, wheel
from windows import tools

HERE: Final = Path(__file__).parent
TOOLCHAIN: Final = HERE / "mingw.cmake"
VARIANTS: Final = HERE / "variants.cmake"
RECIPE: Final = (TOOLCHAIN, VARIANTS, HERE / "power_throttling.h")

DEFINES: Final = (
    *("-DCMAKE_BUILD_TYPE=Release", "-DSKBUILD=2"),
    f"-DCMAKE_TOOLCHAIN_FILE={TOOLCHAIN.as_posix()}",
    f"-DCMAKE_PROJECT_ggml_INCLUDE={VARIANTS.as_posix()}",
)

RUNTIME: Final = {
    "libgcc_s_seh-1.dll": "gcc-mingw-w64-base",
    "libstdc++-6.dll": "gcc-mingw-w64-base",
    "libwinpthread-1.dll": "mingw-w64-common",
}
"""DLLs of the compiler, which every library needs → the Debian package whose copyright file has their licence."""

STRIP: Final = "x86_64-w64-mingw32-strip"
TAG: Final = "py3-none-win_amd64"

TREE: Final = OUT / "windows" / "llama.cpp"
"""Source and objects, until the wheel is made."""

CHANGES: Final[tuple[str, ...]] = ()
"""A word for each change of this file that makes another wheel of the same sources. Most changes do not, and twelve
minutes are long: so the key has no hash of this file."""


def key() -> str:
    """The hash of everything that decides the wheel's content; of this file it has DEFINES and CHANGES only."""
    version = subprocess.run([tools.COMPILER, "--version"], capture_output=True, text=True, check=False)
    parts = [
        wheel.INCLUDE.read_text(encoding="utf-8"),
        *(file.read_text(encoding="utf-8") for file in RECIPE),
        *pins.pinned(pins.LLAMA_CPP),
        *wheel.DEFINES,
        *(define.replace(HERE.as_posix(), "") for define in DEFINES),
        *RUNTIME,
        *CHANGES,
        version.stdout.partition("\n")[0],
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def built() -> Path:
    """The wheel, from the cache, or else built: twelve minutes of one processor. A build that was ended goes on."""
    return cache.entry("windows-wheels", key(), _build)


def _build(into: Path) -> Path:
    print("Building llama.cpp for Windows: many minutes, once.", flush=True)
    pins.install(pins.pinned(pins.WHEEL_TOOLS), "the build tools")
    tree = TREE / key()
    package = source.tree(tree)
    installed = tree / "installed"
    _compile(package, tree / "build", installed)
    with tempfile.TemporaryDirectory(dir=tree) as temporary:
        made = Path(temporary)
        shutil.copytree(package / "llama_cpp", made / "llama_cpp", ignore=shutil.ignore_patterns("lib"))
        libraries = made / "llama_cpp" / "lib"
        libraries.mkdir()
        for library in sorted((installed / "llama_cpp" / "lib").glob("*.dll")):
            shutil.copy(library, libraries)
        _add_runtime(libraries)
        quietly([STRIP, "--strip-unneeded", *sorted(libraries.glob("*.dll"))], "Stripping the DLLs")
        whole = _pack(made, package, into)
    source.discard(TREE)
    return whole


def _compile(package: Path, build: Path, installed: Path) -> None:
    defines = [
        *wheel.defines(),
        *DEFINES,
        f"-DSKBUILD_PLATLIB_DIR={installed}",
        f"-DCMAKE_INSTALL_PREFIX={installed}",
    ]
    cmake, ceiling = packs.cmake_program(), {"GIT_CEILING_DIRECTORIES": str(package.parent)}
    made: list[str | Path] = [
        "-G",
        "Ninja",
        f"-DCMAKE_MAKE_PROGRAM={_ninja()}",
        "-S",
        package,
        "-B",
        build,
        *defines,
    ]
    quietly([cmake, *made], "Configuring llama.cpp for Windows", ceiling)
    jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count() or 1))
    quietly([cmake, "--build", build, "--parallel", jobs], "Building llama.cpp for Windows", ceiling)
    quietly([cmake, "--install", build], "Installing llama.cpp for Windows", ceiling)


def _ninja() -> str:
    return str(shutil.which("ninja", path=environment()["PATH"]) or VENV_BIN / "ninja")


def _add_runtime(libraries: Path) -> None:
    """Copies the compiler's DLLs, each with a text beside it: its version in the first line, then its licence."""
    for name, package in RUNTIME.items():
        found = quietly([tools.COMPILER, f"-print-file-name={name}"], f"Looking for {name}").strip()
        if not Path(found).is_absolute():
            raise Failed(f"{tools.COMPILER} has no {name}")
        shutil.copy(found, libraries)
        terms = Path("/usr/share/doc", package, "copyright")
        if not terms.is_file():
            raise Failed(f"there is no {terms}, which has the licence of {name}")
        text = f"{_version(package)}\n{terms.read_text(encoding='utf-8', errors='replace')}"
        (libraries / f"{name}.txt").write_text(text, encoding="utf-8")


def _version(package: str) -> str:
    """The upstream version of a Debian package: "12.2.0" of 12.2.0-14+25.2."""
    text = quietly(
        ["dpkg-query", "--show", "--showformat=${Version}", package], f"Asking for {package}'s version"
    )
    return re.split(r"[-+]", text.strip())[0]


def _pack(made: Path, package: Path, into: Path) -> Path:
    """Writes the wheel: the files in order, all of 1980."""
    text = (package / "PKG-INFO").read_text(encoding="utf-8")
    (version,) = re.findall(r"^Version: (.+)$", text, re.MULTILINE)
    about = f"llama_cpp_python-{version}.dist-info"
    files = {
        file.relative_to(made).as_posix(): file.read_bytes()
        for file in sorted(made.rglob("*"))
        if file.is_file()
    }
    files[f"{about}/METADATA"] = text.encode()
    files[f"{about}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {TAG}\n".encode()
    files[f"{about}/licenses/LICENSE.md"] = (package / "LICENSE.md").read_bytes()
    record = [f"{name},sha256={_base64(content)},{len(content)}" for name, content in files.items()]
    files[f"{about}/RECORD"] = "\n".join([*record, f"{about}/RECORD,,", ""]).encode()
    whole = into / f"llama_cpp_python-{version}-{TAG}.whl"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return whole


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
