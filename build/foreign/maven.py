"""Archives of Maven Central, fetched by `mvn` with the user's own settings, and kept in the cache."""

from __future__ import annotations

from pathlib import Path

import cache
from checkout import Failed, quietly


def jar(kind: str, artifact: str, sha256: str) -> Path:
    """The archive of this artifact and hash, from the cache or fetched."""
    return cache.entry(kind, sha256, lambda into: _fetch(artifact, sha256, into))


def _fetch(artifact: str, sha256: str, into: Path) -> Path:
    print(f"Fetching {artifact} …", flush=True)
    goal = ["dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={into}"]
    quietly(["mvn", "--quiet", "--batch-mode", *goal], f"Fetching {artifact} with Maven")
    (file,) = into.glob("*.jar")
    if (found := cache.sha256(file)) != sha256:
        raise Failed(f"{artifact} has sha256 {found} instead of the pinned {sha256}.")
    return file
