"""downloadModel: what `model` may say, what is chosen for it, and what the result says."""

from __future__ import annotations

from pathlib import Path

import pytest
from download_work import FILE, REPO, SPEC, TARGET, Downloads, assert_whole, sha256_of
from hub import Hub, Synthetic

pytestmark = pytest.mark.process

Q4, Q8, F16 = Synthetic(400_000, seed=4), Synthetic(800_000, seed=8), Synthetic(1_600_000, seed=16)
PARTS = [Synthetic(300_000 + part, seed=30 + part) for part in range(3)]
MMPROJ = Synthetic(200_000, seed=20)


@pytest.fixture(autouse=True)
def commit(hub: Hub) -> str:
    """The commit of a repository with three quantisations."""
    files = {FILE: Q4, "Model-Q8_0.gguf": Q8, "Model-F16.gguf": F16, "README.md": b"read me"}
    return hub.add(REPO, files)


@pytest.mark.parametrize("name", ["Q4_K_M", "q4_k_m", "Q4_k_m"])
def test_a_quantisation_in_any_case(downloads: Downloads, name: str) -> None:
    result = downloads.fetch(f"hf:{REPO}:{name}")
    assert_whole(result, Q4)
    assert result["quantization"] == "Q4_K_M"
    assert Path(result["path"]).name == FILE
    assert [path.name for path in downloads.files()] == [FILE]


def test_without_a_quantisation_the_best_that_fits(downloads: Downloads) -> None:
    """Q8_0 is larger than Q4_K_M; F16 is for those who convert models."""
    downloads.hub.add(REPO, {"Model-Q6_K.gguf": Synthetic(1 << 50, seed=6)})  # fits no machine
    result = downloads.fetch(f"hf:{REPO}")
    assert_whole(result, Q8)
    assert result["quantization"] == "Q8_0"


def test_nothing_fits(downloads: Downloads) -> None:
    downloads.hub.add("owner/Huge-GGUF", {"Huge-Q2_K.gguf": Synthetic(1 << 50)})
    error = downloads.refused("hf:owner/Huge-GGUF")
    assert error["data"]["kind"] == "outOfMemory"
    assert error["data"]["value"] == 1 << 50 and error["data"]["allowed"]["maximum"] < 1 << 50


def test_a_file_by_its_path(downloads: Downloads) -> None:
    content = Synthetic(300_000, seed=77)
    downloads.hub.add(REPO, {"deep/er/odd name.gguf": content})
    result = downloads.fetch(f"hf:{REPO}/deep/er/odd name.gguf")
    assert_whole(result, content)
    assert result["source"]["file"] == "deep/er/odd name.gguf"


def test_the_address_of_a_file_on_the_hub(downloads: Downloads) -> None:
    """As copied from a browser. The repository's checksum is checked, too."""
    for kind in ("resolve", "blob"):
        result = downloads.fetch(f"{downloads.hub.endpoint}/{REPO}/{kind}/main/{FILE}?download=true")
        assert_whole(result, Q4)
        assert result["source"]["repository"] == REPO


def test_a_plain_address(downloads: Downloads) -> None:
    url = downloads.hub.put("some/Other-Q5_K_M.gguf", Q8)
    result = downloads.fetch(url)
    assert (sha256_of(result["path"]), result["sha256"]) == (Q8.sha256, Q8.sha256)
    assert result["files"][0]["verified"] is False, "there is nothing to compare with"
    assert result["source"]["url"] == url and result["source"]["repository"] is None
    assert result["quantization"] == "Q5_K_M"


def test_a_plain_address_with_its_checksum(downloads: Downloads) -> None:
    url = downloads.hub.put("Other.gguf", Q8)
    result = downloads.fetch(url, sha256=Q8.sha256.upper())
    assert_whole(result, Q8)
    assert result["quantization"] is None
    error = downloads.refused(downloads.hub.put("Third.gguf", Q8), sha256=Q4.sha256)
    assert error["data"]["kind"] == "checksumMismatch"


@pytest.mark.parametrize("model", ["owner/repo", "hf:owner/repo/../x.gguf", "http://192.0.2.1/model.gguf"])
def test_what_names_no_model(downloads: Downloads, model: str) -> None:
    """More of them are in unit/models/sources/test_model_reference.py."""
    error = downloads.refused(model)
    assert (error["code"], error["data"]["pointer"]) == (-32602, "/model")
    assert not list(downloads.hub.requests)
    assert not downloads.files()


def test_a_split_model_comes_whole(downloads: Downloads) -> None:
    names = [f"split/Model-Q3_K_L-0000{part}-of-00003.gguf" for part in (1, 2, 3)]
    downloads.hub.add(REPO, dict(zip(names, PARTS, strict=True)))
    for model in (f"hf:{REPO}:q3_k_l", f"hf:{REPO}/{names[0]}", f"hf:{REPO}/{names[1]}"):
        result = downloads.fetch(model)
        assert [Path(file["path"]).name for file in result["files"]] == [n.split("/")[1] for n in names]
        assert [sha256_of(file["path"]) for file in result["files"]] == [p.sha256 for p in PARTS]
        assert len({Path(file["path"]).parent for file in result["files"]}) == 1
        assert result["path"] == result["files"][0]["path"]
        assert result["sha256"] == PARTS[0].sha256
        assert result["sizeBytes"] == sum(part.size for part in PARTS)
        assert result["quantization"] == "Q3_K_L"


