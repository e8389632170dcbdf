"""What goes beside the program's files into the bundle: the manifest, the SBOM and the licences.

`sidecar.spec` calls `describe` once the folder is made; the one file gets the same three files, inside and beside it.
Nothing in them depends on when or where the bundle is made. `python -m ship.bundle FOLDER`, in build/,
corrects the manifests after signing.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import cache
import pins
from checkout import ROOT
from ship.components import Component, TocEntry, components

MANIFEST: Final = "MANIFEST.json"
SBOM: Final = "sbom.cdx.json"
LICENCES: Final = "LICENCES.txt"


def target_triple() -> str:
    """This platform's target triple, as Tauri names sidecars."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    if sys.platform == "win32":
        return f"{machine}-pc-windows-msvc"
    if sys.platform == "darwin":
        return f"{machine}-apple-darwin"
    return f"{machine}-unknown-linux-{'gnu' if platform.libc_ver()[0] else 'musl'}"


def describe(folder: Path, contents: str, inside: Iterable[TocEntry]) -> list[TocEntry]:
    """Write the three files into `folder`/`contents`; returns them as entries for the one file."""
    parts = sorted(set(components(list(inside))))
    place = folder / contents
    written = {
        SBOM: json.dumps(_sbom(parts), indent=1),
        LICENCES: "\n".join(f"{c.name} {c.version}: {c.licence}\n\n{c.text}\n{'-' * 80}\n" for c in parts),
    }
    for name, text in written.items():
        (place / name).write_text(text, encoding="utf-8", newline="\n")
    measured = {
        "glibc": glibc(folder),
        "files": _files(folder),
        "components": [*map(_short, parts)],
    }
    facts = {**_facts(), **measured}
    (place / MANIFEST).write_text(json.dumps(facts, indent=1), encoding="utf-8", newline="\n")
    return [(name, str(place / name), "DATA") for name in (MANIFEST, SBOM, LICENCES)]


def describe_one_file(file: Path, described: Iterable[TocEntry]) -> None:
    """Write the same three beside the one file, under its name; this manifest lists that file only."""
    for name, source, _ in described:
        text = Path(source).read_text(encoding="utf-8")
        if name == MANIFEST:
            text = json.dumps({**json.loads(text), "files": {file.name: _record(file)}}, indent=1)
        file.with_name(f"{file.name}.{name.lower()}").write_text(text, encoding="utf-8", newline="\n")


def describe_anew(folder: Path) -> None:
    """Correct the manifests after files were signed: those of the folder's files, and of one-file programs beside."""
    inside = next(folder.rglob(MANIFEST))
    for manifest, there in (
        (inside, {name: facts for name, facts in _files(folder).items() if folder / name != inside}),
        *((path, {path.name.removesuffix(f".{MANIFEST.lower()}"): None}) for path in _beside(folder)),
    ):
        facts = json.loads(manifest.read_text(encoding="utf-8"))
        facts["files"] = {name: record or _record(manifest.with_name(name)) for name, record in there.items()}
        manifest.write_text(json.dumps(facts, indent=1), encoding="utf-8", newline="\n")


def _beside(folder: Path) -> list[Path]:
    return sorted(folder.parent.glob(f"*.{MANIFEST.lower()}"))


def _facts() -> dict[str, Any]:
    return {
        "name": "llama-sidecar",
        "version": _own_version(),
        "target": target_triple(),
        "python": platform.python_version(),
        "llamaCpp": {
            "bindingsVersion": metadata.version("llama-cpp-python"),
            "commit": pins.llama_cpp_commit(),
        },
    }


def _own_version() -> str:
    text = (ROOT / "sidecar" / "__init__.py").read_text(encoding="utf-8")
    return text.split('__version__ = "')[1].split('"')[0]


def _files(folder: Path) -> dict[str, Any]:
    """Path relative to the folder → size and hash, or where a link leads."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = {"link": path.readlink().as_posix()}
        elif path.is_file():
            found[name] = _record(path)
    return found


def needed_glibc(folder: Path) -> dict[str, tuple[int, int]]:
    """File → the oldest glibc that has every symbol it needs."""
    needed: dict[str, tuple[int, int]] = {}
    for file in folder.rglob("*"):
        if file.is_file() and (content := file.read_bytes()).startswith(b"\x7fELF"):
            versions = re.findall(rb"\0GLIBC_(\d+)\.(\d+)", content)
            if versions:
                name = file.relative_to(folder).as_posix()
                needed[name] = max((int(major), int(minor)) for major, minor in versions)
    return needed


def glibc(folder: Path) -> str | None:
    """What the whole program needs, as "2.35"; None with another C library."""
    needed = needed_glibc(folder)
    return ".".join(map(str, max(needed.values()))) if needed else None


def _record(file: Path) -> dict[str, Any]:
    return {"sha256": cache.sha256(file), "sizeBytes": file.stat().st_size}


def _short(component: Component) -> dict[str, str]:
    return {"name": component.name, "version": component.version, "licence": component.licence}


def _sbom(parts: list[Component]) -> dict[str, Any]:
    """CycloneDX 1.5."""

    def entry(component: Component) -> dict[str, Any]:
        licences = [{"expression": component.licence}]
        named = {"name": component.name, "version": component.version, "licenses": licences}
        return {"type": "library", "bom-ref": component.purl, **named, "purl": component.purl}

    version = _own_version()
    own = {
        "type": "application",
        "name": "llama-sidecar",
        "version": version,
        "bom-ref": f"llama-sidecar@{version}",
    }
    refs = [component.purl for component in parts]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**own, "licenses": [{"expression": "MIT"}]}},
        "components": [entry(component) for component in parts],
        "dependencies": [{"ref": own["bom-ref"], "dependsOn": refs}],
    }


if __name__ == "__main__":
    describe_anew(Path(sys.argv[1]))
