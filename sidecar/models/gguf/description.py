"""What inspectModel and listModels say of a model, from its header."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sidecar.models.gguf import parts, projector, reader
from sidecar.models.gguf.header import Header, join
from sidecar.models.gguf.projector import Folder, look_into
from sidecar.models.gguf.splits import part_paths

RECORDED: Final = (
    "architecture",
    "name",
    "parameters",
    "quantization",
    "contextLengthTrained",
    "chatTemplate",
)
"""Members of `summary` that the record of a stored file has, and that `listModels` returns."""


def describe(path: str) -> dict[str, object]:
    """The result of inspectModel. Raises SidecarError: see `parts.read_present`."""
    reader.check_readable(path)
    headers = parts.read_present(path)
    header, files = join(headers), [path] if len(headers) == 1 else part_paths(path)
    of_itself = {"projectorPath": None, "modalities": projector.modalities(header)}
    return {
        "path": path,
        "source": None,
        "sizeBytes": sum(map(reader.check_readable, files)),
        "readBytes": header.read_bytes,
        "ggufVersion": header.version,
        **summary(header),
        **(of_itself if header.architecture == projector.ARCHITECTURE else with_projector(path)),
        "metadata": header.metadata,
    }


def summary(header: Header) -> dict[str, object]:
    """The members that all descriptions of a model have: architecture, quantisation, sizes."""
    architecture = header.architecture
    bytes_by_type: dict[str, int] = {}
    for tensor in header.tensors:
        bytes_by_type[tensor.type_name] = bytes_by_type.get(tensor.type_name, 0) + (tensor.size or 0)
    return {
        "architecture": architecture,
        "name": header.typed("general.name", str),
        "parameters": sum(tensor.weights for tensor in header.tensors),
        "quantization": max(bytes_by_type, key=lambda name: bytes_by_type[name], default=""),
        "tensors": len(header.tensors),
        "contextLengthTrained": header.typed(f"{architecture}.context_length", int),
        "embeddingSize": header.typed(f"{architecture}.embedding_length", int),
        "layers": header.typed(f"{architecture}.block_count", int),
        "vocabularySize": header.vocabulary_size,
        "chatTemplate": "tokenizer.chat_template" in header.metadata,
    }


def with_projector(path: str, look: Callable[[str], Folder] = look_into) -> dict[str, object]:
    """The members that say what a model takes with the projector beside it."""
    found = projector.beside(path, look)
    taken = projector.modalities(None if found is None else projector.read(found))
    return {"projectorPath": found, "modalities": taken}
