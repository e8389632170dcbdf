"""The OpenRPC document, generated from schema/: rpc.discover returns it and --print-schema prints it."""

from __future__ import annotations

import json
import os
from typing import Final

OPENRPC_FILE: Final = os.path.join(os.path.dirname(__file__), "openrpc.json")


def openrpc_document() -> dict[str, object]:
    """Read the document. It has 200 kB and is rarely requested twice, so it is not kept."""
    with open(OPENRPC_FILE, encoding="utf-8") as file:
        document: dict[str, object] = json.load(file)
    return document
