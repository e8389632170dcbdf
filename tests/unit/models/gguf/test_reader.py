"""Headers of GGUF files: whole, cut off, damaged, and made to do harm."""

from __future__ import annotations

import io
import json
import math
import os
import random
import struct
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import gguf_files as files
import pytest

from models import SMOLLM2
from sidecar.message_handler._wire import ERRORS
from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import description, reader

KINDS = {"fileNotFound", "fileNotReadable", "notGguf", "modelDamaged"}

ENTRIES = [
    files.entry("general.architecture", files.STRING, "llama"),
    files.entry("general.name", files.STRING, "Näme"),
    files.entry("llama.context_length", files.UINT32, 2048),
    files.entry("llama.embedding_length", files.UINT32, 64),
    files.entry("llama.block_count", files.UINT32, 2),
    files.entry("some.flag", files.BOOL, True),
    files.entry("some.float", files.FLOAT32, 0.5),
    files.entry("some.short", files.ARRAY, (files.INT32, [1, -2, 3])),
    files.entry("some.long", files.ARRAY, (files.UINT64, list(range(20)))),
    files.entry("some.nested", files.ARRAY, (files.ARRAY, [(files.INT32, [1]), (files.STRING, ["x"])])),
    files.entry("tokenizer.ggml.tokens", files.ARRAY, (files.STRING, [f"t{n}" for n in range(40)])),
    files.entry("tokenizer.chat_template", files.STRING, "{{ messages }}"),
]
ROWS = [
    files.tensor_row("a", [32, 4], 3, 0),  # Q4_1: 4 blocks of 20 bytes
    files.tensor_row("b", [8], 0, 96),
]
WHOLE = files.header(ENTRIES, ROWS) + bytes(128)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(data: bytes) -> str:
        path = tmp_path / "model.gguf"
        path.write_bytes(data)
        return str(path)

    return write


def refused(path: str) -> SidecarError:
    with pytest.raises(SidecarError) as caught:
        description.describe(path)
    assert caught.value.kind in KINDS
    assert caught.value.details["pointer"] == "/path"
    json.dumps(caught.value.to_wire(), allow_nan=False)
    return caught.value


def test_a_whole_header_is_described(write: Any) -> None:
    described = description.describe(write(WHOLE))
    assert described["sizeBytes"] == described["readBytes"] == len(WHOLE)
    assert described["source"] is None
    assert (described["architecture"], described["name"], described["ggufVersion"]) == ("llama", "Näme", 3)
    assert (described["contextLengthTrained"], described["embeddingSize"], described["layers"]) == (
        2048,
        64,
        2,
    )
    assert (described["parameters"], described["tensors"], described["quantization"]) == (136, 2, "Q4_1")
    assert described["vocabularySize"] == 40
    assert described["chatTemplate"] is True
    metadata = described["metadata"]
    assert (metadata["some.flag"], metadata["some.float"], metadata["some.short"]) == (True, 0.5, [1, -2, 3])
    assert metadata["some.long"] == {"type": "uint64", "length": 20}
    assert metadata["tokenizer.ggml.tokens"] == {"type": "string", "length": 40}
    assert metadata["some.nested"] == [[1], ["x"]]


def test_a_real_model_is_described() -> None:
    described = description.describe(str(SMOLLM2.path))
    assert (described["architecture"], described["quantization"]) == ("llama", "Q4_1")
    assert described["parameters"] == 134_515_008
    assert described["vocabularySize"] == 49_152


def test_a_header_is_read_from_any_file_without_its_tensors() -> None:
    """As for a remote model: only the beginning has arrived."""
    head = WHOLE[:-128]
    header = reader.parse(io.BytesIO(head), len(WHOLE), "far/away.gguf")
    assert header.data_start == header.read_bytes == len(head)
    assert description.summary(header)["architecture"] == "llama"
    assert [(tensor.name, tensor.shape) for tensor in header.tensors] == [("a", (32, 4)), ("b", (8,))]
    with pytest.raises(SidecarError) as caught:
        reader.parse(io.BytesIO(head[:100]), 100, "far/away.gguf", "/model")
    assert (caught.value.details["pointer"], caught.value.details["value"]) == ("/model", "far/away.gguf")


