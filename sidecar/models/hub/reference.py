"""Parses `model`, which names a URL or files in a repository of the hub, and chooses the files. Pure.

The quantisation is a part of the file's name, by the convention of the hub: `….Q4_K_M.gguf`, `…-IQ2_XXS.gguf`,
`…-F16-00001-of-00003.gguf`, or of its folder's name: `Q8_0/….gguf`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf.splits import is_model, part_names
from sidecar.models.http.url import is_loopback, without_secrets
from sidecar.models.store.safe_names import is_safe

HUB_PREFIX: Final = "hf:"
NEAR_NAMES: Final = 8
"""Similar names that an error offers."""

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_QUANTIZATION: Final = re.compile(
    r"(?<![A-Za-z0-9])((?:UD-)?(?:I?Q\d(?:_[A-Z0-9]+)*|TQ\d_\d|MXFP4(?:_MOE)?|NVFP4|BF16|F16|F32|FP16|FP32))"
    r"(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_HUB_PATH: Final = re.compile(r"/(?:models/)?([^/]+/[^/]+)/(?:resolve|blob)/([^/]+)/(.+)")
_FULL_PRECISION: Final = frozenset({"F16", "BF16", "F32", "FP16", "FP32"})


@dataclass(frozen=True, slots=True)
class HubSource:
    """A model in a repository: the one at a path, one with a quantisation, or the largest that fits."""

    repository: str
    file: str | None = None
    quantization: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file of another server."""

    url: str


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository. `sha256` is None for small text files, where the hub sends none."""

    path: str
    size: int
    sha256: str | None


@dataclass(slots=True)
class Choice:
    """The files to fetch: the parts of a model in order, and its projector."""

    parts: list[RemoteFile]
    quantization: str | None
    projector: RemoteFile | None = field(default=None)


def parse(model: str, hub_hosts: Sequence[str]) -> HubSource | UrlSource:
    """Parse `model`. The URL of a file on a hub (`hub_hosts`) becomes a file of its repository.

    Raises SidecarError `invalidParams`.
    """
    if model.startswith(HUB_PREFIX):
        return _parse_hub(model)
    parts = urlsplit(model)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)):
        if not parts.hostname or not parts.path.strip("/"):
            raise _wrong(model, "the URL has no path")
        match = _HUB_PATH.fullmatch(unquote(parts.path))
        if match and parts.netloc in hub_hosts:
            return HubSource(match[1], _clean(model, match[3]), None, match[2])
        return UrlSource(model)
    if parts.scheme == "http":
        raise _wrong(model, "only https is allowed for other machines")
    raise _wrong(model, "it is neither hf:owner/repo… nor an https URL")


def _parse_hub(model: str) -> HubSource:
    name, _, quantization = model.removeprefix(HUB_PREFIX).partition(":")
    owner, _, rest = name.partition("/")
    repository, _, file = rest.partition("/")
    if not _REPOSITORY.fullmatch(f"{owner}/{repository}"):
        raise _wrong(model, "it does not start with owner/repo")
    if ":" in model.removeprefix(HUB_PREFIX) and (file or not quantization):
        raise _wrong(model, "a colon must come before a quantisation such as Q4_K_M, and not after a file")
    return HubSource(f"{owner}/{repository}", _clean(model, file) if file else None, quantization or None)


def _clean(model: str, file: str) -> str:
    if not is_safe(file):
        raise _wrong(model, "the file's path leaves its folder, or not every system can store it")
    return file


# ---- which files ---------------------------------------------------------------------------------


def quantization_of(path: str) -> str | None:
    """The quantisation in a file's path, in upper case; None if there is none."""
    found = _QUANTIZATION.findall(path)
    return found[-1].upper() if found else None


