"""Writes a tiny model that says what a script tells it: the token before decides which one it wants next."""

from __future__ import annotations

import math
import struct
from pathlib import Path

from gguf_files import (
    ARRAY,
    F32,
    FLOAT32,
    INT32,
    KINDS,
    STRING,
    TINY,
    TOKENS,
    UINT32,
    VOCABULARY,
    WIDTH,
    Typed,
    entry,
    header,
    padded,
    tensor_row,
    tiny_shapes,
)

USER_DEFINED = 4
END = "</s>"
WANTED = 9.0
"""The logit of the token that the model wants; that of all others is 0."""


def script_model(path: Path, template: str, script: dict[str, str]) -> str:
    """Write the model; returns its path. `script`: token → the one that it wants next.

    A token of one character is its byte; all others are in the vocabulary as they are. After a token without an entry
    all are equally likely. At most 32 entries.
    """
    assert len(script) <= WIDTH
    pieces = list(
        dict.fromkeys(text for pair in script.items() for text in pair if len(text) > 1 and text != END)
    )
    names = [*TOKENS, *pieces]
    numbers = {text: len(TOKENS) + index for index, text in enumerate(pieces)} | {END: names.index(END)}
    numbers |= {chr(byte): names.index(f"<0x{byte:02X}>") for byte in range(128)}
    values = {name: [0.0] * math.prod(shape) for name, shape in tiny_shapes(len(names)).items()}
    for name in values:
        if name.endswith("norm.weight"):
            values[name] = [1.0] * WIDTH
    for index, (before, after) in enumerate(script.items()):
        values["token_embd.weight"][numbers[before] * WIDTH + index] = 1.0
        values["output.weight"][numbers[after] * WIDTH + index] = WANTED / math.sqrt(WIDTH)
    metadata: dict[str, Typed] = {
        **TINY,
        **VOCABULARY,
        "tokenizer.ggml.tokens": (ARRAY, (STRING, names)),
        "tokenizer.ggml.scores": (ARRAY, (FLOAT32, [0.0] * len(names))),
        "tokenizer.ggml.token_type": (ARRAY, (INT32, [*KINDS, *[USER_DEFINED] * len(pieces)])),
        "llama.vocab_size": (UINT32, len(names)),
        "tokenizer.chat_template": (STRING, template),
    }
    rows, data = [], b""
    for name, shape in tiny_shapes(len(names)).items():
        rows.append(tensor_row(name, shape, F32, len(data)))
        data = padded(data + struct.pack(f"<{len(values[name])}f", *values[name]))
    path.write_bytes(header([entry(key, *value) for key, value in metadata.items()], rows) + data)
    return str(path)
