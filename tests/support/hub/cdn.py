"""The CDN: another origin, that serves large files by signed links, and plain files by their names."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

from hub.server import Exchange

if TYPE_CHECKING:
    from hub.hub import Hub


class CdnExchange(Exchange):
    """Requests to the CDN."""

    origin = "cdn"
    hub: Hub

    def target(self, path: str) -> str:
        """owner/repo/file of a link; files/name of a plain file."""
        link = self.hub.links.get(path)
        return link.target if link is not None else unquote(path.strip("/"))

    def answer(self, path: str) -> None:
        """Serve the file of a link that is good, or a plain file."""
        plain = self.hub.plain.get(unquote(path.removeprefix("/files/")))
        if path.startswith("/files/"):
            if plain is None:
                self.send(404, b"not found", {})
                return
            self.send_file(plain.content, plain.etag, {}, plain.ranges, plain.length)
            return
        link = self.hub.links.get(path)
        if link is None or self.query.get("Signature") != link.signature:
            self.send(403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"})
        elif time.monotonic() >= link.expires or not link.use():
            self.send(403, b"<Error><Code>ExpiredToken</Code></Error>", {"Content-Type": "application/xml"})
        else:
            # Not the hub's ETag: a CDN has its own.
            self.send_file(link.content, f'"cdn-{link.content.sha256[:32]}"', {})
