"""Hostile lines into a program with a model: each is answered as JSON-RPC wants, and no process is lost."""

from __future__ import annotations

import collections
import json
import queue
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import line_grammar
from client import Client, Key, key_of
from download_work import surroundings
from gguf_files import tiny_model
from jsonschema import Draft7Validator
from outcome import ENGINES_LOST, Outcome

from sidecar.message_handler._wire import ERRORS

ROOT = Path(__file__).parents[2]
LINES = 10_000
AT_ONCE = 25
"""Lines that are sent together; then their answers are counted."""

CANCEL_S = 3.0
"""What still runs then is cancelled: some lines ask for endless text."""

ANSWER_S = 120.0
LONGEST_SHOWN = 1500
NAMES = ("SmolLM2-135M-Instruct.Q4_1", "base", "short", "large", "small", "poems")
"""Of the models in the schema's examples."""

NEVER = {"internalError", "engineCrashed", "engineStartFailed", "transferCrashed", "shuttingDown"}
"""Kinds of errors that no line may cause."""


class Types:
    """The schema's types, to validate what the program sends."""

    def __init__(self) -> None:
        path = ROOT / "sidecar" / "message_handler" / "openrpc.json"
        document = json.loads(path.read_text(encoding="utf-8"))
        self._components = document["components"]
        requests = [method for method in document["methods"] if "result" in method]
        self._results = {method["name"]: method["result"]["schema"]["$ref"] for method in requests}
        self._made: dict[str, Draft7Validator] = {}

    def wrong(self, reference: str, value: Any) -> str:
        """What is wrong with a value of a type; "" if nothing."""
        if reference not in self._made:
            self._made[reference] = Draft7Validator({"$ref": reference, "components": self._components})
        return "; ".join(error.message[:300] for error in self._made[reference].iter_errors(value))

    def wrong_answer(self, answer: dict[str, Any], methods: set[str]) -> str:
        """What is wrong with an answer to a call of one of these methods."""
        if answer.get("jsonrpc") != "2.0" or len(answer) != 3:
            return "it is no answer of JSON-RPC 2.0"
        if "result" in answer:
            of_each = [self.wrong(self._results[m], answer["result"]) for m in methods if m in self._results]
            return "" if "" in of_each else f"the result is none of {sorted(methods)}: {of_each}"
        error = answer["error"]
        if error.keys() != {"code", "message", "data"} or error["data"].get("kind") not in ERRORS:
            return "the error has no kind of the schema"
        kind = error["data"]["kind"]
        if kind in NEVER or error["code"] != ERRORS[kind][0]:
            return f"{kind} is no answer to a line"
        return self.wrong("#/components/schemas/ErrorData", error["data"])


class Lines(Client):
    """Takes answers to lines that somebody else wrote."""

    def __init__(self, folder: Path, *arguments: str, **options: Any) -> None:
        self.answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.methods: dict[Key, set[str]] = {}
        """Id → methods that were called with it in the lines of the moment."""
        super().__init__(folder, *arguments, **options)

    def on_message(self, message: dict[str, Any], at: float) -> None:
        """Answers to lines go into the queue; all else as before."""
        ours = isinstance(message.get("id"), str) and message["id"].startswith("ask-")
        if "method" in message and message["method"] == "progress":
            return
        if "method" in message or (ours and key_of(message["id"]) in self.open):
            super().on_message(message, at)
        else:
            self.answers.put(message)


