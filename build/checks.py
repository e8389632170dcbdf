"""The rules of the tree that no linter knows: who may import what, and how long code may grow.

Prints each violation as `file:line: rule` and exits 1 if there is one.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("sidecar", "build", "tests", "schema")

MODULE_LINES = 330
FUNCTION_LINES = 70
GENERATED = frozenset({"_wire.py", "_types.py"})  # their length is their maker's affair

# A library → the one folder that may import it.
ONLY = {"llama_cpp": "sidecar/core", "huggingface_hub": "sidecar/models", "httpx2": "sidecar/models"}

# A file or folder → what it must not import: llama.cpp may take down an engine, never the router.
NEVER = {"sidecar/message_handler": "sidecar.core", "sidecar/worker": "sidecar.core"}

# The same, but only for what is imported as the program starts, before the role is known.
NEVER_AT_START = {"sidecar/__main__.py": "sidecar.core"}


class Import(NamedTuple):
    """A module that a file imports, by its full name."""

    module: str
    line: int
    at_start: bool  # by the module itself, not when a function of it is called

    def within(self, package: str) -> bool:
        """Whether this is the package or something in it."""
        return f"{self.module}.".startswith(f"{package}.")


def imports(tree: ast.Module, path: str) -> Iterator[Import]:
    """Every import of a file: statements, and calls with a literal name."""
    functions = [node for node in ast.walk(tree) if isinstance(node, _FUNCTION)]
    later = {id(inner) for function in functions for inner in ast.walk(function)}
    for node in ast.walk(tree):
        for module in _imported(node, path):
            yield Import(module, getattr(node, "lineno", 1), id(node) not in later)


_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_CALLS = frozenset({"import_module", "__import__", "find_spec"})


def _imported(node: ast.AST, path: str) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            folders = path.split("/")[:-level] if level else []
            base = [*folders, *([module] if module else [])]
            return [".".join([*base, alias.name]) for alias in names]
        case ast.Call(
            func=ast.Name(id=name) | ast.Attribute(attr=name),
            args=[ast.Constant(value=str(module)), *_],
        ) if name in _CALLS:
            return [module]
    return []


def import_violations(tree: ast.Module, path: str) -> Iterator[tuple[int, str]]:
    """(line, rule) of every import that this file must not make."""
    if not path.startswith("sidecar/"):
        return  # tests compare with the library itself, and tools look for it
    for found in imports(tree, path):
        for library, folder in ONLY.items():
            if found.within(library) and not path.startswith(f"{folder}/"):
                yield found.line, f"only {folder} may import {library}"
        for place, package in NEVER.items():
            if found.within(package) and path.startswith(f"{place}/"):
                yield found.line, f"{place} must not import {package}"
        for place, package in NEVER_AT_START.items():
            if found.within(package) and path == place and found.at_start:
                yield found.line, f"{place} must not import {package} before the role is known"


def length_violations(tree: ast.Module, text: str) -> Iterator[tuple[int, str]]:
    """(line, rule) of a module or function that has grown too long."""
    lines = len(text.splitlines())
    if lines > MODULE_LINES:
        yield 1, f"the module has {lines} lines, more than {MODULE_LINES}"
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTION) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES:
                yield node.lineno, f"{node.name} has {length} lines, more than {FUNCTION_LINES}"


def violations(file: Path) -> list[str]:
    """Every rule that this file breaks, as `file:line: rule`."""
    text = file.read_text(encoding="utf-8")
    path = file.relative_to(ROOT).as_posix()
    tree = ast.parse(text, path)
    found = list(import_violations(tree, path))
    if file.name not in GENERATED:
        found += length_violations(tree, text)
    return [f"{path}:{line}: {rule}" for line, rule in sorted(found)]


def main() -> int:
    """Checks every Python file; returns the exit status."""
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    found = [violation for file in files for violation in violations(file)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