def test_numbers_per_layer_are_kept_but_not_shown_and_vocabularies_are_neither() -> None:
    layers, scores = list(range(26)), [0.5] * (reader.MAX_KEPT_ARRAY + 1)
    entries = [
        files.entry("x.attention.head_count_kv", files.ARRAY, (files.INT32, layers)),
        files.entry("x.short", files.ARRAY, (files.INT32, [1, 2])),
        files.entry("tokenizer.ggml.scores", files.ARRAY, (files.FLOAT32, scores)),
    ]
    header = reader.parse(io.BytesIO(data := files.header(entries, [])), len(data), "some.gguf")
    assert header.arrays == {"x.attention.head_count_kv": layers}
    assert header.metadata == {
        "x.attention.head_count_kv": {"type": "int32", "length": 26},
        "x.short": [1, 2],
        "tokenizer.ggml.scores": {"type": "float32", "length": len(scores)},
    }


def test_the_number_of_kept_arrays_is_limited() -> None:
    entries = [
        files.entry(f"a{number}", files.ARRAY, (0, [0] * 17)) for number in range(2 * reader.MAX_KEPT_ARRAYS)
    ]
    header = reader.parse(io.BytesIO(data := files.header(entries, [])), len(data), "some.gguf")
    assert len(header.arrays) == reader.MAX_KEPT_ARRAYS
    assert len(header.metadata) == len(entries)


def test_every_metadata_type_is_read(write: Any) -> None:
    values = {0: 255, 1: -128, 2: 65535, 3: -32768, 4: 2**32 - 1, 5: -(2**31), 6: 1.5, 7: False}
    values |= {10: 2**64 - 1, 11: -(2**63), 12: 1e300}
    entries = [files.entry(f"k{kind}", kind, value) for kind, value in values.items()]
    assert description.describe(write(files.header(entries, [])))["metadata"] == {
        f"k{kind}": value for kind, value in values.items()
    }


def test_a_bare_header_has_nulls(write: Any) -> None:
    described = description.describe(write(files.header([], [])))
    assert (described["architecture"], described["name"], described["vocabularySize"]) == ("", None, None)
    assert (described["parameters"], described["quantization"], described["chatTemplate"]) == (0, "", False)


def test_values_of_the_wrong_type_are_not_reported_as_what_they_should_be(write: Any) -> None:
    entries = [
        files.entry("general.architecture", files.ARRAY, (files.INT32, [1])),
        files.entry("general.name", files.INT32, 7),
        files.entry(".context_length", files.STRING, "long"),
        files.entry(".block_count", files.BOOL, True),
        files.entry("tokenizer.ggml.tokens", files.ARRAY, (files.STRING, ["a", "b"])),
    ]
    described = description.describe(write(files.header(entries, [])))
    assert (described["architecture"], described["name"], described["contextLengthTrained"]) == (
        "",
        None,
        None,
    )
    assert described["layers"] is None
    assert described["vocabularySize"] == 2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_can_still_be_sent(write: Any, value: float) -> None:
    entries = [files.entry("f", 6, value), files.entry("g", files.ARRAY, (12, [value, 1.0]))]
    json.dumps(description.describe(write(files.header(entries, []))), allow_nan=False)


def test_a_file_cut_off_anywhere_is_reported(write: Any) -> None:
    path = write(WHOLE)
    for size in reversed(range(len(WHOLE))):
        os.truncate(path, size)
        assert refused(path).kind == ("notGguf" if size == 0 else "modelDamaged"), size


def test_missing_files_folders_and_other_files_are_distinguished(tmp_path: Path, write: Any) -> None:
    assert refused(str(tmp_path / "none.gguf")).kind == "fileNotFound"
    assert refused(str(tmp_path)).kind == "fileNotReadable"
    assert refused(write(b"")).kind == "notGguf"
    assert refused(write(b"#!/bin/sh\n")).kind == "notGguf"
    assert refused(write(b"GGML" + WHOLE[4:])).kind == "notGguf"
    assert refused(write(WHOLE) + "/x").kind == "fileNotFound"


@pytest.mark.parametrize(
    "path", ["a\0b", "\ud800", "/\udc80", "x" * 100_000], ids=lambda path: ascii(path[:8])
)
def test_paths_that_no_system_has_are_reported(path: str) -> None:
    assert refused(path).kind in ("fileNotFound", "fileNotReadable")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    kinds: list[str] = []
    thread = threading.Thread(target=lambda: kinds.append(refused(str(pipe)).kind), daemon=True)
    thread.start()
    thread.join(30)
    assert kinds == ["fileNotReadable"]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs devices")
def test_a_device_is_refused() -> None:
    assert refused("/dev/zero").kind == "fileNotReadable"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs permissions")
def test_a_file_without_permission_is_reported(write: Any) -> None:
    path = write(WHOLE)
    Path(path).chmod(0)
    assert refused(path).kind == "fileNotReadable"


