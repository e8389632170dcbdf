"""Whatever is wrong with a line, a file or a request: a typed error, and the next line works."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf_files
import psutil
import pytest
from driver import Refused, Sidecar, environment

from sidecar.message_handler._wire import ERRORS, PARAMS
from sidecar.models.gguf import read_header

pytestmark = pytest.mark.process

COUNTEREXAMPLES = Path(__file__).resolve().parents[2] / "schema" / "counterexamples"
METHOD_OF = {type_name: method for method, type_name in PARAMS.items()}

Start = Callable[..., Sidecar]

FILE_ERRORS = {"notGguf", "modelDamaged", "modelLoadFailed", "outOfMemory"}
"""What a file that is no good model may be answered with."""


@pytest.fixture(scope="module")
def shared(program: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """One program for the whole module: each case also shows that those before did no harm."""
    sidecar = Sidecar(program, stderr=tmp_path_factory.mktemp("bad-input") / "stderr.txt")
    yield sidecar
    log = sidecar.log()
    sidecar.end()
    assert "Traceback" not in log


@pytest.fixture(scope="module")
def tiny(shared: Sidecar, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """(modelId, contextId) of a tiny model that stays loaded while everything else goes wrong."""
    path = gguf_files.tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf")
    model = shared.call("loadModel", {"path": path})["modelId"]
    context = shared.call("createContext", {"modelId": model, "contextSize": 256})
    return model, context["contextId"]


@pytest.fixture(autouse=True)
def _next_line_works(shared: Sidecar, tiny: tuple[str, str]) -> Iterator[None]:
    """After every case: a ping is answered, and the model that was loaded before still speaks."""
    yield
    assert shared.call("ping")["uptimeMs"] > 0
    params = {"contextId": tiny[1], "prompt": "Hi", "maxTokens": 1}
    assert shared.call("complete", params)["usage"]["completionTokens"] == 1
    shared.messages.clear()


def refused(sidecar: Sidecar, method: str, params: Any) -> Refused:
    """The error of a request, whose form is checked."""
    with pytest.raises(Refused) as caught:
        sidecar.call(method, params)
    error = caught.value
    code, retryable, _, remedy = ERRORS[error.kind]
    assert (error.code, error.data["retryable"], error.data["remedy"]) == (code, retryable, remedy)
    assert error.error["message"].endswith(remedy)
    assert error.kind != "internalError"
    return error


def answer_to(sidecar: Sidecar, line: bytes) -> Any:
    """The error that a line without a usable id is answered with."""
    sidecar.write(line + b"\n")
    answer = sidecar.wait_for(lambda m: isinstance(m, dict) and "id" in m)
    assert answer["id"] is None
    return answer["error"]


def is_error(message: Any) -> bool:
    return isinstance(message, list) or "error" in message


# ---- lines ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"hello",
        b"\xff\xfe",
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xc3"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}',
        b'{"jsonrpc":"2.0","id":1e999,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}',
        b'{"jsonrpc":"2.0","id":' + b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"\x00" * 100,
        '{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-16-le"),
    ],
    ids=lambda line: repr(line[:30]),
)
def test_a_line_that_is_no_json_is_a_parse_error(shared: Sidecar, line: bytes) -> None:
    assert answer_to(shared, line)["data"]["kind"] == "parseError"


def test_nesting_at_the_edge_of_what_parses_is_answered(shared: Sidecar) -> None:
    request = b'{"jsonrpc":"2.0","id":"deep","method":"tokenize","params":{"modelId":"m","text":%s}}'
    kinds = set()
    for depth in [*range(240, 270), *range(880, 1010, 2)]:
        line = request % (b"[" * depth + b"]" * depth)
        shared.write(line + b"\n")
        answer = shared.wait_for(lambda m: isinstance(m, dict) and "error" in m)
        kinds.add(answer["error"]["data"]["kind"])
        shared.write(b"[" + line + b"]\n")
        (answer,) = answers if isinstance(answers := shared.wait_for(is_error), list) else [answers]
        kinds.add(answer["error"]["data"]["kind"])
    assert kinds == {"parseError", "invalidParams"}


def test_blank_lines_and_line_ends_of_windows_are_no_messages(shared: Sidecar) -> None:
    shared.write(b'\n\r\n \t\n{"jsonrpc":"2.0","id":"crlf","method":"ping"}\r\n')
    assert shared.result("crlf")["uptimeMs"] > 0
    assert [m for m in shared.messages if "error" in m] == []


def test_a_line_that_is_too_long_is_told_and_the_next_one_taken(program: list[str], tmp_path: Path) -> None:
    sidecar = Sidecar([*program, "--max-line-bytes", "1000"], stderr=tmp_path / "stderr.txt")
    try:
        for size in (1001, 70_000, 3_000_000):
            error = answer_to(sidecar, b"x" * size)
            assert error["data"]["kind"] == "invalidRequest"
            assert "1000 bytes" in error["message"]
            assert sidecar.call("ping")["uptimeMs"] > 0
        line = b'{"jsonrpc":"2.0","id":"fits","method":"ping"}'
        sidecar.write(line + b" " * (1000 - len(line)) + b"\n")
        assert sidecar.result("fits")
    finally:
        sidecar.end()


def test_a_line_that_grows_on_its_way_to_the_engine_and_back_arrives(
    shared: Sidecar, tmp_path: Path, tiny: tuple[str, str]
) -> None:
    # Between the processes it is ASCII: 4 bytes of UTF-8 become 12, which is more than a client may send.
    path = gguf_files.tiny_model(tmp_path / "echo.gguf", "{{ messages[0].content }}")
    model = shared.call("loadModel", {"path": path})["modelId"]
    content = "😀" * (6 * 1024 * 1024)
    params = {"modelId": model, "messages": [{"role": "user", "content": content}]}
    request = {"jsonrpc": "2.0", "id": "grown", "method": "applyTemplate", "params": params}
    shared.send_line(json.dumps([request], ensure_ascii=False))
    (answer,) = shared.wait_for(lambda m: isinstance(m, list))
    assert answer["result"]["prompt"] == content
    shared.call("unloadModel", {"modelId": model})


def test_who_sends_without_reading_waits_instead_of_filling_the_memory(
    program: list[str], tmp_path: Path
) -> None:
    sidecar = Sidecar(program, stderr=tmp_path / "stderr.txt", read=False)
    try:
        # A kilobyte each, so that they do not fit into the pipe, and fifty megabytes of answers.
        lines = [b'{"jsonrpc":"2.0","id":%d,"method":"rpc.discover"}' % n + b" " * 1000 for n in range(800)]
        flood = threading.Thread(target=sidecar.write, args=(b"\n".join(lines) + b"\n",), daemon=True)
        flood.start()
        sizes = [0]
        while flood.is_alive() and (len(sizes) < 8 or len(set(sizes[-8:])) > 1):
            flood.join(0.05)
            sizes.append(psutil.Process(sidecar.process.pid).memory_info().rss)
        assert flood.is_alive(), "all was taken, though nobody reads"
        assert max(sizes) < 70 * 1024 * 1024
        sidecar.start_reading()
        assert sidecar.result(sidecar.send("ping", request_id="end"))["uptimeMs"] > 0
        answered = [m["id"] for m in sidecar.messages if m.get("result", {}).get("openrpc")]
        assert answered == list(range(800)), "every line is answered"
    finally:
        sidecar.end()


# ---- params ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [m for m in PARAMS if m not in ("exit", "$/cancelRequest")])
def test_every_breach_of_the_schema_names_field_value_and_what_is_allowed(
    shared: Sidecar, method: str
) -> None:
    paths = sorted((COUNTEREXAMPLES / PARAMS[method]).glob("*.json"))
    assert paths, "no counterexample"
    for path in paths:
        params = json.loads(path.read_text(encoding="utf-8"))
        error = refused(shared, method, params)
        assert error.kind == "invalidParams", path.name
        assert error.data.keys() >= {"pointer", "allowed"}, path.name
        assert (error.data["pointer"] or "params") in error.error["message"]
        assert "value" in error.data or "is missing" in error.error["message"], path.name


def test_unknown_models_and_contexts_are_told(shared: Sidecar, tiny: tuple[str, str]) -> None:
    messages = [{"role": "user", "content": "x"}]
    for method, params in (
        ("createContext", {}),
        ("unloadModel", {}),
        ("tokenize", {"text": "x"}),
        ("detokenize", {"tokens": [1]}),
        ("applyTemplate", {"messages": messages}),
    ):
        for model in ("model-999", "nothing", "\ud800", "x" * 10_000):
            error = refused(shared, method, {"modelId": model, **params})
            assert (error.kind, error.data["pointer"]) == ("modelNotFound", "/modelId"), method
            assert tiny[0] in error.data["allowed"]
    for method, params in (
        ("disposeContext", {}),
        ("complete", {"prompt": "x"}),
        ("chat", {"messages": messages}),
    ):
        error = refused(shared, method, {"contextId": "context-999", **params})
        assert (error.kind, error.data["pointer"]) == ("contextNotFound", "/contextId"), method
        assert tiny[1] in error.data["allowed"]


def test_versions_and_backends_that_are_not_there_are_told(shared: Sidecar) -> None:
    error = refused(shared, "init", {"protocolVersion": 99})
    assert (error.kind, error.data["allowed"]) == ("unsupportedProtocolVersion", [1])
    error = refused(shared, "init", {"gpu": "no-such-backend"})
    assert error.kind == "backendNotAvailable"
    assert {"auto", "cpu"} <= set(error.data["allowed"])
    assert shared.call("init", {"gpu": "cpu"})["gpu"] == "cpu"


def test_a_process_id_that_no_process_has_is_not_taken_for_one_that_ended(shared: Sidecar) -> None:
    for process_id in (2**31, 2**64, 2**22 + 77):
        assert shared.call("init", {"processId": process_id})["protocolVersion"] == 1


def test_unusable_prompts_are_told(shared: Sidecar, tiny: tuple[str, str]) -> None:
    model, context = tiny
    for params, kind, pointer in (
        ({"prompt": "x", "maxTokens": 0}, "invalidParams", "/maxTokens"),
        ({"prompt": ""}, "invalidParams", "/prompt"),
        ({"prompt": []}, "invalidParams", "/prompt"),
        ({"prompt": "x" * 300}, "promptTooLong", None),
        ({"prompt": [5] * 257}, "promptTooLong", None),
        ({"prompt": [1, 259]}, "invalidToken", "/prompt/1"),
        ({"prompt": [2**31 - 1]}, "invalidToken", "/prompt/0"),
        ({"prompt": [2**31]}, "invalidParams", "/prompt/0"),
    ):
        error = refused(shared, "complete", {"contextId": context, **params})
        assert (error.kind, error.data.get("pointer")) == (kind, pointer), params
    error = refused(shared, "detokenize", {"modelId": model, "tokens": [3, 4, 259]})
    assert (error.kind, error.data["pointer"], error.data["value"]) == ("invalidToken", "/tokens/2", 259)
    assert error.data["allowed"] == {"minimum": 0, "maximum": 258}


def test_a_prompt_of_exactly_the_context_is_taken_and_ends_for_want_of_room(
    shared: Sidecar, tiny: tuple[str, str]
) -> None:
    result = shared.call("complete", {"contextId": tiny[1], "prompt": [5] * 256, "ignoreEos": True})
    assert result["finishReason"] == "contextFull"
    assert result["usage"]["completionTokens"] == 1


def test_lone_surrogates_in_a_prompt_do_no_harm(shared: Sidecar, tiny: tuple[str, str]) -> None:
    assert shared.call("tokenize", {"modelId": tiny[0], "text": "\ud800"})["tokens"] == [ord("?") + 3]


# ---- files ----------------------------------------------------------------------------------------------


@pytest.fixture(params=["inspectModel", "loadModel"])
def method(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_paths_that_lead_to_no_model_are_told(shared: Sidecar, method: str, tmp_path: Path) -> None:
    empty, text, cut = tmp_path / "empty.gguf", tmp_path / "text.gguf", tmp_path / "cut.gguf"
    empty.touch()
    text.write_text("This is not a model.", encoding="utf-8")
    gguf_files.tiny_model(cut)
    os.truncate(cut, cut.stat().st_size // 2)
    for path, kinds in (
        (tmp_path / "none.gguf", {"fileNotFound"}),
        (text / "below", {"fileNotFound"}),
        (tmp_path, {"fileNotReadable"}),
        (empty, {"notGguf"}),
        (text, {"notGguf"}),
        (cut, {"modelDamaged"}),
        ("with\0nul", {"fileNotFound"}),
        ("lone \ud800 surrogate", {"fileNotFound"}),
        ("x" * 10_000, {"fileNotReadable"}),
    ):
        error = refused(shared, method, {"path": str(path)})
        assert error.kind in kinds, path
        assert error.data["pointer"] == "/path"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_place_of_a_model_is_told_instead_of_waited_for(
    shared: Sidecar, method: str, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refused(shared, method, {"path": str(tmp_path / "pipe")}).kind == "fileNotReadable"


@pytest.mark.parametrize("name", ["Modèle 模型 😀.gguf", "with space & 'quotes'.gguf"])
def test_a_path_that_is_not_plain_works(shared: Sidecar, tmp_path: Path, name: str) -> None:
    path = gguf_files.tiny_model(tmp_path / name)
    assert shared.call("inspectModel", {"path": path})["path"] == path
    model = shared.call("loadModel", {"path": path})
    assert model["name"] == "Tiny"
    assert path in [m["path"] for m in shared.call("status")["models"]]
    shared.call("unloadModel", {"modelId": model["modelId"]})


def test_a_link_to_a_model_works(shared: Sidecar, tmp_path: Path) -> None:
    (tmp_path / "link.gguf").symlink_to(gguf_files.tiny_model(tmp_path / "tiny.gguf"))
    assert attempt(shared, str(tmp_path / "link.gguf")) == "loaded"


def test_relative_paths_start_at_the_models_directory(shared: Sidecar, tmp_path: Path) -> None:
    path = gguf_files.tiny_model(tmp_path / "relative.gguf")
    shared.call("init", {"modelsDirectory": str(tmp_path)})
    assert shared.call("inspectModel", {"path": "relative.gguf"})["path"] == path
    shared.call("init")
    assert refused(shared, "inspectModel", {"path": "relative.gguf"}).kind == "fileNotFound"


def test_metadata_that_json_has_no_word_for_can_be_inspected(shared: Sidecar, tmp_path: Path) -> None:
    path = tmp_path / "nan.gguf"
    entries = [gguf_files.entry("not.a.number", gguf_files.FLOAT32, float("nan"))]
    path.write_bytes(gguf_files.header(entries, []))
    assert shared.call("inspectModel", {"path": str(path)})["metadata"] == {"not.a.number": "nan"}


def test_requests_that_were_sent_in_the_hope_of_a_model_are_told_that_it_did_not_come(
    start: Start, tmp_path: Path
) -> None:
    sidecar = start()
    load = sidecar.send("loadModel", {"path": str(tmp_path / "none.gguf")})
    context = sidecar.send("createContext", {"modelId": "model-1"})
    complete = sidecar.send("complete", {"contextId": "context-1", "prompt": "x"})
    kinds = [sidecar.response(each)["error"]["data"]["kind"] for each in (load, context, complete)]
    assert kinds[:2] == ["fileNotFound", "modelNotFound"]
    assert kinds[2] in ("modelNotFound", "contextNotFound")
    assert sidecar.call("status")["models"] == []
    path = gguf_files.tiny_model(tmp_path / "tiny.gguf")
    assert sidecar.call("loadModel", {"path": path})["modelId"] == "model-2"


def attempt(shared: Sidecar, path: str) -> str:
    """Load a file: "loaded" (and unloaded again), or the kind of its typed error."""
    try:
        model = shared.call("loadModel", {"path": path})
    except Refused as error:
        assert error.kind in FILE_ERRORS, error
        assert error.code >= 1000
        return error.kind
    shared.call("unloadModel", {"modelId": model["modelId"]})
    return "loaded"


@pytest.fixture(scope="module")
def damaged_tiny(tmp_path_factory: pytest.TempPathFactory) -> gguf_files.DamagedCopy:
    folder = tmp_path_factory.mktemp("damaged")
    source = gguf_files.tiny_model(folder / "source.gguf")
    return gguf_files.DamagedCopy(source, folder / "damaged.gguf", read_header(source).data_start)


ABORTING_SEEDS = (73, 115, 129)
"""With these llama.cpp calls abort(): found by trying the first hundreds."""


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_damaged_headers_are_loaded_or_told_and_take_nothing_down(
    shared: Sidecar, damaged_tiny: gguf_files.DamagedCopy, first: int
) -> None:
    outcomes = []
    for seed in range(first, first + 10):
        damaged_tiny.flip(seed)
        outcomes.append(attempt(shared, damaged_tiny.path))
    assert set(outcomes) & FILE_ERRORS, "none of them did any harm"


@pytest.mark.parametrize("seed", ABORTING_SEEDS)
def test_a_file_that_makes_llama_cpp_abort_costs_one_engine(
    shared: Sidecar, damaged_tiny: gguf_files.DamagedCopy, seed: int
) -> None:
    damaged_tiny.flip(seed)
    with pytest.raises(Refused) as caught:
        shared.call("loadModel", {"path": damaged_tiny.path})
    assert caught.value.kind in FILE_ERRORS
    assert "SIGABRT" in caught.value.data["cause"], "llama.cpp has learned to refuse it; find another seed"
    damaged_tiny.mend()
    assert attempt(shared, damaged_tiny.path) == "loaded"


def test_the_real_model_with_a_damaged_header_is_loaded_or_told(
    shared: Sidecar, model_path: str, tmp_path: Path
) -> None:
    header = read_header(model_path)
    copy = gguf_files.DamagedCopy(model_path, tmp_path / "damaged.gguf", header.data_start)
    outcomes = []
    # Half in the first keys, half in the tensor table: between them lies the vocabulary, nearly all of it.
    for seed, within in enumerate([(0, 1500), (header.data_start - 16_000, header.data_start)] * 4):
        copy.flip(seed, bits=2, within=within)
        outcomes.append(attempt(shared, copy.path))
    assert set(outcomes) & FILE_ERRORS, "none of them did any harm"
    copy.mend()
    assert attempt(shared, copy.path) == "loaded"


# ---- templates ------------------------------------------------------------------------------------------


@pytest.fixture
def with_template(shared: Sidecar, tmp_path: Path) -> Iterator[Any]:
    """Load a tiny model with a chat template of the test's own; returns (modelId, contextId)."""
    loaded: list[str] = []

    def load(template: str | None) -> tuple[str, str]:
        path = gguf_files.tiny_model(tmp_path / f"{len(loaded)}.gguf", template)
        loaded.append(shared.call("loadModel", {"path": path})["modelId"])
        context = shared.call("createContext", {"modelId": loaded[-1], "contextSize": 256})["contextId"]
        return loaded[-1], context

    yield load
    for model in loaded:
        shared.call("unloadModel", {"modelId": model})


