"""Where the layers of a model go, what fits, and what the estimate says: arithmetic on made-up machines."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import gguf_files as files
import jsonschema
import pytest
from made_models import ENDS, MADE, NORMS, OUTPUT, WIDTH, attention, blocks, feed_forward, numbers

from sidecar.hardware import machine
from sidecar.hardware.machine import Machine
from sidecar.models.gguf import reader
from sidecar.models.gguf.header import Header, Tensor, join
from sidecar.models.memory_estimate import estimate

TYPES = json.loads((Path(__file__).parents[2] / "schema" / "types.json").read_text(encoding="utf-8"))
GIB = 2**30
LAYERS = 20


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> Header:
    """A plain model of LAYERS layers."""
    return made(tmp_path_factory.mktemp("plain") / "plain.gguf")


def made(path: Path, architecture: str = "llama", **changed: int | list[int]) -> Header:
    """A model of LAYERS layers with four key/value heads of 64; lists have one number per layer."""
    usual = {"block_count": LAYERS, "feed_forward_length": 1536, "attention__head_count": 8}
    usual |= {"attention__head_count_kv": 4}
    plain = {key: value for key, value in changed.items() if isinstance(value, int)}
    metadata = numbers(architecture, **{**usual, **plain})
    for key, value in changed.items():
        if isinstance(value, list):
            name = f"{architecture}.{key.replace('__', '.')}"
            metadata[name] = (files.ARRAY, (files.INT32, value))
    layer = NORMS | attention(WIDTH, 256) | feed_forward(1536)
    return reader.read_header(files.hollow_model(path, metadata, ENDS | OUTPUT | blocks(LAYERS, layer)))


def here(free: int = 64 * GIB, *gpus: int) -> Machine:
    """A machine with this much free memory, and this much on each of its GPUs."""
    devices = [
        {"name": f"GPU{index}", "type": "gpu", "backend": "x", "memoryFreeBytes": room}
        for index, room in enumerate(gpus)
    ]
    return Machine(free, devices)


def cache(header: Header, **params: Any) -> int:
    """Bytes of the caches."""
    asked = {"contextSize": 1024, **params}
    size: int = estimate.estimate(header, asked, here())["kvCacheBytes"]
    return size


# ---- caches -------------------------------------------------------------------------------------------


def test_a_cache_holds_keys_and_values_of_every_layer_and_sequence(header: Header) -> None:
    assert cache(header) == 1024 * LAYERS * 2 * 256 * 2
    assert cache(header, sequences=4) == 4 * cache(header)
    assert cache(header, kvCacheType="q8_0") == 1024 * LAYERS * 2 * 256 // 32 * 34
    assert cache(header, kvCacheType="q4_0") == 1024 * LAYERS * 2 * 256 // 32 * 18


def test_sequences_are_rounded_up(header: Header) -> None:
    assert cache(header, contextSize=1) == cache(header, contextSize=256)
    assert cache(header, contextSize=257) == cache(header, contextSize=512)


def test_heads_may_differ_by_layer(tmp_path: Path) -> None:
    heads = [4, 0, 2, 1] * (LAYERS // 4)
    varied = made(tmp_path / "varied.gguf", attention__head_count_kv=heads)
    assert cache(varied) == 1024 * sum(heads) * 2 * 64 * 2
    widest = 1024 * (sum(heads) * 64 + LAYERS * 4 * 64) * 2
    assert cache(varied, flashAttention=False) == widest, "values by columns are all as wide as the widest"


def test_layers_with_a_window_hold_the_window_and_a_batch(tmp_path: Path) -> None:
    narrow = made(
        tmp_path / "narrow.gguf", "gemma4", attention__sliding_window=128, attention__key_length_swa=16,
        attention__value_length_swa=16, attention__sliding_window_pattern=[1, 1, 1, 1, 0] * 4,
    )  # fmt: skip
    per_token = 2 * 2 * 4
    assert cache(narrow, swaFull=True) == 1024 * per_token * (16 * 16 + 4 * 64)
    assert cache(narrow) == per_token * (768 * 16 * 16 + 1024 * 4 * 64)  # 128 + 512, rounded up
    assert cache(narrow, batchSize=32) == per_token * (256 * 16 * 16 + 1024 * 4 * 64)


@pytest.mark.parametrize(
    ("architecture", "full"),
    [("gemma3", LAYERS // 6), ("gpt-oss", LAYERS // 2), ("llama", LAYERS), ("smallthinker", 5)],
)
def test_which_layers_have_a_window(tmp_path: Path, architecture: str, full: int) -> None:
    """Every nth layer holds all; a llama's header may name a window that its layers do not use."""
    windowed = made(tmp_path / "windowed.gguf", architecture, attention__sliding_window=128)
    assert cache(windowed) == 2 * 256 * 2 * (768 * (LAYERS - full) + 1024 * full)


def test_layers_may_share_the_caches_of_others(tmp_path: Path) -> None:
    shared = made(tmp_path / "shared.gguf", "gemma4", attention__shared_kv_layers=5)
    assert cache(shared) == 1024 * (LAYERS - 5) * 2 * 256 * 2


