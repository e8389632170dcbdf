"""Damages GGUF files by their structure: each function changes one thing, and says what."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence

from gguf_files import ARRAY, FLOAT32, INT32, SCALARS, STRING, UINT16, UINT32
from gguf_tree import Entry, Row, Tree

EDGES = (0, 1, 2, 3, 7, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
"""Numbers at which types, counts and products break."""

REALS = (0.0, -1.0, 1e-45, 1e38, float("inf"), float("-inf"), float("nan"))
TEXTS = (b"", b"\0", b"\xff\xfe", b"x" * 70_000, b"llama", "é\u202e".encode(), b"%s%n", b" ", b"{{ 1 }}")
VOCABULARIES = (
    b"llama",
    b"gpt2",
    b"bert",
    b"t5",
    b"rwkv",
    b"plamo2",
    b"none",
    b"no_vocab",
    b"gemma4",
    b"replit",
)
PRE = (
    b"default",
    b"llama-bpe",
    b"qwen2",
    b"gpt-4o",
    b"tekken",
    b"deepseek-llm",
    b"bailingmoe",
    b"superbpe",
    b"odd",
)
ARCHITECTURES = (
    b"llama", b"llama4", b"gemma", b"gemma2", b"gemma3", b"gemma3n", b"qwen2", b"qwen2moe", b"qwen3", b"qwen3moe",
    b"qwen2vl", b"qwen3next", b"phi2", b"phi3", b"bert", b"nomic-bert", b"modern-bert", b"t5", b"t5encoder", b"mamba",
    b"mamba2", b"jamba", b"falcon-h1", b"rwkv6", b"rwkv7", b"gpt2", b"gptneox", b"mpt", b"starcoder2", b"deepseek2",
    b"glm4", b"gpt-oss", b"granitehybrid", b"nemotron_h", b"lfm2", b"plamo2", b"minicpm3", b"command-r", b"olmo2",
    b"dream", b"wavtokenizer-dec", b"clip", b"hunyuan-dense", b"cohere2", b"exaone4", b"grok", b"dbrx", b"bitnet",
)  # fmt: skip
TENSOR_TYPES = (*range(42), 255, 2**31, 2**32 - 1)

Damage = Callable[[Tree, random.Random], str]


def damage(tree: Tree, chance: random.Random) -> tuple[bytes, str]:
    """A damaged copy's bytes, and what was done: one to three changes, and sometimes to the bytes."""
    made = copy.deepcopy(tree)
    done = [chance.choice(CHANGES)(made, chance) for _ in range(chance.choice((1, 1, 2, 3)))]
    data = made.data()
    if chance.random() < 0.12:
        data, more = _of_bytes(data, len(data) - len(made.weights), chance)
        done.append(more)
    return data, "; ".join(done)


def _of_bytes(data: bytes, header: int, chance: random.Random) -> tuple[bytes, str]:
    what = chance.choice(("cut in header", "cut in weights", "bits", "more"))
    if what == "cut in header":
        end = chance.randrange(header)
        return data[:end], f"cut at {end}"
    if what == "cut in weights":
        end = chance.randrange(header, len(data) + 1)
        return data[:end], f"cut at {end}"
    if what == "more":
        return data + data, "twice"
    changed = bytearray(data)
    places = [chance.randrange(header) for _ in range(chance.randint(1, 8))]
    for place in places:
        changed[place] ^= 1 << chance.randrange(8)
    return bytes(changed), f"bits at {places}"


# ---- metadata -----------------------------------------------------------------------------------------


def _value(tree: Tree, chance: random.Random) -> str:
    entry = chance.choice(tree.entries)
    if entry.kind == STRING:
        entry.value = chance.choice(TEXTS)
    elif entry.kind == ARRAY:
        return _elements(entry, chance)
    else:
        entry.value = _number(entry.kind, chance)
    return f"{entry.key!r} = {str(entry.value)[:60]}"


def _number(kind: int, chance: random.Random) -> int | float:
    return chance.choice(REALS) if SCALARS[kind] in "fd" else chance.choice((*EDGES, chance.randrange(300)))


def _elements(entry: Entry, chance: random.Random) -> str:
    """Change an array: its length, its order, or some elements."""
    values = entry.value
    what = chance.choice(("fewer", "more", "none", "shuffled", "some", "some", "all"))
    if what == "fewer":
        del values[chance.randrange(len(values) + 1) :]
    elif what == "more":
        values += values[: chance.randint(1, 300)]
    elif what == "none":
        values.clear()
    elif what == "shuffled":
        chance.shuffle(values)
    elif values:
        new = chance.choice(TEXTS) if entry.element == STRING else _number(entry.element, chance)
        places = (
            range(len(values)) if what == "all" else chance.sample(range(len(values)), min(3, len(values)))
        )
        for place in places:
            values[place] = new
        return f"{entry.key!r}: {what} = {str(new)[:40]}"
    return f"{entry.key!r}: {what}"