def choose(
    source: HubSource, files: Sequence[RemoteFile], projector: bool, budget_bytes: int | None
) -> Choice:
    """Choose the files of a repository. `budget_bytes`: the largest size of the model; None: any.

    Raises SidecarError: `remoteFileNotFound`, `outOfMemory` if no model fits.
    """
    models = {path: group for path, group in _grouped(files).items() if is_model(path)}
    if source.file is not None:
        group = _named(source, files, models)
    elif source.quantization is not None:
        wanted = source.quantization.upper()
        matching = [group for path, group in models.items() if quantization_of(path) == wanted]
        if not matching:
            names = sorted({quantization_of(path) or path for path in models})
            raise _missing(f"{source.repository} has no quantisation {wanted}", wanted, names)
        group = min(matching, key=lambda parts: (len(parts), parts[0].path))
    else:
        group = _best(source, list(models.values()), budget_bytes)
    return Choice(group, quantization_of(group[0].path), _projector(source, files) if projector else None)


def near(name: str, names: Sequence[str]) -> list[str]:
    """The names that are most similar to `name`."""
    lowered = {candidate.lower(): candidate for candidate in names}
    found = difflib.get_close_matches(name.lower(), lowered, n=NEAR_NAMES, cutoff=0.4)
    return [lowered[candidate] for candidate in found]


def _grouped(files: Sequence[RemoteFile]) -> dict[str, list[RemoteFile]]:
    """The complete models, by the path of their first part."""
    by_path = {file.path: file for file in files}
    groups: dict[str, list[RemoteFile]] = {}
    for file in files:
        names = part_names(file.path)
        if names[0] == file.path and all(name in by_path for name in names):
            groups[file.path] = [by_path[name] for name in names]
    return groups


def _named(
    source: HubSource, files: Sequence[RemoteFile], models: dict[str, list[RemoteFile]]
) -> list[RemoteFile]:
    file = source.file or ""
    first = part_names(file)[0]
    if first in models:
        return models[first]
    exact = next((candidate for candidate in files if candidate.path == file), None)
    if exact is not None and file.lower().endswith(".gguf") and part_names(file) == [file]:
        return [exact]
    names = [candidate.path for candidate in files if candidate.path.lower().endswith(".gguf")]
    if exact is not None:
        raise _missing(
            f"{source.repository} has {file!r}, but not as a whole GGUF model", file, near(file, names)
        )
    raise _missing(f"{source.repository} has no file {file!r}", file, near(file, names) or names[:NEAR_NAMES])


def _best(source: HubSource, models: list[list[RemoteFile]], budget_bytes: int | None) -> list[RemoteFile]:
    if not models:
        raise _missing(f"{source.repository} has no GGUF model", source.repository, [])
    quantized = [parts for parts in models if quantization_of(parts[0].path) not in _FULL_PRECISION]
    by_size = sorted(quantized or models, key=_size, reverse=True)
    fitting = [parts for parts in by_size if budget_bytes is None or _size(parts) <= budget_bytes]
    if not fitting:
        problem = f"/model: no quantisation of {source.repository} fits: the smallest has {_size(by_size[-1])} bytes"
        raise SidecarError(
            "outOfMemory",
            problem,
            pointer="/model",
            value=_size(by_size[-1]),
            allowed={"maximum": budget_bytes},
        )
    return fitting[0]


def _size(parts: list[RemoteFile]) -> int:
    return sum(part.size for part in parts)


def _projector(source: HubSource, files: Sequence[RemoteFile]) -> RemoteFile:
    """The projector: F16 if there are several, as in llama.cpp's own tools."""
    found = [f for f in files if "mmproj" in f.path.lower() and f.path.lower().endswith(".gguf")]
    if not found:
        raise _missing(f"{source.repository} has no projector (mmproj)", "mmproj", [])
    return min(found, key=lambda file: (quantization_of(file.path) not in ("F16", "FP16"), file.size))


def _missing(problem: str, name: str, allowed: list[str]) -> SidecarError:
    offer = f"; there is {', '.join(allowed[:NEAR_NAMES])}" if allowed else ""
    return SidecarError(
        "remoteFileNotFound", f"/model: {problem}{offer}", pointer="/model", value=name, allowed=allowed
    )


def _wrong(model: str, why: str) -> SidecarError:
    allowed = ["hf:owner/repo", "hf:owner/repo:Q4_K_M", "hf:owner/repo/path/file.gguf", "https://…"]
    shown = without_secrets(model)[:200]
    return SidecarError(
        "invalidParams", f"/model: {shown!r}: {why}", pointer="/model", value=shown, allowed=allowed
    )
