"""Builds what is sent: responses, errors, `progress` and `info`. The shapes are those of schema/."""

from __future__ import annotations

import time
from typing import Any, Final

from sidecar.message_handler.framing import encode
from sidecar.message_handler.writer import Writer

PROGRESS_INTERVAL_S: Final = 0.03
"""Progress without text of its own is told at most this often for one request and type."""

RequestId = str | int


def response(request_id: RequestId | None, result: Any) -> dict[str, Any]:
    """A successful response; `result` is there even when it is null, since clients tell by it."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def error_response(request_id: RequestId | None, error: dict[str, Any]) -> dict[str, Any]:
    """An error response; `error` comes from `errors.error_object`."""
    return {"jsonrpc": "2.0", "id": request_id, "error": error}


def notification(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """A notification of ours."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def progress_key(params: dict[str, Any]) -> tuple[Any, ...]:
    """What may merge while it waits: the same request, type and segment, and of calls the same one."""
    request_id = params["requestId"]
    call = params["toolCall"]["index"] if "toolCall" in params else None
    return (type(request_id), request_id, params["progressType"], params.get("segment"), call)


class Progress:
    """The progress of one type of one request: never falls, is not told too often, but told at 1."""

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

    def tell(self, fraction: float | None, **fields: Any) -> None:
        """Send `fraction` (0…1; None: no end is known) and the type's other members, unless it is too soon."""
        done = fraction is not None and fraction >= 1 > self._highest
        self._highest = max(self._highest, min(fraction or 0.0, 1.0))
        now = time.monotonic()
        if now < self._next_at and not done:
            return
        self._next_at = now + self._interval_s
        told = None if fraction is None else round(self._highest, 4)
        send_progress(self._writer, self._request_id, self._type, told, **fields)


def send_progress(
    writer: Writer,
    request_id: RequestId,
    progress_type: str,
    progress: float | None,
    *,
    wake: bool = True,
    **fields: Any,
) -> None:
    """Send one `progress` notification at once."""
    params = {
        "requestId": request_id,
        "progressType": progress_type,
        "progress": progress,
        **fields,
    }
    writer.progress(progress_key(params), notification("progress", params), wake=wake)


def send_info(writer: Writer, level: str, message: str, **fields: Any) -> None:
    """Send one `info` notification."""
    writer.info(notification("info", {"level": level, "message": message, **fields}))


def send(writer: Writer, message: dict[str, Any] | list[Any]) -> None:
    """Send a message that must arrive."""
    writer.send(encode(message))