MESSAGES = [{"role": "user", "content": "Hi"}]
LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "cause"),
    [
        ("{{ raise_exception('Only assistants may speak') }}", "Only assistants may speak"),
        ("{% if %}", ""),
        ("{{ 1 / 0 }}", "division"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ 'x' * 10**9 }}", "too large"),
    ],
)
def test_a_template_that_fails_is_told_with_its_cause(
    shared: Sidecar, with_template: Any, template: str, cause: str
) -> None:
    model, context = with_template(template)
    for method, params in (
        ("applyTemplate", {"modelId": model}),
        ("chat", {"contextId": context, "maxTokens": 1}),
    ):
        error = refused(shared, method, {**params, "messages": MESSAGES})
        assert error.kind == "templateFailed"
        assert cause in error.data["cause"]
    assert shared.call("complete", {"contextId": context, "prompt": "x", "maxTokens": 1})


def test_a_template_that_loops_is_stopped_and_its_model_goes_on(shared: Sidecar, with_template: Any) -> None:
    model, context = with_template(LOOP)
    error = refused(shared, "applyTemplate", {"modelId": model, "messages": MESSAGES})
    assert error.kind == "templateFailed"
    assert "still running" in error.data["cause"]
    assert shared.call("complete", {"contextId": context, "prompt": "x", "maxTokens": 1})


