"""What the commands for models send and print, what they accept as a path, and errors for people."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli import failure, models
from sidecar.cli.client import SidecarFailed
from sidecar.cli.naming import given, listed_path, path_or_model, shown_path
from sidecar.message_handler._wire import ERRORS

EXAMPLES = Path(__file__).resolve().parents[3] / "schema" / "examples"


def example(type_name: str, name: str) -> Any:
    return json.loads((EXAMPLES / type_name / f"{name}.json").read_text(encoding="utf-8"))


class Scripted:
    """Answers a command's requests with results from the contract's examples."""

    def __init__(self, **results: Any) -> None:
        self.results = results
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def call(self, method: str, params: dict[str, Any], on_notification: Any = None) -> Any:
        self.sent.append((method, params))
        return self.results[method]


# ---- the commands, with a scripted program -------------------------------------------------------------


def options(**given_ones: Any) -> argparse.Namespace:
    unset = ("revision", "endpoint", "models_directory", "context_size", "sequences", "kv_cache_type")
    flags = {"json": False, "projector": False, "force": False}
    return argparse.Namespace(**{**dict.fromkeys((*unset, "gpu_layers")), **flags, **given_ones})


@pytest.mark.parametrize("name", ["defaults", "every-option", "nothing-yet"])
def test_list_shows_every_model_and_every_unfinished_download(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = example("ListModelsResult", name)
    models.list_models(Scripted(listModels=result), options())  # type: ignore[arg-type]
    shown = capsys.readouterr().out
    for entry in (*result["models"], *result["partials"]):
        assert shown_path(entry["path"], result["modelsDirectory"]) in shown
    assert ("1.26 of 2.49 GB" in shown) is bool(result["partials"])
    assert ("not a GGUF file" in shown) is any(model["problem"] for model in result["models"])


@pytest.mark.parametrize("name", ["path-only", "before-download", "every-option", "too-large"])
def test_estimate_says_whether_it_runs_and_why(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = example("EstimateModelResult", name)
    program = Scripted(estimateModel=result)
    models.estimate(program, options(model="hf:owner/repo", gpu_layers=0, context_size=4096))  # type: ignore[arg-type]
    assert program.sent == [
        ("estimateModel", {"model": "hf:owner/repo", "contextSize": 4096, "gpuLayers": 0})
    ]
    shown = capsys.readouterr().out
    assert f"Runs here: {result['runs']}. {result['why']}" in shown
    assert ("No context fits" in shown) is (result["largestContextSize"] == 0)
    assert all(device["name"] in shown for device in result["devices"])


@pytest.mark.parametrize("name", ["smollm2", "remote", "bare-header"])
def test_inspect_shows_what_is_known(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = EXAMPLES / "InspectModelResult" / f"{name}.json"
    result = {"source": None, "readBytes": 0, **json.loads(path.read_text(encoding="utf-8"))}
    models.inspect(Scripted(inspectModel=result), options(model="hf:owner/repo"))  # type: ignore[arg-type]
    shown = capsys.readouterr().out
    assert "None" not in shown
    assert result["quantization"] in shown
    assert ("were read" in shown) is (result["path"] is None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("repository-only", "105 MB, Q4_K_M, verified."),
        ("quantization", "62.9 MB of it from an earlier attempt."),
        ("already-here", "was already here."),
        ("split", "2 files, 4.68 GB, Q4_K_M, verified, 4.26 GB of it"),
        ("every-option", "Projector: models/ggml-org"),
        ("url", "not verified: there was no checksum"),
    ],
)
def test_pull_ends_with_the_path_on_stdout_and_the_rest_on_stderr(
    name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = example("DownloadModelResult", name)
    program = Scripted(downloadModel=result)
    models.pull(program, options(model="owner/repo:Q4_K_M", force=True))  # type: ignore[arg-type]
    assert program.sent == [("downloadModel", {"model": "hf:owner/repo:Q4_K_M", "force": True})]
    shown = capsys.readouterr()
    assert shown.out == result["path"] + "\n"
    assert said in shown.err


def test_json_is_the_result_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for command, method, type_name, name in (
        (models.list_models, "listModels", "ListModelsResult", "defaults"),
        (models.inspect, "inspectModel", "InspectModelResult", "remote"),
        (models.estimate, "estimateModel", "EstimateModelResult", "too-large"),
        (models.pull, "downloadModel", "DownloadModelResult", "split"),
    ):
        result = example(type_name, name)
        command(Scripted(**{method: result}), options(model="owner/repo", json=True))  # type: ignore[arg-type]
        assert json.loads(capsys.readouterr().out) == result


def test_which_texts_are_paths_and_which_are_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listing = {"modelsDirectory": str(tmp_path / "store"), "models": [], "partials": []}
    stored = str(tmp_path / "store" / "owner" / "repo" / "kept.gguf")
    listing["models"] = [{"path": stored}]
    Path("here.bin").write_bytes(b"GGUF")

    def meant(text: str) -> dict[str, Any]:
        program = Scripted(listModels=listing)
        return path_or_model(program, options(model=text, revision="v1"))  # type: ignore[arg-type]

    assert meant("here.bin") == {"path": str(tmp_path / "here.bin")}
    assert meant("owner/repo/kept.gguf") == {"path": stored}
    assert meant("kept.gguf") == {"path": stored}
    assert meant("missing.gguf") == {"path": str(tmp_path / "missing.gguf")}
    assert meant(str(tmp_path)) == {"path": str(tmp_path)}
    assert meant("./other.bin") == {"path": str(tmp_path / "other.bin")}
    assert meant("owner/repo/other.gguf") == {"model": "hf:owner/repo/other.gguf", "revision": "v1"}
    assert meant("owner/repo:Q4_K_M") == {"model": "hf:owner/repo:Q4_K_M", "revision": "v1"}
    assert meant("https://example.org/kept.gguf")["model"] == "https://example.org/kept.gguf"


def test_a_name_of_two_models_is_ambiguous() -> None:
    entries = [{"path": "a/x.gguf"}, {"path": "b/x.gguf"}]
    assert listed_path(entries, "store", "x.gguf") is None
    assert listed_path(entries, "a", "x.gguf") == listed_path(entries, "", "./a//x.gguf") == "a/x.gguf"
    found = listed_path(entries, "A", "X.gguf")
    assert found == ("a/x.gguf" if sys.platform == "win32" else None)


def test_rm_takes_what_list_shows_and_says_what_is_freed(capsys: pytest.CaptureFixture[str]) -> None:
    listing = example("ListModelsResult", "defaults")
    program = Scripted(listModels=listing, deleteModel=example("DeleteModelResult", "split"))
    for shown, sent in (
        ("Qwen/Qwen2.5-7B-Instruct-GGUF/qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf", "models/Qwen/"),
        ("gemma-3-4b-it-Q4_K_M.gguf", "models/ggml-org/"),
        ("owner/repo/none.gguf", "owner/repo/none.gguf"),
    ):
        models.remove(program, options(path=shown))  # type: ignore[arg-type]
        assert program.sent[-1][1]["path"].startswith(sent)
    assert "Deleted 2 files, freed 4.68 GB." in capsys.readouterr().out
    program.results["deleteModel"] = example("DeleteModelResult", "unfinished")
    models.remove(program, options(path="gemma-3-4b-it-Q4_K_M.gguf"))  # type: ignore[arg-type]
    assert "Deleted an unfinished download, freed 1.26 GB." in capsys.readouterr().out


def test_only_given_options_are_sent() -> None:
    assert given(
        options(gpu_layers=0, kv_cache_type="q8_0"), "gpu_layers", "kv_cache_type", "revision", "force"
    ) == {
        "gpuLayers": 0,
        "kvCacheType": "q8_0",
    }


# ---- errors --------------------------------------------------------------------------------------------


def failed(kind: str, **data: Any) -> SidecarFailed:
    _, retryable, _, remedy = ERRORS[kind]
    return SidecarFailed(
        f"It did not work. {remedy}", {"kind": kind, "retryable": retryable, "remedy": remedy, **data}
    )


@pytest.mark.parametrize("path", sorted((EXAMPLES / "ErrorData").glob("*.json")), ids=lambda path: path.stem)
def test_errors_do_not_speak_of_members_of_messages(path: Path) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    text = failure.sentence(SidecarFailed(f"It did not work. {data['remedy']}", data))
    assert text.startswith("It did not work") and text.endswith(".")
    if path.stem not in ("method-not-found", "aborted", "aborted-while-loading", "aborted-while-downloading"):
        assert "data." not in text and "modelsDirectory" not in text and "`token`" not in text


def test_errors_have_readable_sizes_and_their_cause() -> None:
    full = failed("diskFull", value=2_489_757_856, allowed={"maximum": 1_073_741_824})
    full.args = (
        "m-20240101.gguf needs 2489757856 bytes on the disk, 1073741824 are free. " + full.data["remedy"],
    )
    assert "m-20240101.gguf needs 2.49 GB on the disk, 1.07 GB are free. Free" in failure.sentence(full)
    broken = failure.sentence(failed("downloadFailed", cause="no bytes for 30 s"))
    assert broken == f"It did not work (no bytes for 30 s). {failure.AGAIN}"


def test_a_wrong_value_is_named_by_its_option() -> None:
    data = {"pointer": "/kvCacheType", "remedy": ERRORS["invalidParams"][3], "kind": "invalidParams"}
    text = failure.sentence(SidecarFailed(f'/kvCacheType does not fit ("q2"). {data["remedy"]}', data))
    assert text.startswith('--kv-cache-type does not fit ("q2").')


def test_what_is_stopped_says_what_it_keeps() -> None:
    assert "1.26 GB are kept; the same command continues" in failure.stopped(
        {"partial": {"keptBytes": 1258291200}}
    )
    assert failure.stopped({"partial": {"keptBytes": 0}}) == "Stopped. Nothing was downloaded yet."
    assert failure.stopped({}) == "Stopped."
