"""Generates everything that follows from schema/, the hand-written source of the contract.

    python -m contract.generate            in build/: write the files that changed
    python -m contract.generate --check    write nothing; exit 1 with a diff if a file is out of date

It writes: the tables that the program reads (`_wire.py`), its types for a type checker (`_types.py`), the
OpenRPC document that it publishes (`openrpc.json`), the schemas that it validates params with
(`schemas.json`), the TypeScript and Rust types, and the tables in schema/README.md.

It needs the standard library only. Only the TypeScript types need node; without it, their fingerprint still shows
whether they are out of date.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

from contract import openrpc, rust, typed_dicts
from contract.read import ROOT, SCHEMA, Contract, read_contract

SHIM = ROOT / "package.json-shim"
WIRE = ROOT / "sidecar" / "message_handler" / "_wire.py"
TYPES = ROOT / "sidecar" / "message_handler" / "_types.py"
OPENRPC = ROOT / "sidecar" / "message_handler" / "openrpc.json"
SCHEMAS = ROOT / "sidecar" / "message_handler" / "schemas.json"
TYPESCRIPT = SHIM / "src" / "generated"  # its modules: contract.ts, methods.ts
RUST = SHIM / "tauri-plugin" / "src"  # its modules: types.rs, methods.rs
README = SCHEMA / "README.md"

NOTICE = "GENERATED from schema/ by build/contract/generate.py; do not edit"
REMEDY = "run: python build/dev.py gen"
DIFF_LINES = 40  # per file: the first lines show what differs


# --- The tables that the program reads ---------------------------------------------------------


def wire_module(contract: Contract) -> str:
    """Literals only, so that the import takes no time; one entry per line, as the formatter lays them out."""
    types = {name: row["params"] for name, row in contract.accepted.items()}
    flat = {method: contract.flat_type(name) for method, name in types.items()}
    required = [method for method, type_ in flat.items() if type_.get("required") or "oneOf" in type_]
    lines = [f'"""{NOTICE}."""', "", "from __future__ import annotations", ""]
    lines += [f"PROTOCOL_VERSION: int = {contract.protocol_version}", ""]
    lines += [
        "# Request → who takes it: the router (which may start a transfer for it) or an engine.",
        "REQUESTS: dict[str, str] = {",
    ]
    lines += [f'    "{name}": "{row["lane"]}",' for name, row in contract.requests.items()]
    lines += ["}", "", "# Request or accepted notification → its params type."]
    lines += ["PARAMS: dict[str, str] = {"]
    lines += [f'    "{name}": "{params}",' for name, params in types.items()]
    lines += ["}", "", "# Methods that require params."]
    lines += ["REQUIRED: frozenset[str] = frozenset(", "    {"]
    lines += [f'        "{name}",' for name in required]
    lines += ["    }", ")", "", "# Notifications that are accepted."]
    lines += ["NOTIFICATIONS: tuple[str, ...] = ("]
    lines += [f'    "{name}",' for name in contract.notifications]
    lines += [")", "", "# Notifications that are sent.", "SENT: tuple[str, ...] = ("]
    lines += [f'    "{name}",' for name in contract.sent]
    lines += [")", "", "# Kind → code, retryable, meaning, remedy."]
    lines += ["ERRORS: dict[str, tuple[int, bool, str, str]] = {"]
    for error in contract.errors:
        members = (error[key] for key in ("code", "retryable", "meaning", "remedy"))
        lines += [f'    "{error["kind"]}": (']
        lines += [f"        {_literal(member)}," for member in members]
        lines += ["    ),"]
    lines += ["}", "", "# Params type → the defaults of its properties."]
    lines += ["DEFAULTS: dict[str, dict[str, object]] = {"]
    for params in types.values():
        defaults = {
            name: spec["default"]
            for name, spec in contract.flat_type(params)["properties"].items()
            if "default" in spec
        }
        rows = [f'        "{name}": {_literal(value)},' for name, value in defaults.items()]
        lines += [f'    "{params}": {{', *rows, "    },"] if rows else [f'    "{params}": {{}},']
    return "\n".join([*lines, "}", ""])


def _literal(value: object) -> str:
    """A Python literal, laid out as the formatter does it in a row of a table of tables."""
    if isinstance(value, list) and value:
        return "".join(["[\n", *(f"            {_literal(item)},\n" for item in value), "        ]"])
    if not isinstance(value, str):
        return repr(value)
    if '"' in value and "'" not in value:
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


# --- The TypeScript types ----------------------------------------------------------------------


def typescript_modules(node: str | None) -> dict[Path, str] | None:
    """File → text, made by package.json-shim/scripts/generate.mjs; None if out of date and without node.

    The first line of each file has a fingerprint of the sources, which shows drift without node, too.
    """
    made_from = [SHIM / "scripts" / "generate.mjs", *sorted(SCHEMA.glob("*.json"))]
    digest = hashlib.sha256("".join(_read_text(path) for path in made_from).encode()).hexdigest()
    header = f"// {NOTICE} (fingerprint {digest[:16]})\n"
    if node is None:
        files = [TYPESCRIPT / name for name in ("contract.ts", "methods.ts")]
        committed = {file: _read_text(file) if file.is_file() else "" for file in files}
        print("note: only the fingerprint of the TypeScript modules was compared")
        return committed if all(text.startswith(header) for text in committed.values()) else None
    command = [node, "scripts/generate.mjs"]
    run = subprocess.run(command, cwd=SHIM, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    modules: dict[str, str] = json.loads(run.stdout)
    return {TYPESCRIPT / name: header + text for name, text in modules.items()}


def find_node() -> str | None:
    """The path of node, if the packages of package.json-shim/ are installed."""
    installed = (SHIM / "node_modules" / "json-schema-to-typescript").is_dir()
    return shutil.which("node") if installed else None


# --- The tables of schema/README.md ------------------------------------------------------------


def readme(contract: Contract) -> str:
    """The README with new tables between its markers."""
    requests = [
        [
            f"`{name}`",
            row["summary"],
            f"`{row['params']}`",
            f"`{row['result']}`",
            _code_list(row["progress"]),
            _code_list(row["errors"]),
        ]
        for name, row in contract.requests.items()
    ]
    notifications = [
        [f"`{name}`", direction, row["summary"], f"`{row['params']}`"]
        for direction, rows in (("accepted", contract.notifications), ("sent", contract.sent))
        for name, row in rows.items()
    ]
    errors = [
        [
            str(error["code"]),
            f"`{error['kind']}`",
            "yes" if error["retryable"] else "no",
            error["meaning"],
            error["remedy"],
        ]
        for error in contract.errors
    ]
    text = _read_text(README)
    for name, head, rows in (
        ("methods", ["method", "what it does", "params", "result", "progress", "errors"], requests),
        ("notifications", ["notification", "direction", "meaning", "params"], notifications),
        ("errors", ["code", "kind", "retryable", "meaning", "remedy"], errors),
    ):
        cells = [head, ["---"] * len(head), *rows]
        table = "\n".join(f"| {' | '.join(row)} |" for row in cells)
        begin, end = f"<!-- generated: {name} -->\n", "\n<!-- end -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise SystemExit(f"schema/README.md lacks the markers of the table of {name}")
        text = before + begin + table + end + after
    return text


def _code_list(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# --- Writing and comparing ---------------------------------------------------------------------


def _read_text(path: Path) -> str:
    """A file's text, with \\n as line end on every platform."""
    return path.read_text(encoding="utf-8")


