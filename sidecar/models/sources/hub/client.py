"""The hub's API: the files of a repository, and the errors for refusals. Only this package imports huggingface_hub."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from types import UnionType
from typing import Any, Final
from urllib.parse import quote, urlsplit

# huggingface_hub reads these when it is imported. Its downloader (xet) has no abort and no progress per byte.
os.environ["HF_HUB_DISABLE_XET"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import httpx2
from huggingface_hub import constants, get_token, hf_raise_for_status
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # in its __all__, made at run time
    build_hf_headers,
    validate_repo_id,
)

import sidecar
from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.models.http.address import Address, refuse_downgrade, retry_after
from sidecar.models.http.url import without_secrets
from sidecar.models.sources.hub.choice import RemoteFile, near
from sidecar.models.sources.hub.token import choose
from sidecar.models.sources.model_reference import HUB_HOSTS, HubSource, file_url, parse_endpoint
from sidecar.models.sources.retries import with_retries
from sidecar.models.store.safe_names import is_safe
from sidecar.models.store.store import DEFAULT_REVISION

MAX_FILES: Final = 20_000
"""Files of a repository that are considered."""

MAX_SEARCHED: Final = 100
"""Repositories that are searched for names similar to a wrong one."""

TIMEOUT_S: Final = float(constants.HF_HUB_ETAG_TIMEOUT)
"""How long the hub may take to answer: $HF_HUB_ETAG_TIMEOUT, by default 10 s."""

DOWNLOAD_TIMEOUT_S: Final = float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
"""How long a server that sends a file may be silent: $HF_HUB_DOWNLOAD_TIMEOUT, by default 10 s."""


@dataclass(slots=True)
class Listing:
    """The files of a repository at a commit."""

    repository: str
    commit: str
    files: list[RemoteFile]


class Hub:
    """A hub or a mirror, with the user's token, or `withheld`: why it does not get it."""

    def __init__(self, endpoint: str | None, token: str | None) -> None:
        self.endpoint = parse_endpoint(endpoint, constants.ENDPOINT)
        secret, self.withheld = choose(self.endpoint, token, get_token(), constants.ENDPOINT)
        if not (secret.isascii() and secret.isprintable()):
            raise _unauthorized("The token has characters that are not allowed in tokens")
        self._token = secret or False

    @cached_property
    def client(self) -> httpx2.Client:
        """The HTTP client. Raises SidecarError `offline` if the environment names what no client can use."""
        try:
            hooks = {"response": [refuse_downgrade]}
            return httpx2.Client(follow_redirects=True, timeout=TIMEOUT_S, event_hooks=hooks)
        except OSError as error:
            problem = "The certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read"
            raise SidecarError("offline", problem, cause=type(error).__name__) from error
        except (ImportError, ValueError):  # their texts may contain the proxy's password
            problem = "The proxy that the environment names (HTTPS_PROXY, ALL_PROXY …) is not an http one"
            raise SidecarError("offline", problem, cause="proxy") from None

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts whose URLs name files of repositories."""
        return (urlsplit(self.endpoint).netloc, *HUB_HOSTS)

    def list_files(self, source: HubSource, revision: str | None) -> Listing:
        """The files of a repository.

        Raises SidecarError: `offline`, `repositoryNotFound`, `revisionNotFound`, `gatedRepository`,
        `unauthorized`, `rateLimited`, `downloadFailed`.
        """
        wanted = source.revision or revision or DEFAULT_REVISION
        self.check_online()
        if wanted in (".", ".."):  # in a URL they would name something else; git does not allow them
            raise _no_revision(source.repository, wanted)
        path = f"models/{source.repository}/revision/{quote(wanted, safe='')}"

        def ask() -> Listing:
            validate_repo_id(source.repository)
            return _listing(source.repository, wanted, self._get(path, blobs="true"))

        return with_retries(
            ask,
            lambda error: self._not_a_hub(error) or self._explain(error, source.repository, wanted),
        )

    def _get(self, path: str, **params: str) -> Any:  # JSON: anything
        """Ask the API. Raises the errors of huggingface_hub and httpx2, and ValueError for what is no JSON."""
        answer = self.client.get(f"{self.endpoint}/api/{path}", params=params, headers=self.headers())
        hf_raise_for_status(answer)
        return answer.json()

    def check_online(self) -> None:
        """Raise SidecarError `offline` if the user has forbidden all requests with HF_HUB_OFFLINE."""
        if constants.is_offline_mode():
            raise SidecarError("offline", "HF_HUB_OFFLINE is set, and the model is not on this disk")

    def address(self, listing: Listing, file: RemoteFile) -> Address:
        """The address of a file's bytes."""
        url = file_url(self.endpoint, listing.repository, listing.commit, file.path)
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
        """The headers of a request to the hub: user agent and token."""
        agent = build_hf_headers(
            token=self._token, library_name="llama-sidecar", library_version=sidecar.__version__
        )
        return dict(agent)

    # ---- refusals --------------------------------------------------------------------------------

    def _refusal(self, answer: httpx2.Response, repository: str, revision: str) -> SidecarError:
        try:
            answer.read()
            hf_raise_for_status(answer)
        except Exception as error:
            return self._explain(error, repository, revision)
        return SidecarError("downloadFailed", f"The server answered {answer.status_code}", cause="status")

    def _not_a_hub(self, error: Exception) -> SidecarError | None:
        """The error for an answer that no hub gives: a web page, or "not found" without the hub's reason."""
        unknown = type(error) is HfHubHTTPError and error.response.status_code == 404
        no_model = isinstance(error, ValueError | TypeError | LookupError | AttributeError)
        if not (unknown or (no_model and not isinstance(error, HFValidationError))):
            return None
        if urlsplit(self.endpoint).hostname in HUB_HOSTS:  # something on the way answers
            return SidecarError("downloadFailed", "The hub's answer is not valid", cause=type(error).__name__)
        shown = without_secrets(self.endpoint)
        problem = f"/endpoint: {shown!r} answers, but not as a hub does"
        return SidecarError("invalidParams", problem, pointer="/endpoint", value=shown, allowed=["https://…"])

    def _explain(self, error: Exception, repository: str, revision: str) -> SidecarError:
        """The SidecarError for an exception of huggingface_hub, without its text, which may contain secret URLs."""
        status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
        at, note = {"pointer": "/model", "value": repository}, f". {self.withheld}" if self.withheld else ""
        if isinstance(error, GatedRepoError):
            page = f"{without_secrets(self.endpoint)}/{repository}"
            problem = f"/model: {repository} is gated; accept its terms at {page}{note}"
            return SidecarError("gatedRepository", problem, **at)
        if isinstance(error, RepositoryNotFoundError):
            if status == 401 and self._token and not self._token_is_good():
                return _unauthorized("The hub refuses the token")
            names = self._near_repositories(repository)
            offer = f"; there is {', '.join(names)}" if names else ""
            problem = f"/model: the hub has no repository {repository!r}, or it is private{offer}{note}"
            return SidecarError("repositoryNotFound", problem, **at, allowed=names)
        if isinstance(error, DisabledRepoError):
            problem = f"/model: the hub has disabled {repository}"
            return SidecarError("repositoryNotFound", problem, **at, allowed=[])
        if isinstance(error, RevisionNotFoundError):
            return _no_revision(repository, revision)
        if isinstance(error, RemoteEntryNotFoundError) or status == 404:
            return SidecarError("remoteFileNotFound", f"/model: {repository} has no such file", **at)
        if status in (401, 403):
            return _unauthorized(f"The hub {'refuses the' if self._token else 'requires a'} token{note}")
        if status == 429:
            asked = retry_after(error.response) if isinstance(error, HfHubHTTPError) else None
            details = {} if asked is None else {"value": asked}
            return SidecarError("rateLimited", "The hub asks for a pause", **details)
        if isinstance(error, HFValidationError):
            return SidecarError(
                "invalidParams", f"/model: {repository!r} is not the name of a repository", **at
            )
        cause = f"{type(error).__name__}{'' if status is None else f' {status}'}"
        return SidecarError("downloadFailed", "The request to the hub failed", cause=cause)

    def _token_is_good(self) -> bool:
        try:
            self._get("whoami-v2")
        except Exception:
            return False
        return True

    def _near_repositories(self, repository: str) -> list[str]:
        """Similar names: of the same owner, or from a search."""
        owner, _, name = repository.partition("/")
        names: list[str] = []
        for query in ({"author": owner}, {"search": name}):
            try:
                models = self._get("models", **query, limit=str(MAX_SEARCHED))
                names += [str(model["id"]) for model in models]
            except Exception as error:
                log.log("debug", "the search for similar names failed", cause=type(error).__name__)
        return near(repository, names)


