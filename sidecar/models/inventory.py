"""`listModels` and `deleteModel`: the models on this disk."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Iterator
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock, Timeout

from sidecar.message_handler.errors import SidecarError
from sidecar.models.download import journal
from sidecar.models.gguf import description, parts, projector
from sidecar.models.gguf.splits import is_model, part_paths
from sidecar.models.store import durable_files
from sidecar.models.store.store import STATE_FOLDER, Place, Store

if TYPE_CHECKING:
    from sidecar.message_handler._types import ModelSource

MAX_LISTED: Final = 2000
"""GGUF files that one call lists."""

MAX_VISITED: Final = 200_000
"""Files, of any kind, that one call visits in a folder."""


class Inventory:
    """One listing. `loaded`: the real paths of the files that are loaded now."""

    def __init__(self, store: Store, loaded: Collection[str]) -> None:
        self._store = store
        self._loaded = set(loaded)
        self._seen: set[str] = set()
        self._models: list[dict[str, object]] = []
        self._truncated = False
        self._look = functools.cache(projector.look_into)

    def result(self, cached: dict[str, ModelSource], folders: Collection[str]) -> dict[str, object]:
        """A ListModelsResult. `cached`: path → source of the files in the hub's own cache."""
        self._add_folder(self._store.directory, "store")
        for path, source in sorted(cached.items()):  # the first part of a model before the others
            self._add(path, "hubCache", source)
        for folder in folders:
            self._add_folder(os.path.abspath(folder), "folder")
        partials = [self._partial(*found) for found in self._store.state_files(".journal")]
        return {
            "modelsDirectory": self._store.directory,
            "models": self._models,
            "partials": [partial for partial in partials if partial is not None],
            "truncated": self._truncated,
        }

    def _add_folder(self, folder: str, origin: str) -> None:
        for path in self._walk(folder):
            self._add(path, origin, None)

    def _walk(self, folder: str) -> Iterator[str]:
        visited = 0
        for parent, folders, names in os.walk(folder):
            folders[:] = sorted(name for name in folders if name != STATE_FOLDER)
            visited += len(names)
            if visited > MAX_VISITED:
                self._truncated = True
                return
            yield from (os.path.join(parent, name) for name in sorted(names))

    def _add(self, path: str, origin: str, source: ModelSource | None) -> None:
        real = os.path.realpath(path)
        if not is_model(path.replace(os.sep, "/")) or real in self._seen:
            return  # other parts are listed with the first one
        if len(self._models) >= MAX_LISTED:
            self._truncated = True
            return
        files = _files(path)
        self._seen.update(map(os.path.realpath, files))
        self._models.append(self._describe(path, files, origin, source))

    def _describe(
        self, path: str, files: list[str], origin: str, source: ModelSource | None
    ) -> dict[str, object]:
        here = [part for part in files if os.path.isfile(part)]
        places = [self._store.place_of(part) for part in here] if origin == "store" else []
        records = [place.record() if place else None for place in places]
        first = records[0] if records else None
        # The record of a first part knows nothing of the others.
        header, problem = _header(path, first.header if first and len(files) == 1 else {})
        if len(here) < len(files):
            problem = f"{len(files) - len(here)} of its {len(files)} parts are missing"
        return {
            "path": path,
            "files": here,
            "sizeBytes": sum(_size(part) for part in here),
            "origin": origin,
            "verified": bool(records) and len(here) == len(files) and all(r and r.verified for r in records),
            "sha256": first.sha256 if first else None,
            "source": first.source if first else source,
            **{name: header.get(name) for name in description.RECORDED},
            **description.with_projector(path, self._look),
            "lastUsedAt": first.last_used_at if first else None,
            "loaded": any(os.path.realpath(part) in self._loaded for part in here),
            "problem": problem,
        }

    def _partial(self, place: Place, journal_path: str) -> dict[str, object] | None:
        content = journal.read(journal_path)
        if content is None or not os.path.exists(place.part):
            return None
        return {
            "path": place.path,
            "source": content.header["source"],
            "downloadedBytes": content.downloaded,
            "totalBytes": content.header["size"],
        }


def _header(path: str, recorded: dict[str, Any]) -> tuple[dict[str, Any], str | None]:  # JSON of a record
    """A summary of the file, and what is wrong with it. `recorded`: the summary of an earlier look, if any."""
    if recorded:
        return recorded, recorded.get("problem")
    try:
        return description.describe(path), None
    except SidecarError as error:
        return {}, error.problem.removeprefix(f"/path: {path!r} ")


def _files(path: str) -> list[str]:
    """The files of a model: by its name if its header cannot be read."""
    try:
        return parts.paths(path)
    except SidecarError:
        return part_paths(path)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def delete(store: Store, path: str, loaded: Collection[str]) -> dict[str, object]:
    """A DeleteModelResult. A projector goes with the last model that it belongs to.

    Raises SidecarError: `notInStore`, `fileNotFound`, `modelInUse`, `directoryNotWritable`.
    """
    absolute = os.path.abspath(os.path.join(store.directory, path))
    files = _files(absolute)
    places = [place for place in map(store.place_of, files) if place is not None]
    at = {"pointer": "/path", "value": path[:500]}
    if len(places) < len(files) or (not absolute.lower().endswith(".gguf") and not places[0].record()):
        raise SidecarError("notInStore", f"/path: {path!r} is not a model of {store.directory!r}", **at)
    if any(os.path.realpath(place.path) in loaded for place in places):
        raise SidecarError("modelInUse", f"/path: {path!r} is loaded", **at)
    if not any(os.path.lexists(name) for place in places for name in (place.path, place.part)):
        raise SidecarError("fileNotFound", f"/path: there is no file {path!r}", **at)
    beside = projector.beside(absolute) if is_model(os.path.basename(absolute)) else None
    try:
        deleted, freed = _delete(places)
    except Timeout:
        raise SidecarError("modelInUse", f"/path: {path!r} is being downloaded", **at) from None
    except OSError as error:
        raise durable_files.disk_error(error, store.directory) from error
    if beside is not None and os.path.realpath(beside) not in loaded and not _belongs_to_others(beside):
        own = [place for place in (store.place_of(beside),) if place is not None]
        with suppress(Timeout, OSError):  # the model is gone; a projector that is held stays
            more = _delete(own)
            deleted, freed = deleted + more[0], freed + more[1]
    _remove_empty(os.path.dirname(absolute), store.directory)
    return {"files": deleted, "freedBytes": freed}


def _delete(places: list[Place]) -> tuple[list[str], int]:
    """The files that were there, and the bytes that are free now."""
    deleted: list[str] = []
    freed = 0
    for place in places:
        is_known = os.path.isdir(os.path.dirname(place.lock))
        with FileLock(place.lock, timeout=0) if is_known else nullcontext():
            deleted += [place.path] if os.path.lexists(place.path) else []
            names = (place.path, place.part, place.journal, place.record_path)
            freed += sum(map(durable_files.remove, names))
    return deleted, freed


def _belongs_to_others(path: str) -> bool:
    """Whether a projector belongs to a model that is here, beside it or in a folder below."""
    look = functools.cache(projector.look_into)
    return any(
        projector.beside(os.path.join(parent, name), look) == path
        for parent, _, names in os.walk(os.path.dirname(path))
        for name in names
        if is_model(name)
    )


def _remove_empty(folder: str, root: str) -> None:
    """Remove empty folders, from `folder` up to `root`."""
    while folder != root and len(folder) > len(root):
        try:
            os.rmdir(folder)
        except OSError:
            return
        folder = os.path.dirname(folder)
