"""What the headers of pictures and sounds share."""

from __future__ import annotations


class DamagedError(Exception):
    """The bytes are not what their header promises. The message ends the sentence `the PNG …`."""


class UnsupportedError(Exception):
    """A form that libmtmd does not decode. The message names it."""


class TooLargeError(Exception):
    """A decoded picture or sound would exceed a limit. `value` and `most` are of `unit`."""

    def __init__(self, value: float, most: float, unit: str) -> None:
        super().__init__(f"{value:,} {unit}; at most {most:,} are accepted")
        self.value = value
        self.most = most
