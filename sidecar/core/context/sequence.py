"""A sequence of the KV cache, and how much two lists of tokens have in common."""

from __future__ import annotations

from collections.abc import Sequence as Several

from sidecar.core.context.checkpoints import Checkpoints
from sidecar.core.media import media_id
from sidecar.core.model.adapters import Scales


class Sequence:
    """One sequence of a context's KV cache. Position i of the cache holds `tokens[i]`, unless there are pictures."""

    def __init__(self, index: int, tokens: list[int], last_used: float = 0.0) -> None:
        self.index = index
        self.tokens = tokens
        """What is cached. Rows of pictures and sound are negative (media_id.py)."""
        self._saved = 0
        """Positions that the pictures take less than tokens, with M-RoPE."""
        self.scales: Scales = ()
        """The adapters that computed the cache."""
        self.aligned = 0
        """In a reproducible context: how many of the first tokens were computed in whole pieces (Context.piece)."""
        self.in_use = False
        """Whether a request runs in it. Slots sets this."""
        self.last_used = last_used
        """When the last request left it, in seconds of the monotonic clock."""
        self.checkpoints = Checkpoints()
        """Where the cache can go back to, if not to every token; see checkpoints.py."""
        self.shifted = False
        """Whether a context shift removed tokens. The rest was computed with them, so no request can reuse it."""

    @property
    def end(self) -> int:
        """The position of the next token."""
        return len(self.tokens) - self._saved

    def position(self, index: int) -> int:
        """The position of the token at this index, which is not within a chunk."""
        if not self._saved or min(self.tokens[index:], default=0) >= 0:  # no row comes behind it
            return index - self._saved
        return media_id.position(self.tokens, index)

    def hold(self, tokens: list[int]) -> None:
        """It holds these tokens now."""
        self.tokens = tokens
        self.aligned = min(self.aligned, len(tokens))
        self._saved = media_id.saved(tokens)

    def add(self, tokens: list[int]) -> None:
        """It holds further tokens."""
        self.tokens.extend(tokens)
        if tokens[0] < 0:
            self._saved = media_id.saved(self.tokens)

    def keep(self, count: int) -> None:
        """It holds only the first `count` tokens."""
        has_rows = self._saved and min(self.tokens[count:], default=0) < 0
        del self.tokens[count:]
        self.aligned = min(self.aligned, count)
        if has_rows:
            self._saved = media_id.saved(self.tokens)


def shared_length(left: Several[int], right: Several[int]) -> int:
    """Length of the common prefix of two lists, or of two arrays."""
    limit = min(len(left), len(right))
    if left[:limit] == right[:limit]:
        return limit
    low, high = 0, limit  # left[:low] is shared, left[:high] is not
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low
