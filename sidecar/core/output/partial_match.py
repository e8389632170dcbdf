"""Finds the end of a text that may still become one of several patterns."""

from __future__ import annotations

from collections.abc import Collection


def partial_match(text: str, patterns: Collection[str]) -> int:
    """Length of the longest suffix of `text` that is a proper prefix of a pattern; 0 if there is none."""
    longest = max(map(len, patterns), default=1) - 1
    for length in range(min(longest, len(text)), 0, -1):
        suffix = text[-length:]
        if any(pattern.startswith(suffix) for pattern in patterns):
            return length
    return 0
