"""Parses `model`, which names a URL or files in a repository of the hub. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qs, quote, unquote

from sidecar.message_handler.errors import SidecarError
from sidecar.models.http.url import is_loopback, urlsplit_checked, without_secrets
from sidecar.models.store.safe_names import is_safe

HUB_PREFIX: Final = "hf:"
HUB_HOSTS: Final = ("huggingface.co", "hf.co")
"""Hosts whose URLs name files of repositories, in addition to the endpoint."""
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_FILE_PAGES: Final = ("tree", "blob", "resolve", "raw", "blame")
"""Pages of the hub whose address continues with a revision and a path."""


@dataclass(frozen=True, slots=True)
class HubSource:
    """A model in a repository: the one at a path, one with a quantisation, or the largest that fits."""

    repository: str
    file: str | None = None
    quantization: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file of another server."""

    url: str


def file_url(endpoint: str, repository: str, revision: str, path: str) -> str:
    """The URL of a file in a repository of a hub."""
    return f"{endpoint}/{repository}/resolve/{quote(revision, safe='')}/{quote(path)}"


def parse_endpoint(endpoint: str | None, default: str) -> str:
    """The address of the hub, without a slash at its end. `default` is that of the environment.

    Raises SidecarError `invalidParams`.
    """
    address = (endpoint or default).strip().rstrip("/")
    parts = urlsplit_checked(address)
    if parts and parts.scheme in ("https", "http") and not (parts.query or parts.fragment):
        return address
    shown = without_secrets(address)[:200]
    whose = "" if endpoint else " (from HF_ENDPOINT)"
    problem = f"/endpoint: {shown!r}{whose} is not the address of a hub, such as https://{HUB_HOSTS[0]}"
    raise SidecarError("invalidParams", problem, pointer="/endpoint", value=shown, allowed=["https://…"])


def parse(model: str, hub_hosts: Sequence[str]) -> HubSource | UrlSource:
    """Parse `model`. An address of a hub's page (`hub_hosts`) becomes a repository or a file of it.

    Raises SidecarError `invalidParams`.
    """
    text = model.strip()
    if text.startswith("hf://"):
        text = text.replace("hf://", HUB_PREFIX, 1)
    if text.startswith(HUB_PREFIX):
        return _parse_hub(model, text)
    if text.partition("/")[0].lower() in hub_hosts:  # as other programs write it: hf.co/owner/repo:Q4_K_M
        text = f"https://{text}"
    parts = urlsplit_checked(text)
    if parts is None:
        raise _wrong(model, "it is not a valid URL")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise _wrong(model, "only https is allowed for other machines")
    if parts.scheme not in ("https", "http"):
        raise _wrong(model, "it is neither hf:owner/repo… nor an https URL")
    if not parts.path.strip("/"):
        raise _wrong(model, "the URL has no path")
    host = parts.netloc.lower()
    return (_parse_page(model, parts) if host in hub_hosts else None) or UrlSource(text)


def _parse_page(model: str, parts: SplitResult) -> HubSource | None:
    """What the address of a hub's page names; None if the page is not one of a model."""
    names = [unquote(name) for name in parts.path.split("/") if name]
    if names[0] == "models":
        del names[0]
    if names[:1] in (["api"], ["datasets"], ["spaces"]):
        return None
    if parts.path.endswith(".gguf") and (len(names) < 3 or names[2] not in _FILE_PAGES):
        return None  # a mirror may have files outside of repositories
    repository, _, quantization = "/".join(names[:2]).partition(":")
    if not _REPOSITORY.fullmatch(repository):
        raise _wrong(model, "the page belongs to no repository")
    kind, rest = (names[2], names[3:]) if len(names) > 2 else ("", [])
    revision = None
    if kind in _FILE_PAGES and rest:
        size = 3 if rest[0] == "refs" else 1  # refs/pr/7 is one revision
        revision, rest = "/".join(rest[:size]), rest[size:]
    elif kind:
        raise _wrong(model, "that page of the repository names no file")
    file = "/".join(rest) or parse_qs(parts.query).get("show_file_info", [""])[0]
    if kind == "tree" and rest:
        raise _wrong(model, "it names a folder; name a file, or a quantisation")
    return HubSource(repository, _clean(model, file) if file else None, quantization or None, revision)


def _parse_hub(model: str, text: str) -> HubSource:
    name, colon, quantization = text.removeprefix(HUB_PREFIX).partition(":")
    owner, _, rest = name.partition("/")
    repository, _, file = rest.partition("/")
    if not _REPOSITORY.fullmatch(f"{owner}/{repository}"):
        raise _wrong(model, "it does not start with owner/repo")
    if colon and (file or not quantization):
        raise _wrong(model, "a colon must come before a quantisation such as Q4_K_M, and not after a file")
    return HubSource(f"{owner}/{repository}", _clean(model, file) if file else None, quantization or None)


def _clean(model: str, file: str) -> str:
    if not is_safe(file):
        raise _wrong(model, "the file's path leaves its folder, or not every system can store it")
    return file


def _wrong(model: str, why: str) -> SidecarError:
    allowed = ["hf:owner/repo", "hf:owner/repo:Q4_K_M", "hf:owner/repo/path/file.gguf", "https://…"]
    shown = without_secrets(model)[:200]
    return SidecarError(
        "invalidParams", f"/model: {shown!r}: {why}", pointer="/model", value=shown, allowed=allowed
    )
