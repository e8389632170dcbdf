"""Writes GGUF files for tests: any header, and whole tiny models.

The format is described in ggml's docs/gguf.md. What is written here is little-endian, version 3. Without numpy, which
Wine 8 cannot load.
"""

from __future__ import annotations

import math
import random
import struct
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sparse_files import write_hollow

ALIGNMENT = 32
UINT16, UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64 = 2, 4, 5, 6, 7, 8, 9, 10
SCALARS = {0: "B", 1: "b", UINT16: "H", 3: "h", UINT32: "I", INT32: "i", FLOAT32: "f", BOOL: "?", UINT64: "Q"}
SCALARS |= {11: "q", 12: "d"}
F32, F16, I64 = 0, 1, 27

Typed = tuple[int, Any]
"""A value type and its value; that of an array is (element type, elements)."""

CHAT_TEMPLATE = (
    "{% for message in messages %}[{{ message.role }}]{{ message.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def text(value: str | bytes) -> bytes:
    """A string with its length."""
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(data)) + data


def value_bytes(kind: int, value: Any) -> bytes:
    """A metadata value without its type."""
    if kind == STRING:
        return text(value)
    if kind == ARRAY:
        element, elements = value
        body = b"".join(value_bytes(element, each) for each in elements)
        return struct.pack("<IQ", element, len(elements)) + body
    return struct.pack("<" + SCALARS[kind], value)


def entry(key: str | bytes, kind: int, value: Any) -> bytes:
    """One metadata entry."""
    return text(key) + struct.pack("<I", kind) + value_bytes(kind, value)


def tensor_row(name: str, dimensions: list[int], kind: int, offset: int) -> bytes:
    """One row of the tensor table."""
    shape = struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
    return text(name) + shape + struct.pack("<IQ", kind, offset)