def _type(tree: Tree, chance: random.Random) -> str:
    """Another type, with a value that fits it, or with the bytes of the old one."""
    entry = chance.choice(tree.entries)
    old, entry.kind = entry.kind, chance.choice((*SCALARS, STRING, ARRAY, 13, 2**31))
    if chance.random() < 0.4 or entry.kind not in (*SCALARS, STRING, ARRAY):
        entry.kept, entry.wrote = True, old
        return f"{entry.key!r}: type {old} is called {entry.kind}"
    if entry.kind == STRING:
        entry.value = chance.choice(TEXTS)
    elif entry.kind == ARRAY:
        entry.element = chance.choice((STRING, FLOAT32, INT32, UINT32))
        count = chance.choice((0, 1, 2, 512, 513, 3000))
        entry.value = [b"a" if entry.element == STRING else 1] * count
    else:
        entry.value = _number(entry.kind, chance)
    return f"{entry.key!r}: type {old} became {entry.kind}"


def _length(tree: Tree, chance: random.Random) -> str:
    """A text or an array that is as long as it is not."""
    entry = chance.choice([each for each in tree.entries if each.kind in (STRING, ARRAY)] or tree.entries)
    entry.claimed = chance.choice(
        (*EDGES, 2**40, len(entry.value) + 1 if entry.kind in (STRING, ARRAY) else 5)
    )
    return f"{entry.key!r} claims {entry.claimed}"


def _entries(tree: Tree, chance: random.Random) -> str:
    """An entry that is missing, twice, under another key, or under a strange one."""
    entry = chance.choice(tree.entries)
    what = chance.choice(("missing", "missing", "twice", "twice otherwise", "exchanged", "renamed"))
    if what == "missing":
        tree.entries.remove(entry)
    elif what == "twice":
        tree.entries.append(copy.deepcopy(entry))
    elif what == "twice otherwise":
        tree.entries.append(Entry(entry.key, UINT32, chance.choice(EDGES)))
    elif what == "exchanged":
        other = chance.choice(tree.entries)
        entry.key, other.key = other.key, entry.key
    else:
        entry.key = chance.choice(TEXTS)
    return f"{entry.key!r:.60}: {what}"


def _known(tree: Tree, chance: random.Random) -> str:
    """What decides how all the rest is read."""
    key, values = chance.choice(
        (
            ("general.architecture", ARCHITECTURES),
            ("tokenizer.ggml.model", VOCABULARIES),
            ("tokenizer.ggml.pre", PRE),
        )
    )
    value = chance.choice(values)
    _set(tree, key, STRING, value)
    if key == "general.architecture" and chance.random() < 0.8:
        for entry in tree.entries:  # its numbers move with it
            head, dot, tail = entry.key.partition(b".")
            if dot and head not in (b"general", b"tokenizer", b"split"):
                entry.key = value + dot + tail
    return f"{key} = {value!r}"


NUMBERS = (
    "block_count", "embedding_length", "context_length", "feed_forward_length", "attention.head_count",
    "attention.head_count_kv", "attention.key_length", "attention.value_length", "attention.sliding_window",
    "attention.layer_norm_rms_epsilon", "rope.dimension_count", "rope.scaling.factor", "rope.freq_base", "expert_count",
    "expert_used_count", "expert_group_count", "ssm.conv_kernel", "ssm.inner_size", "ssm.state_size",
    "ssm.time_step_rank", "ssm.group_count", "vocab_size", "pooling_type", "attention.causal", "logit_scale",
    "nextn_predict_layers", "leading_dense_block_count", "attention.q_lora_rank", "attention.kv_lora_rank",
)  # fmt: skip


def _numbers(tree: Tree, chance: random.Random) -> str:
    """A number of the architecture that is wrong, or that the file should not have."""
    architecture = tree.find("general.architecture")
    name = architecture.value if architecture and isinstance(architecture.value, bytes) else b"llama"
    key = f"{name.decode('latin-1')}.{chance.choice(NUMBERS)}"
    if chance.random() < 0.3:
        values = [chance.choice(EDGES) for _ in range(chance.choice((0, 1, 2, 512, 513)))]
        tree.entries.append(Entry(key.encode(), ARRAY, values, UINT32))
        return f"{key} = array of {len(values)}"
    kind, value = chance.choice(((UINT32, chance.choice(EDGES)), (FLOAT32, chance.choice(REALS))))
    _set(tree, key, kind, value)
    return f"{key} = {value}"


