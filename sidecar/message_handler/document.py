"""The OpenRPC document made from schema/: what rpc.discover returns and --print-schema prints."""

from __future__ import annotations

import json
import os
from typing import Any, Final

OPENRPC_FILE: Final = os.path.join(os.path.dirname(__file__), "openrpc.json")


def openrpc_document() -> dict[str, Any]:
    """Read it; it is 200 kB, and seldom asked for twice."""
    with open(OPENRPC_FILE, encoding="utf-8") as file:
        document: dict[str, Any] = json.load(file)
    return document
