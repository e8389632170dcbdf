"""Which token goes to which hub. Pure."""

from __future__ import annotations

from typing import NamedTuple

from sidecar.message_handler.errors import SidecarError
from sidecar.models.http.url import is_loopback, origin, urlsplit_checked, without_secrets


class Choice(NamedTuple):
    """The token for a hub."""

    token: str
    """Empty: none."""
    withheld: str = ""
    """Why the hub does not get the environment's token; empty if it gets one, or there is none."""


def choose(endpoint: str, given: str | None, own: str | None, own_endpoint: str) -> Choice:
    """Choose between the token of the request (`given`) and that of the environment (`own`).

    The environment's goes only to the hub that the environment names, and none goes over a network unencrypted.
    Raises SidecarError `invalidParams`.
    """
    parts, shown = urlsplit_checked(endpoint), without_secrets(endpoint)[:200]
    secure = parts is not None and (parts.scheme == "https" or is_loopback(parts.hostname))
    if given:
        if not secure:
            problem = f"/endpoint: the token would go to {shown!r} unencrypted"
            raise SidecarError(
                "invalidParams", problem, pointer="/endpoint", value=shown, allowed=["https://…"]
            )
        return Choice(given.strip())
    if not own:
        return Choice("")
    if urlsplit_checked(own_endpoint) is None or origin(endpoint) != origin(own_endpoint):
        return Choice(
            "", f"The token of the environment is not for {shown}: give `token`, or set HF_ENDPOINT to it"
        )
    if not secure:
        return Choice("", f"The token of the environment would go to {shown} unencrypted, so it is not sent")
    return Choice(own.strip())
