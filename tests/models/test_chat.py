"""`chat` at a terminal, with made models: what is typed, what is shown, what Ctrl-C does, what is remembered."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import gguf_files
import pytest
from download_work import REPO
from hub import Hub
from person import Person
from terminal import Terminal
from wine_8 import IN_WINE

pytestmark = pytest.mark.process

TURNS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<you>{% endif %}"
THINKS = TURNS.replace("<you>", "<you><think>\n") + "{# </think> #}"
ASKS, TAKES = r"\x1b\[\?2004h", r"\x1b\[\?2004l"
"""What the terminal is told when a line may be typed, and when Enter was pressed (bracketed paste)."""

UP = "\x1b[A" if sys.platform != "win32" else "\x10"
"""The arrow, or Ctrl-P: Wine 8's console promises escape sequences for such keys (SetConsoleMode), and gives none."""

SHORT = ("--max-tokens", "40")
DIM, NOT_DIM = "\x1b[2m", "\x1b[22m"
DIMS = sys.platform != "win32"
"""Whether thoughts are dimmed. Older consoles of Windows would show the codes, so they stand between words there."""


@pytest.fixture
def says(tmp_path: Path) -> str:
    """A model that says characters without an end."""
    return gguf_files.ascii_model(tmp_path / "says.gguf", template=TURNS)


@pytest.fixture
def thinks(tmp_path: Path) -> str:
    """The same, and begins with thoughts."""
    return gguf_files.ascii_model(tmp_path / "thinks.gguf", template=THINKS)


