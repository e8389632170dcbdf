"""Repositories: commits of files, branches and tags, and what the hub's API says of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.content import Content, content_of

LFS_BYTES = 1 << 20
"""Files from this size on are large ones: they have a checksum and come from the CDN."""

LFS_SUFFIXES = (".gguf", ".safetensors", ".bin")

WHEN = "2026-01-02T03:04:05.000Z"


@dataclass(frozen=True)
class File:
    """A file of a commit."""

    path: str
    content: Content

    @property
    def is_lfs(self) -> bool:
        """Whether it is a large one."""
        return self.content.size >= LFS_BYTES or self.path.endswith(LFS_SUFFIXES)

    @property
    def pointer(self) -> bytes:
        """What git holds of a large file."""
        return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (
            self.content.sha256.encode(),
            self.content.size,
        )

    @property
    def blob_id(self) -> str:
        """git's name for what it holds."""
        data = self.pointer if self.is_lfs else bytes(self.content.read(0, LFS_BYTES))
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    @property
    def etag(self) -> str:
        """As the hub says it: the checksum of a large file, else the blob."""
        return self.content.sha256 if self.is_lfs else self.blob_id

    def sibling(self, blobs: bool) -> dict[str, Any]:
        """As model_info gives it."""
        if not blobs:
            return {"rfilename": self.path}
        fields = {"rfilename": self.path, "size": self.content.size, "blobId": self.blob_id}
        if self.is_lfs:
            fields["lfs"] = {
                "sha256": self.content.sha256,
                "size": self.content.size,
                "pointerSize": len(self.pointer),
            }
        return fields

    def entry(self) -> dict[str, Any]:
        """As the tree and paths-info give it."""
        fields = {"type": "file", "oid": self.blob_id, "size": self.content.size, "path": self.path}
        if self.is_lfs:
            fields["lfs"] = {
                "oid": self.content.sha256,
                "size": self.content.size,
                "pointerSize": len(self.pointer),
            }
        return fields


@dataclass
class Repository:
    """owner/name and what is in it."""

    name: str
    gated: bool | str = False
    """False, "auto" or "manual": files need a token that was granted access."""
    private: bool = False
    commits: dict[str, dict[str, File]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Branch or tag → commit."""

    def commit(self, branch: str, files: Mapping[str, bytes | Content | None]) -> str:
        """Add or replace files on a branch (None removes one); returns the commit."""
        tree = dict(self.commits.get(self.names.get(branch, ""), {}))
        for path, value in files.items():
            if value is None:
                del tree[path]
            else:
                tree[path] = File(path, content_of(value))
        said = "\n".join(f"{path} {tree[path].blob_id}" for path in sorted(tree))
        digest = hashlib.sha1(f"{self.name} {len(self.commits)}\n{said}".encode("utf-8", "surrogatepass"))
        sha = digest.hexdigest()
        self.commits[sha] = tree
        self.names[branch] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        """The commit of a branch, tag or commit."""
        sha = self.names.get(revision, revision)
        return sha if sha in self.commits else None

    def info(self, sha: str, blobs: bool) -> dict[str, Any]:
        """As model_info gives it."""
        return {
            **self.summary(),
            "sha": sha,
            "author": self.name.split("/")[0],
            "gated": self.gated,
            "disabled": False,
            "lastModified": WHEN,
            "siblings": [file.sibling(blobs) for file in self.commits[sha].values()],
        }

    def summary(self) -> dict[str, Any]:
        """As a list of models gives it."""
        return {
            "_id": hashlib.sha1(self.name.encode()).hexdigest()[:24],
            "id": self.name,
            "modelId": self.name,
            "private": self.private,
            "createdAt": WHEN,
            "downloads": 0,
            "likes": 0,
            "tags": ["gguf"],
        }

    def tree(self, sha: str, folder: str, recursive: bool) -> list[dict[str, Any]] | None:
        """The entries below a folder; None if there is no such folder."""
        start = f"{folder}/" if folder else ""
        inside = [file for path, file in self.commits[sha].items() if path.startswith(start)]
        if folder and not inside:
            return None
        folders: dict[str, dict[str, Any]] = {}
        entries = []
        for file in inside:
            parts = file.path[len(start) :].split("/")
            for depth in range(1, len(parts) if recursive else min(2, len(parts))):
                path = start + "/".join(parts[:depth])
                oid = hashlib.sha1(path.encode()).hexdigest()
                folders[path] = {"type": "directory", "oid": oid, "size": 0, "path": path}
            if recursive or len(parts) == 1:
                entries.append(file.entry())
        return sorted([*folders.values(), *entries], key=lambda entry: str(entry["path"]))
