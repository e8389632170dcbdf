"""Parses with argparse what options.py does not read: commands, requests for help, and mistakes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

import sidecar
from sidecar.cli.common_options import (
    MODEL,
    MODEL_OR_PATH,
    add_directory,
    add_hub,
    add_json,
    count,
    layers,
)
from sidecar.cli.generate.arguments import add_commands_that_generate
from sidecar.options import OPTIONS

DESCRIPTION: Final = """\
A local language model as a child process. It reads JSON-RPC 2.0 requests on stdin, one per line,
and writes responses and the notifications `progress` and `info` to stdout. Logs go to stderr."""

EXAMPLE: Final = """\
from a shell:
  llama-sidecar --finish <<'END'
  {"jsonrpc": "2.0", "id": 1, "method": "loadModel", "params": {"path": "model.gguf"}}
  {"jsonrpc": "2.0", "id": 2, "method": "createContext", "params": {"modelId": "model-1"}}
  {"jsonrpc": "2.0", "id": 3, "method": "chat", "params": {"contextId": "context-1",
   "messages": [{"role": "user", "content": "Hello!"}]}}
  END
(each request must be on one line)
`llama-sidecar --print-schema` describes every method.
`llama-sidecar demo --model FILE` shows a conversation with all its messages.
`llama-sidecar COMMAND --help` shows the options of a command."""

RPC_WORKER: Final = """\
The app on the other machine names this one in `init`: {"rpcServers": ["192.168.1.20:50052"]}. Both machines
should run the same release. One engine at a time can use it. It ends on Ctrl-C or at the end of a piped stdin.

The protocol has no authentication and no encryption. Listen only on an address that
only trusted machines can reach. The default address can be reached from this machine only."""


class _HelpAsked(Exception):
    """Carries the help text, which is printed later: stdout is given back only after parsing."""


class _Help(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        raise _HelpAsked(parser.format_help())


def _with_help(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("-h", "--help", action=_Help, help="show this help and exit")
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = _with_help(
        argparse.ArgumentParser(prog="llama-sidecar", description=DESCRIPTION, epilog=EXAMPLE, add_help=False)
    )
    add = parser.add_argument
    add(
        "--version",
        dest="command",
        action="store_const",
        const="version",
        help="show the version and exit",
    )
    add(
        "--print-schema",
        dest="command",
        action="store_const",
        const="schema",
        help="print the protocol as an OpenRPC document and exit",
    )
    for name, about in OPTIONS.items():
        add(name, **{"help": argparse.SUPPRESS, **about})
    _add_commands(parser)
    return parser


def _add_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="subcommand", metavar="COMMAND", title="commands")

    def command(name: str, does: str, example: str, description: str = "") -> argparse.ArgumentParser:
        epilog = f"example:\n  llama-sidecar {example}"
        text = f"{does[0].upper()}{does[1:]}.\n\n{description}".rstrip()
        return _with_help(
            commands.add_parser(name, help=does, description=text, epilog=epilog, add_help=False)
        )

    demo = command(
        "demo", "load a model, ask it one question and show every message", "demo --model model.gguf"
    )
    demo.add_argument("--model", required=True, metavar="FILE", help="a GGUF file")
    demo.add_argument("--prompt", default="Why is the sky blue?", help="the question (%(default)s)")

    _add_commands_for_files(command)
    _add_commands_that_inspect(command)
    add_commands_that_generate(command)
    doctor = command(
        "doctor", "check whether everything works on this machine, and what to do if not", "doctor"
    )
    add_directory(doctor)
    doctor.add_argument("--endpoint", metavar="URL", help="the hub or a mirror (HF_ENDPOINT)")
    add_json(doctor)
    _add_rpc_worker(
        command(
            "rpc-worker",
            "let engines on other machines use the GPUs of this machine, or its CPU",
            "rpc-worker --host 192.168.1.20",
            RPC_WORKER,
        )
    )


def _add_commands_for_files(command: Callable[..., argparse.ArgumentParser]) -> None:
    pull = command(
        "pull",
        "download and verify a model; continues where an earlier attempt stopped",
        "pull bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M",
        f"{MODEL}The path of the model is printed to stdout, everything else to stderr.",
    )
    pull.add_argument("model", metavar="MODEL", help="model to download")
    add_hub(pull)
    add_directory(pull)
    pull.add_argument(
        "--projector", action="store_true", help="also download the multimodal projector (mmproj)"
    )
    pull.add_argument("--force", action="store_true", help="download again, even if the model is here")
    add_json(pull)

    listing = command("list", "show the models on this disk", "list")
    add_directory(listing)
    add_json(listing)

    remove = command(
        "rm",
        "delete a model or an unfinished download, without asking",
        "rm bartowski/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct-Q4_K_M.gguf",
    )
    remove.add_argument("path", metavar="PATH", help="path of the model, or its name as shown by `list`")
    add_directory(remove)


def _add_commands_that_inspect(command: Callable[..., argparse.ArgumentParser]) -> None:
    inspect = command(
        "inspect",
        "show a model's header, also without downloading the model",
        "inspect bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M",
        MODEL_OR_PATH,
    )
    estimate = command(
        "estimate",
        "show how much memory a model needs and whether it runs on this machine, also without downloading it",
        "estimate Qwen/Qwen2.5-7B-Instruct-GGUF:Q4_K_M --context-size 16384 --kv-cache-type q8_0",
        MODEL_OR_PATH,
    )
    for either in (inspect, estimate):
        either.add_argument(
            "model", metavar="PATH-or-MODEL", help="a file on this disk, or a model on the hub"
        )
        add_hub(either)
    _add_plan(estimate)
    for each in (inspect, estimate):
        add_json(each)


def _add_plan(estimate: argparse.ArgumentParser) -> None:
    add = estimate.add_argument
    add("--context-size", type=count, metavar="N", help="tokens per sequence (trained length, at most 4096)")
    add("--sequences", type=count, metavar="N", help="requests that can run at the same time (1)")
    add(
        "--kv-cache-type",
        metavar="TYPE",
        help="number format of the KV cache: f16, q8_0, q4_0 and more (f16)",
    )
    add("--gpu-layers", type=layers, metavar="N", help="layers to place on the GPU (auto: as many as fit)")


def _add_rpc_worker(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", metavar="ADDRESS", default="127.0.0.1", help="IPv4 address to listen on (%(default)s)")
    add("--port", type=_port, metavar="N", default=50052, help="port to listen on (%(default)s)")
    add("--threads", type=count, metavar="N", help="compute threads (one per processor, at most 16)")


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: a number from 1 to 65535")
    return int(text)


def _take_words(parser: argparse.ArgumentParser, options: argparse.Namespace, words: list[str]) -> None:
    """Words after an option belong to the argument that takes the rest, which argparse has closed at the option."""
    name = getattr(options, "rest", None)
    several = isinstance(getattr(options, name, None), list) if name else False
    room = len(words) if several else 1 if name and getattr(options, name) is None else 0
    if len(words) > room or any(word.startswith("-") for word in words):
        parser.error(f"unrecognized arguments: {' '.join(words)}")
    if name and words:
        setattr(options, name, [*getattr(options, name), *words] if several else words[0])


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line; `options.command` is the command's name or None. Exits with status 2 if it is wrong."""
    parser = _parser()
    try:
        options, words = parser.parse_known_args(arguments)
    except _HelpAsked as asked:
        return argparse.Namespace(command="help", text=str(asked))
    _take_words(parser, options, words)
    options.command = options.command or options.subcommand
    options.text = f"llama-sidecar {sidecar.__version__}\n"
    return options