def run(seconds: float, seed: int) -> Outcome:
    """Send lines until their number is full or the time is over."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models").mkdir()
        (folder / "chats").mkdir()
        (folder / "models" / "models").symlink_to(".")  # for when `init` has made it the models directory
        for model in NAMES:
            tiny_model(folder / "models" / f"{model}.gguf")
        proxy = f"http://{line_grammar.NOWHERE}"
        proxies = {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": "127.0.0.1"}
        env = surroundings(folder / "home", HF_ENDPOINT=proxy, **proxies)
        client = Lines(folder, "--log-level", "info", env=env, cwd=folder)
        try:
            _send_all(client, folder, seconds, seed, outcome)
        finally:
            left = client.end()
        for process in left:
            outcome.fault(f"left behind: {process}")
        log = client.log()
        if "Traceback" in log:
            outcome.fault(f"a traceback in the log: {log[log.index('Traceback') - 500 :][:3000]}")
    return outcome


def _send_all(client: Lines, folder: Path, seconds: float, seed: int, outcome: Outcome) -> None:
    types, until = Types(), time.monotonic() + seconds
    kinds: collections.Counter[str] = collections.Counter()
    lost, stopped = 0, []
    while outcome.tried < LINES and time.monotonic() < until and not outcome.is_full:
        known = _settle(client, folder)
        lines = []
        while len(lines) < AT_ONCE:
            number = outcome.tried
            outcome.tried += 1
            data = _line(seed, number, known)
            lines.append((number, data, *line_grammar.expected(data)))
        well = _exchange(client, lines, types, kinds, outcome)
        died, stopped = _dead_engines(client)
        outcome.faults += [f"an engine died; {_shown(lines)}" for _ in died[lost:]]
        lost = len(died)
        if not well:
            break
        if client.process.poll() is not None:
            outcome.fault(f"the program ended with {client.process.returncode}")
            break
    for info in client.infos:
        if problem := types.wrong("#/components/schemas/Info", info["params"]):
            outcome.fault(f"{info}: {problem}")
    outcome.faults += client.wrong
    outcome.figures[ENGINES_LOST] = str(lost)
    outcome.figures["engines ended because cancelled work did not stop within a second"] = str(len(stopped))
    for what, of in (("result", "methods"), ("error", "kinds")):
        different = sum(name.startswith(f"{what} ") for name in kinds)
        outcome.figures[f"{what}s"] = f"{kinds[what]:,} of {different} {of}"


def _dead_engines(client: Lines) -> tuple[list[int], list[int]]:
    """Engines of loaded models that died by themselves, and that the program ended as it promises, by its log."""
    died: list[int] = []
    ended: set[int] = set()
    for text in client.log().splitlines():
        entry = json.loads(text) if text.startswith("{") and text.endswith("}") else {}
        if "did not stop" in entry.get("message", ""):
            ended.add(entry["engine"])
        elif "its next request starts it again" in entry.get("message", ""):
            died.append(entry["engine"])
    return [pid for pid in died if pid not in ended], [pid for pid in died if pid in ended]


def _line(seed: int, number: int, known: dict[str, str]) -> bytes:
    """A line that does not end the program, and is one line with something in it."""
    attempt = 0
    while True:
        data = line_grammar.line(random.Random(f"{seed} {number} {attempt}"), known)
        data = data.replace(b"\n", b" ").strip(b" \t\r")
        calls = line_grammar.expected(data)[1]
        if data and not any(map(_ends_it, calls)):
            return data
        attempt += 1


def _ends_it(call: dict[str, Any]) -> bool:
    params = call.get("params")
    params = params[0] if isinstance(params, list) and len(params) == 1 else params
    watched = params.get("processId") if isinstance(params, dict) else None
    return call["method"] in line_grammar.ENDING or (isinstance(watched, int) and watched < 2**31 - 1)


def _settle(client: Lines, folder: Path) -> dict[str, str]:
    """One loaded model with one context, and nothing else; returns how they are called."""
    status = client.get("status")
    models = [model["modelId"] for model in status["models"]]
    for model in models[1:]:
        client.wait(client.ask("unloadModel", {"modelId": model}))
    if not models:
        client.get("init", {"gpu": "auto", "maxThreads": 1, "rpcServers": [], "modelsDirectory": str(folder)})
        models = [client.get("loadModel", {"path": str(folder / "models" / "base.gguf")})["modelId"]]
    contexts = [each["contextId"] for each in status["contexts"] if each["modelId"] == models[0]]
    for context in contexts[1:]:
        client.wait(client.ask("disposeContext", {"contextId": context}))
    if not contexts:
        size = {"modelId": models[0], "contextSize": 256, "sequences": 2}
        contexts = [client.get("createContext", size)["contextId"]]
    return {"model-1": models[0], "context-1": contexts[0]}


Sent = tuple[int, bytes, list[Any], list[dict[str, Any]]]
"""A line's number, the line, the ids of its answers, its calls."""


def _exchange(
    client: Lines, lines: list[Sent], types: Types, kinds: collections.Counter[str], outcome: Outcome
) -> bool:
    """Send lines and compare what comes back; False if the program is gone."""
    missing = collections.Counter(key_of(each) for _, _, ids, _ in lines for each in ids)
    methods: dict[Key, set[str]] = {}
    for *_, calls in lines:
        for call in calls:
            methods.setdefault(key_of(call.get("id")), set()).add(call["method"])
    try:
        client.write(b"".join(data + b"\n" for _, data, _, _ in lines))
    except OSError as error:
        outcome.fault(f"the program took no more: {error}; {_shown(lines)}")
        return False
    begin, cancelled = time.monotonic(), False
    while missing.total() and time.monotonic() - begin < ANSWER_S and not client.ended.is_set():
        try:
            answer = client.answers.get(timeout=0.2)
        except queue.Empty:
            if time.monotonic() - begin > CANCEL_S and not cancelled:
                cancelled = True
                for _, request_id in missing:
                    client.notify("$/cancelRequest", {"id": request_id})
            continue
        _take(answer, missing, methods, types, kinds, lines, outcome)
    if missing.total():
        outcome.fault(f"no answer to {[str(key[1])[:99] for key in missing][:20]}; {_shown(lines)}")
    client.get("ping")
    while not client.answers.empty():
        _take(client.answers.get(), missing, methods, types, kinds, lines, outcome)
    return not client.ended.is_set()


def _take(
    answer: dict[str, Any],
    missing: collections.Counter[Key],
    methods: dict[Key, set[str]],
    types: Types,
    kinds: collections.Counter[str],
    lines: list[Sent],
    outcome: Outcome,
) -> None:
    key = key_of(answer.get("id"))
    if not missing[key]:
        outcome.fault(f"more answers than requests: {str(answer)[:500]}; {_shown(lines)}")
        return
    missing[key] -= 1
    missing += collections.Counter()  # without what is 0
    kinds["error" if "error" in answer else "result"] += 1
    kinds.update([f"error {answer['error']['data'].get('kind')}"] if "error" in answer else [])
    kinds.update(f"result {method}" for method in methods.get(key, ()) if "result" in answer)
    if problem := types.wrong_answer(answer, methods.get(key, set())):
        its = [each for each in lines if key in map(key_of, each[2])] or lines
        outcome.fault(f"{problem}: {str(answer)[:800]}; {_shown(its)}")


def _shown(lines: list[Sent]) -> str:
    """Lines as they can be read in a terminal."""
    return "; ".join(f"line {number} {data[:LONGEST_SHOWN]!r}" for number, data, _, _ in lines)
