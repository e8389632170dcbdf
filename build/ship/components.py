"""The components that others wrote, as the bundle has them: name, version, licence and its text."""

from __future__ import annotations

import json
import platform
import re
import shutil
import ssl
import subprocess
import sys
import zlib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final, NamedTuple

import pins
from checkout import ROOT, Failed

TocEntry = tuple[str, str, str]
"""PyInstaller's: (name in the bundle, path of the source, kind)."""

SYSTEM_LIBRARIES: Final = {
    "libcrypto": ("openssl", "Apache-2.0"),
    "libssl": ("openssl", "Apache-2.0"),
    "libffi": ("libffi", "MIT"),
    "libz": ("zlib", "Zlib"),
    "zlib1": ("zlib", "Zlib"),
    "libbz2": ("bzip2", "bzip2-1.0.6"),
    "liblzma": ("xz", "0BSD"),
    "libuuid": ("util-linux", "BSD-3-Clause"),
    "libstdc++": ("gcc", "GPL-3.0-or-later WITH GCC-exception-3.1"),
    "libgcc_s": ("gcc", "GPL-3.0-or-later WITH GCC-exception-3.1"),
    "libgcc_s_seh": ("gcc", "GPL-3.0-or-later WITH GCC-exception-3.1"),
    "libc++": ("llvm-runtimes", "Apache-2.0 WITH LLVM-exception"),
    "libwinpthread": ("mingw-w64-winpthreads", "MIT AND BSD-3-Clause"),
    "msvcp140": ("vcruntime", "LicenseRef-Microsoft-Visual-C-Runtime"),
    "vcruntime140": ("vcruntime", "LicenseRef-Microsoft-Visual-C-Runtime"),
    "vcruntime140_1": ("vcruntime", "LicenseRef-Microsoft-Visual-C-Runtime"),
}
"""Shared libraries of the build machine that PyInstaller takes along: name → (component, SPDX licence)."""

OF_PYTHON: Final = ("python", "libpython")
"""How the names of the interpreter's own libraries begin."""

CLASSIFIERS: Final = {
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
LLAMA_CPP_AUTHORS: Final = "Copyright (c) 2023-2026 The ggml authors"


class Component(NamedTuple):
    """A component that somebody else wrote."""

    name: str
    version: str
    licence: str  # an SPDX expression
    purl: str
    text: str


def components(inside: list[TocEntry]) -> Iterator[Component]:
    """Each component of these entries; some several times."""
    version = platform.python_version()
    yield Component("python", version, "PSF-2.0", f"pkg:generic/python@{version}", _python_licence())
    commit = pins.llama_cpp_commit()
    purl = f"pkg:github/ggml-org/llama.cpp@{commit}"
    terms = re.sub("Copyright .*", LLAMA_CPP_AUTHORS, (ROOT / "LICENSE").read_text(encoding="utf-8"))
    yield Component("llama.cpp", commit, "MIT", purl, terms)
    providers = metadata.packages_distributions()
    tops = {_top(name) for name, _, _ in inside}
    names = {name for top in tops for name in providers.get(top, ())}
    for name in sorted(
        names - {"llama-sidecar"} | {"pyinstaller"}
    ):  # whose boot loader is the program's first code
        yield _distribution(metadata.distribution(name))
    for name, source, kind in inside:
        library = _library(name)
        foreign = _top(name) not in providers or _terms(source).is_file()
        if kind == "BINARY" and foreign and not library.startswith(OF_PYTHON):
            yield system_library(library, Path(source).resolve())
    yield from _linked_in(inside)


def _linked_in(inside: list[TocEntry]) -> Iterator[Component]:
    """What is no file: OpenSSL in Python's own module, and what a compiler links into llama.cpp's libraries."""
    if not any(_library(name).startswith("libssl") for name, _, _ in inside):
        version = ssl.OPENSSL_VERSION.split()[1]
        text = _debian_licence("libssl.so*") or "Apache-2.0"
        yield Component("openssl", version, "Apache-2.0", f"pkg:generic/openssl@{version}", text)
    for place in sorted({Path(source).parent for _, source, kind in inside if kind == "BINARY"}):
        for terms in sorted(place.glob("lib*.txt")):
            if not terms.with_suffix("").exists():
                yield system_library(terms.stem, terms.with_suffix(""))


def _library(name: str) -> str:
    return re.split(r"[/\\\\]", name)[-1].lower()


def _terms(source: str | Path) -> Path:
    """The text beside a library that a package carries for its compiler: the version in a line, then its licence."""
    return Path(f"{source}.txt")


def _top(name: str) -> str:
    return re.split(r"[./\\]", name)[0]


def system_library(library: str, source: Path) -> Component:
    """Raises Failed if its component is unknown."""
    try:
        component, licence = SYSTEM_LIBRARIES[library.split(".")[0].split("-")[0]]
    except KeyError:
        raise Failed(
            f"{source} goes into the bundle: add it to SYSTEM_LIBRARIES, with its licence."
        ) from None
    if (terms := _terms(source)).is_file():
        number, _, text = terms.read_text(encoding="utf-8").partition("\n")
        return Component(component, number, licence, f"pkg:generic/{component}@{number}", text)
    known = {"openssl": ssl.OPENSSL_VERSION.split()[1], "zlib": zlib.ZLIB_RUNTIME_VERSION}
    number = known.get(component) or (source.name.partition(".so.")[2] or "unknown")
    # Python may come with a library that is not Debian's; the terms of another version are the same.
    text = _debian_licence(source.name) or _debian_licence(f"{library.split('.')[0]}.so*") or licence
    return Component(component, number, licence, f"pkg:generic/{component}@{number}", text)


def _debian_licence(file: str) -> str:
    """The licence text of the package that has a file of this name or pattern; empty if there is none."""
    if shutil.which("dpkg-query") is None:
        return ""
    command = ["dpkg-query", "--search", f"*/{file}"]
    packages = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    named = (Path("/usr/share/doc", line.split(":")[0], "copyright") for line in packages)
    return next((path.read_text(encoding="utf-8", errors="replace") for path in named if path.is_file()), "")


def _distribution(found: metadata.Distribution) -> Component:
    about: Any = found.metadata
    name, version = about["Name"], found.version
    if name == "pyinstaller":
        licence = "GPL-2.0-or-later WITH Bootloader-exception"
    else:
        licence = about.get("License-Expression") or _classified(about) or about.get("License") or "unknown"
    texts = [
        Path(str(found.locate_file(file))).read_text(encoding="utf-8", errors="replace")
        for file in sorted(found.files or [])
        if re.search(r"LICEN[CS]E|COPYING|NOTICE", file.name, re.IGNORECASE) and ".dist-info" in str(file)
    ]
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    return Component(name, version, licence, purl, "\n".join(texts))


def _classified(about: Any) -> str:
    lines = [
        line.rpartition(" :: ")[2] for line in about.get_all("Classifier", []) if line.startswith("License")
    ]
    return next((CLASSIFIERS[line] for line in lines if line in CLASSIFIERS), "")


def _python_licence() -> str:
    library = Path(json.__file__).parent.parent
    for place in (library / "LICENSE.txt", Path(sys.base_prefix) / "LICENSE.txt"):
        if place.is_file():
            return place.read_text(encoding="utf-8")
    return "The Python Software Foundation License."
