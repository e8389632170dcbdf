"""What the commands print: figures, the progress bar, safe text, tables that fit."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli.shown import figures
from sidecar.cli.shown.bar import ProgressBar, bar_line, log_line
from sidecar.cli.shown.table import Column, table
from sidecar.cli.shown.terminal import FINE, PLAIN, cells, marks, printable, shorten

EXAMPLES = Path(__file__).resolve().parents[3] / "schema" / "examples"
PROGRESS = sorted((EXAMPLES / "DownloadProgress").glob("*.json")) + sorted(
    (EXAMPLES / "VerifyProgress").glob("*.json")
)


def example(type_name: str, name: str) -> Any:
    return json.loads((EXAMPLES / type_name / f"{name}.json").read_text(encoding="utf-8"))


def progress(fraction: float, total: int = 1_000_000_000, **members: Any) -> dict[str, Any]:
    done = {"downloadedBytes": int(total * fraction), "totalBytes": total, "progress": fraction}
    return {**example("DownloadProgress", "resumed"), **done, **members}


class Screen(io.StringIO):
    """A terminal with one row: keeps its text, and fails if a line would wrap."""

    def __init__(self, columns: int, encoding: str = "utf-8") -> None:
        super().__init__()
        self.columns = columns
        self._encoding = encoding
        self.rows: list[str] = [""]
        self._cursor = 0

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for character in text.encode(self._encoding, "replace").decode(self._encoding):
            if character == "\n":
                self.rows.append("")
                self._cursor = 0
            elif character == "\r":
                self._cursor = 0
            else:
                row = self.rows[-1].ljust(self._cursor)
                self.rows[-1] = row[: self._cursor] + character + row[self._cursor + 1 :]
                self._cursor += cells(character)
                assert self._cursor < self.columns, "the last column wraps"
        return len(text)


# ---- figures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (65_536, "65.5 kB"), (999_499, "999 kB"),
        (999_500, "1.00 MB"), (9_995_000, "10.0 MB"), (99_950_000, "100 MB"), (105_454_432, "105 MB"),
        (999_500_000, "1.00 GB"), (1_258_291_200, "1.26 GB"), (4_683_073_632, "4.68 GB"),
        (1_500_000_000_000, "1.50 TB"), (5 * 10**18, "5000 PB"),
    ],
)  # fmt: skip
def test_sizes_have_three_digits_and_decimal_units(count: int, text: str) -> None:
    assert figures.size(count) == text


def test_bytes_of_bytes_keep_their_width() -> None:
    texts = {figures.share(done * 10_000_000, 2_489_757_856) for done in range(249)}
    assert {len(text) for text in texts} == {len("0.00 of 2.49 GB")}
    assert figures.share(0, 105_454_432) == "  0 of 105 MB"
    assert figures.share(65_536, None) == "65.5 kB"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.1, "1 s"), (59, "59 s"), (59.5, "1 min 00 s"), (125, "2 min 05 s"), (3600, "1 h 00 min"),
     (4321, "1 h 12 min"), (400_000, "4 days")],
)  # fmt: skip
def test_times_to_wait(seconds: float, text: str) -> None:
    assert figures.duration(seconds) == text


@pytest.mark.parametrize(
    ("past_s", "text"),
    [(-5, "just now"), (59, "just now"), (60, "1 min ago"), (7200, "2 h ago"), (3 * 86400, "3 days ago")],
)
def test_moments_of_the_past(past_s: float, text: str) -> None:
    assert figures.ago(1e12, 1e9 + past_s) == text


def test_long_ago_is_a_date_and_never_is_never() -> None:
    assert re.fullmatch(r"2001-09-\d\d", figures.ago(1e12, 1e9 + 100 * 86400))
    assert figures.ago(None) == "never"


def test_numbers_of_weights_are_those_of_model_names() -> None:
    assert [figures.weights(n) for n in (460, 134_515_008, 7_615_616_512)] == ["460", "135 M", "7.62 B"]


# ---- the bar -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PROGRESS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_progress_fits_every_width(path: Path) -> None:
    params = json.loads(path.read_text(encoding="utf-8"))
    for signs in (FINE, PLAIN):
        lines = [bar_line(params, columns, signs) for columns in range(9, 200)]
        assert all(cells(line) <= columns for columns, line in enumerate(lines, 9))
        assert params["file"] in lines[-1]
    assert log_line(params).startswith(("Fetching ", "Checking "))


def test_a_wide_line_shows_everything_and_a_narrow_one_the_most_important() -> None:
    params = example("DownloadProgress", "second-of-two")
    wide = bar_line(params, 150, PLAIN)
    for part in (
        "Fetching",
        params["file"],
        "file 2 of 2",
        "#-",
        "91 %",
        "4.26 of 4.68 GB",
        "24.1 MB/s",
        "18 s left",
    ):
        assert part in wide
    assert bar_line(params, 19, PLAIN) == " 91 %  18 s left"


def test_a_hundred_percent_is_shown_at_the_end_only() -> None:
    assert " 99 %" in bar_line(progress(0.99999), 79, FINE)
    assert "100 %" in bar_line(progress(1.0), 79, FINE)


@pytest.mark.parametrize("columns", [20, 40, 80, 132])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_one_line_is_redrawn_and_leaves_nothing_behind(
    columns: int, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    screen = Screen(columns, encoding)
    bar = ProgressBar(screen)
    bar.wait("Looking for hf:owner/a-repository-with-a-long-name:Q4_K_M")
    for step in range(101):
        bar.notified("progress", progress(step / 100, etaMs=(100 - step) * 3000.0, file="mödel.gguf"))
        assert f"{step:3d} %" in screen.rows[0]
    bar.notified("progress", example("VerifyProgress", "half"))
    assert " 50 %" in screen.rows[0]
    bar.clear()
    assert len(screen.rows) == 1 and screen.rows[0].strip() == ""
    bar.clear()
    assert screen.getvalue() == ""


def test_a_warning_has_its_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    screen = Screen(80)
    bar = ProgressBar(screen)
    bar.notified("progress", progress(0.5))
    bar.notified("info", {"level": "warning", "message": "The server asks to wait."})
    bar.notified("info", {"level": "info", "message": "The engine is ready."})
    bar.notified("progress", progress(0.6))
    assert screen.rows[0].rstrip() == "The server asks to wait."
    assert " 60 %" in screen.rows[1]


def test_a_log_gets_a_line_every_tenth_and_every_few_seconds() -> None:
    now = 0.0
    log = io.StringIO()
    bar = ProgressBar(log, clock=lambda: now)
    for step in range(1001):
        now += 0.01
        bar.notified("progress", progress(step / 1000))
    lines = log.getvalue().splitlines()
    assert [int(re.search(r"(\d+) %", line)[1]) for line in lines] == list(range(0, 101, 10))  # type: ignore[index]
    now += 9
    bar.notified("progress", progress(1.0))
    assert len(log.getvalue().splitlines()) == len(lines)
    now += 2
    bar.notified("progress", progress(1.0))
    assert len(log.getvalue().splitlines()) == len(lines) + 1
    bar.clear()
    assert "\r" not in log.getvalue() and "\x1b" not in log.getvalue()


def test_only_characters_of_the_console_are_used() -> None:
    assert marks(Screen(80, "utf-8")) is FINE
    assert marks(Screen(80, "cp1252")) is PLAIN
    assert marks(Screen(80, "cp437")) is PLAIN


# ---- text and tables -----------------------------------------------------------------------------------


def test_text_from_files_cannot_control_the_terminal() -> None:
    assert printable("a\x1b[2Jb\rc\u202ed\ne") == "a?[2Jb?c?d?e"
    assert printable("mödel 模型") == "mödel 模型"


def test_a_long_text_loses_its_middle() -> None:
    assert shorten("SmolLM2-135M-Instruct-Q4_K_M.gguf", 18, "…") == "SmolL…-Q4_K_M.gguf"
    for limit in range(30):
        for text in ("模型模型模型模型模型.gguf", "plain-name-of-a-file.gguf"):
            assert cells(shorten(text, limit, "...")) <= max(limit, 0)


COLUMNS = [Column("model"), Column("size", 1, right=True), Column("context", 3), Column("last used", 6)]
ROWS = [
    ["owner/repository/a-file-with-a-long-name-Q4_K_M.gguf", "105 MB", "8192", "never"],
    ["模型", "4.68 GB", "?", "?"],
]


def test_a_table_fits_and_keeps_the_most_important_columns() -> None:
    for limit in range(9, 120):
        assert all(cells(line) <= limit for line in table(COLUMNS, ROWS, limit, "…"))
    heads = {limit: table(COLUMNS, ROWS, limit, "…")[0].split() for limit in (9, 45, 55, 100)}
    assert heads == {
        9: ["model"],
        45: ["model", "size"],
        55: ["model", "size", "context"],
        100: ["model", "size", "context", "last", "used"],
    }
    assert ROWS[0][0] in table(COLUMNS, ROWS, None, "…")[1]


def test_figures_are_aligned_right() -> None:
    lines = table([Column("a"), Column("size", 1, right=True)], [["x", "1 B"], ["模", "105 MB"]], 79, "…")
    assert lines == ["a     size", "x      1 B", "模  105 MB"]
