"""Checks a finished text against the schema of its request: a mask does not know that names in an object differ."""

from __future__ import annotations

import json

from sidecar.core.schema_check.pattern import TooMuchWork
from sidecar.core.schema_check.schema import Schema
from sidecar.core.structured_output.keywords import Json
from sidecar.message_handler.errors import SidecarError


class FinalCheck:
    """The check of one request."""

    def __init__(self, schema: Json, pointer: str, *, alone: bool) -> None:
        """`alone`: whether the mask does not enforce all of the schema.

        Raises SidecarError `unsupportedSchema` for a keyword that cannot be checked either.
        """
        self._schema = Schema(schema, pointer)
        self._alone = alone
        unchecked = self._schema.take_unchecked() if alone else []
        if unchecked:
            where, _, problem = unchecked[0].partition(": ")
            keyword = where.rpartition("/")[2]
            raise SidecarError(
                "unsupportedSchema", f"{where}: {problem}", pointer=where, value=keyword, cause=problem
            )

    def check(self, text: str) -> None:
        """Raises SidecarError `invalidOutput`."""
        try:
            problem = self._schema.problem(json.loads(text))
        except ValueError as error:
            problem = f"not JSON: {error}"
        except (TooMuchWork, RecursionError):
            problem = "to check it takes too long" if self._alone else None
        if problem is not None:
            raise SidecarError(
                "invalidOutput", f"The text does not satisfy the schema: {problem}", cause=problem
            )