def _listing(repository: str, wanted: str, info: Any) -> Listing:  # JSON: anything
    """The files in the hub's answer. Raises TypeError, LookupError or AttributeError for what no hub sends."""
    if "id" not in info:
        raise LookupError("no id in the hub's answer")
    files = []
    for sibling in (info.get("siblings") or [])[:MAX_FILES]:
        path, size = sibling["rfilename"], sibling.get("size")
        sha256 = sibling["lfs"]["sha256"] if sibling.get("lfs") else None
        _check_type(path, str)
        _check_type(size, int | None)
        _check_type(sha256, str | None)
        if not is_safe(path):
            log.log("warning", "a file of the repository has an unsafe name", name=path[:200])
        elif size is not None and size >= 0:
            files.append(RemoteFile(path, size, sha256))
    commit = info.get("sha") or wanted
    _check_type(commit, str)
    return Listing(repository, commit, files)


def _check_type(value: object, wanted: type | UnionType) -> None:
    if not isinstance(value, wanted):
        raise TypeError(f"a {type(value).__name__} in the hub's answer")


def _no_revision(repository: str, revision: str) -> SidecarError:
    problem = f"/revision: {repository} has no revision {revision!r:.100}"
    return SidecarError("revisionNotFound", problem, pointer="/revision", value=revision[:200])


def _unauthorized(problem: str) -> SidecarError:
    return SidecarError("unauthorized", f"/token: {problem}", pointer="/token")
