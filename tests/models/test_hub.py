"""The hub that the other tests run against does what they rely on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hub import Hub, Synthetic
from hub.client import fetch, hub_link

BIG = Synthetic(3_000_000, seed=1)


def ask(hub: Hub, path: str, **headers: str) -> Any:
    """The JSON of an answer of the API that must be well."""
    status, _, body = fetch(hub.endpoint + path, **headers)
    assert status == 200
    return json.loads(body)


@pytest.fixture
def commit(hub: Hub) -> str:
    """The commit of a repository with a large and two small files."""
    return hub.add("owner/repo", {"README.md": b"hello", "model.gguf": BIG, "sub/deep/note.txt": b"note"})


def test_synthetic_bytes_are_the_same_wherever_reading_starts() -> None:
    whole = Synthetic(2_500_000, seed=5).bytes()
    assert hashlib.sha256(whole).hexdigest() == Synthetic(2_500_000, seed=5).sha256
    assert whole != Synthetic(2_500_000, seed=6).bytes()
    assert whole[: 1 << 20] != whole[1 << 20 : 2 << 20]
    for offset in (0, 1, 7, 8, 9, (1 << 20) - 1, 1 << 20, (1 << 20) + 3, 2_499_999):
        piece = bytes(Synthetic(2_500_000, seed=5).read(offset, 100))
        assert piece and piece == whole[offset : offset + len(piece)]


def test_info_has_sizes_and_checksums(hub: Hub, commit: str) -> None:
    for path in ("", "/revision/main", f"/revision/{commit}"):
        info = ask(hub, f"/api/models/owner/repo{path}?blobs=true")
        assert info["sha"] == commit
        large = next(s for s in info["siblings"] if s["rfilename"] == "model.gguf")
        assert large["lfs"]["sha256"] == BIG.sha256 and large["size"] == large["lfs"]["size"] == BIG.size
        small = next(s for s in info["siblings"] if s["rfilename"] == "README.md")
        # git's own name for a blob of these five bytes
        assert "lfs" not in small and small["blobId"] == "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"


def test_tree_comes_in_pages(hub: Hub, commit: str) -> None:
    hub.page_size = 2
    url = f"{hub.endpoint}/api/models/owner/repo/tree/main?recursive=True"
    paths = []
    while url:
        _, headers, body = fetch(url)
        page = json.loads(body)
        assert len(page) <= 2
        paths += [entry["path"] for entry in page]
        url = headers.get("link", "").partition(">")[0].lstrip("<")
    assert paths == ["README.md", "model.gguf", "sub", "sub/deep", "sub/deep/note.txt"]
    assert [e["path"] for e in ask(hub, "/api/models/owner/repo/tree/main/sub")] == ["sub/deep"]


def test_paths_info_lists_what_is_there(hub: Hub, commit: str) -> None:
    url = f"{hub.endpoint}/api/models/owner/repo/paths-info/main"
    status, _, body = fetch(url, "POST", b"paths=model.gguf&paths=none&expand=false")
    assert status == 200
    assert [(e["path"], e["lfs"]["oid"]) for e in json.loads(body)] == [("model.gguf", BIG.sha256)]


def test_lists_by_author_and_search(hub: Hub, commit: str) -> None:
    hub.add("owner/hidden", {"a": b"a"}, private=True)
    hub.add("other/Repo-2", {"a": b"a"})
    assert [m["id"] for m in ask(hub, "/api/models?author=owner")] == ["owner/repo"]
    assert [m["id"] for m in ask(hub, "/api/models?search=repo")] == ["owner/repo", "other/Repo-2"]
    seen = ask(hub, "/api/models?author=owner", Authorization=f"Bearer {hub.token}")
    assert [m["id"] for m in seen] == ["owner/repo", "owner/hidden"]


def test_resolve_sends_large_files_to_the_cdn(hub: Hub, commit: str) -> None:
    status, headers, _ = fetch(f"{hub.endpoint}/owner/repo/resolve/main/model.gguf", "HEAD")
    assert status == 302
    assert headers["x-repo-commit"] == commit
    assert headers["x-linked-etag"] == f'"{BIG.sha256}"'
    assert headers["x-linked-size"] == str(BIG.size)
    assert headers["location"].startswith(hub.cdn + "/")
    status, headers, body = fetch(headers["location"])
    assert status == 200 and body == BIG.bytes() and BIG.sha256 != headers["etag"].strip('"')


def test_resolve_keeps_small_files_on_the_hub(hub: Hub, commit: str) -> None:
    status, headers, _ = fetch(f"{hub.endpoint}/owner/repo/resolve/main/README.md")
    assert status == 307 and headers["location"].startswith("/")
    assert fetch(hub.endpoint + headers["location"])[2] == b"hello"


@pytest.mark.parametrize(
    ("path", "who", "status", "code"),
    [
        ("/api/models/owner/none", None, 401, "RepoNotFound"),
        ("/api/models/owner/none", "token", 404, "RepoNotFound"),
        ("/api/models/owner/hidden", None, 401, "RepoNotFound"),
        ("/api/models/owner/hidden", "stranger", 404, "RepoNotFound"),
        ("/api/models/owner/hidden", "token", 200, None),
        ("/api/models/owner/repo/revision/none", None, 404, "RevisionNotFound"),
        ("/owner/repo/resolve/none/README.md", None, 404, "RevisionNotFound"),
        ("/owner/repo/resolve/main/none", None, 404, "EntryNotFound"),
        ("/owner/gated/resolve/main/a.gguf", None, 401, "GatedRepo"),
        ("/owner/gated/resolve/main/a.gguf", "stranger", 403, "GatedRepo"),
        ("/owner/gated/resolve/main/a.gguf", "token", 302, None),
        ("/api/models/owner/gated", None, 200, None),
        ("/api/models/owner/repo", "bad", 401, None),
        ("/api/whoami-v2", "bad", 401, None),
        ("/api/whoami-v2", "token", 200, None),
    ],
)
def test_refuses_in_the_hubs_own_words(
    hub: Hub, commit: str, path: str, who: str | None, status: int, code: str | None
) -> None:
    hub.add("owner/hidden", {"a": b"a"}, private=True)
    hub.add("owner/gated", {"a.gguf": b"a"}, gated="auto")
    tokens = {"token": hub.token, "stranger": hub.stranger, "bad": "hf_bad"}
    headers = {"Authorization": f"Bearer {tokens[who]}"} if who else {}
    got, answered, _ = fetch(hub.endpoint + path, **headers)
    assert (got, answered.get("x-error-code")) == (status, code)
    if who == "bad":
        assert answered["x-error-message"] == "Invalid credentials in Authorization header"


def test_revisions_with_a_slash(hub: Hub, commit: str) -> None:
    other = hub.add("owner/repo", {"n.txt": b"n"}, revision="feature/x")
    hub.tag("owner/repo", "v1", commit)
    assert ask(hub, "/api/models/owner/repo/revision/feature%2Fx")["sha"] == other
    assert ask(hub, "/api/models/owner/repo/revision/v1")["sha"] == commit
    assert fetch(f"{hub.endpoint}/owner/repo/resolve/feature%2Fx/n.txt")[0] == 307


@pytest.mark.parametrize(
    ("asked", "status", "content_range", "first", "count"),
    [
        ("bytes=10-19", 206, "bytes 10-19/3000000", 10, 10),
        ("bytes=2999990-", 206, "bytes 2999990-2999999/3000000", 2999990, 10),
        ("bytes=-5", 206, "bytes 2999995-2999999/3000000", 2999995, 5),
        ("bytes=2999999-9999999", 206, "bytes 2999999-2999999/3000000", 2999999, 1),
        ("bytes=3000000-", 416, "bytes */3000000", 0, 0),
        ("bytes=0-1,5-6", 200, None, 0, 3_000_000),
        ("lines=0-1", 200, None, 0, 3_000_000),
    ],
)
def test_ranges(
    hub: Hub, commit: str, asked: str, status: int, content_range: str | None, first: int, count: int
) -> None:
    got, headers, body = fetch(hub_link(hub), Range=asked)
    assert (got, headers.get("content-range")) == (status, content_range)
    assert body == BIG.bytes()[first : first + count]


def test_a_range_only_of_the_same_version(hub: Hub, commit: str) -> None:
    url = hub_link(hub)
    etag = fetch(url, "HEAD")[1]["etag"]
    assert fetch(url, Range="bytes=5-9", If_Range=etag)[0] == 206
    assert fetch(url, Range="bytes=5-9", If_Range='"other"')[0] == 200
    weak = hub.put("weak.gguf", b"0123456789", etag="weak")
    assert fetch(weak, Range="bytes=5-9", If_Range=fetch(weak)[1]["etag"])[0] == 200


def test_links_expire(hub: Hub, commit: str) -> None:
    url = hub_link(hub)
    assert fetch(url, "HEAD")[0] == 200
    assert fetch(url.replace("Signature=", "Signature=0"))[0] == 403
    hub.expire_links()
    assert fetch(url)[0] == 403
    hub.link_uses = 1
    url = hub_link(hub)
    assert [fetch(url, "HEAD")[0] for _ in range(2)] == [200, 403]
    hub.link_lifetime_s = 0.0
    assert fetch(hub_link(hub))[0] == 403


@pytest.mark.parametrize(("etag", "start"), [("strong", '"'), ("weak", 'W/"'), (None, None)])
def test_plain_files(hub: Hub, etag: str | None, start: str | None) -> None:
    url = hub.put("a b.gguf", b"0123456789", etag=etag, ranges=False)
    status, headers, body = fetch(url, Range="bytes=1-2")
    assert (status, body) == (200, b"0123456789")
    assert "accept-ranges" not in headers
    assert headers.get("etag", "").startswith(start) if start else "etag" not in headers


def test_plain_files_without_a_length(hub: Hub) -> None:
    _, headers, body = fetch(hub.put("a.gguf", b"0123456789", ranges=False, length=False))
    assert "content-length" not in headers and body == b"0123456789"
