"""An environment that no HTTP client can use."""

from __future__ import annotations

import pytest

from sidecar.message_handler.errors import SidecarError
from sidecar.models.sources.hub.client import Hub
from sidecar.models.sources.model_reference import HubSource


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