def write(path: Path, text: str) -> None:
    """Write a file if its text changed, and print its name."""
    if not path.is_file() or _read_text(path) != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        print(f"wrote {_relative(path)}")


def compare(path: Path, text: str) -> bool:
    """Whether a file has this text; prints a diff if not."""
    committed = _read_text(path) if path.is_file() else ""
    if committed == text:
        return True
    names = f"{_relative(path)} (committed)", f"{_relative(path)} (generated)"
    if path.suffix == ".json":  # long lines: put each member on its own line
        committed, text = committed.replace(", ", ",\n"), text.replace(", ", ",\n")
    diff = difflib.unified_diff(committed.splitlines(), text.splitlines(), *names, "", "", 2, "")
    for line in islice(diff, DIFF_LINES):
        print(line[:200].encode("ascii", "backslashreplace").decode())  # every console can show ASCII
    return False


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def main(arguments: list[str] | None = None) -> int:
    """Write or compare every generated file. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Generate what is derived from schema/.")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    parser.add_argument("--without-node", action="store_true", help="skip the TypeScript types")
    options = parser.parse_args(arguments)
    contract = read_contract()
    node = None if options.without_node else find_node()
    texts = {
        WIRE: wire_module(contract),
        TYPES: typed_dicts.typed_dicts(contract, NOTICE),
        OPENRPC: openrpc.document(contract, NOTICE),
        SCHEMAS: openrpc.schemas(contract),
        RUST / "types.rs": rust.types(contract, NOTICE),
        RUST / "methods.rs": rust.methods(contract, NOTICE),
        README: readme(contract),
    }
    typescript = typescript_modules(node)
    if typescript is None:
        print(f"{_relative(TYPESCRIPT)} is out of date; generating it needs node and `npm ci`")
    else:
        texts |= typescript
    if options.check:
        stale = [path for path, text in texts.items() if not compare(path, text)]
        if stale or typescript is None:
            print(REMEDY)
            return 1
        return 0
    for path, text in texts.items():
        write(path, text)
    return 1 if typescript is None else 0


if __name__ == "__main__":
    sys.exit(main())
