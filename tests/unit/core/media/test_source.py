"""Where the bytes of a picture or a sound come from, and what is read."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path
from typing import Any

import media_files
import pytest

from sidecar.core.media import source
from sidecar.core.media.source import Media, read_media
from sidecar.message_handler.errors import SidecarError

FIELD = "/messages/0/content/1"
PNG = media_files.png(media_files.stripes(["red"], 5, 3))
WAV = media_files.wav([0] * 800)


def read(part: dict[str, Any], allowed: list[str] | None = None) -> Media:
    return read_media(part, FIELD, allowed)  # type: ignore[arg-type]


def refused(part: dict[str, Any], allowed: list[str] | None = None) -> SidecarError:
    with pytest.raises(SidecarError) as caught:
        read(part, allowed)
    assert str(caught.value.details["pointer"]).startswith(FIELD)
    return caught.value


def image(**source: str) -> dict[str, Any]:
    return {"type": "image", "source": source}


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def url(data: bytes, prefix: str = "data:image/png;base64,") -> dict[str, Any]:
    return {"type": "image_url", "imageUrl": {"url": prefix + encoded(data)}}


def test_the_four_forms_of_a_part(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(PNG)
    parts = [image(data=encoded(PNG)), image(path=str(path)), url(PNG)]
    for part in parts:
        media = read(part)
        assert media[:3] == (PNG, "image", "png")
        assert (media.width, media.height, len(media.sha256)) == (5, 3, 64)
    for part in [
        {"type": "audio", "source": {"data": encoded(WAV)}},
        {"type": "input_audio", "inputAudio": {"data": encoded(WAV), "format": "mp3"}},
    ]:
        media = read(part)
        assert (media.kind, media.format, media.seconds) == ("audio", "wav", 0.05)


def test_the_label_does_not_count() -> None:
    for prefix in ("data:image/jpeg;base64,", "data:;base64,", "DATA:text/plain;charset=x;Base64,"):
        assert read(url(PNG, prefix)).format == "png"


def test_base64_in_lines_is_read() -> None:
    assert read(image(data=base64.encodebytes(PNG).decode())).data == PNG


@pytest.mark.parametrize("text", ["%%%", "abc", "aGk=aGk=", "caf\u00e9"])
def test_what_is_not_base64(text: str) -> None:
    error = refused(image(data=text))
    assert (error.kind, error.details["pointer"]) == ("invalidParams", f"{FIELD}/source/data")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("https://example.com/a.png", "mediaNotAllowed"),
        ("file:///etc/passwd", "mediaNotAllowed"),
        ("data:image/png,%89PNG", "invalidParams"),
        ("picture.png", "invalidParams"),
        ("", "invalidParams"),
    ],
)
def test_an_image_url_holds_its_data(address: str, kind: str) -> None:
    error = refused({"type": "image_url", "imageUrl": {"url": address}})
    assert (error.kind, error.details["pointer"]) == (kind, f"{FIELD}/imageUrl/url")


@pytest.mark.parametrize(
    "path", ["http://localhost/a.png", "\\\\server\\share\\a.png", "\\\\?\\UNC\\server\\a", "\\\\.\\pipe\\a"]
)
def test_a_path_is_no_address(path: str) -> None:
    assert refused(image(path=path)).kind == "mediaNotAllowed"


def test_no_file_and_no_regular_file(tmp_path: Path) -> None:
    assert refused(image(path=str(tmp_path / "none"))).kind == "fileNotFound"
    assert refused(image(path="a\0b")).kind == "fileNotFound"
    assert refused(image(path=str(tmp_path))).kind == "fileNotReadable"


@pytest.mark.skipif(sys.platform == "win32", reason="no such files")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # type: ignore[attr-defined,unused-ignore]
    for path in (tmp_path / "pipe", Path(os.devnull)):
        assert refused(image(path=str(path))).kind == "fileNotReadable"


# ---- mediaDirectories ------------------------------------------------------------------------------------


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A folder that is allowed, and a picture outside; another one lies within."""
    inside, outside = tmp_path / "inside" / "deep", tmp_path / "outside.png"
    inside.mkdir(parents=True)
    for path in (inside / "a.png", outside):
        path.write_bytes(PNG)
    return tmp_path / "inside", outside


