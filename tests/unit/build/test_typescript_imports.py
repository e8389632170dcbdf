"""Each rule of the npm client's imports finds what breaks it, in trees made for it, and nothing else."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

import typescript_imports

ROOT = Path(__file__).parents[3]
SOURCES = typescript_imports.SOURCES

RIGHT = {
    "generated/contract": 'export const NAME = "./client/calls.js";\nexport type Token = number;',
    "client/calls": """// import { a } from "../index.js"
import type {
  Token,
} from "../generated/contract.js";
export const send = (token: Token) => token;""",
    "generated/methods": 'import type { send } from "../client/calls.js";',
    "client/llama": 'import { Methods } from "../generated/methods.js";\nimport { send } from "./calls.js";',
    "index": 'export * from "./client/llama.js";',
    "node/index": 'import { spawn } from "node:child_process";\nexport * from "../index.js";',
    "electron/main": 'import { app } from "electron";\nimport { PORT } from "../port.js";',
    "port": 'export { Llama } from "./client/llama.js";',
}


def found(root: Path, files: dict[str, str]) -> list[str]:
    for module, text in files.items():
        file = root / SOURCES / f"{module}.ts"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return [violation.removeprefix(f"{SOURCES}/") for violation in typescript_imports.violations(root)]


def test_a_tree_without_violations(tmp_path: Path) -> None:
    assert found(tmp_path, RIGHT) == []


@pytest.mark.parametrize(
    "statement",
    [
        'import { b } from "./b.js";',
        "import type { b } from './b.js';",
        'import "./b.js";',
        'export * from "./b.js";',
        'export { type B } from "./b.js";',
        'import {\n  b,\n  c,\n} from "./b.js";',
        'const b = await import("./b.js");',
        'type B = typeof import("./b.js");',
    ],
)
def test_a_circle_is_named_whatever_the_form_of_the_import(tmp_path: Path, statement: str) -> None:
    files = {
        "client/a": statement,
        "client/b": 'import { c } from "./c.js";',
        "client/c": 'import { a } from "../client/a.js";\nimport { d } from "./d.js";',
        "client/d": "",
    }
    (violation,) = found(tmp_path, files)
    _, _, circle = violation.partition("import circle: ")
    modules = circle.split(" → ")
    assert modules[0] == modules[-1]
    follows = dict(pairwise(modules))
    assert follows == {"client/a": "client/b", "client/b": "client/c", "client/c": "client/a"}


def test_an_import_against_the_order_is_found(tmp_path: Path) -> None:
    files = {
        "client/calls": '\nimport type { Sent } from "../generated/methods.js";',
        "generated/methods": "",
        "client/llama": 'import { getLlama } from "../node/index.js";',
        "node/index": "",
    }
    assert found(tmp_path, files) == [
        "client/calls.ts:2: client/calls is below generated/methods, so it must not import it",
        "client/llama.ts:1: client/llama is below node/index, so it must not import it",
    ]


def test_a_module_without_a_place_in_the_order_is_found(tmp_path: Path) -> None:
    assert found(tmp_path, {"deno": ""}) == ["deno.ts:1: deno has no place in the order of modules"]


def test_packages_are_imported_in_their_places_only(tmp_path: Path) -> None:
    files = {
        "client/lines": 'import { Buffer } from "node:buffer";',
        "node/child": 'import type { App } from "electron";\nimport { spawn } from "node:child_process";',
        "port": 'import { invoke } from "@tauri-apps/api/core";',
        "tauri": 'import { invoke } from "@tauri-apps/api/core";',
    }
    assert found(tmp_path, files) == [
        "client/lines.ts:1: only node may import node:buffer",
        "node/child.ts:1: only electron may import electron",
        "port.ts:1: only tauri may import @tauri-apps/api/core",
    ]


def test_the_preload_script_and_the_contract_import_none_of_our_modules(tmp_path: Path) -> None:
    files = {
        "electron/preload": 'import { ipcRenderer } from "electron";\nimport { PORT } from "../port.js";',
        "generated/contract": 'export * from "./other.js";',
        "port": "",
    }
    assert found(tmp_path, files) == [
        "electron/preload.ts:2: electron/preload must not import other modules",
        "generated/contract.ts:1: generated/contract must not import other modules",
    ]


def test_the_npm_client_keeps_the_rules() -> None:
    assert typescript_imports.violations(ROOT) == []