def test_big_endian_files_and_other_versions_are_reported(write: Any) -> None:
    for version in (0, 1, 4, 0x03000000):
        assert refused(write(files.header(ENTRIES, ROWS, version=version))).kind == "notGguf"
    assert (
        description.describe(write(files.header(ENTRIES, ROWS, version=2) + bytes(128)))["ggufVersion"] == 2
    )


ABSURD = 2**63 + 1


def counts(tensors: int, entries: int) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, entries)


def array(kind: int, count: int) -> bytes:
    return counts(0, 1) + files.text("a") + struct.pack("<IIQ", files.ARRAY, kind, count)


@pytest.mark.parametrize(
    "data",
    [
        counts(ABSURD, 0),
        counts(0, ABSURD),
        counts(2**31, 2**31),
        counts(0, 1) + struct.pack("<Q", ABSURD),
        counts(0, 1) + struct.pack("<Q", 2**40),
        counts(0, 1) + files.text("a") + struct.pack("<IQ", files.STRING, ABSURD),
        counts(0, 1) + files.text("a") + struct.pack("<IQ", files.STRING, 2**30),
        array(files.STRING, ABSURD),
        array(files.UINT64, ABSURD),
        array(files.UINT64, 2**61),
        array(files.ARRAY, 1000),
        array(99, 3),
        counts(0, 1) + files.text("a") + struct.pack("<I", 99),
        counts(0, 1) + files.text("a") + struct.pack("<I", files.ARRAY)
        + struct.pack("<IQ", files.ARRAY, 1) * 1000,
        counts(1, 0) + files.text("t") + struct.pack("<I", 0),
        counts(1, 0) + files.text("t") + struct.pack("<I", 2**31),
        files.header([], [files.tensor_row("t", [2**63, 2**63], 0, 0)]),
        files.header([], [files.tensor_row("t", [2**40], 77, 0)] * 2 + [files.tensor_row("t", [2**63], 77, 0)]),
        files.header([], [files.tensor_row("t", [32], 0, 2**63)]),
        files.header([], [files.tensor_row("t", [32], 0, 0)]),
        files.header([files.entry("general.alignment", files.UINT32, 0)], []),
        files.header([files.entry("general.alignment", files.STRING, "32")], []),
    ],
)  # fmt: skip
def test_absurd_sizes_are_reported_without_taking_memory_for_them(write: Any, data: bytes) -> None:
    path = write(data + bytes(64))
    tracemalloc.start()
    try:
        assert refused(path).kind == "modelDamaged"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


def test_a_header_that_is_nothing_but_text_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "big.gguf"
    chunk = 30 * 1024 * 1024
    with path.open("wb") as file:  # sparse: takes no space
        file.write(counts(0, 40))
        for number in range(40):
            file.write(files.text(f"k{number:02}") + struct.pack("<IQ", files.STRING, chunk))
            file.seek(chunk, os.SEEK_CUR)
        file.truncate(file.tell())
    tracemalloc.start()
    try:
        assert refused(str(path)).kind == "modelDamaged"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300 * 1024 * 1024


def test_an_array_that_would_take_hours_to_walk_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "sparse.gguf"
    path.write_bytes(array(files.STRING, 2**33))
    os.truncate(path, 2**34)
    assert refused(str(path)).kind == "modelDamaged"


def test_damage_at_random_is_reported_or_taken_but_raises_nothing_else(write: Any) -> None:
    chance = random.Random(5)
    outcomes = set()
    for _ in range(1500):
        data = bytearray(WHOLE)
        for _ in range(chance.randrange(1, 5)):
            data[chance.randrange(len(WHOLE) - 128)] = chance.choice(
                [0, 1, 8, 9, 127, 255, chance.randrange(256)]
            )
        path = write(bytes(data))
        try:
            json.dumps(description.describe(path), allow_nan=False)
            outcomes.add("taken")
        except SidecarError as error:
            assert error.kind in KINDS
            outcomes.add(error.kind)
    assert outcomes == {"taken", "modelDamaged", "notGguf"}


def test_text_that_is_not_utf_8_is_shown_with_replacements(write: Any) -> None:
    entries = [files.entry("general.name", files.STRING, b"\xff\xfe"), files.entry(b"\xff", files.UINT32, 1)]
    assert description.describe(write(files.header(entries, [])))["name"] == "\ufffd\ufffd"


def test_all_kinds_used_here_are_in_the_table() -> None:
    assert ERRORS.keys() >= KINDS
