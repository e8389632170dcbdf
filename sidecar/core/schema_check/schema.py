"""A schema of a stranger, against which values are checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sidecar.core.schema_check.node import Json, Run
from sidecar.core.schema_check.pattern import TooMuchWork
from sidecar.core.schema_check.reader import Reader

MAX_STEPS: Final = 200_000
"""Work per check of a value: about 0.1 s."""


class Schema:
    """A schema. Whatever it is, reading it and checking with it are bounded in time, stack and memory."""

    def __init__(self, schema: Json, pointer: str) -> None:
        """`pointer`: where the schema stands, for messages."""
        reader = Reader(schema, pointer)
        self._root = reader.root
        self._unchecked = reader.unchecked

    def take_unchecked(self) -> list[str]:
        """The pointers of keywords that are not checked, with the reasons. Only the first call has them."""
        taken, self._unchecked = self._unchecked, []
        return taken

    def problem(self, value: Json) -> str | None:
        """What is wrong with a value; None if nothing is. Raises TooMuchWork."""
        try:
            found = self._root.problem(value, Run(MAX_STEPS))
        except RecursionError:
            raise TooMuchWork from None
        return None if found is None else str(found)

    def fits(self, value: Json) -> bool:
        """Whether a value fits as far as it is known."""
        try:
            return self.problem(value) is None
        except TooMuchWork:
            return True

    def member_check(self, key: str) -> Callable[[Json], tuple[str | int, ...] | None]:
        """Where a value of this member does not fit; None if it fits. All its checks share the work of one."""
        run = Run(MAX_STEPS)

        def wrong(value: Json) -> tuple[str | int, ...] | None:
            try:
                found = self._root.member_problem(key, value, run)
            except (TooMuchWork, RecursionError):
                return None
            return None if found is None else found.path[1:]

        return wrong

    def member_fits(self, key: str, value: Json) -> bool:
        """Whether an object may have this member, whatever else it has."""
        try:
            return self._root.member_problem(key, value, Run(MAX_STEPS)) is None
        except (TooMuchWork, RecursionError):
            return True
