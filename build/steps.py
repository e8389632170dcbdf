"""Set-up in steps, each done only when what it depends on has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cache
from checkout import OUT


class Step(NamedTuple):
    """Work whose result stays good while `key()` stays the same."""

    stamp: Path  # remembers the key; lies within the result, so that both vanish together
    key: Callable[[], str]
    do: Callable[[], None]

    def done(self) -> bool:
        """Whether the result is there and its key is the present one."""
        try:
            return self.stamp.read_text(encoding="utf-8") == self.key()
        except FileNotFoundError:
            return False

    def run(self) -> None:
        """Does the work, then remembers the key."""
        self.stamp.unlink(missing_ok=True)
        self.do()
        self.stamp.parent.mkdir(parents=True, exist_ok=True)
        self.stamp.write_text(self.key(), encoding="utf-8")


def ensure(steps: Sequence[Step]) -> None:
    """Does what is not done yet; runs at the same time in one checkout take turns."""
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