def test_files_within_the_folders_are_read(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, _ = places
    allowed = [str(inside.parent / "none"), str(inside)]
    monkeypatch.chdir(inside)
    for path in (inside / "deep" / "a.png", inside / "deep" / ".." / "deep" / "a.png", Path("deep/a.png")):
        assert read(image(path=str(path)), allowed).data == PNG


def test_files_outside_are_refused_whether_they_are_there_or_not(places: tuple[Path, Path]) -> None:
    inside, outside = places
    for path in (
        outside,
        outside.with_name("none"),
        inside / ".." / outside.name,
        inside,
        inside.parent / "inside2",
    ):
        error = refused(image(path=str(path)), [str(inside)])
        assert (error.kind, error.details["allowed"]) == ("mediaNotAllowed", [str(inside)])
    assert refused(image(path=str(inside / "deep" / "a.png")), []).kind == "mediaNotAllowed"


@pytest.mark.skipif(sys.platform == "win32", reason="links take a right there that users do not have")
def test_links_count_where_they_lead(places: tuple[Path, Path]) -> None:
    inside, outside = places
    (inside / "link.png").symlink_to(outside)
    (inside.parent / "door").symlink_to(inside)
    assert refused(image(path=str(inside / "link.png")), [str(inside)]).kind == "mediaNotAllowed"
    through = inside.parent / "door" / "deep" / "a.png"
    assert read(image(path=str(through)), [str(inside)]).data == PNG
    assert read(image(path=str(inside / "deep" / "a.png")), [str(inside.parent / "door")]).data == PNG


def test_folders_are_the_same_whatever_they_are_called(places: tuple[Path, Path]) -> None:
    inside, _ = places
    other_case = inside.with_name("INSIDE")
    if not other_case.exists():
        pytest.skip("names differ by case here")
    assert read(image(path=str(other_case / "deep" / "a.png")), [str(inside)]).data == PNG


# ---- what is read ----------------------------------------------------------------------------------------


def test_a_part_must_have_what_its_type_says() -> None:
    error = refused(image(data=encoded(WAV)))
    assert (error.kind, error.details["value"]) == ("unsupportedContent", "wav")
    error = refused({"type": "audio", "source": {"data": encoded(PNG)}})
    assert error.details["allowed"] == ("WAV", "MP3", "FLAC")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"RIFF\0\0\0\0WEBPVP8 ", "WebP"),
        (b"\0\0\0\x20ftypheic", "HEIC"),
        (b"II*\0aaaa", "TIFF"),
        (b"GGUFaaaaaaaa", "unknown (its first bytes are 47 47 55 46 61 61 61 61)"),
        (b"a", "unknown (its first bytes are 61)"),
    ],
)
def test_other_formats_are_named_with_what_is_accepted(data: bytes, name: str) -> None:
    error = refused(image(data=encoded(data)))
    assert (error.kind, error.details["value"]) == ("unsupportedContent", name)
    assert "PNG, JPEG, GIF, BMP" in error.problem


def test_no_bytes(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for part in (url(b""), image(path=str(tmp_path / "empty"))):
        assert refused(part).kind == "mediaDamaged"


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(source.MAX_BYTES + 1)
    error = refused(image(path=str(tmp_path / "large")))
    assert (error.kind, error.details["value"]) == ("mediaTooLarge", source.MAX_BYTES + 1)
    assert error.details["allowed"] == {"maximum": source.MAX_BYTES}


def test_a_bound_of_pixels_and_seconds() -> None:
    error = refused(image(data=encoded(media_files.png_of(60000, 60000, b""))))
    assert (error.kind, error.details["value"]) == ("mediaTooLarge", 3_600_000_000)
    assert "60000 × 60000" in error.problem
    slow = bytearray(WAV)
    slow[24:28] = b"\1\0\0\0"  # one sample a second
    error = refused(
        {
            "type": "audio",
            "source": {
                "data": encoded(
                    media_files.wav([0] * 2000)[:24] + slow[24:28] + media_files.wav([0] * 2000)[28:]
                )
            },
        }
    )
    assert (error.kind, error.details["value"]) == ("mediaTooLarge", 2000)
