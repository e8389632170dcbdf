"""downloadModel that cannot succeed: a typed error that says what to do and offers similar names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from download_work import FILE, REPO, SPEC, TARGET, Begin, Downloads, assert_whole
from driver import Message
from hub import Hub, Synthetic
from rpc_server import refusing

pytestmark = pytest.mark.process

SMALL = Synthetic(300_000, seed=1)


@pytest.fixture(autouse=True)
def commit(hub: Hub) -> str:
    """The commit of an open repository. There are a gated and a private one, too."""
    hub.add("owner/Gated-GGUF", {FILE: SMALL}, gated="manual")
    hub.add("owner/Hidden-GGUF", {FILE: SMALL}, private=True)
    return hub.add(REPO, {FILE: SMALL, "Model-Q8_0.gguf": SMALL, "sub/Model-IQ2_XXS.gguf": SMALL})


def check(error: Message, code: int, kind: str) -> Message:
    """It is an error of this kind, and says what to do. Returns its data."""
    data: Message = error["data"]
    assert (error["code"], data["kind"]) == (code, kind)
    assert data["remedy"] and data["remedy"] in error["message"]
    assert "Traceback" not in error["message"] and "Error(" not in error["message"]
    return data


@pytest.mark.parametrize("who", [None, "stranger"])
def test_gated(downloads: Downloads, who: str | None) -> None:
    token = {"token": downloads.hub.stranger} if who else {}
    error = downloads.refused("hf:owner/Gated-GGUF:Q4_K_M", **token)
    check(error, 1053, "gatedRepository")
    assert f"{downloads.hub.endpoint}/owner/Gated-GGUF" in error["message"], "where to accept its terms"
    assert not downloads.files()


def test_gated_and_private_with_a_token(downloads: Downloads) -> None:
    for repository in ("owner/Gated-GGUF", "owner/Hidden-GGUF"):
        assert_whole(downloads.fetch(f"hf:{repository}:Q4_K_M", token=downloads.hub.token), SMALL)
    assert downloads.hub.tokens_sent_to("hub") == {f"Bearer {downloads.hub.token}"}
    assert not downloads.hub.tokens_sent_to("cdn")


def test_a_token_from_the_environment(begin: Begin, hub: Hub) -> None:
    downloads = begin(HF_TOKEN=hub.token, HF_ENDPOINT=hub.endpoint)
    assert_whole(downloads.fetch("hf:owner/Hidden-GGUF"), SMALL)
    assert hub.tokens_sent_to("hub") == {f"Bearer {hub.token}"} and not hub.tokens_sent_to("cdn")
    # The one in the request takes precedence.
    check(
        downloads.refused("hf:owner/Hidden-GGUF", token=hub.stranger, force=True), 1050, "repositoryNotFound"
    )


def test_the_environments_token_goes_to_no_other_hub(begin: Begin, hub: Hub) -> None:
    downloads = begin(HF_TOKEN=hub.token)
    error = downloads.refused("hf:owner/Hidden-GGUF")
    check(error, 1050, "repositoryNotFound")
    assert f"The token of the environment is not for {hub.endpoint}" in error["message"]
    told = [message["params"] for message in downloads.sidecar.messages if message.get("method") == "info"]
    assert len(told) == 1 and told[0]["message"] in error["message"]
    assert not hub.tokens_sent_to("hub")


def test_an_endpoint_from_the_environment(begin: Begin, hub: Hub) -> None:
    downloads = begin(HF_ENDPOINT=hub.endpoint)
    params = {"model": SPEC, "modelsDirectory": str(downloads.directory)}
    assert_whole(downloads.sidecar.call("downloadModel", params), SMALL)


def test_a_token_does_not_go_to_other_servers(downloads: Downloads) -> None:
    url = downloads.hub.put("plain.gguf", SMALL)
    downloads.fetch(url, token=downloads.hub.token)
    assert not downloads.hub.tokens_sent_to("cdn")


@pytest.mark.parametrize("model", [SPEC, "hf:owner/Hidden-GGUF", "hf:owner/Gated-GGUF", "hf:owner/None-GGUF"])
def test_a_bad_token(downloads: Downloads, model: str) -> None:
    data = check(downloads.refused(model, token="hf_" + "x" * 34), 1054, "unauthorized")
    assert data["pointer"] == "/token"


def test_a_private_repository(downloads: Downloads) -> None:
    check(downloads.refused("hf:owner/Hidden-GGUF"), 1050, "repositoryNotFound")
    check(downloads.refused("hf:owner/Hidden-GGUF", token=downloads.hub.stranger), 1050, "repositoryNotFound")


@pytest.mark.parametrize("model", ["hf:owner/Modl-GGUF", "hf:owner/model:Q4_K_M", "hf:ovner/Model-GGUF"])
@pytest.mark.parametrize("known", [True, False])
def test_a_missing_repository_with_names_like_it(downloads: Downloads, model: str, known: bool) -> None:
    token = {"token": downloads.hub.token} if known else {}
    error = downloads.refused(model, **token)
    data = check(error, 1050, "repositoryNotFound")
    assert REPO in data["allowed"] and REPO in error["message"]
    assert ("owner/Hidden-GGUF" in data["allowed"]) <= known, "it named a private repository"


def test_a_missing_repository_with_nothing_like_it(downloads: Downloads) -> None:
    data = check(downloads.refused("hf:zzz/qqqqqqqqqq"), 1050, "repositoryNotFound")
    assert data["allowed"] == []


def test_a_search_for_an_offer_that_fails_is_not_repeated(downloads: Downloads) -> None:
    """The user has the answer already, and waits for a hint only."""
    failed = downloads.hub.fault("/api/models", status=500, times=None)
    data = check(downloads.refused("hf:owner/Example"), 1050, "repositoryNotFound")
    assert data.get("allowed", []) == []
    assert failed.hits == 2  # one search by owner, one by name


def test_a_missing_file_with_names_like_it(downloads: Downloads) -> None:
    error = downloads.refused(f"hf:{REPO}/Model-Q4_K_S.gguf")
    data = check(error, 1052, "remoteFileNotFound")
    assert FILE in data["allowed"] and FILE in error["message"]


@pytest.mark.parametrize("name", ["Q5_K_M", "nonsense"])
def test_a_missing_quantisation(downloads: Downloads, name: str) -> None:
    data = check(downloads.refused(f"hf:{REPO}:{name}"), 1052, "remoteFileNotFound")
    assert sorted(data["allowed"]) == ["IQ2_XXS", "Q4_K_M", "Q8_0"]


def test_a_repository_without_models(downloads: Downloads) -> None:
    downloads.hub.add("owner/Words", {"README.md": b"words"})
    check(downloads.refused("hf:owner/Words"), 1052, "remoteFileNotFound")


def test_a_missing_revision(downloads: Downloads) -> None:
    data = check(downloads.refused(SPEC, revision="v9"), 1051, "revisionNotFound")
    assert (data["pointer"], data["value"]) == ("/revision", "v9")


def test_a_missing_plain_file(downloads: Downloads) -> None:
    url = f"{downloads.hub.cdn}/files/none.gguf"
    data = check(downloads.refused(f"{url}?key=s3cret"), 1052, "remoteFileNotFound")
    assert (data["value"], data["allowed"]) == (url, [])


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address on which no server listens."""
    with refusing() as endpoint:
        yield f"http://{endpoint}"