def test_layers_that_make_draft_tokens_are_not_loaded(header: Header, tmp_path: Path) -> None:
    ahead = made(tmp_path / "ahead.gguf", nextn_predict_layers=1)
    assert cache(ahead) == cache(header) * (LAYERS - 1) // LAYERS
    weights = [estimate.estimate(each, {}, here())["weightsBytes"] for each in (ahead, header)]
    assert weights[0] < weights[1]


def test_a_recurrent_state_does_not_grow_with_the_context(tmp_path: Path) -> None:
    recurrent = reader.read_header(MADE["recurrent"](tmp_path / "recurrent.gguf"))
    assert cache(recurrent) == cache(recurrent, contextSize=8192) == 6 * 1024 * (3 + 16) * 4
    assert cache(recurrent, sequences=3) == 3 * cache(recurrent)


# ---- devices ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [0, 1, 7, LAYERS, LAYERS + 1, 999])
@pytest.mark.parametrize("gpus", [(8 * GIB,), (8 * GIB, 4 * GIB)])
def test_layers_go_to_the_gpus_from_the_last_one_on(
    header: Header, layers: int, gpus: tuple[int, ...]
) -> None:
    estimated = estimate.estimate(header, {"gpuLayers": layers}, here(64 * GIB, *gpus))
    cpu, *others = estimated["devices"]
    placed = min(layers, LAYERS + 1)
    assert estimated["gpuLayers"] == placed
    assert cpu["layers"] == LAYERS - max(0, placed - 1), "the first to go is the output"
    assert sum(device["layers"] for device in others) == max(0, placed - 1)
    nowhere = estimate.estimate(header, {"gpuLayers": 0}, here())
    assert estimated["kvCacheBytes"] == nowhere["kvCacheBytes"]
    assert estimated["weightsBytes"] == pytest.approx(nowhere["weightsBytes"], rel=0.01)
    if len(gpus) == 2 and placed > LAYERS:
        assert others[0]["layers"] == pytest.approx(2 * others[1]["layers"], abs=2), "by their free memory"


def test_embeddings_that_are_the_output_too_are_on_both(tmp_path: Path) -> None:
    tied = reader.read_header(MADE["hybrid"](tmp_path / "tied.gguf"))
    cpu, gpu = estimate.estimate(tied, {"gpuLayers": 999}, here(GIB, GIB))["devices"]
    embeddings = WIDTH * len(files.TOKENS) * 2
    assert cpu["weightsBytes"] == pytest.approx(embeddings, rel=0.01)
    assert gpu["weightsBytes"] > embeddings


def test_auto_takes_as_many_layers_as_fit(header: Header) -> None:
    whole = estimate.estimate(header, {"gpuLayers": LAYERS + 1}, here(GIB, GIB))["devices"][1]["totalBytes"]
    found = []
    for share in (0, 0.3, 0.6, 0.9, 1.2):
        gpu = here(64 * GIB, int(whole * share))
        estimated = estimate.estimate(header, {}, gpu)
        found.append(estimated["gpuLayers"])
        assert estimated["devices"][1]["totalBytes"] <= estimate.FULL * whole * share
        if found[-1] <= LAYERS:
            more = estimate.estimate(header, {"gpuLayers": found[-1] + 1}, gpu)["devices"][1]
            assert more["totalBytes"] > estimate.FULL * whole * share
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0, LAYERS + 1)
    assert 0 < found[1] < found[2] <= LAYERS


def test_a_cpu_makes_copies_of_what_it_can_multiply_faster(header: Header) -> None:
    plain, amx = (
        estimate.estimate(header, {}, Machine(64 * GIB, (), frozenset(features)))["weightsBytes"]
        for features in ([], ["AMX_INT8", "REPACK"])
    )
    assert amx == pytest.approx(2 * plain, rel=0.05), "all its matrices are of F16"


# ---- what fits ----------------------------------------------------------------------------------------


