"""What a hub answers, and an environment that no HTTP client can use."""

from __future__ import annotations

import os
from typing import Any

import httpx2
import pytest
from download_work import SURROUNDINGS

from sidecar.message_handler.errors import SidecarError
from sidecar.models.sources import download_plan
from sidecar.models.sources.hub.client import Hub
from sidecar.models.sources.model_reference import HubSource


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no offline mode of whoever runs the tests."""
    for name in [name for name in os.environ if name.upper().startswith(SURROUNDINGS)]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # read when it was imported


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("https_proxy", "socks5://me:secret@127.0.0.1:9", "HTTPS_PROXY"),
        ("https_proxy", "ftp://me:secret@127.0.0.1:9", "HTTPS_PROXY"),
        ("SSL_CERT_FILE", "/secret/missing.pem", "SSL_CERT_FILE"),
        ("SSL_CERT_FILE", __file__, "SSL_CERT_FILE"),
    ],
)
def test_a_proxy_and_certificates_that_cannot_be_used_are_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    hub = Hub("http://127.0.0.1:9", None)  # can be made: models on this disk are found nevertheless
    with pytest.raises(SidecarError) as caught:
        hub.list_files(HubSource("owner/repo"), None)
    assert caught.value.kind == "offline" and told in caught.value.problem
    assert "secret" not in caught.value.problem


def hub_that_answers(*answers: httpx2.Response) -> tuple[Hub, list[httpx2.Request]]:
    """A hub whose address has a password, and the requests that come."""
    requests, left = list[httpx2.Request](), list(answers)

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return left.pop(0)

    hub = Hub("https://me:secret@hub.example", None)
    hub.client._transport = httpx2.MockTransport(answer)
    return hub, requests


@pytest.mark.parametrize(
    ("status", "headers", "kind", "told"),
    [
        (404, {}, "invalidParams", "hub.example"),
        (403, {"X-Error-Code": "GatedRepo"}, "gatedRepository", "https://hub.example/owner/repo"),
        (403, {"X-Error-Message": "Access to this resource is disabled."}, "repositoryNotFound", "disabled"),
    ],
)
def test_a_refusal_has_its_kind_and_tells_no_password(
    status: int, headers: dict[str, str], kind: str, told: str
) -> None:
    hub, _ = hub_that_answers(httpx2.Response(status, headers=headers))
    with pytest.raises(SidecarError) as caught:
        hub.list_files(HubSource("owner/repo"), None)
    assert caught.value.kind == kind and told in caught.value.problem
    assert "secret" not in f"{caught.value.problem} {caught.value.details}"


@pytest.mark.parametrize(("host", "sent"), [("", True), ("https://other.example", False)])
def test_a_renamed_repository_is_followed_and_no_other_server_gets_the_password(
    host: str, sent: bool
) -> None:
    info: Any = {"id": "new/repo", "sha": "c", "siblings": [{"rfilename": "a.gguf", "size": 3}]}
    moved = httpx2.Response(307, headers={"Location": f"{host}/api/models/new/repo"})
    hub, requests = hub_that_answers(moved, httpx2.Response(200, json=info))
    (wanted,) = download_plan.make(hub, {"model": "hf:owner/repo"}, 2**40).wanted
    assert wanted.source["url"] == "https://hub.example/owner/repo/resolve/c/a.gguf"
    assert ["Authorization" in request.headers for request in requests] == [True, sent]


@pytest.mark.parametrize(
    ("target", "followed"),
    [("http://elsewhere.example/api", False), ("https://elsewhere.example/api", True), ("/api/moved", True)],
)
def test_a_list_of_files_comes_encrypted_if_it_was_asked_for_so(target: str, followed: bool) -> None:
    moved, empty = (
        httpx2.Response(307, headers={"Location": target}),
        httpx2.Response(200, json={"id": "owner/repo"}),
    )
    hub, requests = hub_that_answers(moved, empty)
    if followed:
        assert hub.list_files(HubSource("owner/repo"), None).files == []
        return
    with pytest.raises(SidecarError) as caught:
        hub.list_files(HubSource("owner/repo"), None)
    assert caught.value.kind == "downloadFailed" and caught.value.details["cause"] == "a redirect to http"
    assert len(requests) == 1