def test_no_server(downloads: Downloads, nowhere: str) -> None:
    data = check(downloads.refused(SPEC, endpoint=nowhere), 1055, "offline")
    assert data["retryable"] is True
    check(downloads.refused(f"{nowhere}/model.gguf"), 1055, "offline")


def test_no_server_but_the_model_is_here(downloads: Downloads, nowhere: str) -> None:
    first = downloads.fetch(SPEC)
    again = downloads.fetch(SPEC, endpoint=nowhere)
    assert again["fromCache"] and again["path"] == first["path"] and again["sha256"] == SMALL.sha256
    best = downloads.fetch(f"hf:{REPO}", endpoint=nowhere)
    assert best["path"] == first["path"], "of what is here, it is the best"
    check(downloads.refused(f"hf:{REPO}:Q8_0", endpoint=nowhere), 1055, "offline")


def test_offline_mode(begin: Begin, downloads: Downloads) -> None:
    offline = begin(HF_HUB_OFFLINE="1")
    error = offline.refused(SPEC)
    check(error, 1055, "offline")
    assert "HF_HUB_OFFLINE" in error["message"]
    assert not list(offline.hub.requests)
    first = downloads.fetch(SPEC)
    downloads.hub.requests.clear()
    result = offline.fetch(SPEC)
    assert result["fromCache"] and result["path"] == first["path"]
    assert not list(offline.hub.requests)