def test_the_largest_context_fits_and_the_next_does_not(header: Header) -> None:
    least = estimate.estimate(header, {"contextSize": 256}, here())["totalBytes"]
    for free in (least * 11 // 10, least * 13 // 10):
        largest = estimate.estimate(header, {}, here(free))["largestContextSize"]
        assert 256 < largest < 8192
        assert largest % 256 == 0
        runs = [
            estimate.estimate(header, {"contextSize": size}, here(free))["runs"]
            for size in (largest, largest + 256)
        ]
        assert (runs[0] != "no", runs[1]) == (True, "no")
    assert estimate.estimate(header, {}, here())["largestContextSize"] == 8192, "as it was trained"
    assert estimate.estimate(header, {}, here(least // 2))["largestContextSize"] == 0


def test_the_estimate_says_whether_it_runs_and_why(header: Header) -> None:
    needed = estimate.estimate(header, {}, here())["totalBytes"]
    estimates = [estimate.estimate(header, {}, here(int(needed * share))) for share in (2, 1.05, 0.99, 0.1)]
    assert [each["runs"] for each in estimates] == ["yes", "tight", "no", "no"]
    assert "tokens of context it would fit" in estimates[2]["why"]
    assert "would fit" not in estimates[3]["why"]
    gpu = estimate.estimate(header, {"gpuLayers": 99}, here(64 * GIB, needed // 2))
    assert gpu["runs"] == "no"
    assert "GPU0" in gpu["why"]


def test_a_model_that_is_loaded_already_needs_only_its_context(header: Header) -> None:
    planner = estimate.Planner(header, {"contextSize": 512}, here(), loaded=True)
    estimated = estimate.estimate(header, {"contextSize": 512}, here())
    (cpu,) = planner.plan(512, 0)
    assert cpu.needed == estimated["kvCacheBytes"] + estimated["computeBytes"]


def test_parts_of_a_split_model_count_together(tmp_path: Path, header: Header) -> None:
    end = len(header.tensors) // 2
    first = Header(3, header.metadata, header.arrays, header.tensors[:end], 0, 10)
    start = header.tensors[end].offset
    moved = [
        Tensor(t.name, t.shape, t.weights, t.type_name, t.offset - start, t.size)
        for t in header.tensors[end:]
    ]
    second = Header(3, {}, {}, moved, 0, 10)
    joined = join([first, second])
    assert estimate.estimate(joined, {}, here()) == estimate.estimate(header, {}, here())


@pytest.mark.parametrize("name", MADE)
def test_results_are_as_the_schema_says(tmp_path: Path, name: str) -> None:
    read = reader.read_header(MADE[name](tmp_path / "model.gguf"))
    estimated = estimate.estimate(read, {"sequences": 3}, here(GIB, GIB))
    schema = {"$ref": "#/definitions/EstimateModelResult", "definitions": TYPES["definitions"]}
    jsonschema.Draft7Validator(schema).validate(
        {"path": None, "source": None, "projectorPath": None, **estimated}
    )


def test_an_estimate_of_a_little_known_architecture_is_called_rough(tmp_path: Path) -> None:
    assert "rough" in estimate.estimate(made(tmp_path / "x.gguf", "deepseek4"), {}, here())["why"]
    nothing = files.header([], [])
    empty = reader.parse(io.BytesIO(nothing), len(nothing), "empty.gguf")
    assert "rough" in estimate.estimate(empty, {}, here())["why"]


def test_headers_with_nonsense_are_accepted(tmp_path: Path) -> None:
    chance = random.Random(7)
    nonsense: list[Any] = [0, -1, 2**63, 1.5, "many", True, [], [1, "x"], {"type": "int32", "length": 5}]
    read = made(tmp_path / "model.gguf", attention__key_length=64, nextn_predict_layers=1)
    read.tensors.append(Tensor(f"blk.{'9' * 5000}.attn_q.weight", (1, 1), 1, "F32", 0, 4))
    for number in range(300):
        metadata = dict(read.metadata)
        for key in chance.sample([key for key in metadata if key != "general.architecture"], 3):
            metadata[key] = chance.choice(nonsense)
        header = Header(3, metadata, read.arrays, read.tensors, 0, 0)
        json.dumps(estimate.estimate(header, {"mtp": number % 2 == 1}, here(GIB, GIB)))


# ---- the machine --------------------------------------------------------------------------------------


def group(folder: Path, version: int, limit: str, usage: int, reclaimable: int) -> None:
    """The files of a control group."""
    most, now, inactive = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }[version]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / most).write_text(f"{limit}\n")
    (folder / now).write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{inactive} {reclaimable}\n")


def test_a_container_may_have_less_than_the_system(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("0::/outer/inner\n")
    group(tmp_path / "v2" / "outer" / "inner", 2, "max", 700, 0)
    assert machine._cgroup_rooms(membership, tmp_path / "v2") == []
    group(tmp_path / "v2" / "outer", 2, "1000", 700, 100)
    assert machine._cgroup_rooms(membership, tmp_path / "v2") == [400]
    membership.write_text("5:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n")
    group(tmp_path / "v1" / "memory", 1, str(2**63), 1, 0)
    group(tmp_path / "v1" / "memory" / "docker" / "1", 1, "900", 800, 50)
    assert min(machine._cgroup_rooms(membership, tmp_path / "v1")) == 150
    assert machine._cgroup_rooms(tmp_path / "absent", tmp_path) == []


def test_only_the_devices_of_the_backend_in_use_count() -> None:
    devices = [
        {"name": "CPU", "type": "cpu", "backend": "cpu"},
        {"name": "A", "type": "gpu", "backend": "cuda"},
        {"name": "B", "type": "gpu", "backend": "vulkan"},
    ]
    found = Machine.here("cuda", devices, "CPU : AVX2 = 1 | REPACK = 1 | ")
    assert [gpu["name"] for gpu in found.gpus] == ["A"]
    assert {"AVX2", "REPACK"} <= found.features
    assert found.free_bytes > 0
    assert not Machine.here("cpu", devices).gpus
