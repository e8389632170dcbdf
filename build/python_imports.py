"""The rules of the program's imports: no circle, an order of packages, and places for some libraries.

Imports under TYPE_CHECKING, in functions and by name (`import_module("…")`) count like all others.
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

Layers = Sequence[frozenset[str]]
"""Packages and modules, lowest first. One may import its own layer and those below it."""

LAYERS: Layers = (
    frozenset({"sidecar"}),
    frozenset({"sidecar.message_handler"}),
    frozenset({"sidecar.hardware", "sidecar.options"}),
    # The transfer process. What reads model files serves the engine and the router, too.
    frozenset(f"sidecar.models.{name}" for name in ("gguf", "http", "store", "transfer_job")),
    frozenset({"sidecar.models.memory_estimate", "sidecar.models.download"}),
    frozenset({"sidecar.models.sources"}),
    frozenset({"sidecar.models.inventory"}),
    frozenset({"sidecar.models.methods"}),
    frozenset({"sidecar.models"}),
    # The engine process.
    frozenset({"sidecar.core.crash", "sidecar.core.llama", "sidecar.core.jobs", "sidecar.core.schema_check"}),
    frozenset({"sidecar.core.media"}),
    frozenset({"sidecar.core.model"}),
    frozenset({"sidecar.core.context", "sidecar.core.structured_output"}),
    frozenset(f"sidecar.core.{name}" for name in ("sampling", "speculation", "embedding", "output")),
    frozenset({"sidecar.core.scheduling", "sidecar.core.chat"}),
    frozenset({"sidecar.core.engine"}),
    frozenset({"sidecar.core.methods"}),
    frozenset({"sidecar.core"}),
    # The router process, the commands, and what picks the role.
    frozenset({"sidecar.worker"}),
    frozenset({"sidecar.cli"}),
    frozenset({"sidecar.__main__"}),
)

ONLY = {
    "llama_cpp": "sidecar.core.llama",
    "llguidance": "sidecar.core.structured_output",
    "huggingface_hub": "sidecar.models",
    "httpx2": "sidecar.models",
    "jsonschema": "sidecar.message_handler",  # not bounded: for params and the program's own schemas only
}
"""Library → the only package that may import it."""

NEVER = {
    "sidecar.worker": ("sidecar.core",),  # llama.cpp may crash an engine, never the router
    "sidecar.core": tuple(f"sidecar.models.{name}" for name in ("http", "download", "sources", "inventory")),
}
"""Package → packages that it must not import."""

NEVER_AT_START = {"sidecar.__main__": "sidecar.core"}
"""The same, only for what is imported before the role is known."""

_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_CALLS = frozenset({"import_module", "__import__", "find_spec"})


class Import(NamedTuple):
    """One imported module, or a name in one: `sidecar.core.engine.Engine`."""

    name: str
    line: int
    at_start: bool  # the module itself imports it, not a function when it is called


class Source(NamedTuple):
    """A parsed module."""

    path: str  # relative to the root, with slashes
    tree: ast.Module

    @property
    def name(self) -> str:
        """The module's full name; a package's for its `__init__.py`."""
        return ".".join(self.path.removesuffix(".py").removesuffix("/__init__").split("/"))


def imports(source: Source) -> Iterator[Import]:
    """Every import of a module: statements, and calls with a literal name."""
    functions = [node for node in ast.walk(source.tree) if isinstance(node, _FUNCTION)]
    later = {id(inner) for function in functions for inner in ast.walk(function)}
    for node in ast.walk(source.tree):
        for name in _imported(node, source.path):
            yield Import(name, getattr(node, "lineno", 1), id(node) not in later)


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


def violations(sources: Sequence[Source], layers: Layers = LAYERS) -> Iterator[str]:
    """Every rule that these modules break together, as `file:line: rule`."""
    names = {source.name for source in sources}
    graph: dict[str, set[str]] = {}  # module → those of the modules that it imports
    for source in sources:
        graph[source.name] = set()
        own = _layer(source.name, layers)
        if own is None:
            yield f"{source.path}:1: {source.name} has no place in the order of packages"
        for found in imports(source):
            place = f"{source.path}:{found.line}"
            for rule in _misplaced(source.name, found):
                yield f"{place}: {rule}"
            module = _module(found.name, names)
            if module is None or module == source.name:
                continue
            graph[source.name].add(module)
            above = _layer(module, layers)
            if own is not None and above is not None and above > own:
                yield f"{place}: {source.name} is below {module}, so it must not import it"
    yield from circles(graph)


def within(name: str, package: str) -> bool:
    """Whether this is the package or something in it."""
    return f"{name}.".startswith(f"{package}.")


def _misplaced(module: str, found: Import) -> Iterator[str]:
    for library, package in ONLY.items():
        if within(found.name, library) and not within(module, package):
            yield f"only {package} may import {library}"
    for place, packages in NEVER.items():
        for package in packages:
            if within(module, place) and within(found.name, package):
                yield f"{place} must not import {package}"
    for place, package in NEVER_AT_START.items():
        if module == place and within(found.name, package) and found.at_start:
            yield f"{place} must not import {package} before the role is known"


def _layer(module: str, layers: Layers) -> int | None:
    """The layer of the longest of its names that has one; the root package is a name for itself only."""
    parts = module.split(".")
    for length in range(len(parts), 1 if len(parts) > 1 else 0, -1):
        name = ".".join(parts[:length])
        for number, layer in enumerate(layers):
            if name in layer:
                return number
    return None


def _module(name: str, known: Set[str]) -> str | None:
    """The known module that an imported name is, or is in."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


def circles(imported: Mapping[str, set[str]]) -> Iterator[str]:
    """One violation per circle: the modules of a circle that was named are left out of the next search."""
    left = {name: set(modules) for name, modules in imported.items()}
    while True:
        try:
            graphlib.TopologicalSorter(left).prepare()
            return
        except graphlib.CycleError as error:
            circle: list[str] = error.args[1][::-1]  # from importer to imported
            yield f"{circle[0].replace('.', '/')}.py:1: import circle: {' → '.join(circle)}"
            left = {name: modules - {*circle} for name, modules in left.items() if name not in circle}
