"""What `model` names, and which files of a repository are chosen for it."""

from __future__ import annotations

import pytest

from sidecar.message_handler.errors import SidecarError
from sidecar.models.hub.reference import (
    HubSource,
    RemoteFile,
    UrlSource,
    choose,
    near,
    parse,
    quantization_of,
)

HOSTS = ("huggingface.co", "127.0.0.1:8080")
MB = 1_000_000


def files(*sizes: tuple[str, int]) -> list[RemoteFile]:
    return [RemoteFile(path, size, "0" * 64) for path, size in sizes]


TINY = files(
    ("README.md", 10),
    ("mmproj-F32.gguf", 9 * MB),
    ("mmproj-F16.gguf", 5 * MB),
    ("tiny.imatrix.gguf", 1 * MB),
    ("tiny-Q2_K.gguf", 30 * MB),
    ("tiny-Q4_K_M.gguf", 60 * MB),
    ("tiny-Q8_0-00001-of-00002.gguf", 50 * MB),
    ("tiny-Q8_0-00002-of-00002.gguf", 50 * MB),
    ("BF16/tiny-BF16.gguf", 200 * MB),
    ("tiny-Q6_K-00001-of-00002.gguf", 40 * MB),  # its second part is not there
)


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
        "hf:tiny",
        "hf:/tiny",
        "hf:me/",
        "hf:me/tiny:",
        "hf:me/tiny/a.gguf:Q4_0",
        "hf:me/tiny/../../etc/passwd",
        "hf:me/tiny//a.gguf",
        "hf:me/tiny/C:\\a.gguf",
        "hf:../tiny",
        "http://example.org/a.gguf",
        "https://example.org/",
        "https:///a.gguf",
        "file:///etc/passwd",
        "ftp://example.org/a.gguf",
        "https://huggingface.co/me/tiny/resolve/main/%2e%2e/a.gguf",
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
    ("path", "quantization"),
    [
        ("tiny-Q4_K_M.gguf", "Q4_K_M"),
        ("tiny.q4_k_m.gguf", "Q4_K_M"),
        ("Q8_0/tiny-Q8_0-00001-of-00002.gguf", "Q8_0"),
        ("tiny-IQ2_XXS.gguf", "IQ2_XXS"),
        ("tiny-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("tiny-F16.gguf", "F16"),
        ("gpt-mxfp4.gguf", "MXFP4"),
        ("model.gguf", None),
        ("Qwen2-7B.gguf", None),
    ],
)
def test_a_quantisation_is_reported_by_the_name(path: str, quantization: str | None) -> None:
    assert quantization_of(path) == quantization


@pytest.mark.parametrize(
    ("budget", "parts"),
    [
        (None, ["tiny-Q8_0-00001-of-00002.gguf", "tiny-Q8_0-00002-of-00002.gguf"]),
        (100 * MB, ["tiny-Q8_0-00001-of-00002.gguf", "tiny-Q8_0-00002-of-00002.gguf"]),
        (99 * MB, ["tiny-Q4_K_M.gguf"]),
        (30 * MB, ["tiny-Q2_K.gguf"]),
    ],
)
def test_the_best_that_fits_is_the_largest_quantised_one(budget: int | None, parts: list[str]) -> None:
    assert [file.path for file in choose(HubSource("me/tiny"), TINY, False, budget).parts] == parts


def test_when_none_fits_that_is_said_with_what_the_smallest_takes() -> None:
    with pytest.raises(SidecarError) as caught:
        choose(HubSource("me/tiny"), TINY, False, 29 * MB)
    assert caught.value.kind == "outOfMemory"
    assert caught.value.details["value"] == 30 * MB


def test_full_precision_is_taken_where_there_is_nothing_else() -> None:
    only = files(("tiny-F16.gguf", 100), ("tiny-F32.gguf", 200))
    assert choose(HubSource("me/tiny"), only, False, None).parts[0].path == "tiny-F32.gguf"


def test_a_part_of_a_split_model_stands_for_all_of_them() -> None:
    source = HubSource("me/tiny", "tiny-Q8_0-00002-of-00002.gguf")
    assert [file.path[-20:-5] for file in choose(source, TINY, False, None).parts] == [
        "-00001-of-00002",
        "-00002-of-00002",
    ]


def test_a_split_model_that_is_not_whole_is_refused() -> None:
    with pytest.raises(SidecarError, match="not as a whole"):
        choose(HubSource("me/tiny", "tiny-Q6_K-00001-of-00002.gguf"), TINY, False, None)
    with pytest.raises(SidecarError) as caught:
        choose(HubSource("me/tiny", None, "Q6_K"), TINY, False, None)
    assert caught.value.details["allowed"] == ["BF16", "Q2_K", "Q4_K_M", "Q8_0"]


def test_the_projector_comes_when_asked_in_f16_if_there_is_a_choice() -> None:
    assert choose(HubSource("me/tiny"), TINY, False, None).projector is None
    chosen = choose(HubSource("me/tiny"), TINY, True, None).projector
    assert chosen is not None
    assert chosen.path == "mmproj-F16.gguf"
    with pytest.raises(SidecarError, match="no projector"):
        choose(HubSource("me/tiny"), files(("tiny-Q2_K.gguf", 1)), True, None)


def test_near_names_are_offered() -> None:
    assert near("tiny-q4km.gguf", [file.path for file in TINY])[0] == "tiny-Q4_K_M.gguf"
    with pytest.raises(SidecarError) as caught:
        choose(HubSource("me/tiny", "tiny-Q4_KM.gguf"), TINY, False, None)
    assert caught.value.kind == "remoteFileNotFound"
    assert caught.value.details["allowed"][0] == "tiny-Q4_K_M.gguf"
