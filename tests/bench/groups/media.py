"""Pictures: first tokens, questions about the same picture, pauses of other streams, memory of projectors.

The pairs of a model and a projector are the made ones (support/projectors.py), the same for both programs.
"""

from __future__ import annotations

import base64
import itertools
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import ours
import workload
from pairs import Figures
from peers import server
from peers.llama_server import LlamaServer
from pipe import Message, Pipe, memory_mb
from table import Row

from groups.setting import Setting

sys.path[:0] = [str(Path(__file__).parents[i] / folder) for i, folder in ((2, "support"), (3, "build"))]
import large_projectors  # noqa: E402
import media_cases  # noqa: E402
import media_files  # noqa: E402

SIDES = {"llava": 56, "gemma3": 56, "qwen2vl": 560}
"""Pixels of a picture's side: 16 tokens, 4 tokens, 400 tokens. The first two are encoded within a millisecond."""
LARGE = ("llava", "gemma3")
"""Kinds whose projector is also read in a size that people use: it encodes for a second and more."""
LONG = "qwen2vl"
"""The pair whose picture has as many tokens as those of models that people use."""
CONTEXT = 3072
"""Tokens of each sequence: room for the largest picture of `_memory`."""
BATCH = 512
"""Tokens of a step at most, the default of both programs."""
FIRST_S, PAUSE_S, BATCH_S = 45.0, 75.0, 40.0
"""Seconds per comparison, at most; all together end within 10 minutes on a slow processor."""

TEXT_WIDTH = 576
TOKENS = {"llava": 600, "gemma3": BATCH, "qwen2vl": 2200, "ultravox": BATCH}
"""Of the text that comes before."""
LARGEST = {"llava": 336, "gemma3": 896, "qwen2vl": 1288}
"""Sides of pictures for which libmtmd makes room when it loads a projector."""

ABORTS = 12
LARGEST_SIDE = 7071
"""Pixels of the side of a square picture as large as the program takes."""
ASKED, AGAIN = "What is the name of the color?", "Are you sure about that color?"
SOUND_S = 2.0

_numbers = itertools.count(1)


def rows(setting: Setting) -> list[Row]:
    """All figures."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for pair, side in SIDES.items():
            own = media_cases.pair(pair, folder)
            found += _first_tokens(setting.within(FIRST_S), pair, pair, side, *own)
        for kind in LARGE:
            with _large(kind, folder) as (model, projector):
                what = f"{kind} in its real width"
                found += _first_tokens(
                    setting.within(FIRST_S), what, "llava", LARGEST[kind], model, projector
                )
        found += _pauses(setting, folder)
        found.append(_aborts(setting, folder, LONG, new_picture, SIDES[LONG]))
        found.append(_aborts(setting, folder, "llava", _plain_picture, LARGEST_SIDE))
        for kind in large_projectors.WRITERS:
            setting.say(f"memory of a projector of the kind {kind}")
            found.append(_memory(setting, kind, folder))
    return found


# ---- first tokens --------------------------------------------------------------------------------------


def _first_tokens(setting: Setting, what: str, pair: str, side: int, model: str, projector: str) -> list[Row]:
    figures = {"first": (f"first token after a picture, {what}", "ms")}
    if pair == LONG:
        figures |= {"again": ("the next question about it", "ms"), "share": ("that to the first", "×")}
    with _ours(setting, model, projector, 1) as pipe, ExitStack() as stack:
        template = ["--chat-template", media_cases.GEMMA_TEMPLATE] if pair == "gemma3" else []
        peer = _server(model, projector, 1, *template)
        if peer is None:
            found = _turns(partial(_ask_ours, pipe, pair), pair, side)
            return [Row(*figures[name], found[name]) for name in figures]
        stack.enter_context(peer)
        return setting.compare_figures(
            figures,
            server.NAME,
            lambda: _turns(partial(_ask_ours, pipe, pair), pair, side),
            lambda: _turns(partial(_ask_server, peer), pair, side),
        )


def _turns(ask: Any, pair: str, side: int) -> Figures:
    """Show a new picture and ask twice. `ask(messages)`: milliseconds to the first token, and the text."""
    shown = _shown(side)
    first, said = ask([shown])
    if pair != LONG:
        return {"first": first}
    again, _ = ask([shown, {"role": "assistant", "content": said}, {"role": "user", "content": AGAIN}])
    return {"first": first, "again": again, "share": again / first}


def _shown(side: int = SIDES[LONG]) -> Message:
    """A message with a new picture."""
    return _message(new_picture(side))


def _message(picture: bytes) -> Message:
    return {"role": "user", "content": [url_part(picture), text_part(ASKED)]}


def _ask_ours(pipe: Pipe, pair: str, messages: list[Message]) -> tuple[float, str]:
    seen: list[float] = []
    begin = time.perf_counter()
    params = _chat(pair, messages, workload.TURN_TOKENS)
    answer = pipe.call("chat", params, lambda message, at: ours.note_text(message, at, seen))
    return 1000 * (seen[0] - begin), answer["message"]["content"]


def _chat(pair: str, messages: list[Message], tokens: int) -> Message:
    params = {"contextId": "context-1", "messages": messages, "maxTokens": tokens}
    own = {"chatTemplate": media_cases.GEMMA_TEMPLATE} if pair == "gemma3" else {}
    return {**params, "temperature": 0, "ignoreEos": True, **own}


def _ask_server(peer: LlamaServer, messages: list[Message]) -> tuple[float, str]:
    answer = peer.begin(server.CHAT, _server_chat(messages, workload.TURN_TOKENS))
    peer.follow(answer)
    return 1000 * (answer.arrivals[0] - answer.began), answer.text


def _server_chat(messages: list[Message], tokens: int) -> Message:
    """The same for llama-server, whose members have OpenAI's names."""

    def part(own: Message) -> Message:
        return {"type": "image_url", "image_url": own["imageUrl"]} if own["type"] == "image_url" else own

    def content(message: Message) -> Any:
        own = message["content"]
        return own if isinstance(own, str) else [part(each) for each in own]

    renamed = [{**message, "content": content(message)} for message in messages]
    return {**server.chat(renamed, tokens), "ignore_eos": True}


