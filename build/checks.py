"""The rules of the tree that no linter knows: who may import what, how long code may grow, how loose types may be.

Prints each violation as `file:line: rule` and exits 1 if there is one.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import python_imports
import typescript_imports
from python_imports import Source

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("sidecar", "build", "tests", "schema")
PROGRAM = "sidecar"

MODULE_LINES = 300
FUNCTION_LINES = 60
FOLDER_MODULES = 12
"""In a folder of the program, `__init__.py` not counted."""
ANYS = 100
"""Uses of `Any` in the program. Each has its reason in a comment on its line."""

LONGER = {"tests": (330, 70)}
"""Folder → its own limits of lines per module and per function."""

GENERATED = "GENERATED from "
"""How the first line of a generated module begins; what its maker writes is its maker's affair."""


def length_violations(source: Source, text: str) -> Iterator[str]:
    """Modules and functions that have grown too long."""
    module, function = LONGER.get(source.path.partition("/")[0], (MODULE_LINES, FUNCTION_LINES))
    lines = len(text.splitlines())
    if lines > module:
        yield f"{source.path}:1: the module has {lines} lines, more than {module}"
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > function:
                yield f"{source.path}:{node.lineno}: {node.name} has {length} lines, more than {function}"


def folder_violations(paths: Iterable[str]) -> Iterator[str]:
    """Folders of the program with too many modules."""
    modules = (path for path in paths if path.startswith(f"{PROGRAM}/") and not path.endswith("__init__.py"))
    for folder, count in Counter(path.rpartition("/")[0] for path in modules).items():
        if count > FOLDER_MODULES:
            yield f"{folder}: the folder has {count} modules, more than {FOLDER_MODULES}"


def package_violations(source: Source) -> Iterator[str]:
    """Code in an `__init__.py` of core/ and models/: whoever imports one module would run it, too."""
    if re.match(rf"{PROGRAM}/(core|models)/(.*/)?__init__\.py$", source.path):
        for node in source.tree.body[1:]:
            yield f"{source.path}:{node.lineno}: this __init__.py may hold nothing but its docstring"


def any_violations(sources: Sequence[tuple[Source, str]]) -> Iterator[str]:
    """Uses of `Any` without a reason beside them, and more of them than the limit."""
    count = 0
    for source, text in sources:
        lines = text.splitlines()
        for line in _anys(source.tree):
            count += 1
            if "#" not in lines[line - 1]:
                yield f"{source.path}:{line}: an Any without its reason in a comment on the line"
    if count > ANYS:
        yield f"{PROGRAM}: {count} uses of Any, more than {ANYS}"


def _anys(tree: ast.Module) -> Iterator[int]:
    """The line of each use of the name: in an annotation, an alias or a string that is an annotation."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id="Any") | ast.Attribute(attr="Any"):
                yield node.lineno
            case ast.Constant(value=str(text)) if _in_type(text):
                yield node.lineno


def _in_type(text: str) -> bool:
    """Whether a string looks like a type with Any in it: cast("dict[str, Any]", …)."""
    return (
        "Any" in text
        and re.fullmatch(r"[\w\[\], .|]*\bAny\b[\w\[\], .|]*", text) is not None
        and (text == "Any" or "[" in text or "|" in text)
    )


def tree_violations(root: Path) -> list[str]:
    """Every rule that the tree at this root breaks."""
    texts = {
        file.relative_to(root).as_posix(): file.read_text(encoding="utf-8")
        for folder in FOLDERS
        for file in sorted((root / folder).rglob("*.py"))
    }
    read = [(Source(path, ast.parse(text, path)), text) for path, text in texts.items()]
    by_hand = [(source, text) for source, text in read if GENERATED not in text.partition("\n")[0]]
    found = [violation for source, text in by_hand for violation in length_violations(source, text)]
    found += folder_violations(texts)
    found += [violation for source, _ in by_hand for violation in package_violations(source)]
    found += any_violations([each for each in by_hand if each[0].path.startswith(f"{PROGRAM}/")])
    # Tests compare with the library itself, and tools look for it: the rules of imports are the program's.
    found += python_imports.violations(
        [source for source, _ in read if source.path.startswith(f"{PROGRAM}/")]
    )
    found += typescript_imports.violations(root)
    return list(dict.fromkeys(found))  # an import statement may break one rule with each of its names


def main() -> int:
    """Checks every Python file and the npm client's imports; returns the exit status."""
    found = tree_violations(ROOT)
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