SPECIAL = (
    "bos", "eos", "eot", "eom", "unknown", "separator", "seperator", "padding", "mask", "prefix", "suffix", "middle",
    "fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep", "fim_sep", "cls",
)  # fmt: skip


def _special(tree: Tree, chance: random.Random) -> str:
    key = f"tokenizer.ggml.{chance.choice(SPECIAL)}_token_id"
    kind, value = chance.choice((UINT32, INT32)), chance.choice((*EDGES, 258, 259, 260))
    _set(tree, key, kind, value)
    return f"{key} = {value}"


def _merges(tree: Tree, chance: random.Random) -> str:
    """Merges without a space, of tokens that do not exist, or none; and the map of characters of a unigram model."""
    values = chance.choice(([b"ab"], [b"a b c"], [b" "], [b""], [b"zz qq"], [b"a b"] * 5, [b"\xff \xfe"], []))
    if chance.random() < 0.3:
        size = chance.choice((0, 1, 3, 4, 5, 8, 64))
        cells = [chance.choice((0, 1, 127, 255)) for _ in range(size)]
        tree.entries.append(Entry(b"tokenizer.ggml.precompiled_charsmap", ARRAY, cells, 0))
        return f"charsmap of {size}"
    _set(tree, "tokenizer.ggml.merges", ARRAY, list(values), STRING)
    return f"merges = {values}"


def _alignment(tree: Tree, chance: random.Random) -> str:
    value = chance.choice((0, 1, 3, 7, 8, 64, 2**31, 2**32 - 1))
    _set(tree, "general.alignment", UINT32, value)
    return f"alignment {value}"


def _split(tree: Tree, chance: random.Random) -> str:
    for name in ("no", "count", "tensors.count"):
        if chance.random() < 0.7:
            _set(tree, f"split.{name}", chance.choice((UINT16, UINT32, INT32)), chance.choice(EDGES))
    return "split numbers"


def _set(tree: Tree, key: str, kind: int, value: object, element: int = 0) -> None:
    entry = tree.find(key)
    if entry is not None:
        tree.entries.remove(entry)
    tree.entries.append(Entry(key.encode(), kind, value, element))


# ---- tensors, counts ----------------------------------------------------------------------------------


def _row(tree: Tree, chance: random.Random) -> str:
    if not tree.rows:
        return "no tensors"
    row = chance.choice(tree.rows)
    what = chance.choice(
        ("shape", "shape", "order", "type", "offset", "name", "dimensions", "missing", "twice")
    )
    if what == "shape":
        place = chance.randrange(len(row.shape))
        row.shape[place] = chance.choice(
            (*EDGES, row.shape[place] + 1, row.shape[place] - 1, row.shape[place] * 2)
        )
    elif what == "order":
        row.shape = chance.choice((row.shape[::-1], [*row.shape, 1], [*row.shape, 2], row.shape[:-1] or [1]))
    elif what == "type":
        row.kind = chance.choice(TENSOR_TYPES)
    elif what == "offset":
        row.offset = chance.choice((*EDGES, row.offset + 32, row.offset - 32, row.offset + 1, 2**64 - 32))
    elif what == "name":
        row.name = chance.choice(
            (*TEXTS, chance.choice(tree.rows).name, b"x" * 64, b"x" * 63, b"rope_freqs.weight")
        )
    elif what == "dimensions":
        row.dimensions = chance.choice((0, 1, 4, 5, 255, 2**32 - 1))
    elif what == "missing":
        tree.rows.remove(row)
    else:
        tree.rows.append(Row(row.name, list(row.shape), row.kind, row.offset))
    return f"tensor {row.name[:40]!r}: {what} {row.shape} {row.kind} {row.offset}"


def _counts(tree: Tree, chance: random.Random) -> str:
    what = chance.choice(("rows", "entries"))
    tree.counts[what] = chance.choice((*EDGES, len(tree.rows) + 1, len(tree.entries) - 1))
    return f"{what} claimed: {tree.counts[what]}"


def _version(tree: Tree, chance: random.Random) -> str:
    tree.version = chance.choice((0, 1, 2, 4, 2**24, 2**32 - 1))
    return f"version {tree.version}"


CHANGES: Sequence[Damage] = (
    _value, _value, _value, _type, _type, _length, _entries, _entries, _known, _known, _numbers, _numbers, _numbers,
    _special, _special, _merges, _alignment, _split, _row, _row, _row, _row, _counts, _version,
)  # fmt: skip
"""Those that go deep come more often than those that every reader refuses at once."""
