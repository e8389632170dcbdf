"""The errors that a process may send: one table (schema/errors.json), one class, one mapping."""

from __future__ import annotations

from sidecar.message_handler._wire import ERRORS


class SidecarError(Exception):
    """An error of the table. It may be raised anywhere and is sent to the client as it is.

    `kind` names a row of schema/errors.json; `problem` is one sentence about this case; `details`
    become members of the error's `data` (pointer, value, allowed, cause, partial, …).
    """

    def __init__(self, kind: str, problem: str, **details: object) -> None:
        super().__init__(problem)
        self.kind = kind
        self.problem = problem
        self.details = details

    def point_to(self, pointer: str) -> None:
        """Replace the pointer `/path`, for a path that another field of params gave."""
        if self.details.get("pointer") == "/path":
            self.details["pointer"] = pointer
            self.problem = self.problem.replace("/path", pointer, 1)

    def to_wire(self) -> dict[str, object]:
        """The JSON-RPC error object; its message says what happened and what to do."""
        code, retryable, _, remedy = ERRORS[self.kind]
        return {
            "code": code,
            "message": f"{self.problem.rstrip('.')}. {remedy}",
            "data": {"kind": self.kind, "retryable": retryable, "remedy": remedy, **self.details},
        }


def conflicting_params(name: str, value: object, other: str, allowed: object = None) -> SidecarError:
    """The error `invalidParams` for a param that has no meaning together with another one.

    `allowed` are the values of `name` that can be combined with `other`; none if nothing can.
    """
    problem = f"/{name} cannot be combined with {other}"
    allowed = [] if allowed is None else allowed
    return SidecarError("invalidParams", problem, pointer=f"/{name}", value=value, allowed=allowed)


def error_object(error: BaseException) -> dict[str, object]:
    """The JSON-RPC error object of any exception. An unexpected one is a bug: the wire has only its class name."""
    if isinstance(error, SidecarError):
        return error.to_wire()
    if isinstance(error, MemoryError):
        return SidecarError("outOfMemory", "There is not enough memory").to_wire()
    return SidecarError("internalError", f"Unexpected {type(error).__name__}").to_wire()
