"""The rules of the npm client's imports: no circle, an order of modules, and places for some packages.

Type imports count like all others.
"""

from __future__ import annotations

import graphlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import NamedTuple

SOURCES = "package.json-shim/src"

Layers = Sequence[frozenset[str]]
"""Folders and modules, lowest first. One may import its own layer and those below it."""

LAYERS: Layers = (
    frozenset({"generated/contract", "base64"}),
    frozenset({"client"}),
    frozenset({"generated/methods", "media"}),
    frozenset({"client/model", "client/llama"}),
    frozenset({"index"}),
    frozenset({"tools", "chat-session", "loaded-models", "reasoning"}),
    frozenset({"ai-sdk", "openai", "prompt-api"}),
    frozenset({"node", "port", "tauri"}),
    frozenset({"electron"}),
)

ONLY = {"node:": ("node",), "electron": ("electron",), "@tauri-apps/": ("tauri",), "@ai-sdk/": ("ai-sdk",)}
"""How the name of a package begins → the only folder or module that may import it: a web page has no others."""

ALONE = frozenset({"generated/contract", "electron/preload"})
"""Modules that import no other module of ours. A preload script in a sandbox cannot load one."""

_STATEMENT = re.compile(
    r"""^(?:import|export)\b[^;"'=]*?\bfrom\s*["']([^"']+)["']  # import … from "x", export … from "x"
    | ^import\s*["']([^"']+)["']                                # import "x"
    | \bimport\(\s*["']([^"']+)["']                             # import("x"), typeof import("x")
    """,
    re.MULTILINE | re.VERBOSE,
)


class Import(NamedTuple):
    """One import of a module."""

    name: str  # of ours: its path in the source folder without a suffix; of a package: as it stands there
    line: int
    ours: bool


def imports(module: str, text: str) -> Iterator[Import]:
    """Every import of a module; `module` is its path in the source folder without a suffix."""
    for match in _STATEMENT.finditer(text):
        name = next(group for group in match.groups() if group)
        line = text.count("\n", 0, match.start()) + 1
        ours = name.startswith(".")
        path = normpath(join(dirname(module), name)).removesuffix(".js")
        yield Import(path if ours else name, line, ours)


def violations(root: Path, layers: Layers = LAYERS) -> list[str]:
    """Every rule that the npm client in this checkout breaks, as `file:line: rule`."""
    folder = root / SOURCES
    texts = {
        file.relative_to(folder).with_suffix("").as_posix(): file.read_text(encoding="utf-8")
        for file in sorted(folder.rglob("*.ts"))
    }
    imported = {module: list(imports(module, text)) for module, text in texts.items()}
    found = [
        f"{SOURCES}/{module}.ts:{each.line}: {rule}"
        for module, all_ in imported.items()
        for each in all_
        for rule in _broken(module, each, layers)
    ]
    found += [
        f"{SOURCES}/{module}.ts:1: {module} has no place in the order of modules"
        for module in texts
        if _layer(module, layers) is None
    ]
    circle = _circle({module: {each.name for each in all_ if each.ours} for module, all_ in imported.items()})
    if circle:
        found.append(f"{SOURCES}/{circle[0]}.ts:1: import circle: {' → '.join(circle)}")
    return found


def _broken(module: str, found: Import, layers: Layers) -> Iterator[str]:
    if not found.ours:
        for package, places in ONLY.items():
            if found.name.startswith(package) and not any(_within(module, place) for place in places):
                yield f"only {' and '.join(places)} may import {found.name}"
        return
    if module in ALONE:
        yield f"{module} must not import other modules"
    own, other = _layer(module, layers), _layer(found.name, layers)
    if own is not None and other is not None and other > own:
        yield f"{module} is below {found.name}, so it must not import it"


def _within(module: str, place: str) -> bool:
    """Whether this is the module or folder, or something in it."""
    return f"{module}/".startswith(f"{place}/")


def _layer(module: str, layers: Layers) -> int | None:
    """The layer that names the module, else the one that names its folder."""
    found = [
        (len(place), number)
        for number, layer in enumerate(layers)
        for place in layer
        if _within(module, place)
    ]
    return max(found)[1] if found else None


def _circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The first circle, from importer to imported; empty if there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle: list[str] = error.args[1][::-1]
        return circle
    return []
