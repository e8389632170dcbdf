"""The npm packages, in out/npm/: `@llama-sidecar/client`, and `@llama-sidecar/<platform>` with its program.

    python -m ship.npm                    in build/: from the frozen program (`dev.py freeze`)
    python -m ship.npm --program FILE     from that program instead; with its folder if they share a name
    python -m ship.npm --main             the main package alone, for the platforms whose packages are there

The main package names, as optional dependencies of exactly its version, the packages of all platforms
that are in out/npm/@llama-sidecar/ by then: put those of other machines there first. It holds the
sha256 of each one's program, which the client compares before the first spawn.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

import node
from checkout import NPM_PACKAGE, OUT, ROOT, Failed, call
from ship import freeze

SCOPE = "@llama-sidecar"
NAME = "llama-sidecar"
MAIN = "client"

# Python's names → Node's.
SYSTEMS = {"linux": "linux", "darwin": "darwin", "win32": "win32"}
PROCESSORS = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}

# Members of package.json that only developers need.
FOR_DEVELOPERS = ("private", "scripts", "devDependencies", "overrides")


def platform_name() -> tuple[str, str]:
    """This machine's `os` and `cpu`, as npm calls them."""
    system, processor = SYSTEMS.get(sys.platform), PROCESSORS.get(platform.machine().lower())
    if system is None or processor is None:
        raise Failed(f"no npm platform is known for {sys.platform} on {platform.machine()}.")
    return system, processor


def platform_package(program: Path, out: Path, target: tuple[str, str] | None = None) -> Path:
    """Makes the package of a platform, given as npm's `os` and `cpu`, or else of this one; returns its folder."""
    if not program.is_file():
        raise Failed(f"there is no {program}; run: python build/dev.py freeze")
    system, processor = target or platform_name()
    folder = out / SCOPE / f"{system}-{processor}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if program.parent.name == NAME:
        # npm leaves symbolic links out, so what they name is copied.
        shutil.copytree(program.parent, folder / NAME)
    else:
        shutil.copy(program, folder / f"{NAME}{program.suffix if system == 'win32' else ''}")
    source = _source_manifest()
    manifest: dict[str, Any] = {
        "name": f"{SCOPE}/{system}-{processor}",
        "version": source["version"],
        "description": f"The program of {NAME} for {system} {processor}",
        "license": source["license"],
        "os": [system],
        "cpu": [processor],
        **({"libc": ["glibc"]} if system == "linux" else {}),
        "preferUnplugged": True,  # Yarn: a program cannot be run from within an archive
    }
    _write(folder / "package.json", manifest)
    shutil.copy(ROOT / "LICENSE", folder)
    return folder


def main_package(out: Path) -> Path:
    """Makes the package that apps depend on; returns its folder."""
    platforms = {
        found.name: _program_of(found) for found in sorted((out / SCOPE).iterdir()) if found.name != MAIN
    }
    folder = out / SCOPE / MAIN
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tool = node.with_packages()
    build: list[str | Path] = [tool.program, "scripts/build.mjs", folder / "dist"]
    if call(build, tool.env, cwd=NPM_PACKAGE) != 0:
        raise Failed("the npm package's sources could not be built.")
    for file in (NPM_PACKAGE / "README.md", ROOT / "LICENSE"):
        shutil.copy(file, folder)
    shutil.copytree(NPM_PACKAGE / "docs", folder / "docs")
    manifest = {key: value for key, value in _source_manifest().items() if key not in FOR_DEVELOPERS}
    version = manifest["version"]
    manifest["optionalDependencies"] = {f"{SCOPE}/{name}": version for name in platforms}
    manifest["platforms"] = {
        name: {"package": f"{SCOPE}/{name}", "sha256": hashlib.sha256(program.read_bytes()).hexdigest()}
        for name, program in platforms.items()
    }
    _write(folder / "package.json", manifest)
    return folder


def _program_of(package: Path) -> Path:
    manifest = json.loads((package / "package.json").read_text(encoding="utf-8"))
    if manifest["version"] != _source_manifest()["version"]:
        raise Failed(f"{package} is of version {manifest['version']}; remove it or make it anew.")
    for name in (f"{NAME}.exe", NAME, f"{NAME}/{NAME}.exe", f"{NAME}/{NAME}"):
        if (package / name).is_file():
            return package / name
    raise Failed(f"{package} has no program.")


def _source_manifest() -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((NPM_PACKAGE / "package.json").read_text(encoding="utf-8"))
    return manifest


def _write(path: Path, manifest: dict[str, Any]) -> None:
    path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8", newline="\n")


def main() -> int:
    """Makes both packages and says where they are."""
    parser = argparse.ArgumentParser(description="Make the npm packages.")
    parser.add_argument("--program", type=Path, default=freeze.PROGRAM, metavar="FILE")
    parser.add_argument("--main", action="store_true", help="make the main package alone")
    parser.add_argument("--out", type=Path, default=OUT / "npm", metavar="FOLDER")
    options = parser.parse_args()
    out = options.out.resolve()  # tools are run in other folders
    try:
        made = [] if options.main else [platform_package(options.program, out)]
        for folder in (*made, main_package(out)):
            print(f"{folder}: publish it with `npm publish --access public`")
    except Failed as failure:
        print(f"npm.py: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
