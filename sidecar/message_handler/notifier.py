"""Builds the messages that are sent: responses, errors, `progress` and `info`, as schema/ defines them."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from typing import Any, Final

from sidecar.message_handler.framing import encode
from sidecar.message_handler.writer import RpcMessage, Writer

PROGRESS_INTERVAL_S: Final = 0.03
"""Shortest time between two messages of one request and type; text is sent without this limit."""

RequestId = str | int


def response(request_id: RequestId | None, result: object) -> RpcMessage:
    """A successful response. It has `result` even if it is null: that is how clients recognise success."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def error_response(request_id: RequestId | None, error: dict[str, object]) -> RpcMessage:
    """An error response; `error` comes from `errors.error_object`."""
    return {"jsonrpc": "2.0", "id": request_id, "error": error}


def notification(method: str, params: Mapping[str, object]) -> RpcMessage:
    """A notification of the program."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def progress_key(params: dict[str, Any]) -> Hashable:  # a Progress of any type
    """Queued progress with the same key may merge: same request, type, segment and tool call."""
    request_id = params["requestId"]
    call = params["toolCall"]["index"] if "toolCall" in params else None
    return (type(request_id), request_id, params["progressType"], params.get("segment"), call)


class Progress:
    """Progress of one type of one request. It never decreases. Sent at most once per `interval_s`, but always at 1."""

    def __init__(
        self,
        writer: Writer,
        request_id: RequestId,
        progress_type: str,
        interval_s: float = PROGRESS_INTERVAL_S,
    ) -> None:
        self._writer = writer
        self._interval_s = interval_s
        self._request_id = request_id
        self._type = progress_type
        self._highest = 0.0
        self._next_at = 0.0

    def report(self, fraction: float | None, **fields: Any) -> None:  # the members of each type differ
        """Send `fraction` (0…1; None: the end is unknown) and the type's other members, unless it is too soon."""
        done = fraction is not None and fraction >= 1 > self._highest
        self._highest = max(self._highest, min(fraction or 0.0, 1.0))
        now = time.monotonic()
        if now < self._next_at and not done:
            return
        self._next_at = now + self._interval_s
        shown = None if fraction is None else round(self._highest, 4)
        send_progress(self._writer, self._request_id, self._type, shown, **fields)


def send_progress(
    writer: Writer,
    request_id: RequestId,
    progress_type: str,
    progress: float | None,
    *,
    wake: bool = True,
    **fields: object,
) -> None:
    """Send a `progress` notification now."""
    params = {
        "requestId": request_id,
        "progressType": progress_type,
        "progress": progress,
        **fields,
    }
    writer.progress(progress_key(params), notification("progress", params), wake=wake)


def send_info(writer: Writer, level: str, message: str, **fields: object) -> None:
    """Send an `info` notification."""
    writer.info(notification("info", {"level": level, "message": message, **fields}))


def send(writer: Writer, message: RpcMessage | list[RpcMessage]) -> None:
    """Send a message that must not be lost, or a batch of them."""
    writer.send(encode(message))
