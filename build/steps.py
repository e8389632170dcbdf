"""Set-up in steps; each runs only if its inputs have changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cache
from checkout import OUT


class Step(NamedTuple):
    """Work whose result stays good while `key()` stays the same."""

    stamp: Path  # holds the key; lies in the result's folder, so that both are deleted together
    key: Callable[[], str]
    do: Callable[[], None]

    def done(self) -> bool:
        """Whether the result is there and made with the present key."""
        try:
            return self.stamp.read_text(encoding="utf-8") == self.key()
        except FileNotFoundError:
            return False

    def run(self) -> None:
        """Does the work, then stores the key."""
        self.stamp.unlink(missing_ok=True)
        self.do()
        self.stamp.parent.mkdir(parents=True, exist_ok=True)
        self.stamp.write_text(self.key(), encoding="utf-8")


def ensure(steps: Sequence[Step]) -> None:
    """Runs the steps that are not done. Two runs in one checkout take turns."""
    if all(step.done() for step in steps):
        return
    with cache.exclusive(OUT / "setup.lock"):
        for step in steps:
            if not step.done():
                step.run()


def digest(parts: Iterable[str | Path]) -> str:
    """A key: the hash of these texts and of these files' paths and contents."""
    whole = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else b""
        for piece in (str(part).encode(), content):
            whole.update(b"%d:" % len(piece))
            whole.update(piece)
    return whole.hexdigest()
