"""The hub's own origin: its API, and `resolve`, which sends to the CDN."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlencode

from hub.repository import File, Repository
from hub.server import Exchange

if TYPE_CHECKING:
    from hub.hub import Hub

COMMIT_HEADER = "X-Repo-Commit"


class Refusal(Exception):
    """An error answer, with the hub's own headers."""

    def __init__(self, status: int, code: str | None, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Code": code, "X-Error-Message": message}


class ApiExchange(Exchange):
    """Requests to the hub."""

    origin = "hub"
    hub: Hub

    def target(self, path: str) -> str:
        """owner/repo/file where a file is resolved."""
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "resolve-cache"]:
            return unquote("/".join([*parts[3:5], *parts[6:]]))
        if parts[0] != "api" and "resolve" in parts[:3]:
            at = parts.index("resolve")
            return unquote("/".join([*parts[:at], *parts[at + 2 :]]))
        return unquote(path)

    def answer(self, path: str) -> None:
        """Find out what is asked for."""
        if self.hub.strange is not None:
            kind = "text/html; charset=utf-8" if self.hub.strange.startswith(b"<") else "application/json"
            self.send(200, self.hub.strange, {"Content-Type": kind})
            return
        parts = [unquote(part) for part in path.strip("/").split("/")]
        try:
            self._user()
            if parts == ["api", "whoami-v2"]:
                self._whoami()
            elif parts == ["api", "models"]:
                self._list()
            elif parts[:2] == ["api", "models"]:
                self._model(parts[2:])
            elif parts[:3] == ["api", "resolve-cache", "models"]:
                repository = self._repository("/".join(parts[3:5]))
                self._small_file(*self._file(repository, parts[5], "/".join(parts[6:])))
            elif parts[0] == "moved":
                self.send(302, b"", {"Location": f"{self.hub.cdn}/files/{quote('/'.join(parts[1:]))}"})
            elif "resolve" in parts[:3]:
                at = parts.index("resolve")
                repository = self._repository("/".join(parts[:at]))
                self._resolve(repository, parts[at + 1], "/".join(parts[at + 2 :]))
            else:
                raise Refusal(404, None, "Sorry, we can't find the page you are looking for.")
        except Refusal as refusal:
            self.send_json({"error": str(refusal)}, refusal.status, refusal.headers)

    # ---- who may read what -----------------------------------------------------------------------

    def _user(self) -> str | None:
        """The token, if it is a good one."""
        token = self.request_.token
        if token is not None and token not in self.hub.tokens:
            raise Refusal(401, None, "Invalid credentials in Authorization header")
        return token

    def _repository(self, name: str) -> Repository:
        repository = self.hub.repositories.get(name)
        token = self.request_.token
        if repository is None or (repository.private and not self.hub.may_read(token, name)):
            if token is None:
                raise Refusal(401, "RepoNotFound", "Invalid username or password.")
            raise Refusal(404, "RepoNotFound", "Repository not found")
        return repository

    def _commit(self, repository: Repository, revision: str) -> str:
        sha = repository.resolve(revision)
        if sha is None:
            raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha

    def _file(self, repository: Repository, revision: str, path: str) -> tuple[str, File]:
        token = self.request_.token
        if repository.gated and not self.hub.may_read(token, repository.name):
            said = f"Access to model {repository.name} is restricted"
            if token is None:
                raise Refusal(401, "GatedRepo", f"{said}. You must be authenticated to access it.")
            raise Refusal(403, "GatedRepo", f"{said} and you are not in the authorized list.")
        sha = self._commit(repository, revision)
        file = repository.commits[sha].get(path)
        if file is None:
            raise Refusal(404, "EntryNotFound", "Entry not found")
        return sha, file

    # ---- the API ---------------------------------------------------------------------------------

    def _whoami(self) -> None:
        token = self.request_.token
        if token is None:
            raise Refusal(401, None, "Invalid username or password.")
        self.send_json({"type": "user", "name": "tester", "auth": {"type": "access_token"}})

    def _list(self) -> None:
        token = self.request_.token
        author, search = self.query.get("author"), self.query.get("search", "").lower()
        found = [
            repository.summary()
            for name, repository in self.hub.repositories.items()
            if (author is None or name.split("/")[0].lower() == author.lower())
            and search in name.lower()
            and (not repository.private or self.hub.may_read(token, name))
        ]
        self._send_page(found)

    def _model(self, parts: list[str]) -> None:
        kinds = ("revision", "tree", "paths-info")
        at = next((i for i, part in enumerate(parts[:3]) if i and part in kinds), len(parts))
        repository = self._repository("/".join(parts[:at]))
        kind, revision, *rest = [*parts[at:], "", ""] if at < len(parts) else ["revision", "main"]
        sha = self._commit(repository, revision)
        if kind == "revision":
            blobs = self.query.get("blobs", "").lower() in ("true", "1")
            self.send_json(repository.info(sha, blobs), headers={COMMIT_HEADER: sha})
        elif kind == "tree":
            recursive = self.query.get("recursive", "").lower() in ("true", "1")
            entries = repository.tree(sha, "/".join(part for part in rest if part), recursive)
            if entries is None:
                raise Refusal(404, "EntryNotFound", f"{'/'.join(rest)} does not exist on {revision!r}")
            self._send_page(entries, {COMMIT_HEADER: sha})
        else:
            files = repository.commits[sha]
            found = [files[path].entry() for path in self._asked_paths() if path in files]
            self.send_json(found, headers={COMMIT_HEADER: sha})

    def _asked_paths(self) -> list[str]:
        if "json" in self.headers.get("Content-Type", ""):
            paths = json.loads(self.body)["paths"]
            return [paths] if isinstance(paths, str) else paths
        return parse_qs(self.body.decode()).get("paths", [])

    def _send_page(self, entries: list[Any], headers: dict[str, Any] | None = None) -> None:
        size = min(int(self.query.get("limit", self.hub.page_size)), self.hub.page_size)
        start = int(self.query.get("cursor", 0))
        headers = dict(headers or {})
        if start + size < len(entries):
            query = urlencode({**self.query, "cursor": start + size})
            headers["Link"] = f'<{self.server.url}{self.path.split("?")[0]}?{query}>; rel="next"'
        self.send_json(entries[start : start + size], headers=headers)

    # ---- files -----------------------------------------------------------------------------------

    def _resolve(self, repository: Repository, revision: str, path: str) -> None:
        sha, file = self._file(repository, revision, path)
        etag = next((fault.etag for fault in self.faults_ if fault.etag is not None), f'"{file.etag}"')
        headers = {COMMIT_HEADER: sha, "Accept-Ranges": "bytes"}
        if file.is_lfs:
            place = self.hub.link(repository.name, file)
            headers |= {"X-Linked-Size": str(file.content.size), "X-Linked-Etag": etag, "ETag": etag}
            status = 302
        else:
            place = f"/api/resolve-cache/models/{repository.name}/{sha}/{quote(path)}"
            headers |= {"X-Linked-Size": str(file.content.size), "X-Linked-Etag": etag}
            status = 307
        self.send(status, f"Found. Redirecting to {place}".encode(), {**headers, "Location": place})

    def _small_file(self, sha: str, file: File) -> None:
        self.send_file(file.content, f'"{file.etag}"', {COMMIT_HEADER: sha})
