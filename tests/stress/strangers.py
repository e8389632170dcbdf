"""Hubs that answer garbage, and clients that vanish: parts of the group `surroundings`."""

from __future__ import annotations

import random
import socketserver
import threading
import time
from collections.abc import Callable
from typing import Any

import line_grammar
from client import HOSTS, Client
from hub import Hub, Synthetic
from place import ANSWER_S, MB, REPOSITORY, SPEED, Place

CLIENTS, GARBAGE = 100, 200


class Garbage(socketserver.StreamRequestHandler):
    """Answers a request with bytes that are hardly HTTP."""

    def handle(self) -> None:
        """One answer, and the end of the connection."""
        chance: random.Random = self.server.chance  # type: ignore[attr-defined]
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
        length = chance.choice((b"5", b"-1", b"99999999999999999999", b"1" * 5000, b"x"))
        answers = (
            *(b"", b"\0" * 100, b"SSH-2.0-x\r\n", b"HTTP/9.9 200 OK\r\n\r\n", b"HTTP/1.1 999 X\r\n\r\n"),
            head + length + b"\r\n\r\n{}",
            head + b"10\r\nContent-Encoding: gzip\r\n\r\n" + chance.randbytes(10),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chance.choice((b"zz\r\n", b"5\r\nabc")),
            b"HTTP/1.1 302 X\r\nLocation: "
            + chance.choice((b"file:///x", b"/", b"\xff", b"http://["))
            + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
            chance.randbytes(chance.randrange(1, 3000)),
        )
        try:
            self.connection.settimeout(5)
            self.connection.recv(65536)
            self.wfile.write(chance.choice(answers))
        except OSError:
            return


def garbage(place: Place) -> None:
    """A hub that answers anything but what a hub answers: a typed error, and the next request works."""
    good = {
        "id": REPOSITORY,
        "sha": "a" * 40,
        "siblings": [{"rfilename": "a.gguf", "size": 100, "lfs": None}] * 2,
    }
    with Hub() as hub, socketserver.ThreadingTCPServer(("127.0.0.1", 0), Garbage) as raw:
        raw.daemon_threads = True
        raw.chance = place.chance  # type: ignore[attr-defined]
        threading.Thread(target=raw.serve_forever, daemon=True).start()
        client = place.start()
        number = 0
        while number < GARBAGE and time.monotonic() < place.until:
            number += 1
            value: Any = good
            for _ in range(place.chance.randrange(1, 4)):
                value = line_grammar.mutated(place.chance, value)
            text = line_grammar.text_of(value).encode("utf-8", "replace")
            hub.strange = place.chance.choice((text, text, text, b"<html>", place.chance.randbytes(200)))
            endpoint = place.chance.choice(
                (hub.endpoint, hub.endpoint, f"http://127.0.0.1:{raw.server_address[1]}")
            )
            method = place.chance.choice(("downloadModel", "inspectModel", "estimateModel"))
            asked = {"model": f"hf:{REPOSITORY}", "endpoint": endpoint}
            if method == "downloadModel":
                asked["modelsDirectory"] = str(place.models)
            ask = client.wait(client.ask(method, asked), ANSWER_S)
            place.outcome.tried += 1
            place.kinds[ask.kind] += 1
            if ask.kind in ("", "internalError", "transferCrashed", "no answer"):
                place.fault(
                    f"{method} of {endpoint}: {str(ask.answer)[:400]}; the hub said {hub.strange[:400]!r}"
                )
        client.get("ping")
        raw.shutdown()
        place.end(client)


def vanishing(place: Place) -> None:
    """Clients begin something and are gone: no process outlives them."""
    slowest_ms, number = 0.0, 0
    with Hub() as hub:
        hub.add(REPOSITORY, {"a.gguf": Synthetic(8 * MB, seed=1)})
        hub.fault("*", bytes_per_second=SPEED, times=None, origin="cdn")
        while number < CLIENTS and time.monotonic() < place.until:
            number += 1
            host = place.chance.choice(list(HOSTS))
            client = place.start(HOSTS[host])
            works: list[Callable[[Client], object]] = [
                lambda client: client.ask("ping"),
                lambda client: client.ask("init"),
                lambda client: client.ask("loadModel", {"path": place.model}),
                lambda client: client.ask("downloadModel", place.fetch(hub, "a.gguf")),
                lambda client: client.ask("complete", {"contextId": place.load(client), "prompt": "a"}),
                lambda client: client.write(b'{"jsonrpc":"2.0","id":1,"meth'),
            ]
            place.chance.choice(works)(client)
            time.sleep(place.chance.choice((0.0, 0.1, 0.5)) * place.chance.random())
            family, begin = client.family(), time.perf_counter()
            if host:
                client.process.kill()
            else:
                if place.chance.random() < 0.5:
                    client.close_stdout()
                client.close_stdin()
            taken_s, problem = client.await_end(family, begin)
            slowest_ms = max(slowest_ms, 1000 * taken_s)
            place.outcome.tried += 1
            if problem:
                place.fault(f"client {number}, {host or 'no'} host: {problem}")
            for process in client.end():
                place.fault(f"left behind: {process}")
    place.outcome.figures["clients that vanished"] = (
        f"{number}, slowest end of all processes {slowest_ms:.0f} ms"
    )
