"""Readings of llama-server, each as ours.py reads our program."""

from __future__ import annotations

import time
from typing import Any

import workload
from ours import worst_gap
from workload import THREADS

from peers import install
from peers.llama_server import LlamaServer, Stream

NAME = "llama-server"
EMBEDDING = ("--embeddings", "--pooling", "mean")
CHAT = "/v1/chat/completions"
LOOKUP = ("--spec-type", "ngram-simple")


def start(model: str, sequences: int, context: int, *options: str) -> LlamaServer | None:
    """A running server with this number of sequences of this size, if it is installed."""
    program = install.tool(NAME)
    if program is None:
        return None
    size = ["-np", str(sequences), "-c", str(sequences * context)]
    server = LlamaServer(program, model, THREADS, *size, *options)
    if options != EMBEDDING:
        server.call("/completion", completion("warm up the engine", 8))
    return server


def completion(prompt: str, tokens: int) -> dict[str, Any]:
    """Params of /completion that always choose the most likely token; top_k 1 is the fastest way to it."""
    greedy = {"temperature": 0, "top_k": 1, "ignore_eos": True, "cache_prompt": False}
    return {"prompt": prompt, "n_predict": tokens, **greedy}


def chat(messages: list[dict[str, Any]], tokens: int) -> dict[str, Any]:
    """Params of CHAT that always choose the most likely token."""
    return {"messages": messages, "max_tokens": tokens, "temperature": 0, "top_k": 1}


def stream_speed(server: LlamaServer, streams: int) -> float:
    """See ours.stream_speed."""
    prompts = workload.stories(streams)
    answers = [server.begin("/completion", completion(prompt, workload.STREAM_TOKENS)) for prompt in prompts]
    server.follow(*answers)
    end = max(answer.arrivals[-1] for answer in answers)
    tokens = sum(answer.tokens for answer in answers)
    if streams == 1:
        return (tokens - 1) / (end - answers[0].arrivals[0])
    return tokens / (end - answers[0].began)


def prompt_speed(server: LlamaServer, tokens: int) -> float:
    """See ours.prompt_speed."""
    answer = server.begin("/completion", completion(workload.new_words(tokens), 1))
    server.follow(answer)
    return tokens / (answer.arrivals[0] - answer.began)


def turns(server: LlamaServer) -> dict[str, float]:
    """See ours.turns."""

    def ask(messages: list[dict[str, Any]]) -> Stream:
        answer = server.begin(CHAT, chat(messages, workload.TURN_TOKENS))
        server.follow(answer)
        return answer

    def user(question: str) -> dict[str, Any]:
        return {"role": "user", "content": question}

    history = workload.history()
    cold = ask(history)
    said = {"role": "assistant", "content": cold.text}
    second = ask([*history, said, user(workload.QUESTIONS[1])])
    warm = ask([history[0], user(workload.QUESTIONS[2])])
    answers = zip(workload.TURNS, (cold, second, warm), strict=True)
    return {name: 1000 * (answer.arrivals[0] - answer.began) for name, answer in answers}


def gap(server: LlamaServer) -> dict[str, float]:
    """See ours.gap."""
    return beside(server, "/completion", completion(workload.new_words(workload.GAP_PROMPT), 1))


def beside(server: LlamaServer, path: str, params: dict[str, Any]) -> dict[str, float]:
    """The same for any request that arrives."""
    prompts = workload.requests(workload.GAP_STREAMS)
    streams = [server.begin("/completion", completion(prompt, workload.GAP_TOKENS)) for prompt in prompts]
    server.follow(*streams, pieces=workload.GAP_PIECES)
    long = server.begin(path, params)
    server.follow(long)
    first = long.arrivals[0]
    for stream in streams:
        if not stream.done:
            server.leave(stream)
    worst = max(worst_gap(stream.arrivals, long.began, first) for stream in streams)
    return {"gap": 1000 * worst, "first": 1000 * (first - long.began)}


def embed_speed(server: LlamaServer, texts: list[str]) -> float:
    """Texts per second."""
    begin = time.perf_counter()
    server.call("/v1/embeddings", {"input": texts})
    return len(texts) / (time.perf_counter() - begin)


def editing_speed(server: LlamaServer) -> float:
    """Of the editing task. A piece may hold several draft tokens, so the server's own count is taken."""
    messages = [{"role": "user", "content": workload.EDITING}]
    prompt = server.call("/apply-template", {"messages": messages})["prompt"]
    params = completion(prompt, workload.EDITED_TOKENS) | {"ignore_eos": False, "cache_prompt": True}
    answer = server.begin("/completion", params)
    server.follow(answer)
    return (answer.tokens - 1) / (answer.arrivals[-1] - answer.arrivals[0])