def test_a_split_model_with_a_part_missing_is_not_a_model(downloads: Downloads) -> None:
    downloads.hub.add(REPO, {f"Model-Q3_K_L-0000{part}-of-00003.gguf": PARTS[part] for part in (1, 2)})
    assert downloads.refused(f"hf:{REPO}:Q3_K_L")["data"]["kind"] == "remoteFileNotFound"
    assert not downloads.files()


def test_the_projector_comes_when_asked_for(downloads: Downloads) -> None:
    downloads.hub.add(REPO, {"mmproj-Model-F16.gguf": MMPROJ, "mmproj-Model-F32.gguf": Q8})
    alone = downloads.fetch(SPEC)
    assert alone["projectorPath"] is None and len(alone["files"]) == 1
    both = downloads.fetch(SPEC, projector=True)
    assert sha256_of(both["projectorPath"]) == MMPROJ.sha256
    assert both["sizeBytes"] == Q4.size + MMPROJ.size
    assert [file["fromCache"] for file in both["files"]] == [True, False]
    assert (both["path"], both["sha256"], both["fromCache"]) == (alone["path"], Q4.sha256, False)


def test_a_projector_is_not_a_model(downloads: Downloads) -> None:
    downloads.hub.add("owner/Eyes-GGUF", {"mmproj-Q8_0.gguf": Synthetic(900_000), "Eyes-Q4_0.gguf": Q4})
    assert downloads.fetch("hf:owner/Eyes-GGUF")["quantization"] == "Q4_0"
    error = downloads.refused(SPEC, projector=True)
    assert error["data"]["kind"] == "remoteFileNotFound"


def test_the_result_says_where_it_is_from(downloads: Downloads, commit: str) -> None:
    result = downloads.fetch(SPEC)
    assert Path(result["path"]).is_relative_to(downloads.directory)
    assert (result["resumedBytes"], result["fromCache"], result["projectorPath"]) == (0, False, None)
    assert result["source"] == {
        "url": f"{downloads.hub.endpoint}/{REPO}/resolve/{commit}/{FILE}",
        "repository": REPO,
        "revision": commit,
        "file": FILE,
    }
    (file,) = result["files"]
    assert file == {
        "path": result["path"],
        "sizeBytes": Q4.size,
        "sha256": Q4.sha256,
        "verified": True,
        "resumedBytes": 0,
        "fromCache": False,
    }


def sent(downloads: Downloads) -> int:
    """Bytes of the file that the hub has sent, of downloads that have ended."""
    downloads.hub.settle()
    return downloads.hub.sent(TARGET)


def test_what_is_here_is_not_fetched_again_unless_forced(downloads: Downloads) -> None:
    first = downloads.fetch(SPEC)
    again = downloads.fetch(SPEC)
    assert again["fromCache"] and again["files"][0]["fromCache"] and again["path"] == first["path"]
    assert sent(downloads) == Q4.size
    forced = downloads.fetch(SPEC, force=True)
    assert not forced["fromCache"]
    assert sent(downloads) == 2 * Q4.size
    assert_whole(forced, Q4)


@pytest.mark.parametrize("remembered", [True, False])
def test_a_program_that_ended_right_after_the_renaming(downloads: Downloads, remembered: bool) -> None:
    """The complete file is accepted, and the journal is removed."""
    path = downloads.fetch(SPEC)["path"]
    record = next(downloads.directory.glob(f".llama-sidecar/**/{FILE}.json"))
    record.with_suffix(".journal").write_text("{}\n")
    if not remembered:
        record.unlink()
    result = downloads.fetch(SPEC)
    assert result["fromCache"] and result["path"] == path
    assert_whole(result, Q4)
    assert sent(downloads) == Q4.size
    assert record.exists() and not downloads.unfinished()


def test_a_new_version_on_the_hub_takes_the_place_of_the_old(downloads: Downloads) -> None:
    downloads.fetch(SPEC)
    downloads.hub.add(REPO, {FILE: Q8})
    result = downloads.fetch(SPEC)
    assert_whole(result, Q8)
    assert not result["fromCache"] and len(downloads.files()) == 1


def test_revisions_do_not_overwrite_each_other(downloads: Downloads, commit: str) -> None:
    downloads.hub.tag(REPO, "v1", commit)
    other = downloads.hub.add(REPO, {FILE: Q8}, revision="feature/x")
    newest = downloads.fetch(SPEC, revision="feature/x")
    assert_whole(newest, Q8)
    assert newest["source"]["revision"] == other
    for revision in ("main", "v1", commit):
        assert_whole(downloads.fetch(SPEC, revision=revision), Q4)
    assert sha256_of(newest["path"]) == Q8.sha256, "it was overwritten"


def test_a_damaged_file_here_is_not_taken_for_the_model(downloads: Downloads) -> None:
    path = Path(downloads.fetch(SPEC)["path"])
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert_whole(downloads.fetch(SPEC), Q4)
