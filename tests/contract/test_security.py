"""SECURITY.md is true: its limits, files, names and methods exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

from sidecar.core.chat.rendering.template import MAX_RENDER_S

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / ".github" / "SECURITY.md").read_text(encoding="utf-8")
METHODS = json.loads((ROOT / "schema" / "methods.json").read_text(encoding="utf-8"))["requests"]
TYPES = (ROOT / "schema" / "types.json").read_text(encoding="utf-8")
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for folder, end in (("sidecar", "*.py"), ("package.json-shim/src", "*.ts"))
    for path in (ROOT / folder).rglob(end)
)


def test_its_names_exist() -> None:
    names = re.findall(r"`([^`]+)`", TEXT)
    assert len(names) > 15
    for name in names:
        if "/" in name:
            assert (ROOT / name).is_file(), name
        elif name in METHODS:
            continue
        elif name == "llama-sidecar --version":
            assert '"--version"' in SOURCES
        else:
            assert f'"{name}"' in TYPES or re.search(rf"\b{re.escape(name)}\b", SOURCES), name


def test_its_limits_are_those_of_the_code() -> None:
    assert f"at most {MAX_RENDER_S:.0f} s" in TEXT
    (size,) = re.findall(r"no line of more than (\d+) MiB", TEXT)
    assert f"MAX_LINE_BYTES = {size} * 1024 * 1024" in SOURCES


def test_it_invents_no_address() -> None:
    assert not re.findall(r"https?://|\w@\w", TEXT)
    assert "Report a vulnerability" in TEXT
