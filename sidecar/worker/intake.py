"""Parses one line into its JSON-RPC 2.0 calls, and checks everything about them but method and params.

Pure: an invalid message becomes the error that answers it.
"""

from __future__ import annotations

from typing import Final, TypeGuard

from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.framing import decode
from sidecar.message_handler.notifier import RequestId


class Call:
    """A request, or a notification (`is_request` false), which must never be answered."""

    def __init__(
        self,
        method: str,
        params: object,
        request_id: RequestId | None,
        is_request: bool,
        message: dict[str, object],
    ) -> None:
        self.method = method
        self.params = params
        self.request_id = request_id
        self.is_request = is_request
        self.message = message


class Refusal:
    """An invalid message: the error that answers it, and the id of the answer (None is JSON's null)."""

    def __init__(self, error: SidecarError, request_id: RequestId | None) -> None:
        self.error = error
        self.request_id = request_id


Item = Call | Refusal

MAX_BATCH: Final = 1024
"""Messages in one batch. The answers leave as one array, of some hundred bytes per message."""


def read_line(line: bytes) -> Item | list[Item]:
    """One line: a single item, or the list of a batch. An empty batch is one refusal, as the standard says."""
    try:
        message = decode(line)
    except ValueError as error:
        return Refusal(SidecarError("parseError", f"The line is not JSON: {error}"), None)
    if isinstance(message, list):
        if not message:
            return Refusal(SidecarError("invalidRequest", "The batch is empty"), None)
        if len(message) > MAX_BATCH:
            problem, allowed = f"The batch has {len(message)} messages", {"maxItems": MAX_BATCH}
            return Refusal(SidecarError("invalidRequest", problem, allowed=allowed), None)
        return [read_message(member) for member in message]
    return read_message(message)


def is_request_id(value: object) -> TypeGuard[RequestId]:
    """Whether a value can be an id: a string or an integer. JSON's true is not an integer."""
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def read_message(message: object) -> Item:
    """Check the envelope of one message."""
    if not isinstance(message, dict):
        return Refusal(_refuse("The message is not an object", "", message), None)
    is_request = "id" in message
    request_id = message.get("id")
    if is_request and not is_request_id(request_id):
        problem = "The id is neither a string nor an integer"
        return Refusal(_refuse(problem, "/id", request_id, ["string", "integer"]), None)
    if message.get("jsonrpc") != "2.0":
        problem = 'The member "jsonrpc" is not "2.0"'
        return Refusal(_refuse(problem, "/jsonrpc", message.get("jsonrpc"), ["2.0"]), request_id)
    method = message.get("method")
    if not isinstance(method, str):
        return Refusal(
            _refuse('The member "method" is not a string', "/method", method, ["string"]),
            request_id,
        )
    params = message.get("params")
    if params is not None and not isinstance(params, dict | list):
        return Refusal(_refuse("The params are not an object", "/params", params, ["object"]), request_id)
    return Call(method, _by_name(params), request_id, is_request, message)


def _by_name(params: object) -> object:
    """Params as an object. Clients such as vscode-jsonrpc wrap one value in an array: `[{…}]`, `[null]`.

    Any other array stays as it is. The method's schema refuses it later: an unknown method is reported first.
    """
    if isinstance(params, list) and len(params) <= 1:
        params = params[0] if params else None
    return {} if params is None else params


def _refuse(problem: str, pointer: str, value: object, allowed: list[str] | None = None) -> SidecarError:
    try:
        shown = value if isinstance(value, int | float | bool | type(None)) else str(value)[:200]
    except RecursionError:  # nested almost too deeply to be parsed
        shown = "…"
    return SidecarError("invalidRequest", problem, pointer=pointer, value=shown, allowed=allowed)
