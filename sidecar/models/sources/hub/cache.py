"""The models that other programs have downloaded with huggingface_hub, in its cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from huggingface_hub import CacheNotFound, constants, scan_cache_dir

from sidecar.models.http.url import without_secrets
from sidecar.models.sources.model_reference import file_url

if TYPE_CHECKING:
    from sidecar.message_handler._types import ModelSource


def cached_models() -> dict[str, ModelSource]:
    """The GGUF files in huggingface_hub's cache: path → source."""
    try:
        cache = scan_cache_dir()
    except (CacheNotFound, OSError, ValueError):
        return {}
    found: dict[str, ModelSource] = {}
    for repository in cache.repos:
        for revision in repository.revisions:
            for file in revision.files:
                if file.file_name.lower().endswith(".gguf"):
                    path = file.file_path.relative_to(revision.snapshot_path).as_posix()
                    url = file_url(constants.ENDPOINT, repository.repo_id, revision.commit_hash, path)
                    found[str(file.file_path)] = {
                        "url": without_secrets(url),
                        "repository": repository.repo_id,
                        "revision": revision.commit_hash,
                        "file": path,
                    }
    return found
