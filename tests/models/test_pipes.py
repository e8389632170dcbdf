"""`chat`, `complete`, `embed` and `rerank` in pipes: stdin and arguments to stdout, the rest to stderr."""

from __future__ import annotations

import json
from pathlib import Path

import gguf_files
import pytest
from download_work import FILE, REPO
from hub import Hub
from person import Person

pytestmark = pytest.mark.process

TURNS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<you>{% endif %}"
THINKS = TURNS.replace("<you>", "<you><think>\n") + "{# </think> #}"
SURE = ("--temperature", "0", "--max-tokens", "12")


@pytest.fixture
def says(tmp_path: Path) -> str:
    return gguf_files.ascii_model(tmp_path / "says.gguf", template=TURNS)


def test_complete_continues_an_argument_or_stdin(person: Person, says: str) -> None:
    shown = person.run("complete", says, *SURE, "Once upon")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert len(shown.stdout) == 13 and shown.stdout.endswith("\n")
    assert person.run("complete", *SURE, says, given="Once upon\n").stdout == shown.stdout
    result = json.loads(person.run("complete", says, "Once upon", "--json", *SURE).stdout)
    assert (result["text"] + "\n", result["finishReason"]) == (shown.stdout, "length")


def test_chat_answers_what_comes_on_stdin_without_its_thoughts(
    person: Person, says: str, tmp_path: Path
) -> None:
    piped = person.run("chat", says, *SURE, "--system", "Be brief.", "--prompt", "Say", given="this")
    asked = person.run("chat", says, *SURE, "--system", "Be brief.", "--prompt", "Say\n\nthis", "--json")
    assert (piped.returncode, piped.stderr) == (0, "")
    assert json.loads(asked.stdout)["message"]["content"] + "\n" == piped.stdout
    thinks = gguf_files.ascii_model(tmp_path / "thinks.gguf", template=THINKS)
    budget = json.dumps({"reasoning": {"budgetTokens": 5}, "maxTokens": 20})
    whole = json.loads(
        person.run("chat", thinks, "--json", "--seed", "1", "--params", budget, given="hi").stdout
    )
    assert whole["message"]["reasoningContent"]
    plain = person.run("chat", thinks, "--seed", "1", "--params", budget, given="hi")
    assert plain.stdout.rstrip("\n") == whole["message"]["content"].rstrip("\n") != ""
    silent = json.loads(person.run("chat", thinks, "--json", "--no-thoughts", *SURE, given="hi").stdout)
    assert "reasoningContent" not in silent["message"]


def test_chat_pulls_its_model_and_finds_it_again(person: Person, hub: Hub, says: str) -> None:
    hub.add(REPO, {FILE: Path(says).read_bytes()})
    first = person.run("chat", REPO, *SURE, given="hi")
    assert first.returncode == 0, first.stderr
    assert f"Fetching {FILE}: 100 %" in first.stderr
    again = person.run("chat", *SURE, given="hi")
    assert (again.stdout, again.stderr) == (first.stdout, "")


def test_embed_prints_a_line_for_each_text(person: Person, tmp_path: Path) -> None:
    model = gguf_files.tiny_bert(tmp_path / "bert.gguf", ranks=False)
    texts = ["a cat", "ein Kätzchen", "模型"]
    piped = person.run("embed", model, given="".join(f"{text}\n" for text in texts))
    vectors = [json.loads(line) for line in piped.stdout.splitlines()]
    assert len(vectors) == 3 and len({len(vector) for vector in vectors}) == 1
    named = person.run("embed", model, "--json", *texts)
    lines = [json.loads(line) for line in named.stdout.splitlines()]
    assert lines == [{"text": text, "embedding": vector} for text, vector in zip(texts, vectors, strict=True)]
    file = tmp_path / "two lines.txt"
    file.write_text("a\r\nb", encoding="utf-8", newline="")
    whole = person.run("embed", model, "--files", str(file))
    assert whole.stdout == person.run("embed", model, "a\r\nb").stdout != ""


