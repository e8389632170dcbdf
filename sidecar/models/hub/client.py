"""The hub: what a repository holds, what its refusals mean. The only module that imports huggingface_hub."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

# Read when huggingface_hub is imported. Its Rust downloader (xet) can be neither aborted nor seen through.
os.environ["HF_HUB_DISABLE_XET"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import httpx2
from huggingface_hub import HfApi, constants, get_token, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils._http import get_session, hf_raise_for_status, set_client_factory

import sidecar
from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.models.http.address import MAX_ASKED_PAUSE_S, Address, retry_after
from sidecar.models.hub.reference import HubSource, RemoteFile, near
from sidecar.models.store.safe_names import is_safe

DEFAULT_REVISION: Final = "main"
MAX_FILES: Final = 20_000
"""Files of a repository that are looked at."""

MAX_SEARCHED: Final = 100
"""Repositories of an owner among which names like a wrong one are sought."""

METADATA_TRIES: Final = 3
FIRST_PAUSE_S: Final = 0.25
PASSING: Final = ("offline", "rateLimited", "downloadFailed")
"""What may be over in a moment."""

UNREACHABLE: Final = (
    httpx2.TimeoutException,
    httpx2.NetworkError,
    httpx2.RemoteProtocolError,
    httpx2.ProxyError,
)

TIMEOUT_S: Final = float(constants.HF_HUB_ETAG_TIMEOUT)
"""How long the hub may take over an answer: $HF_HUB_ETAG_TIMEOUT, 10 s."""

DOWNLOAD_TIMEOUT_S: Final = float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
"""How long a server that sends a file may be silent: $HF_HUB_DOWNLOAD_TIMEOUT, 10 s."""

Result = TypeVar("Result")


@dataclass(slots=True)
class Listing:
    """What a repository holds at a commit."""

    repository: str
    commit: str
    files: list[RemoteFile]


class Hub:
    """A hub, or a mirror of one, as somebody with `token`."""

    def __init__(self, endpoint: str | None, token: str | None) -> None:
        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        known = (token or get_token() or "").strip()
        if not (known.isascii() and known.isprintable()):
            raise _unauthorized("The token has letters that no token has")
        self._token = known or False
        self._api = HfApi(endpoint=self.endpoint, token=self._token, library_name="llama-sidecar")
        set_client_factory(lambda: httpx2.Client(follow_redirects=True, timeout=TIMEOUT_S))
        self.client: httpx2.Client = get_session()

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts whose addresses name files of repositories."""
        return (urlsplit(self.endpoint).netloc, urlsplit(constants._HF_DEFAULT_ENDPOINT).netloc, "hf.co")

    def look(self, source: HubSource, revision: str | None) -> Listing:
        """The files of a repository.

        Raises SidecarError: `offline`, `repositoryNotFound`, `revisionNotFound`, `gatedRepository`,
        `unauthorized`, `rateLimited`, `downloadFailed`.
        """
        wanted = source.revision or revision or DEFAULT_REVISION
        self.check_online()
        if wanted in (".", ".."):  # in an address they would lead elsewhere, and git allows no such names
            raise _no_revision(source.repository, wanted)
        ask = partial(self._api.model_info, revision=wanted, files_metadata=True, timeout=TIMEOUT_S)
        info: Any = self.patiently(
            partial(ask, source.repository), lambda error: self._explain(error, source.repository, wanted)
        )
        files = []
        for sibling in (info.siblings or [])[:MAX_FILES]:
            if not is_safe(sibling.rfilename):
                log.log(
                    "warning", "a file of the repository has an unsafe name", name=sibling.rfilename[:200]
                )
            elif sibling.size is not None:
                sha256 = sibling.lfs.sha256 if sibling.lfs else None
                files.append(RemoteFile(sibling.rfilename, sibling.size, sha256))
        return Listing(source.repository, info.sha or wanted, files)

    def check_online(self) -> None:
        """Raises SidecarError `offline` if the user wants nothing to be asked of any server."""
        if constants.is_offline_mode():
            raise SidecarError("offline", "HF_HUB_OFFLINE is set, and the model is not here")

    def address(self, listing: Listing, file: RemoteFile) -> Address:
        """Where the bytes of a file are."""
        url = hf_hub_url(listing.repository, file.path, revision=listing.commit, endpoint=self.endpoint)
        return Address(
            url,
            self.headers(),
            DOWNLOAD_TIMEOUT_S,
            file.size,
            None,
            url,
            lambda answer: self._refusal(answer, listing.repository, listing.commit),
        )

    def headers(self) -> dict[str, str]:
        """What the hub wants to know of whoever asks."""
        agent = build_hf_headers(
            token=self._token, library_name="llama-sidecar", library_version=sidecar.__version__
        )
        return dict(agent)

    # ---- refusals --------------------------------------------------------------------------------

    def patiently(self, call: Callable[[], Result], explain: Callable[[Exception], SidecarError]) -> Result:
        """Ask for metadata; a failure of the line or of the server is tried again. Raises SidecarError."""
        for attempt in range(1, METADATA_TRIES + 1):
            pause = FIRST_PAUSE_S * 2 ** (attempt - 1)
            try:
                return call()
            except UNREACHABLE as error:
                mapped = unreachable(error)
            except Exception as error:
                mapped = explain(error)
                if isinstance(error, HfHubHTTPError | httpx2.HTTPStatusError):
                    pause = max(pause, retry_after(error.response) or 0.0)
            if attempt == METADATA_TRIES or mapped.kind not in PASSING or pause > MAX_ASKED_PAUSE_S:
                raise mapped
            log.log("info", "the server is asked again", cause=mapped.problem, pause=pause)
            time.sleep(pause)
        raise AssertionError

    def _refusal(self, answer: httpx2.Response, repository: str, revision: str) -> SidecarError:
        try:
            answer.read()
            hf_raise_for_status(answer)
        except Exception as error:
            return self._explain(error, repository, revision)
        return SidecarError("downloadFailed", f"The server answered {answer.status_code}", cause="status")

    def _explain(self, error: Exception, repository: str, revision: str) -> SidecarError:
        """The typed error for what huggingface_hub raised. Its texts may hold addresses: they stay here."""
        status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
        at = {"pointer": "/model", "value": repository}
        if isinstance(error, GatedRepoError):
            page = f"{self.endpoint}/{repository}"
            return SidecarError("gatedRepository", f"/model: {repository} is gated; its terms: {page}", **at)
        if isinstance(error, RepositoryNotFoundError):
            if status == 401 and self._token and not self._token_is_good():
                return _unauthorized("The hub refuses the token")
            names = self._near_repositories(repository)
            offer = f"; there is {', '.join(names)}" if names else ""
            problem = f"/model: the hub has no repository {repository!r}, or it is private{offer}"
            return SidecarError("repositoryNotFound", problem, **at, allowed=names)
        if isinstance(error, RevisionNotFoundError):
            return _no_revision(repository, revision)
        if isinstance(error, RemoteEntryNotFoundError) or status == 404:
            return SidecarError("remoteFileNotFound", f"/model: {repository} has no such file", **at)
        if status in (401, 403):
            return _unauthorized("The hub refuses the token" if self._token else "The hub wants a token")
        if status == 429:
            asked = retry_after(error.response) if isinstance(error, HfHubHTTPError) else None
            told = {} if asked is None else {"value": asked}
            return SidecarError("rateLimited", "The hub asks for a pause", **told)
        if isinstance(error, HFValidationError):
            return SidecarError("invalidParams", f"/model: {repository!r} is no name of a repository", **at)
        cause = f"{type(error).__name__}{'' if status is None else f' {status}'}"
        return SidecarError("downloadFailed", "The hub could not be asked", cause=cause)

    def _token_is_good(self) -> bool:
        try:
            self._api.whoami()
        except Exception:
            return False
        return True

    def _near_repositories(self, repository: str) -> list[str]:
        """Names of the same owner, or found by the same words, that are like this one."""
        owner, _, name = repository.partition("/")
        names: list[str] = []
        for query in (
            partial(self._api.list_models, author=owner),
            partial(self._api.list_models, search=name),
        ):
            try:
                names += [model.id for model in query(limit=MAX_SEARCHED)]
            except Exception as error:
                log.log("debug", "no names to offer", cause=type(error).__name__)
        return near(repository, names)


