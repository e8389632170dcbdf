"""From the bytes of tokens to text that can be shown: complete characters, without the stop string."""

from __future__ import annotations

import codecs
from collections.abc import Collection


class Detokenizer:
    """Takes the bytes of one token after another and returns the text that is certain.

    It holds back the bytes of an incomplete UTF-8 character, and text at the end that may become a stop
    string. Bytes that are not UTF-8 become U+FFFD. `text` is all text returned so far.
    """

    def __init__(self, stops: list[str]) -> None:
        self.text = ""
        self.stop_string: str | None = None
        """The stop string that ended the text. Feed nothing after it."""
        self._stops = stops
        self._held = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def at_character_end(self) -> bool:
        """Whether all bytes so far form complete characters."""
        return not self._decoder.getstate()[0]

    @property
    def held(self) -> str:
        """Text that is held back. A part of a character stands for U+FFFD."""
        return self._held + self._decoder.getstate()[0].decode("utf-8", "replace")

    def feed(self, piece: bytes) -> str:
        """Add the bytes of a token. Returns the text that became certain."""
        return self._release(self._decoder.decode(piece))

    def end(self) -> str:
        """Return what was held back, because no more tokens come."""
        if self.stop_string is not None:
            return ""
        certain = self._release(self._decoder.decode(b"", final=True))
        held, self._held = self._held, ""
        self.text += held
        return certain + held

    def _release(self, fresh: str) -> str:
        if not self._stops:
            self.text += fresh
            return fresh
        waiting = self._held + fresh
        found = [(waiting.find(stop) + len(stop), stop) for stop in self._stops if stop in waiting]
        if found:
            # The stop string that is complete first wins, so that token borders do not matter.
            end, self.stop_string = min(found, key=lambda hit: (hit[0], -len(hit[1])))
            certain, self._held = waiting[: end - len(self.stop_string)], ""
        else:
            hold = partial_match(waiting, self._stops)
            certain, self._held = waiting[: len(waiting) - hold], waiting[len(waiting) - hold :]
        self.text += certain
        return certain


def partial_match(text: str, patterns: Collection[str]) -> int:
    """Length of the longest suffix of `text` that is a proper prefix of a pattern; 0 if there is none."""
    longest = max(map(len, patterns), default=1) - 1
    for length in range(min(longest, len(text)), 0, -1):
        suffix = text[-length:]
        if any(pattern.startswith(suffix) for pattern in patterns):
            return length
    return 0