def test_a_template_that_loops_can_be_aborted(shared: Sidecar, with_template: Any) -> None:
    _, context = with_template(LOOP)
    chat = shared.send("chat", {"contextId": context, "messages": MESSAGES})
    assert shared.call("abort", {"requestId": chat})["outcome"] == "aborted"
    assert shared.call("complete", {"contextId": context, "prompt": "x", "maxTokens": 1})


def test_a_model_without_a_template_can_complete_but_not_chat(shared: Sidecar, with_template: Any) -> None:
    model, context = with_template(None)
    for method, params in (("applyTemplate", {"modelId": model}), ("chat", {"contextId": context})):
        assert refused(shared, method, {**params, "messages": MESSAGES}).kind == "noChatTemplate"
    assert shared.call("complete", {"contextId": context, "prompt": "x", "maxTokens": 1})


def test_a_template_that_renders_nothing_still_has_its_beginning_token(
    shared: Sidecar, with_template: Any
) -> None:
    _, context = with_template("{# nothing #}")
    result = shared.call("chat", {"contextId": context, "messages": MESSAGES, "maxTokens": 1})
    assert result["usage"]["promptTokens"] == 1


# ---- the program's own surroundings ---------------------------------------------------------------------


def test_an_engine_that_cannot_start_is_told_to_everybody_who_waits(
    program: list[str], tmp_path: Path
) -> None:
    broken = environment(LLAMA_CPP_LIB_PATH=str(tmp_path))
    sidecar = Sidecar(program, stderr=tmp_path / "stderr.txt", env=broken)
    try:
        init = sidecar.send("init")
        load = sidecar.send("loadModel", {"path": gguf_files.tiny_model(tmp_path / "tiny.gguf")})
        follower = sidecar.send("createContext", {"modelId": "model-1"})
        kinds = [sidecar.response(each)["error"]["data"]["kind"] for each in (init, load, follower)]
        assert kinds == ["engineStartFailed", "engineStartFailed", "modelNotFound"]
        assert sidecar.call("ping")["uptimeMs"] > 0
    finally:
        sidecar.end()


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are another thing there")
@pytest.mark.parametrize("closing", ["2>&-", "2</dev/null", "2>/dev/full"])
def test_a_stderr_that_cannot_be_written_does_no_harm(
    program: list[str], closing: str, tmp_path: Path
) -> None:
    if closing.endswith("full") and not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    command = ["sh", "-c", f'exec "$@" --log-level debug {closing}', "sh", *program]
    sidecar = Sidecar(command, stderr=tmp_path / "stderr.txt")
    try:
        sidecar.send_line("not json")
        assert sidecar.receive()["error"]["code"] == -32700
        assert sidecar.call("loadModel", {"path": gguf_files.tiny_model(tmp_path / "tiny.gguf")})
    finally:
        sidecar.end()


@pytest.mark.skipif(not hasattr(os, "set_blocking"), reason="needs non-blocking pipes")
def test_a_stdin_that_does_not_block_is_not_taken_for_one_that_ended(
    program: list[str], tmp_path: Path
) -> None:
    script = "import os, sys; os.set_blocking(0, False); os.set_blocking(1, False); os.execvp(sys.argv[1], sys.argv[1:])"
    sidecar = Sidecar([sys.executable, "-c", script, *program], stderr=tmp_path / "stderr.txt")
    try:
        assert sidecar.call("ping")["uptimeMs"] > 0
        assert sidecar.call("init")["protocolVersion"] == 1
    finally:
        sidecar.end()
