"""A hash by which the weights in GGUF files are known, without reading gigabytes."""

from __future__ import annotations

from typing import Final

from sidecar.models.gguf import reader

SAMPLE_BYTES: Final = 4096
"""Read of each tensor: models of the same shape have the same header."""


def fingerprint(paths: list[str]) -> str:
    """The hash of the files' headers and of the beginning of each tensor.

    Raises SidecarError as gguf.read_header does, or OSError.
    """
    import hashlib  # brings OpenSSL: 3 MB that an engine seldom needs

    digest = hashlib.sha256()
    for path in paths:
        header = reader.read_header(path)
        with open(path, "rb") as file:
            digest.update(file.read(header.data_start))
            for tensor in header.tensors:
                file.seek(header.data_start + tensor.offset)
                digest.update(file.read(min(SAMPLE_BYTES, tensor.size or SAMPLE_BYTES)))
    return digest.hexdigest()
