"""Damaged models, adapters and states: the same file for the same seed and number."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import struct
from pathlib import Path
from typing import NamedTuple

import gguf_tree
from client import Client
from damage import EDGES, damage


class Case(NamedTuple):
    """A file, and how it was made."""

    what: str
    path: Path


class Source(NamedTuple):
    """Where the good files are, and what the damage depends on."""

    folder: Path
    seed: int

    def chance(self, group: str, index: int) -> random.Random:
        """The same for the same case, in every run."""
        return random.Random(f"{self.seed}-{group}-{index}")


def write_model(source: Source, trees: dict[str, gguf_tree.Tree], index: int, folder: Path) -> Case:
    chance = source.chance("model", index)
    kind = sorted(trees)[index % len(trees)]
    data, done = damage(trees[kind], chance)
    path = folder / "damaged.gguf"
    if kind == "split":
        path = folder / "damaged-00001-of-00002.gguf"
        shutil.copyfile(source.folder / "split-00002-of-00002.gguf", folder / "damaged-00002-of-00002.gguf")
    path.write_bytes(data)
    return Case(f"model {index} ({kind}: {done})", path)


def write_adapter(source: Source, tree: gguf_tree.Tree, index: int, folder: Path) -> Case:
    data, done = damage(tree, source.chance("adapter", index))
    path = folder / "adapter.gguf"
    path.write_bytes(data)
    return Case(f"adapter {index} ({done})", path)


def write_projector(source: Source, tree: gguf_tree.Tree, index: int, folder: Path) -> Case:
    data, done = damage(tree, source.chance("projector", index))
    path = folder / "projector.gguf"
    path.write_bytes(data)
    return Case(f"projector {index} ({done})", path)


def write_state(source: Source, good: bytes, index: int, folder: Path) -> Case:
    """A state that was changed, mostly with a checksum that is right again: whoever writes a file can count."""
    chance = source.chance("state", index)
    (size,) = struct.unpack_from("<I", good, 8)
    header, body = json.loads(good[12 : 12 + size]), bytearray(good[12 + size : -32])
    what = chance.choice(("header", "data", "data", "data", "begin", "begin", "longer", "shorter", "tokens"))
    tokens = 4 * header["tokens"]
    if what == "header":
        key = chance.choice(sorted(header))
        header[key] = chance.choice((*EDGES, -1, None, "x", [], {}, 1.5, True))
    elif what == "tokens":
        struct.pack_into("<I", body, 4 * chance.randrange(header["tokens"]), chance.choice(EDGES) % 2**32)
    elif what == "longer":
        body += bytes(chance.choice((1, 8, 4096)))
        header["stateBytes"] = len(body) - tokens
    elif what == "shorter":
        del body[chance.randrange(tokens, len(body)) :]
        header["stateBytes"] = len(body) - tokens
    else:
        end = len(body) if what == "data" else min(len(body), tokens + 96)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(tokens, end - 8)
            struct.pack_into("<Q", body, place, chance.choice(EDGES))
    head = json.dumps(header).encode()
    data = good[:8] + struct.pack("<I", len(head)) + head + body
    data += hashlib.sha256(data).digest() if chance.random() < 0.9 else good[-32:]
    path = folder / "state"
    path.write_bytes(data)
    return Case(f"state {index} ({what})", path)


def good_state(client: Client, folder: Path) -> bytes:
    """A state of the tiny model."""
    model = client.get("loadModel", {"path": str(folder / "bytes.gguf")})["modelId"]
    context = client.get("createContext", {"modelId": model, "contextSize": 64})["contextId"]
    prompt = {"contextId": context, "prompt": "Hello abc", "maxTokens": 4, "seed": 1}
    client.get("complete", prompt)
    client.get("saveState", {"contextId": context, "prompt": "Hello abc", "path": str(folder / "good")})
    client.get("unloadModel", {"modelId": model})
    return (folder / "good").read_bytes()