# ---- pauses --------------------------------------------------------------------------------------------


def _pauses(setting: Setting, folder: Path) -> list[Row]:
    model, projector = media_cases.pair(LONG, folder)
    what = f"worst gap of {workload.GAP_STREAMS} streams while a picture"
    figures = {
        "gap": (f"{what} of 400 tokens arrives", "ms"),
        "first": ("first token after that picture", "ms"),
        "encoded": (f"{what} is encoded", "ms"),
        "evaluated": (f"{what}'s rows are evaluated", "ms"),
    }
    with _ours(setting, model, projector, workload.GAP_STREAMS + 1) as pipe, ExitStack() as stack:
        peer = _server(model, projector, workload.GAP_STREAMS + 1)
        found: list[Row] = []
        if peer is not None:
            stack.enter_context(peer)
            found += setting.within(PAUSE_S).compare_figures(
                figures, server.NAME, partial(_gap_of_ours, pipe), partial(_gap_of_server, peer)
            )

        def batch() -> Figures:
            milliseconds = 1000 * BATCH / ours.prompt_speed(pipe, workload.new_words(BATCH))
            return {"encoded": milliseconds, "evaluated": milliseconds}

        return found + setting.within(BATCH_S).compare_figures(
            figures, f"a step of {BATCH} tokens", partial(_gap_of_ours, pipe), batch
        )


def _gap_of_ours(pipe: Pipe) -> Figures:
    params = _chat(LONG, [_shown()], 1)
    found = ours.beside(pipe, "context-1", "chat", params)
    return {
        "gap": found.worst(found.begin, found.first),
        "first": 1000 * (found.first - found.begin),
        "encoded": found.worst(found.begin, found.encoded),
        "evaluated": found.worst(found.encoded, found.first),
    }


def _gap_of_server(peer: LlamaServer) -> Figures:
    return server.beside(peer, server.CHAT, _server_chat([_shown()], 1))


