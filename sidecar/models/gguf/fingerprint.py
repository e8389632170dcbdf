"""A hash that identifies the weights of GGUF files without reading all of them."""

from __future__ import annotations

from typing import Final

from sidecar.models.gguf import reader

SAMPLE_BYTES: Final = 4096
"""Bytes read of each tensor. The header alone is not enough: fine-tuned models have the same one."""


def fingerprint(paths: list[str]) -> str:
    """The SHA-256 of the files' headers and of the beginning of each tensor, in hexadecimal.

    Raises SidecarError as `reader.read_header` does; OSError.
    """
    import hashlib  # imports OpenSSL: 3 MB that an engine rarely needs

    digest = hashlib.sha256()
    for path in paths:
        header = reader.read_header(path)
        with open(path, "rb") as file:
            digest.update(file.read(header.data_start))
            for tensor in header.tensors:
                file.seek(header.data_start + tensor.offset)
                digest.update(file.read(min(SAMPLE_BYTES, tensor.size or SAMPLE_BYTES)))
    return digest.hexdigest()
