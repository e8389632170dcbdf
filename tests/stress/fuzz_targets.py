"""What is fuzzed: for each part of the program that reads foreign bytes a function of them, which raises for a fault.

A target is made by a function without arguments, so that nothing is imported before the fuzzer watches imports.
"""

from __future__ import annotations

import io
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

Target = Callable[[bytes], None]


def pieces(data: Any, size: int) -> list[Any]:
    """Bytes or a text in pieces of `size`."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def framing() -> Target:
    """Lines and the messages in them: wherever the bytes are cut, they say the same."""
    from sidecar.message_handler.framing import LineSplitter, decode, encode
    from sidecar.worker.intake import read_line

    def lines_of(chunks: list[bytes]) -> list[Any]:
        splitter = LineSplitter(200)
        found = [line for chunk in chunks for line in splitter.feed(chunk)]
        last = splitter.end()
        return found if last is None else [*found, last]

    def run(data: bytes) -> None:
        size, data = data[0] % 16 + 1, data[1:]
        lines = lines_of([data])
        assert lines == lines_of(pieces(data, size))
        for line in lines:
            if isinstance(line, bytes):
                read_line(line)
                try:
                    value = decode(line)
                except ValueError:
                    continue
                assert decode(encode(value)[:-1]) == value

    return run


def gguf() -> Target:
    """The header of a model file, read from the front and with jumps, and what is calculated from it."""
    from sidecar.hardware.machine import Machine
    from sidecar.message_handler.errors import SidecarError
    from sidecar.models.gguf import description, reader, sparse_reader
    from sidecar.models.memory_estimate.estimate import estimate

    machine = Machine.here(system_info="")

    def run(data: bytes) -> None:
        size = 1 << (data[0] % 40)  # the file's size is not that of its beginning
        data = data[1:]
        said: list[Any] = []
        for read in (reader.parse, sparse_reader.read_header):
            try:
                header = read(io.BytesIO(data), max(size, len(data)), "x.gguf")
            except SidecarError as error:
                said.append(error.kind)
                continue
            said.append(description.summary(header))
            try:
                estimate(header, {"path": "x.gguf"}, machine)
            except SidecarError as error:
                assert error.kind != "internalError"
        # With jumps a wrong number of texts can go unnoticed; what is right must be read in the same way.
        assert isinstance(said[0], str) or said[0] == said[1], said

    return run


def hub() -> Target:
    """Answers of a hub: the files of a repository, or a plain address."""
    import httpx2

    from sidecar.message_handler.errors import SidecarError
    from sidecar.models.sources import download_plan, retries
    from sidecar.models.sources.hub import client

    answers: list[httpx2.Response] = []
    retries.time = types.SimpleNamespace(sleep=lambda _: None)  # type: ignore[assignment]  # no pauses between tries

    def answer(_: httpx2.Request) -> httpx2.Response:
        return answers[0]

    made = client.Hub("http://127.0.0.1:9", None)
    made.client = httpx2.Client(follow_redirects=True, transport=httpx2.MockTransport(answer))
    names = ("hf:owner/repo", "hf:owner/repo:Q4_K_M", "hf:owner/repo/a.gguf", "http://127.0.0.1:9/x.gguf")

    def run(data: bytes) -> None:
        status = (200, 200, 200, 200, 206, 302, 401, 403, 404, 429, 500)[data[0] % 11]
        which, projector = data[1] % 4, bool(data[1] & 4)
        head, _, body = data[2:].partition(b"\n\n")
        headers = [line.partition(b":") for line in head.split(b"\n") if line.strip() and b":" in line]
        content = [(b"Content-Type", b"application/json")]
        pairs = [(name.strip() or b"X", value.strip()) for name, _, value in headers]
        pairs = [pair for pair in pairs if pair[0].lower() not in (b"content-encoding", b"location")]
        answers[:] = [httpx2.Response(status, headers=[*content, *pairs], content=body)]
        try:
            found = download_plan.make(made, {"model": names[which], "projector": projector}, 1 << 33)
        except SidecarError as error:
            assert error.kind != "internalError"
            return
        for each in found.wanted:
            assert not Path(each.relative).is_absolute() and ".." not in Path(each.relative).parts
            assert each.size is None or each.size >= 0

    return run


def journal() -> Target:
    """The journal of an unfinished download, as it lies on the disk."""
    from sidecar.models.download import journal as journals

    path = str(Path(tempfile.mkdtemp(prefix="fuzz-")) / "x.journal")
    held = 10_000
    identity = journals.Identity("http://127.0.0.1:9/x", held, None, None)
    boot = repr(journals._boot_time()).encode()

    def run(data: bytes) -> None:
        Path(path).write_bytes(data.replace(b"@BOOT@", boot))
        said = journals.read(path)
        if said is not None:
            assert said.downloaded >= 0
        source: Any = {"url": identity.url, "repository": None, "revision": None, "file": None}
        opened = journals.Journal(path, identity, source, held)
        edges = [edge for pair in opened.ranges for edge in pair]
        assert edges == sorted(edges) and all(0 <= edge <= held for edge in edges)
        missing = sum(end - start for start, end in opened.missing(held))
        assert opened.total + missing == held
        opened.close()
        again = journals.read(path)
        assert again is not None and again.ranges == opened.ranges

    return run


FORMS = (
    "[TOOL_CALLS] [ARGS]", "[TOOL_CALLS]", "<|channel|>commentary", "<TOOLCALL>", "<|tool_call|>",
    '<tool_call> "arguments"', "dsml_token function_calls>", "dsml_token tool_calls>",
    "<minimax:tool_call> <invoke name=", "<seed:tool_call> <function=", "<tool_call> <function= <parameter=",
    "<tool_call> <arg_key>", '<tool_calls> "arguments"', '<|START_ACTION|> "tool_name"', "<|function_call|>",
    "'function call' <|role_sep|>", "<|tool_call_argument_begin|>",
    "<｜tool▁call▁begin｜>function<｜tool▁sep｜> ```json", "<function= </function>",
    '<|start_header_id|>ipython "parameters": ', "<|tool_call>call:", "List of tools: ", "<|tool_call:name|>",
    "<|tools_prefix|>", 'Action:\\n```json "tool_name"', ">>>all\\n recipient", "<atem:function_calls>",
    '<function name=" <param name="', "'<tool_calls{}>'.format(HYTK) ':opensource'",
    "]<]minimax[>[ <invoke name=", "open_tag('tools') open_tag('call'",
)  # fmt: skip
"""What the templates of each form of calls contain."""

THINKING = (
    *("", "<think> </think>", "<|channel|>analysis <|channel|>final", "[THINK] [/THINK]"),
    "<seed:think> </seed:think>",
)
"""What the templates of models that reason contain."""


def _reply(template: str, thinking: str, text: str, size: int) -> tuple[Any, str]:
    """What a reply to a text in pieces says, and the kind of its error."""
    from made_streams import read

    from sidecar.core.output.calls.call_forms import call_form
    from sidecar.core.output.reasoning import reasoning_marks
    from sidecar.message_handler.errors import SidecarError

    try:
        return read(pieces(text, size), reasoning_marks(thinking), call_form(template)), ""
    except SidecarError as error:
        return None, error.kind


def calls() -> Target:
    """What a model writes with tools: the same calls, wherever it is cut."""
    _reply("", "", "", 1)

    def run(data: bytes) -> None:
        template = f"tools {FORMS[data[0] % len(FORMS)]}"
        thinking = THINKING[data[1] % len(THINKING)]
        text = data[3:].decode("utf-8", "replace")
        whole = _reply(template, thinking, text, len(text) + 1)
        assert whole[1] in ("", "unknownTool", "invalidToolArguments"), whole
        cut = _reply(template, thinking, text, data[2] % 9 + 1)
        assert cut == whole, (cut, whole)

    return run


def reasoning() -> Target:
    """What a model that reasons writes without tools: nothing is lost, wherever it is cut."""
    _reply("", "", "", 1)

    def run(data: bytes) -> None:
        thinking = THINKING[data[0] % len(THINKING)]
        text = data[2:].decode("utf-8", "replace")
        whole = _reply("", thinking, text, len(text) + 1)
        assert whole[1] == "", whole
        cut = _reply("", thinking, text, data[1] % 9 + 1)
        assert cut == whole, (cut, whole)

    return run


def stops() -> Target:
    """Text up to a stop string: the same as if all of it were searched at once."""
    from sidecar.core.output.detokenizer import Detokenizer

    def run(data: bytes) -> None:
        first, _, rest = data[1:].partition(b"\n")
        strings = [stop for stop in first.decode("utf-8", "replace").split("|") if stop][:8]
        detokenizer, said = Detokenizer(strings), ""
        for piece in pieces(rest, data[0] % 7 + 1):
            said += detokenizer.feed(piece)
            if detokenizer.stop_string is not None:
                break
        said += detokenizer.end()
        text = rest.decode("utf-8", "replace")
        found = [(text.find(stop) + len(stop), -len(stop), stop) for stop in strings if stop in text]
        end, _, stop = min(found, default=(len(text), 0, None))
        assert detokenizer.stop_string == stop
        assert said == detokenizer.text == text[: end - len(stop or "")]

    return run


TARGETS: dict[str, Callable[[], Target]] = {
    made.__name__: made for made in (framing, gguf, hub, journal, calls, reasoning, stops)
}
FEWEST = 4
"""Bytes that every target can take: the first ones are choices."""


def on(name: str) -> Target:
    """A target for any bytes."""
    run = TARGETS[name]()
    return lambda data: run(data + bytes(max(0, FEWEST - len(data))))


def corpus(name: str) -> list[bytes]:
    """The inputs in the tree: one a line, in base64."""
    import base64

    path = Path(__file__).with_name("corpus") / f"{name}.txt"
    lines = path.read_text(encoding="ascii").split() if path.exists() else []
    return [base64.b64decode(line) for line in lines]


def write_corpus(path: Path, kept: list[bytes], more: list[bytes], most_bytes: int) -> None:
    """Write inputs as `corpus` reads them: those kept, and of others the shortest, up to a number of bytes."""
    import base64

    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [base64.b64encode(each).decode() for each in kept]
    for each in sorted(set(more) - set(kept), key=lambda each: (len(each), each)):
        lines.append(base64.b64encode(each).decode())
        if sum(map(len, lines)) > most_bytes:
            lines.pop()
            break
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def replay() -> None:
    """Run every target on its corpus. Raises what a target raises, with the input."""
    for name in TARGETS:
        target = on(name)
        for data in corpus(name):
            try:
                target(data)
            except Exception as error:
                raise AssertionError(f"{name}: {data!r}") from error


if __name__ == "__main__":
    import sys

    root = Path(__file__).parents[2]
    sys.path[:0] = [str(root / folder) for folder in ("tests/support", "tests")]
    replay()
