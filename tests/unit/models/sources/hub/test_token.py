"""Which token goes to which hub."""

from __future__ import annotations

import pytest

from sidecar.message_handler.errors import SidecarError
from sidecar.models.sources.hub.token import choose

HUB = "https://hub.example"


@pytest.mark.parametrize(
    ("endpoint", "own_endpoint"),
    [
        (HUB, HUB),
        (HUB, f"{HUB}:443/"),
        (f"{HUB}/mirror", HUB),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://localhost:9", "http://localhost:9"),
    ],
)
def test_the_environments_token_goes_to_the_environments_hub(endpoint: str, own_endpoint: str) -> None:
    assert choose(endpoint, None, " own\n", own_endpoint) == ("own", "")


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://hub.example",
        f"{HUB}:8443",
        "https://other.example",
        "https://hub.example.other",
        "https://hub.example@other.example",
        "http://127.0.0.1",
    ],
)
@pytest.mark.parametrize("own_endpoint", [HUB, "https://hub.example:x"])
def test_it_goes_to_no_other(endpoint: str, own_endpoint: str) -> None:
    choice = choose(endpoint, None, "own", own_endpoint)
    assert choice.token == "" and "HF_ENDPOINT" in choice.withheld and "own" not in choice.withheld
    assert choose(endpoint, None, None, own_endpoint) == ("", "")


@pytest.mark.parametrize(
    "endpoint",
    ["http://hub.example", "http://127.0.0.1.hub.example", "http://127.example", "http://127.0.0.\u0661"],
)
def test_no_token_goes_over_a_network_unencrypted(endpoint: str) -> None:
    assert choose(endpoint, None, "own", endpoint).token == ""
    assert "unencrypted" in choose(endpoint, None, "own", endpoint).withheld
    with pytest.raises(SidecarError) as caught:
        choose(endpoint, "given", "own", HUB)
    assert (caught.value.kind, caught.value.details["pointer"]) == ("invalidParams", "/endpoint")
    assert "given" not in str(caught.value.to_wire())


@pytest.mark.parametrize("endpoint", [HUB, "https://other.example", "http://127.0.0.1:9", "http://[::1]:9"])
def test_the_requests_token_goes_where_the_request_says(endpoint: str) -> None:
    assert choose(endpoint, "given", "own", HUB) == ("given", "")