def begin(person: Person, *arguments: str, columns: int = 200, **environment: str) -> Terminal:
    """Begin a chat, and wait for its prompt."""
    settings = {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", **environment}
    terminal = person.at_terminal(columns, "chat", *arguments, **settings)
    terminal.wait_for(ASKS)
    return terminal


def say(terminal: Terminal, text: str) -> str:
    """Type a line; returns what is shown until the next prompt."""
    terminal.type(f"{text}\r")
    before = terminal.wait_for(TAKES)
    after = terminal.wait_for(ASKS)
    return after[len(before) :].removesuffix("\x1b[?2004h").lstrip("\r")


def test_ctrl_c_stops_the_answer_and_not_the_program(person: Person, says: str) -> None:
    terminal = begin(person, says)
    terminal.type("tell me\r")
    terminal.wait_for(TAKES + r".*\w\w\w")  # the answer, which would never end
    terminal.press_ctrl_c()
    terminal.wait_for(r"\(stopped\)")
    terminal.wait_for(ASKS)
    assert re.match(r"\([1-9]\d* of 4096 tokens\)", say(terminal, "/tokens"))
    terminal.press_ctrl_c()
    terminal.wait_for(re.escape("(/exit or Ctrl-D ends the chat)"))
    terminal.wait_for(ASKS)
    terminal.type("\x04")
    assert terminal.end() == 0


def test_what_was_typed_comes_back_in_the_next_chat(person: Person, says: str) -> None:
    first = begin(person, says, *SHORT)
    say(first, "Größe 模型?")
    first.type("/exit\r")
    assert first.end() == 0
    (file,) = person.directory.parent.glob("*.jsonl")
    if sys.platform != "win32":  # where each user has a folder of their own for it
        assert file.stat().st_mode & 0o777 == 0o600
    second = begin(person, says, *SHORT)
    second.type(UP + UP)  # the last was /exit
    if not IN_WINE:  # it does not draw again what it takes for unchanged
        second.wait_for("Größe 模型[?]")
    assert "max-tokens ended the answer" in say(second, "")
    second.type("/exit\r")
    assert second.end() == 0
    typed = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert typed == ["Größe 模型?", "/exit"] * 2


@pytest.mark.parametrize("no_color", ["", "1"])
def test_thoughts_are_dimmed_or_stand_between_words(person: Person, thinks: str, no_color: str) -> None:
    budget = '{"reasoning": {"budgetTokens": 5}, "temperature": 0}'  # a "<" at its end would begin a sixth
    terminal = begin(person, thinks, *SHORT, "--params", budget, NO_COLOR=no_color)
    shown = say(terminal, "hi").replace("\r\n", "\n")
    if no_color or not DIMS:
        assert re.match(r"\(thoughts\)\n.{1,5}\n\(end of the thoughts\)\n\n.{20,}", shown), shown
        assert DIM not in terminal.text
    else:
        assert re.match(rf"{re.escape(DIM)}.{{1,5}}{re.escape(NOT_DIM)}\n\n.{{20,}}", shown), shown
    terminal.type("/bye\r")
    assert terminal.end() == 0


def test_the_commands(person: Person, says: str, tmp_path: Path) -> None:
    notes, saved = tmp_path / "notes.txt", tmp_path / "saved.json"
    notes.write_text("remember the milk", encoding="utf-8")
    terminal = begin(person, says, *SHORT, "--system", "Be brief.")
    assert "nothing was asked yet." in say(terminal, "/regenerate")
    assert "17 B, goes with your next message" in say(terminal, f"/read {notes}")
    say(terminal, "//what is this?")
    say(terminal, "/regenerate")
    assert "Be brief." in say(terminal, "/system")
    say(terminal, "/system Be long.")
    assert "(2 messages in " in say(terminal, f"/save {saved}")
    kept = json.loads(saved.read_text(encoding="utf-8"))
    question, answer = kept["messages"]
    assert (kept["version"], kept["system"]) == (1, "Be long.")  # as the npm client's chatSession saves it
    assert question == {"role": "user", "content": "remember the milk\n\n/what is this?"}
    assert answer["role"] == "assistant" and len(answer["content"]) == 40
    assert "(a new conversation)" in say(terminal, "/clear")
    say(terminal, "/system none")
    assert say(terminal, "/tokens").startswith("(0 of 4096 tokens)")
    assert "(2 messages, " in say(terminal, f"/load {saved}")
    assert "Be long." in say(terminal, "/system")
    for wrong, said in (
        ("/nonsense", "there is no command /nonsense"),
        ("/save", "/save needs FILE"),
        ("/clear all", "/clear takes nothing"),
        (f"/save {notes}", "is not a conversation"),
        (f"/load {notes}", "is not a conversation"),
        ("/load missing.json", "cannot be read"),
        ("/model missing.gguf", "there is no file"),
    ):
        assert said in " ".join(say(terminal, wrong).split())
    assert notes.read_text(encoding="utf-8") == "remember the milk"
    terminal.type("/quit\r")
    assert terminal.end() == 0


def test_it_takes_the_model_used_last_and_goes_on_with_another(
    person: Person, hub: Hub, says: str, thinks: str
) -> None:
    for name, path in (("one", says), ("two", thinks)):
        hub.add(f"owner/{name}", {f"{name}.gguf": Path(path).read_bytes()})
        assert person.run("pull", f"owner/{name}").returncode == 0
    assert person.run("chat", "owner/one", "--prompt", "hi", *SHORT).returncode == 0
    terminal = begin(person, *SHORT)
    listed = say(terminal, "/model")
    assert re.search(r"\* 1 .+one\.gguf\s+2 .+two\.gguf", listed), listed
    assert "Tiny, 4096 tokens of context" in say(terminal, "/model 2")
    assert (DIM if DIMS else "(thoughts)") in say(terminal, "hi")
    assert re.search(r"\* \d .+two\.gguf", say(terminal, "/model"))
    terminal.type("/exit\r")
    assert terminal.end() == 0


def test_without_a_model_it_says_what_to_do(person: Person) -> None:
    terminal = person.at_terminal(80, "chat")
    assert terminal.end() == 1
    assert "llama-sidecar chat owner/repo" in " ".join(terminal.shown())


@pytest.mark.skipif(IN_WINE, reason="Wine 8 counts escape sequences as characters of a row (WriteConsoleW)")
def test_a_narrow_window_shows_whole_lines(person: Person, says: str) -> None:
    terminal = begin(person, says, *SHORT, columns=30)
    helped = say(terminal, "/help").splitlines()
    assert len(helped) > 10 and max(map(len, helped)) < 30
    assert "/regenerate" in "".join(helped)
    terminal.type("/exit\r")
    assert terminal.end() == 0


def test_a_model_is_pulled_and_ctrl_c_keeps_its_bytes(person: Person, hub: Hub) -> None:
    hub.add(REPO, {"Model-Q4_K_M.gguf": bytes(6_000_000)})
    hub.fault(f"{REPO}/Model-Q4_K_M.gguf", origin="cdn", stall_after=300_000, times=None)
    terminal = person.at_terminal(80, "chat", REPO)
    terminal.wait_for(r"[1-9]\d* %")
    terminal.press_ctrl_c()
    assert terminal.end() == 130
    assert "Stopped. " in terminal.text