def test_offline_mode_and_a_plain_address(begin: Begin, downloads: Downloads) -> None:
    url = downloads.hub.put("plain.gguf", SMALL)
    offline = begin(HF_HUB_OFFLINE="1")
    check(offline.refused(url), 1055, "offline")
    assert not list(offline.hub.requests)
    downloads.fetch(url)
    assert offline.fetch(url)["fromCache"]


@pytest.mark.slow
def test_the_network_fails_in_the_middle(downloads: Downloads) -> None:
    """The server no longer answers: what came is kept, and the error says that the network failed."""
    big = Synthetic(4_000_000, seed=9)
    downloads.hub.add(REPO, {FILE: big})
    downloads.hub.fault(TARGET, origin="cdn", bytes_per_second=500_000, trickle_after=1_000_000, times=None)
    request = downloads.send()
    downloads.wait_bytes(request, 500_000)
    downloads.hub.close()
    error = downloads.sidecar.response(request)["error"]
    check(error, 1055, "offline")
    assert downloads.unfinished() and not downloads.files()


@pytest.mark.parametrize(
    "body", [b"", b"<html>no</html>", b"[]", b'{"id": 5}', b'{"siblings": "x"}', b"\xff\xfe"]
)
def test_a_server_that_is_not_a_hub(downloads: Downloads, body: bytes) -> None:
    """Whatever it answers, the program reports a typed error and does not crash."""
    hub = downloads.hub
    hub.strange = body
    error = downloads.refused(SPEC)
    if body == b'{"id": 5}':
        check(error, 1052, "remoteFileNotFound")
    else:
        assert check(error, -32602, "invalidParams")["pointer"] == "/endpoint"


@pytest.mark.parametrize("endpoint", ["nonsense", "https://me:s3cret@/"])
def test_a_nonsense_endpoint(downloads: Downloads, endpoint: str) -> None:
    error = downloads.refused(SPEC, endpoint=endpoint)
    data = check(error, -32602, "invalidParams")
    assert (data["pointer"], data["retryable"]) == ("/endpoint", False)
    assert "s3cret" not in str(error)


def test_a_nonsense_endpoint_of_the_environment(begin: Begin) -> None:
    downloads = begin(HF_ENDPOINT="nonsense")
    params = {"model": SPEC, "modelsDirectory": str(downloads.directory)}
    error = downloads.sidecar.response(downloads.sidecar.send("downloadModel", params))["error"]
    assert check(error, -32602, "invalidParams")["value"] == "nonsense"
    assert "HF_ENDPOINT" in error["message"]


def test_an_endpoint_that_is_another_server(downloads: Downloads) -> None:
    other = f"{downloads.hub.cdn}/files"  # answers 404
    data = check(downloads.refused(SPEC, endpoint=other), -32602, "invalidParams")
    assert (data["pointer"], data["value"]) == ("/endpoint", other)


def test_a_web_page_is_not_a_model(downloads: Downloads) -> None:
    """As behind the address of a repository on a server that is no hub."""
    downloads.hub.strange = b"<html>a page</html>"
    page = downloads.hub.endpoint.replace("127.0.0.1", "localhost") + "/owner/repo?q=s3cret"
    error = downloads.refused(page)
    data = check(error, 1022, "notGguf")
    assert data["pointer"] == "/model" and data["value"].endswith("/owner/repo")
    assert "s3cret" not in str(error) and not downloads.files()
