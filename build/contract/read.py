"""Read the contract from schema/, where it is written by hand."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "schema"


@dataclass(frozen=True)
class Contract:
    """Methods, types and errors as they are written in schema/."""

    protocol_version: int
    program_version: str
    requests: dict[str, dict[str, Any]]
    notifications: dict[str, dict[str, Any]]
    sent: dict[str, dict[str, Any]]
    errors: list[dict[str, Any]]
    types: dict[str, Any]  # as written, `x-extends` included

    @property
    def accepted(self) -> dict[str, dict[str, Any]]:
        """Requests and notifications: everything that the program accepts."""
        return {**self.requests, **self.notifications}

    def flat_type(self, name: str) -> dict[str, Any]:
        """A type together with the properties of the types that it extends; validators need one flat type."""
        flat = {key: value for key, value in self.types[name].items() if key != "x-extends"}
        for base in map(self.flat_type, self.types[name].get("x-extends", [])):
            flat["properties"] = {**flat["properties"], **base["properties"]}
            required = [*flat.get("required", []), *base.get("required", [])]
            if required:
                flat["required"] = required
        return flat


def read_contract() -> Contract:
    """Read the schema files and the program's version."""
    methods = read_json(SCHEMA / "methods.json")
    init = (ROOT / "sidecar" / "__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__(?:: str)? = "([^"]+)"', init, re.MULTILINE)
    if version is None:
        raise SystemExit("sidecar/__init__.py has no literal __version__")
    return Contract(
        protocol_version=methods["protocolVersion"],
        program_version=version[1],
        requests=methods["requests"],
        notifications=methods["notifications"],
        sent=methods["sent"],
        errors=read_json(SCHEMA / "errors.json")["errors"],
        types=read_json(SCHEMA / "types.json")["definitions"],
    )


def read_json(path: Path) -> Any:
    """The value in a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
