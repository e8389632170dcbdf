"""A made or pinned llama model as one with M-RoPE, for projectors whose rows stand at places of a picture."""

from __future__ import annotations

import struct
from pathlib import Path

from gguf_files import ARRAY, STRING, UINT32, entry, raw_entries
from projectors import File

from sidecar.models.gguf.reader import read_header
from sidecar.models.gguf.tensor_types import TENSOR_TYPES


def as_qwen2vl(path: Path, model: str) -> str:
    """A llama model under the name of another architecture, whose rows have three positions each: equal ones for text.

    Then M-RoPE turns numbers as RoPE does, but other pairs of them.
    """
    found, entries = read_header(model), []
    for key, raw in raw_entries(model):
        if key == "general.architecture":
            raw = entry(key, STRING, "qwen2vl")
        elif key.startswith("llama."):
            own = key.replace("llama.", "qwen2vl.")
            raw = struct.pack("<Q", len(own)) + own.encode() + raw[8 + len(key) :]
        entries.append(raw)
    queries = found.typed("llama.attention.head_count", int) or 1
    eighth = (found.typed("llama.embedding_length", int) or 0) // queries // 16  # of a head's pairs
    sections = (UINT32, [2 * eighth, 3 * eighth, 3 * eighth, 0])
    entries.append(entry("qwen2vl.rope.dimension_sections", ARRAY, sections))
    keys = found.typed("llama.attention.head_count_kv", int) or queries
    heads = {"attn_q": queries, "attn_k": keys, "attn_v": None}
    file, kinds = File(entries), {kind[0]: number for number, kind in TENSOR_TYPES.items()}
    with Path(model).open("rb") as source:
        for tensor in found.tensors:
            source.seek(found.data_start + tensor.offset)
            data, count = source.read(tensor.size or 0), tensor.shape[-1]
            part = tensor.name.split(".")[-2]
            if tensor.name.startswith("blk.") and part in heads:
                file.fill(tensor.name.replace("weight", "bias"), 0, count)
                if (each := heads[part]) is not None:
                    data = _pairs_apart(data, count, each)
            file.add_raw(tensor.name, list(tensor.shape), kinds[tensor.type_name], data)
    return file.write(path)


def _pairs_apart(data: bytes, rows: int, heads: int) -> bytes:
    """Rows 0, 1, 2, … of each head in the order 0, 2, 4, …, 1, 3, 5, …"""
    size, each = len(data) // rows, rows // heads
    order = (
        row
        for begin in range(0, rows, each)
        for first in (0, 1)
        for row in range(begin + first, begin + each, 2)
    )
    return b"".join(data[row * size : (row + 1) * size] for row in order)
