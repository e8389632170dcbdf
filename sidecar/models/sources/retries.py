"""Asks a server about a model, again if it fails for a moment. For all sources."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

import httpx2

from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.models.http.address import MAX_ASKED_PAUSE_S, retry_after, unreachable

MAX_TRIES: Final = 3
FIRST_PAUSE_S: Final = 0.25
TEMPORARY: Final = ("offline", "rateLimited", "downloadFailed")
"""Kinds of errors after which another try may succeed."""

UNREACHABLE: Final = (
    httpx2.TimeoutException,
    httpx2.NetworkError,
    httpx2.RemoteProtocolError,
    httpx2.ProxyError,
)

Result = TypeVar("Result")


def with_retries(call: Callable[[], Result], explain: Callable[[Exception], SidecarError]) -> Result:
    """Request metadata; temporary failures are tried again.

    Raises SidecarError: that of `call`, or what `explain` returns for another exception.
    """
    for attempt in range(1, MAX_TRIES + 1):
        pause = FIRST_PAUSE_S * 2 ** (attempt - 1)
        try:
            return call()
        except SidecarError:
            raise
        except UNREACHABLE as error:
            mapped = unreachable(error)
        except Exception as error:
            mapped = explain(error)
            answer = getattr(error, "response", None)
            if isinstance(answer, httpx2.Response):
                pause = max(pause, retry_after(answer) or 0.0)
        if attempt == MAX_TRIES or mapped.kind not in TEMPORARY or pause > MAX_ASKED_PAUSE_S:
            raise mapped
        log.log("info", "the request is tried again", cause=mapped.problem, pause=pause)
        time.sleep(pause)
    raise AssertionError