def _aborts(setting: Setting, folder: Path, pair: str, new: Callable[[int], bytes], side: int) -> Row:
    """Of requests with a picture, at even distances from their begin to their first token."""
    setting.say(f"abort of a request with a picture of {side} × {side}")
    times = []
    with _ours(setting, *media_cases.pair(pair, folder), 1) as pipe:
        whole, _ = min(_ask_ours(pipe, pair, [_message(new(side))]) for _ in range(2))
        for index in range(ABORTS):
            shown = _message(new(side))
            asked = pipe.send("chat", _chat(pair, [shown], 1))
            time.sleep(whole / 1000 * index / ABORTS)
            begin = time.perf_counter()
            abort = pipe.send("abort", {"requestId": asked})
            message, at = pipe.responses({asked, abort})[asked]
            if "error" in message:
                times.append(1000 * (at - begin))
    what = f"abort of a request with a picture of {side} × {side}, the slowest of {len(times)}"
    return Row(what, "ms", max(times))


# ---- memory --------------------------------------------------------------------------------------------


def _memory(setting: Setting, kind: str, folder: Path) -> Row:
    """Memory that a projector of a real size takes, with a picture seen or a sound heard, beside the estimate."""
    taken = []
    with _large(kind, folder) as (model, large):
        for projector in (None, large):
            with _ours(setting, model, projector, 1) as pipe:
                content = [text_part(ASKED)]
                if projector is not None:
                    content.append(
                        sound_part() if kind == "ultravox" else url_part(new_picture(LARGEST[kind]))
                    )
                # More tokens than the picture has, so that only the projector makes the difference.
                pipe.call("complete", ours.completion(workload.new_words(TOKENS[kind]), 1))
                pipe.call("chat", _chat("", [{"role": "user", "content": content}], 1))
                taken.append(memory_mb(pipe.process.pid))
                estimate = pipe.call("estimateModel", {"path": model})
    estimated = estimate["projectorBytes"] / 1e6
    return Row(f"memory of a projector, {kind}", "MB", taken[1] - taken[0], "the estimate", estimated)


@contextmanager
def _large(kind: str, folder: Path) -> Iterator[tuple[str, str]]:
    """A model and a projector of a real size beside it, which takes hundreds of megabytes of disk."""
    own = folder / f"large-{kind}"
    own.mkdir(exist_ok=True)
    model = own / "model.gguf"
    if not model.exists():
        made = media_cases.pair("qwen2vl" if kind == "qwen2vl" else "llava", folder)[0]
        model.symlink_to(Path(made).resolve())
    projector = own / "mmproj-F16.gguf"
    try:
        yield str(model), str(large_projectors.WRITERS[kind](projector, TEXT_WIDTH))
    finally:
        projector.unlink()


# ---- both programs -------------------------------------------------------------------------------------


@contextmanager
def _ours(setting: Setting, model: str, projector: str | None, sequences: int) -> Iterator[Pipe]:
    pipe = Pipe(setting.program)
    try:
        pipe.call("init", {"maxThreads": workload.THREADS})
        pipe.call("loadModel", {"path": model, "projectorPath": projector})
        ours.add_context(pipe, contextSize=CONTEXT, sequences=sequences)
        pipe.call("complete", ours.completion("warm up the engine", 8))
        yield pipe
    finally:
        pipe.close()


def _server(model: str, projector: str, sequences: int, *options: str) -> LlamaServer | None:
    return server.start(model, sequences, CONTEXT, "--mmproj", projector, *options)


def new_picture(side: int) -> bytes:
    """A picture that no reading had before."""
    number = next(_numbers)
    own = [(number >> 16 & 255, number >> 8 & 255, number & 255)] * side
    return media_files.png([own, *media_files.stripes(["red"], side, side)[1:]])


def _plain_picture(side: int) -> bytes:
    """The same, of one colour: it may be large."""
    deflate = zlib.compressobj(1)
    line = b"\0" + next(_numbers).to_bytes(3, "big") * side
    return media_files.png_of(side, side, b"".join(map(deflate.compress, [line] * side)) + deflate.flush())


def url_part(data: bytes) -> Message:
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    return {"type": "image_url", "imageUrl": {"url": url}}


def sound_part() -> Message:
    data = base64.b64encode(media_files.wav(media_files.tone(200, SOUND_S))).decode()
    return {"type": "input_audio", "inputAudio": {"data": data, "format": "wav"}}


def text_part(text: str) -> Message:
    return {"type": "text", "text": text}