def header(entries: list[bytes], tensors: list[bytes], *, version: int = 3) -> bytes:
    """A header, padded to where the tensors' bytes begin."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(entries))
    return padded(head + b"".join(entries) + b"".join(tensors))


def padded(data: bytes) -> bytes:
    """Filled up to the alignment."""
    return data + bytes(-len(data) % ALIGNMENT)


# ---- a whole tiny model -------------------------------------------------------------------------------

TOKENS = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]

KINDS = [2, 3, 3] + [6] * 256
"""What the tokens are (llama.h): unknown, control, bytes."""

VOCABULARY: dict[str, Typed] = {
    "tokenizer.ggml.model": (STRING, "llama"),
    "tokenizer.ggml.tokens": (ARRAY, (STRING, TOKENS)),
    "tokenizer.ggml.scores": (ARRAY, (FLOAT32, [0.0] * len(TOKENS))),
    "tokenizer.ggml.token_type": (ARRAY, (INT32, KINDS)),
    "tokenizer.ggml.bos_token_id": (UINT32, 1),
    "tokenizer.ggml.eos_token_id": (UINT32, 2),
    "tokenizer.ggml.unknown_token_id": (UINT32, 0),
    "tokenizer.ggml.add_space_prefix": (BOOL, False),
}


def hollow_model(path: Path, metadata: dict[str, Typed], shapes: dict[str, list[int]]) -> str:
    """Write a model of any architecture whose weights are all 0 and take no space; returns its path.

    Matrices are of F16, all else of F32.
    """
    rows, end = [], 0
    for name, shape in shapes.items():
        kind, size = (F16, 2) if len(shape) == 2 else (F32, 4)
        rows.append(tensor_row(name, shape, kind, end))
        end += -(-math.prod(shape) * size // ALIGNMENT) * ALIGNMENT
    head = header([entry(key, *value) for key, value in (VOCABULARY | metadata).items()], rows)
    write_hollow(path, head, len(head) + end)
    return str(path)


WIDTH, HEADS, FEED_FORWARD = 32, 2, 64
TINY: dict[str, Typed] = {
    "general.architecture": (STRING, "llama"),
    "general.name": (STRING, "Tiny"),
    "llama.context_length": (UINT32, 4096),
    "llama.embedding_length": (UINT32, WIDTH),
    "llama.block_count": (UINT32, 1),
    "llama.feed_forward_length": (UINT32, FEED_FORWARD),
    "llama.attention.head_count": (UINT32, HEADS),
    "llama.attention.layer_norm_rms_epsilon": (FLOAT32, 1e-5),
    "llama.rope.dimension_count": (UINT32, WIDTH // HEADS),
}


def tiny_shapes(tokens: int) -> dict[str, list[int]]:
    """The tensors of a llama model of one layer."""
    return {
        "token_embd.weight": [WIDTH, tokens],
        "output_norm.weight": [WIDTH],
        "output.weight": [WIDTH, tokens],
        "blk.0.attn_norm.weight": [WIDTH],
        "blk.0.ffn_norm.weight": [WIDTH],
        **{f"blk.0.attn_{part}.weight": [WIDTH, WIDTH] for part in ("q", "k", "v", "output")},
        "blk.0.ffn_gate.weight": [WIDTH, FEED_FORWARD],
        "blk.0.ffn_up.weight": [WIDTH, FEED_FORWARD],
        "blk.0.ffn_down.weight": [FEED_FORWARD, WIDTH],
    }


def tiny_model(path: Path, template: str | None = CHAT_TEMPLATE, **changed: Typed) -> str:
    """Write a llama model of one layer with random weights and a byte vocabulary; returns its path.

    Its text is random, but it loads within milliseconds. Keyword arguments replace or add metadata
    (`__` stands for the dot of a key).
    """
    metadata: dict[str, Typed] = {**TINY, **VOCABULARY}
    if template is not None:
        metadata["tokenizer.chat_template"] = (STRING, template)
    metadata |= {key.replace("__", "."): value for key, value in changed.items()}
    return random_model(path, metadata, tiny_shapes(len(TOKENS)))


def split_model(stem: Path, count: int, whole: Any = None, shapes: Any = None) -> list[Path]:
    """Write a model in parts, as llama-gguf-split does, by default the tiny one. `whole`: its metadata."""
    tensors = list((shapes or tiny_shapes(len(TOKENS))).items())
    paths = []
    for number in range(count):
        metadata: dict[str, Typed] = dict(whole or {**TINY, **VOCABULARY}) if number == 0 else {}
        metadata["split.no"] = (UINT16, number)
        metadata["split.count"] = (UINT16, count)
        metadata["split.tensors.count"] = (INT32, len(tensors))
        paths.append(stem.with_name(f"{stem.name}-{number + 1:05}-of-{count:05}.gguf"))
        random_model(paths[-1], metadata, dict(tensors[number::count]))
    return paths


def ascii_model(path: Path, ranges: Any = (), template: str | None = None) -> str:
    """Write a tiny model that says ASCII that can be printed, without an end; returns its path.

    Its text has no sense, but depends on all that was said before. `ranges`: see random_model.
    """
    said = [f"<0x{byte:02X}>" for byte in range(ord(" "), ord("~") + 1)]
    silent = [number for number, token in enumerate(TOKENS) if token not in said]
    entries = [entry(key, *value) for key, value in {**TINY, **VOCABULARY}.items()]
    entries += [] if template is None else [entry("tokenizer.chat_template", STRING, template)]
    return _random_file(path, entries, tiny_shapes(len(TOKENS)), ranges, silent=silent)


def worded_model(path: Path, source: str, ranges: Any = (), seed: int = 1) -> str:
    """Write a tiny model with the vocabulary and the template of another one; returns its path. It makes no sense."""
    entries = [entry(key, *value) for key, value in TINY.items()]
    entries += [raw for key, raw in raw_entries(source) if key.startswith("tokenizer.")]
    return _random_file(path, entries, tiny_shapes(_tokens_of(source)), ranges, seed)


def raw_entries(source: str) -> Iterator[tuple[str, bytes]]:
    """The metadata entries of a file, as they are in it."""
    with open(source, "rb") as file:  # noqa: PTH123

        def skip(kind: int) -> None:
            if kind == STRING:
                file.seek(*struct.unpack("<Q", file.read(8)), 1)
            elif kind == ARRAY:
                element, count = struct.unpack("<IQ", file.read(12))
                for _ in range(count):
                    skip(element)
            else:
                file.seek(struct.calcsize("<" + SCALARS[kind]), 1)

        _, _, _, count = struct.unpack("<4sIQQ", file.read(24))
        for _ in range(count):
            begin = file.tell()
            key = file.read(*struct.unpack("<Q", file.read(8))).decode()
            skip(*struct.unpack("<I", file.read(4)))
            end = file.tell()
            file.seek(begin)
            yield key, file.read(end - begin)


def _tokens_of(source: str) -> int:
    tokens = next(raw for key, raw in raw_entries(source) if key == "tokenizer.ggml.tokens")
    count: int = struct.unpack_from("<Q", tokens, len(text("tokenizer.ggml.tokens")) + 8)[0]
    return count


def hollow_reranker(path: Path) -> str:
    """Write a BERT of MiniLM's size (6 layers of 384) that ranks, whose weights are 0; returns its path.

    It takes as long as a real one, and every result is 0.
    """
    width, feed_forward, positions, layers = 384, 1536, 512, 6
    metadata: dict[str, Typed] = {
        "general.architecture": (STRING, "bert"),
        "bert.context_length": (UINT32, positions),
        "bert.embedding_length": (UINT32, width),
        "bert.block_count": (UINT32, layers),
        "bert.feed_forward_length": (UINT32, feed_forward),
        "bert.attention.head_count": (UINT32, 12),
        "bert.attention.layer_norm_epsilon": (FLOAT32, 1e-5),
        "bert.attention.causal": (BOOL, False),
        "bert.pooling_type": (UINT32, 4),
        "tokenizer.ggml.token_type_count": (UINT32, 1),
    }
    ends, norms = ("weight", "bias"), ("attn_output_norm", "layer_output_norm")
    shapes = {
        "token_embd.weight": [width, len(TOKENS)],
        "position_embd.weight": [width, positions],
        **{f"token_embd_norm.{end}": [width] for end in ends},
        "cls.output.weight": [width, 1],
        "cls.output.bias": [1],
    }
    for layer in (f"blk.{index}" for index in range(layers)):
        shapes |= {f"{layer}.attn_{part}.weight": [width, width] for part in ("q", "k", "v", "output")}
        shapes |= {f"{layer}.{norm}.{end}": [width] for norm in norms for end in ends}
        shapes |= {f"{layer}.ffn_up.weight": [width, feed_forward]}
        shapes |= {f"{layer}.ffn_down.weight": [feed_forward, width]}
    return hollow_model(path, metadata, shapes)


def tiny_bert(path: Path, *, ranks: bool, **changed: Typed) -> str:
    """Write a BERT of one layer with random weights and a byte vocabulary, with a head that ranks or without.

    Keyword arguments replace or add metadata (`__` stands for the dot of a key).
    """
    width, feed_forward, positions = 32, 64, 64
    metadata: dict[str, Typed] = {
        "general.architecture": (STRING, "bert"),
        "bert.context_length": (UINT32, positions),
        "bert.embedding_length": (UINT32, width),
        "bert.block_count": (UINT32, 1),
        "bert.feed_forward_length": (UINT32, feed_forward),
        "bert.attention.head_count": (UINT32, 2),
        "bert.attention.layer_norm_epsilon": (FLOAT32, 1e-5),
        "bert.attention.causal": (BOOL, False),
        "bert.pooling_type": (UINT32, 4 if ranks else 1),
        **VOCABULARY,
        "tokenizer.ggml.token_type_count": (UINT32, 1),
    }
    metadata |= {key.replace("__", "."): value for key, value in changed.items()}
    shapes = {
        "token_embd.weight": [width, len(TOKENS)],
        "position_embd.weight": [width, positions],
        **{f"token_embd_norm.{part}": [width] for part in ("weight", "bias")},
        **{f"blk.0.attn_{part}.weight": [width, width] for part in ("q", "k", "v", "output")},
        **{f"blk.0.attn_output_norm.{part}": [width] for part in ("weight", "bias")},
        "blk.0.ffn_up.weight": [width, feed_forward],
        "blk.0.ffn_down.weight": [feed_forward, width],
        **{f"blk.0.layer_output_norm.{part}": [width] for part in ("weight", "bias")},
    }
    if ranks:
        shapes |= {"cls.output.weight": [width, 1], "cls.output.bias": [1]}
    return random_model(path, metadata, shapes)


def random_adapter(
    path: Path, shapes: dict[str, list[int]], architecture: str = "llama", **changed: Typed
) -> str:
    """Write a LoRA adapter of rank 2 with random weights for matrices of these shapes; returns its path.

    Keyword arguments replace or add metadata (`__` stands for the dot of a key).
    """
    metadata: dict[str, Typed] = {
        "general.architecture": (STRING, architecture),
        "general.type": (STRING, "adapter"),
        "adapter.type": (STRING, "lora"),
        "adapter.lora.alpha": (FLOAT32, 2.0),
    }
    metadata |= {key.replace("__", "."): value for key, value in changed.items()}
    halves = {}
    for name, (columns, rows) in shapes.items():
        halves[f"{name}.lora_a"] = [columns, 2]
        halves[f"{name}.lora_b"] = [2, rows]
    return random_model(path, metadata, halves)


def random_model(
    path: Path, metadata: dict[str, Typed], shapes: dict[str, list[int]], ranges: Any = ()
) -> str:
    """Write a file with the same random weights each time, of F32; returns its path.

    They are from -1 to 1, except for `ranges`: end of a tensor's name → the least and the largest; both 0: identity.
    """
    return _random_file(path, [entry(key, *value) for key, value in metadata.items()], shapes, ranges)


def _random_file(
    path: Path, entries: list[bytes], shapes: dict[str, Any], ranges: Any, seed: int = 1, silent: Any = ()
) -> str:
    """`silent`: tokens whose logit is 0, which is far from the highest."""
    draw, rows, data = random.Random(seed).random, [], bytearray()
    for name, shape in shapes.items():
        count, width, (kind, form) = math.prod(shape), shape[0], (I64, "q") if name == "d2t" else (F32, "f")
        rows.append(tensor_row(name, shape, kind, len(data)))
        first, last = next((ranges[end] for end in ranges if name.endswith(end)), (-1.0, 1.0))
        drawn = [first + (last - first) * draw() for _ in range(0 if kind == I64 else count)]
        values = array(form, drawn or range(count))
        if first == last == 0:
            for at in range(0, min(count, width**2), width + 1):
                values[at] = 1
        for token in silent if name == "output.weight" else ():
            values[token * width : (token + 1) * width] = array(form, [0] * width)
        data += padded(values.tobytes())
    path.write_bytes(header(entries, rows) + data)
    return str(path)
