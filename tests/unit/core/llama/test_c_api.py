"""The types that mypy reads are those of the real bindings."""

from __future__ import annotations

import ast
import ctypes
from pathlib import Path

import pytest

from sidecar.core.llama import bindings
from sidecar.core.llama.bindings import lib

STUB = ast.parse(Path(bindings.__file__).with_name("c_api.pyi").read_text(encoding="utf-8"))
FUNCTIONS = [node for node in STUB.body if isinstance(node, ast.FunctionDef)]
STRUCTS = [
    node
    for node in STUB.body
    if isinstance(node, ast.ClassDef) and [ast.unparse(base) for base in node.bases] == ["ctypes.Structure"]
]
PLAIN = {
    None: "None",
    ctypes.c_bool: "bool",
    ctypes.c_char_p: "bytes",
    ctypes.c_int32: "int",
    ctypes.c_uint32: "int",
    ctypes.c_uint64: "int",
    ctypes.c_size_t: "int",
}
"""A C function's result → its type in the stub; those of pointers and structs have other names."""


@pytest.mark.parametrize("stub", FUNCTIONS, ids=lambda node: node.name)
def test_a_function_takes_and_gives_what_the_stub_says(stub: ast.FunctionDef) -> None:
    real = getattr(lib, stub.name)
    assert len(real.argtypes) == len(stub.args.posonlyargs), "parameters"
    assert stub.returns is not None
    if real.restype in PLAIN:
        assert ast.unparse(stub.returns).removesuffix(" | None") == PLAIN[real.restype], "result"


@pytest.mark.parametrize("stub", STRUCTS, ids=lambda node: node.name)
def test_a_struct_has_the_fields_that_the_stub_says(stub: ast.ClassDef) -> None:
    named = {node.target.id for node in stub.body if isinstance(node, ast.AnnAssign)}  # type: ignore[union-attr]
    real = getattr(lib, stub.name)
    assert named <= {name for name, *_ in real._fields_}


def test_there_are_functions_and_structs_to_compare() -> None:
    assert len(FUNCTIONS) > 80
    assert len(STRUCTS) > 8
