"""A model of 100 kB for the self-test: it runs every step of a real one within milliseconds, but writes nonsense.

A llama with one layer, random weights and a byte vocabulary. ggml's docs/gguf.md describes the format.
"""

from __future__ import annotations

import array
import math
import random
import struct
import sys
from typing import Final

ALIGNMENT: Final = 32
WIDTH: Final = 32
FEED_FORWARD: Final = 64
F32: Final = 0
UINT32, INT32, FLOAT32, STRING, ARRAY = 4, 5, 6, 8, 9
SCALARS: Final = {UINT32: "<I", INT32: "<i", FLOAT32: "<f"}
TOKENS: Final = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]

Value = str | int | float | tuple[int, list[str] | list[int] | list[float]]
"""An array is (type of its elements, elements)."""

METADATA: Final[dict[str, tuple[int, Value]]] = {
    "general.architecture": (STRING, "llama"),
    "general.name": (STRING, "Self-test"),
    "llama.context_length": (UINT32, 512),
    "llama.embedding_length": (UINT32, WIDTH),
    "llama.block_count": (UINT32, 1),
    "llama.feed_forward_length": (UINT32, FEED_FORWARD),
    "llama.attention.head_count": (UINT32, 2),
    "llama.attention.layer_norm_rms_epsilon": (FLOAT32, 1e-5),
    "llama.rope.dimension_count": (UINT32, WIDTH // 2),
    "tokenizer.ggml.model": (STRING, "llama"),
    "tokenizer.ggml.tokens": (ARRAY, (STRING, TOKENS)),
    "tokenizer.ggml.scores": (ARRAY, (FLOAT32, [0.0] * len(TOKENS))),
    "tokenizer.ggml.token_type": (ARRAY, (INT32, [2, 3, 3] + [6] * 256)),  # unknown, control, bytes (llama.h)
    "tokenizer.ggml.bos_token_id": (UINT32, 1),
    "tokenizer.ggml.eos_token_id": (UINT32, 2),
}
SHAPES: Final = {
    "token_embd.weight": [WIDTH, len(TOKENS)],
    "output_norm.weight": [WIDTH],
    "output.weight": [WIDTH, len(TOKENS)],
    "blk.0.attn_norm.weight": [WIDTH],
    "blk.0.ffn_norm.weight": [WIDTH],
    **{f"blk.0.attn_{part}.weight": [WIDTH, WIDTH] for part in ("q", "k", "v", "output")},
    "blk.0.ffn_gate.weight": [WIDTH, FEED_FORWARD],
    "blk.0.ffn_up.weight": [WIDTH, FEED_FORWARD],
    "blk.0.ffn_down.weight": [FEED_FORWARD, WIDTH],
}


def content() -> bytes:
    """The GGUF file, always the same."""
    table, weights, chance = [], bytearray(), random.Random(1)
    for name, shape in SHAPES.items():
        row = struct.pack(f"<I{len(shape)}Q", len(shape), *shape) + struct.pack("<IQ", F32, len(weights))
        table.append(_text(name) + row)
        numbers = array.array("f", (chance.uniform(-1, 1) for _ in range(math.prod(shape))))
        if sys.byteorder == "big":
            numbers.byteswap()
        weights += _padded(numbers.tobytes())
    entries = [
        _text(key) + struct.pack("<I", kind) + _value(kind, value) for key, (kind, value) in METADATA.items()
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(table), len(entries))
    return _padded(head + b"".join(entries) + b"".join(table)) + bytes(weights)


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def _value(kind: int, value: Value) -> bytes:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple):
        element, elements = value
        return struct.pack("<IQ", element, len(elements)) + b"".join(
            _value(element, each) for each in elements
        )
    return struct.pack(SCALARS[kind], value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNMENT)
