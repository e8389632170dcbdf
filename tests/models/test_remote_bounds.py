"""inspectModel of a model on a server reads a limited number of bytes, whatever the server and the file say."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import gguf_files
import pytest
from download_work import REPO
from driver import Refused, Sidecar
from hub import Headed, Hub, Synthetic

pytestmark = pytest.mark.process

TEXT_BYTES = 2_000_000


@dataclass(frozen=True)
class EndlessTexts:
    """A header with a vocabulary of a thousand texts of 2 MB."""

    size: int = 1000 * (TEXT_BYTES + 8) + 64
    sha256: str = "6" * 64

    def read(self, offset: int, count: int) -> memoryview:
        start = gguf_files.header([], [])[:16] + (1).to_bytes(8, "little")
        start += gguf_files.text("texts") + struct.pack("<IIQ", gguf_files.ARRAY, gguf_files.STRING, 1000)
        if offset < len(start):
            return memoryview(start)[offset : offset + count]
        place = (offset - len(start)) % (TEXT_BYTES + 8)
        data = struct.pack("<Q", TEXT_BYTES)[place:] or bytes(TEXT_BYTES + 8 - place)
        return memoryview(data)[:count]


def test_a_remote_header_without_an_end_is_given_up(online: Sidecar, hub: Hub) -> None:
    """Texts that are jumped over, each in another piece of the file."""
    hub.add(REPO, {"Endless-Q4_0.gguf": EndlessTexts()})
    with pytest.raises(Refused) as caught:
        online.call("inspectModel", {"model": f"hf:{REPO}", "endpoint": hub.endpoint})
    assert caught.value.kind == "modelDamaged"
    hub.settle()
    assert 60 << 20 <= hub.sent(f"{REPO}/Endless-Q4_0.gguf") <= 64 << 20


def test_no_more_of_an_answer_is_read_than_was_asked_for(online: Sidecar, hub: Hub, tmp_path: Path) -> None:
    size = 100_000_000
    head = Path(gguf_files.tiny_model(tmp_path / "tiny.gguf")).read_bytes()
    hub.add(REPO, {"Tiny-Q4_1.gguf": Headed(head, size)})
    fault = hub.fault(origin="cdn", longer_by=size, times=None)
    result = online.call("inspectModel", {"model": f"hf:{REPO}", "endpoint": hub.endpoint})
    assert (result["architecture"], result["vocabularySize"]) == ("llama", len(gguf_files.TOKENS))
    assert fault.hits and result["readBytes"] <= 4_000_000
    hub.settle()
    assert hub.sent(f"{REPO}/Tiny-Q4_1.gguf") <= size / 2, "more than what the sockets hold"


def test_a_server_without_ranges_is_reported(online: Sidecar, hub: Hub) -> None:
    url = hub.put("whole.gguf", Synthetic(50_000_000), ranges=False)
    with pytest.raises(Refused) as caught:
        online.call("inspectModel", {"model": url})
    assert (caught.value.kind, caught.value.error["code"]) == ("noRanges", 1064)
    hub.settle()
    assert hub.sent("files/whole.gguf") < 25_000_000
