"""Chooses the files of a repository that a reference means. Pure.

Repositories have files beside the model that look like it: draft models, heads for several tokens (MTP), projectors,
adapters, often in the same quantisation. Their names have a word for it (COMPANION_WORDS). But the names of whole
models have such words, too: `M-MTP-Q4_K_M.gguf` can be a draft of M, or M itself with its head. Sizes tell: by the
bits of its quantisation, a file's size gives the number of its weights. The files with most weights are the model, and
what has a companion's word that they do not have is a companion.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import projector as projectors
from sidecar.models.gguf.splits import (
    is_model,
    part_names,
    quantization_of,
    words,
    words_of,
)
from sidecar.models.sources.model_reference import HubSource

NEAR_NAMES: Final = 8
"""Similar names that an error offers."""

MAX_OFFERED: Final = 50
"""Files that an error offers when several models fit."""

HEAVY: Final = 0.5
"""Share of the largest number of weights from which on a file counts as the model, whatever its name."""

COMPANION_WORDS: Final = frozenset({
    "adapter", "assistant", "audio", "clip", "decoder", "dflash", "draft", "drafter", "drafts", "eagle", "eagle2",
    "eagle3", "embedding", "embeddings", "encoder", "imatrix", "lora", "medusa", "mmproj", "mtp", "nextn",
    "projection", "projector", "siglip", "speculative", "speculator", "tokenizer", "vae", "vision", "vit",
    "vocab", "vocoder",
})  # fmt: skip
"""Words in the names of files that only work beside a model."""

_FULL_PRECISION: Final = frozenset({"F16", "BF16", "F32", "FP16", "FP32"})


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


@dataclass(frozen=True, slots=True)
class _Group:
    """A model of the repository: one file, or the parts of a split one in order."""

    parts: list[RemoteFile]

    @property
    def path(self) -> str:
        return self.parts[0].path

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def quantization(self) -> str | None:
        return quantization_of(self.path)

    @property
    def weights(self) -> float:
        """About how many weights it has."""
        digits = re.search(r"\d+", self.quantization or "F16")
        bits = int(digits[0]) if digits else 16
        return self.size * 8 / (bits if bits >= 16 else bits + 0.5)

    @property
    def words(self) -> list[str]:
        """The words of its path, without its quantisation and its place in a split model."""
        return words_of(self.path)


def choose(
    source: HubSource,
    files: Sequence[RemoteFile],
    projector: bool,
    budget_bytes: int | None,
    *,
    complete: bool = True,
    needed: bool = True,
) -> Choice:
    """Choose the files of a repository. `budget_bytes`: the largest size of the model; None: any.

    `needed`: whether a projector must be there if it is asked for.
    `complete`: whether `files` are all that the repository has. Otherwise the model may be missing, and a file with
    a companion's word is not taken for it.

    Raises SidecarError: `remoteFileNotFound`, `ambiguousModel`, `outOfMemory` if no model fits.
    """
    groups = _grouped(files)
    if source.file is not None:
        group = _named(source, files, groups)
    else:
        models = _models(source, [each for each in groups.values() if is_model(each.path)], complete)
        if source.quantization is not None:
            group = _quantized(source, models, files)
        else:
            group = _best(source, models, budget_bytes)
    chosen = _projector(source, files, group, needed) if projector else None
    return Choice(group.parts, group.quantization, chosen)


def near(name: str, names: Sequence[str]) -> list[str]:
    """The names that are most similar to `name`."""
    lowered = {candidate.lower(): candidate for candidate in names}
    found = difflib.get_close_matches(name.lower(), lowered, n=NEAR_NAMES, cutoff=0.4)
    return [lowered[candidate] for candidate in found]


def _grouped(files: Sequence[RemoteFile]) -> dict[str, _Group]:
    """The complete models, by the path of their first part."""
    by_path = {file.path: file for file in files if file.path.lower().endswith(".gguf")}
    groups: dict[str, _Group] = {}
    for path in by_path:
        names = part_names(path)
        if names[0] == path and all(name in by_path for name in names):
            groups[path] = _Group([by_path[name] for name in names])
    return groups


def _companion_words(words: Sequence[str]) -> Counter[str]:
    return Counter(word for word in words if word in COMPANION_WORDS)


def _models(source: HubSource, groups: list[_Group], complete: bool) -> list[_Group]:
    """Those groups that are the model, and no companion of it."""
    usual = _companion_words(words(source.repository))
    if complete and groups:
        most = max(group.weights for group in groups)
        heavy = [_companion_words(group.words) for group in groups if group.weights >= HEAVY * most]
        fewest = min(heavy, key=Counter.total)
        usual |= fewest
    return [group for group in groups if _companion_words(group.words) <= usual]


def _named(source: HubSource, files: Sequence[RemoteFile], groups: dict[str, _Group]) -> _Group:
    file = source.file or ""
    first = part_names(file)[0]
    if first in groups:
        return groups[first]
    names = [candidate.path for candidate in files if candidate.path.lower().endswith(".gguf")]
    if any(candidate.path == file for candidate in files):
        missing = [part for part in part_names(file) if part not in names]
        why = f"not its other parts {', '.join(missing[:3])}" if file in names else "it is not a GGUF model"
        raise _missing(f"{source.repository} has {file!r}, but {why}", file, near(file, names))
    raise _missing(f"{source.repository} has no file {file!r}", file, near(file, names) or names[:NEAR_NAMES])


def _quantized(source: HubSource, models: list[_Group], files: Sequence[RemoteFile]) -> _Group:
    wanted = (source.quantization or "").upper()
    matching = [group for group in models if group.quantization == wanted]
    if matching:
        return _only(source, matching)
    others = [f.path for f in files if f.path.lower().endswith(".gguf") and quantization_of(f.path) == wanted]
    only = f" ({', '.join(others[:3])} is not the model)" if others else ""
    names = sorted({group.quantization or group.path for group in models})
    raise _missing(f"{source.repository} has no quantisation {wanted}{only}", wanted, names)


def _best(source: HubSource, models: list[_Group], budget_bytes: int | None) -> _Group:
    if not models:
        raise _missing(f"{source.repository} has no GGUF model", source.repository, [])
    quantized = [group for group in models if group.quantization not in _FULL_PRECISION]
    by_size = sorted(quantized or models, key=lambda group: group.size, reverse=True)
    fitting = [group for group in by_size if budget_bytes is None or group.size <= budget_bytes]
    if not fitting:
        problem = (
            f"/model: no quantisation of {source.repository} fits: the smallest has {by_size[-1].size} bytes"
        )
        raise SidecarError(
            "outOfMemory",
            problem,
            pointer="/model",
            value=by_size[-1].size,
            allowed={"maximum": budget_bytes},
        )
    most = max(models, key=lambda group: group.weights)
    if fitting[0].weights < HEAVY * most.weights and fitting[0].words != most.words:
        raise _ambiguous(source, models)  # a smaller model, or something else
    return _only(source, [group for group in fitting if group.quantization == fitting[0].quantization])


def _only(source: HubSource, groups: list[_Group]) -> _Group:
    """The one model that the groups are: whole, split, or in another folder."""
    if len({tuple(group.words) for group in groups}) > 1:
        raise _ambiguous(source, groups)
    return min(groups, key=lambda group: (len(group.parts), group.path))


def _projector(
    source: HubSource, files: Sequence[RemoteFile], group: _Group, needed: bool
) -> RemoteFile | None:
    """The projector of the model: the smallest of F16 if several fit, as in llama.cpp's own tools."""
    found = [f for f in files if "mmproj" in f.path.lower() and f.path.lower().endswith(".gguf")]
    if not found and needed:
        raise _missing(f"{source.repository} has no projector (mmproj)", "mmproj", [])
    found.sort(key=lambda file: (quantization_of(file.path) not in projectors.FULL, file.size))
    fitting = projectors.best(group.path, [file.path for file in found])
    return next((file for file in found if file.path == fitting), found[0] if found else None)


def _missing(problem: str, name: str, allowed: list[str]) -> SidecarError:
    offer = f"; there is {', '.join(allowed[:NEAR_NAMES])}" if allowed else ""
    return SidecarError(
        "remoteFileNotFound", f"/model: {problem}{offer}", pointer="/model", value=name, allowed=allowed
    )


def _ambiguous(source: HubSource, groups: Sequence[_Group]) -> SidecarError:
    allowed = sorted(f"hf:{source.repository}/{group.path}" for group in groups)[:MAX_OFFERED]
    shown = ", ".join(f"{group.path} ({group.size / 1e6:.0f} MB)" for group in groups[:NEAR_NAMES])
    problem = f"/model: several models of {source.repository} fit: {shown}"
    value = source.quantization or source.repository
    return SidecarError("ambiguousModel", problem, pointer="/model", value=value, allowed=allowed)
