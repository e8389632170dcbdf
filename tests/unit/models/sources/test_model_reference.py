"""What `model` names."""

from __future__ import annotations

import pytest

from sidecar.message_handler.errors import SidecarError
from sidecar.models.sources.model_reference import HubSource, UrlSource, file_url, parse, parse_endpoint

HOSTS = ("huggingface.co", "hf.co", "127.0.0.1:8080")
HF = "https://huggingface.co"


@pytest.mark.parametrize(
    ("model", "source"),
    [
        ("hf:me/tiny", HubSource("me/tiny")),
        ("hf:me/tiny.GGUF:q4_k_m", HubSource("me/tiny.GGUF", None, "q4_k_m")),
        ("hf:me/tiny/sub/a b.gguf", HubSource("me/tiny", "sub/a b.gguf")),
        ("https://example.org/a/b.gguf?x=1", UrlSource("https://example.org/a/b.gguf?x=1")),
        ("http://127.0.0.1:9/b.gguf", UrlSource("http://127.0.0.1:9/b.gguf")),
        ("https://huggingface.co/me/tiny/resolve/v1/s/b.gguf", HubSource("me/tiny", "s/b.gguf", None, "v1")),
        ("http://127.0.0.1:8080/me/tiny/blob/main/b.gguf", HubSource("me/tiny", "b.gguf", None, "main")),
        (" hf:me/tiny\n", HubSource("me/tiny")),
        ("hf://me/tiny/b.gguf", HubSource("me/tiny", "b.gguf")),
        ("hf.co/me/tiny:Q4_K_M", HubSource("me/tiny", None, "Q4_K_M")),
        ("huggingface.co/me/tiny", HubSource("me/tiny")),
        ("HTTPS://HuggingFace.CO/me/tiny/", HubSource("me/tiny")),
        (f"{HF}/me/tiny:Q8_0", HubSource("me/tiny", None, "Q8_0")),
        (f"{HF}/me/tiny?library=x#files", HubSource("me/tiny")),
        (f"{HF}/me/tiny/tree/main", HubSource("me/tiny", None, None, "main")),
        (f"{HF}/me/tiny?show_file_info=s%2Fb.gguf", HubSource("me/tiny", "s/b.gguf")),
        (f"{HF}/me/tiny/tree/v1?show_file_info=b.gguf", HubSource("me/tiny", "b.gguf", None, "v1")),
        (f"{HF}/me/tiny/raw/main/a%20b.gguf?download=true", HubSource("me/tiny", "a b.gguf", None, "main")),
        (f"{HF}/me/tiny/resolve/feature%2Fx/b.gguf", HubSource("me/tiny", "b.gguf", None, "feature/x")),
        (f"{HF}/me/tiny/blob/refs%2Fpr%2F7/b.gguf", HubSource("me/tiny", "b.gguf", None, "refs/pr/7")),
        (f"{HF}/me/tiny/blob/refs/pr/7/s/b.gguf", HubSource("me/tiny", "s/b.gguf", None, "refs/pr/7")),
        (f"{HF}/datasets/me/x/resolve/main/b.gguf", UrlSource(f"{HF}/datasets/me/x/resolve/main/b.gguf")),
        ("https://müller.example/b.gguf", UrlSource("https://müller.example/b.gguf")),
        ("https://[2001:db8::1]:8443/b.gguf", UrlSource("https://[2001:db8::1]:8443/b.gguf")),
        (
            "https://example.org/me/tiny/resolve/v1/b.gguf",
            UrlSource("https://example.org/me/tiny/resolve/v1/b.gguf"),
        ),
    ],
)
def test_what_model_can_name(model: str, source: HubSource | UrlSource) -> None:
    assert parse(model, HOSTS) == source


@pytest.mark.parametrize(
    "model",
    [
        "me/tiny",
        "hf:",
        "hf:tiny",
        "hf:/tiny",
        "hf:me/",
        "hf:me/tiny:",
        "hf:me/tiny/a.gguf:Q4_0",
        "hf:me/tiny/../../etc/passwd",
        "hf:me/tiny//a.gguf",
        "hf:me/tiny/C:\\a.gguf",
        "hf:me/tiny/../x.gguf",
        "hf:me/tiny/a/../../x.gguf",
        "hf:me/tiny/a\\..\\x.gguf",
        "hf:me/tiny/con/x.gguf",
        "hf:me/tiny/C:/x.gguf",
        "hf:../tiny",
        "hf:../..",
        "http://example.org/a.gguf",
        "http://192.0.2.1/a.gguf",
        "https://",
        "https://example.org",
        "https://example.org/",
        "https:///a.gguf",
        "file:///etc/passwd",
        "ftp://example.org/a.gguf",
        "https://huggingface.co/me/tiny/resolve/main/%2e%2e/a.gguf",
        f"{HF}/me/tiny/resolve/main/..%2f..%2fa.gguf",
        f"{HF}/me/tiny/tree/main/Q4_K_M",
        f"{HF}/me/tiny/discussions/3",
        f"{HF}/me",
        f"{HF}/models",
        "https://[::1/a.gguf",
        "https://example.org:port/a.gguf",
        "https://example.org:99999/a.gguf",
        "https://exa mple.org/a.gguf",
        "https://example..org/a.gguf",
        f"https://{'a' * 64}.example/a.gguf",
        "https://example.org/a\x00.gguf",
        "https://example.org/a\n.gguf",
        "",
        " ",
        ":",
        "//",
    ],
)
def test_what_it_cannot_name(model: str) -> None:
    with pytest.raises(SidecarError) as caught:
        parse(model, HOSTS)
    assert (caught.value.kind, caught.value.details["pointer"]) == ("invalidParams", "/model")


def test_an_address_that_is_refused_is_not_reported_with_its_secrets() -> None:
    with pytest.raises(SidecarError) as caught:
        parse("http://example.org/a.gguf?signature=secret", HOSTS)
    assert "secret" not in str(caught.value.to_wire())


@pytest.mark.parametrize(
    "endpoint",
    [
        "nonsense",
        "hub.example",
        "ftp://127.0.0.1",
        "https://",
        "https://exa mple.org",
        "http://127.0.0.1:99999",
        "http://[::1",
        "https://me:s3cret@/",
        "https://hub.example?token=s3cret",
    ],
)
def test_what_is_no_endpoint(endpoint: str) -> None:
    for given, default in ((endpoint, HF), (None, endpoint)):
        with pytest.raises(SidecarError) as caught:
            parse_endpoint(given, default)
        error = caught.value
        assert (error.kind, error.details["pointer"]) == ("invalidParams", "/endpoint")
        assert "s3cret" not in str(error.to_wire())
        assert ("HF_ENDPOINT" in error.problem) == (given is None)


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        (None, HF),
        ("https://mirror.example/", "https://mirror.example"),
        (" http://192.0.2.1:8080/hub ", "http://192.0.2.1:8080/hub"),
    ],
)
def test_an_endpoint(endpoint: str | None, address: str) -> None:
    assert parse_endpoint(endpoint, HF) == address


def test_the_url_of_a_file_has_no_sign_with_a_meaning_in_urls() -> None:
    url = file_url("https://hub.example.org", "owner/Model", "refs/pr/1", "a folder/100 % é#1?.gguf")
    path = "owner/Model/resolve/refs%2Fpr%2F1/a%20folder/100%20%25%20%C3%A9%231%3F.gguf"
    assert url == f"https://hub.example.org/{path}"