def test_more_texts_than_a_request_has(person: Person, tmp_path: Path) -> None:
    model = gguf_files.tiny_bert(tmp_path / "bert.gguf", ranks=False)
    given = "".join(f"{number % 10}\n" for number in range(2060))
    lines = person.run("embed", model, given=given).stdout.splitlines()
    assert len(lines) == 2060
    first, second, last = (json.loads(lines[index]) for index in (0, 1, 2050))
    assert last == pytest.approx(first, abs=1e-3) != pytest.approx(second, abs=1e-3)
    ranked = person.run("rerank", model, "q", given=given)
    assert (ranked.returncode, ranked.stdout) == (1, "")
    assert "more than 2048 documents" in ranked.stderr


def test_rerank_prints_the_best_first(person: Person, tmp_path: Path) -> None:
    model = gguf_files.tiny_bert(tmp_path / "ranks.gguf", ranks=True)
    documents = ["one", "two words", "three"]
    shown = person.run("rerank", model, "what?", *documents)
    rows = [line.split("\t") for line in shown.stdout.splitlines()]
    scores = [float(score) for score, _ in rows]
    assert scores == sorted(scores, reverse=True) and sorted(text for _, text in rows) == sorted(documents)
    best = json.loads(person.run("rerank", model, "what?", "--json", "--top-n", "1", *documents).stdout)
    (result,) = best["results"]
    assert documents[result["index"]] == rows[0][1]
    files = []
    for number, text in enumerate(documents):
        files.append(tmp_path / f"{number}.txt")
        files[-1].write_text(text, encoding="utf-8")
    by_name = person.run("rerank", model, "what?", "--files", *map(str, files)).stdout
    assert by_name.splitlines()[0] == f"{rows[0][0]}\t{files[documents.index(rows[0][1])]}"


@pytest.mark.parametrize(
    ("arguments", "given", "status", "said"),
    [
        (["complete", "SAYS"], "", 1, "there is no text to continue"),
        (["complete", "SAYS", "a", "b"], "", 2, "unrecognized arguments"),
        (["complete", "SAYS", "a", "--params", "[1]"], "", 2, "is not an object"),
        (["complete", "SAYS", "a", "--params", '{"topK": -1}'], "", 2, "--top-k does not fit"),
        (["complete", "missing.gguf", "a"], "", 1, "there is no file"),
        (["chat", "SAYS"], "", 1, "there is no message"),
        (["chat"], "hi", 1, "llama-sidecar chat owner/repo"),
        (["chat", "BARE"], "hi", 1, "`llama-sidecar complete` with a prompt"),
        (["embed", "BERT"], "", 1, "there are no texts"),
        (["embed", "BERT"], "a\n\nb\n", 1, "line 2 of stdin is empty"),
        (["embed", "BERT", "--files", "missing.txt"], "", 1, "missing.txt cannot be read"),
        (["rerank", "BERT", "q", "d"], "", 1, "Use a model that was made for this command"),
        (["rerank", "BERT"], "", 2, "QUERY"),
    ],
)  # fmt: skip
def test_an_error_says_what_to_do(
    person: Person, tmp_path: Path, arguments: list[str], given: str, status: int, said: str
) -> None:
    paths = {name: str(tmp_path / f"{name}.gguf") for name in ("SAYS", "BARE", "BERT")}
    gguf_files.ascii_model(Path(paths["SAYS"]), template=TURNS)
    gguf_files.ascii_model(Path(paths["BARE"]))
    gguf_files.tiny_bert(Path(paths["BERT"]), ranks=False)
    shown = person.run(*[paths.get(word, word) for word in arguments], given=given)
    assert shown.returncode == status
    assert said in " ".join(shown.stderr.split())
    assert "Traceback" not in shown.stderr
    assert shown.stdout == "" or "line 2" in said