def unreachable(error: Exception) -> SidecarError:
    """The typed error for a line that is down, or that ends at somebody who cannot prove who he is."""
    import ssl

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = cause.verify_message.rstrip(".")
            problem = (
                f"The server's certificate is not trusted: {why} (SSL_CERT_FILE can name other authorities)"
            )
            return SidecarError("offline", problem, cause="certificate")
        cause = cause.__cause__ or cause.__context__
    return SidecarError("offline", "The server cannot be reached", cause=type(error).__name__)


def _no_revision(repository: str, revision: str) -> SidecarError:
    problem = f"/revision: {repository} has no revision {revision!r:.100}"
    return SidecarError("revisionNotFound", problem, pointer="/revision", value=revision[:200])


def _unauthorized(problem: str) -> SidecarError:
    return SidecarError("unauthorized", f"/token: {problem}", pointer="/token")


def cached_models() -> dict[str, dict[str, Any]]:
    """The GGUF files in the hub's own cache: path → ModelSource."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        cache = scan_cache_dir()
    except (CacheNotFound, OSError, ValueError):
        return {}
    found = {}
    for repository in cache.repos:
        for revision in repository.revisions:
            for file in revision.files:
                if file.file_name.lower().endswith(".gguf"):
                    path = file.file_path.relative_to(revision.snapshot_path).as_posix()
                    url = hf_hub_url(repository.repo_id, path, revision=revision.commit_hash)
                    found[str(file.file_path)] = {
                        "url": url,
                        "repository": repository.repo_id,
                        "revision": revision.commit_hash,
                        "file": path,
                    }
    return found
