"""From the bytes of tokens to text that can be shown: whole characters, and nothing of a stop string."""

from __future__ import annotations

import codecs


class TextStream:
    """Takes the bytes of one token after the other, gives out the text that is certain.

    Held back are bytes of an unfinished UTF-8 character, and an end that could become a stop string.
    Bytes that are no UTF-8 become U+FFFD. `text` is all that was given out.
    """

    def __init__(self, stops: list[str]) -> None:
        self.text = ""
        self.stop_string: str | None = None
        """The stop string that was met; nothing is taken after it."""
        self._stops = stops
        self._held = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def whole(self) -> bool:
        """Whether no character is half there."""
        return not self._decoder.getstate()[0]

    def feed(self, piece: bytes) -> str:
        """Take the bytes of a token; return the text that became certain."""
        return self._release(self._decoder.decode(piece))

    def end(self) -> str:
        """Give out what was held back: the generation has ended without a stop string."""
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
            # The one that is complete first, so that it does not matter how tokens cut the text.
            end, self.stop_string = min(found, key=lambda hit: (hit[0], -len(hit[1])))
            certain, self._held = waiting[: end - len(self.stop_string)], ""
        else:
            hold = self._possible_stop(waiting)
            certain, self._held = waiting[: len(waiting) - hold], waiting[len(waiting) - hold :]
        self.text += certain
        return certain

    def _possible_stop(self, waiting: str) -> int:
        """Length of the longest end of `waiting` that is the beginning of a stop string."""
        longest = max(map(len, self._stops)) - 1
        for length in range(min(longest, len(waiting)), 0, -1):
            if any(stop.startswith(waiting[-length:]) for stop in self._stops):
                return length
        return 0
