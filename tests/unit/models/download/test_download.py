"""A download that ends without its file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from sidecar.models.download import journal, partial_file
from sidecar.models.download.connections import Fetch
from sidecar.models.download.download import Download
from sidecar.models.download.wanted import Wanted
from sidecar.models.http.address import Changed
from sidecar.models.store.store import Store

SOURCE = {"url": "https://server/a", "repository": None, "revision": None, "file": None}


def fetch_a_byte(fetch: Any, on_tick: Callable[[], None]) -> None:
    with closing(fetch._part.writer(0)) as writer:
        writer.write(b"x")
        on_tick()
    on_tick()
    raise Changed


def test_a_file_that_changes_on_its_server_leaves_no_journal_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next download replaces the journal, which Windows refuses while it is open.

    What is reported is in the journal: that is kept, also by a kill.
    """
    opened: list[Any] = []

    def open_one(*arguments: Any, **options: Any) -> Any:
        opened.append(open(*arguments, **options))  # noqa: PTH123, SIM115
        return opened[-1]

    monkeypatch.setattr(journal, "open", open_one, raising=False)
    monkeypatch.setattr(partial_file, "NOTE_INTERVAL_S", 1e9)
    monkeypatch.setattr(Fetch, "run", fetch_a_byte)
    for etag in ("one", "two"):
        wanted = Wanted("a.gguf", SOURCE, 1000, None, etag, Mock())  # type: ignore[arg-type]
        report = Mock(waited=False)
        with pytest.raises(Changed):
            Download(Mock(), Store(str(tmp_path)), wanted, report).run(force=False)
        assert [call.args for call in report.downloaded.call_args_list] == [(0,), (1,)]
        assert opened and all(file.closed for file in opened)
