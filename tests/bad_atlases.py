"""Damages atlases as somebody would who wants to break what reads them. Each damage follows from a seed."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from maps.atlas.append_log import write_atlas_table
from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import SCHEMAS, make_table

Damage = Callable[[Path, random.Random], str]
HUGE_TEXT = "x" * 10_000_000
DEEP_JSON = "[" * 100_000
BAD_JSON_VALUES: tuple[Any, ...] = (
    *(None, True, [], {}, "", "4", -1, 0, 10**9, 2**40, 1.5, float("nan"), float("inf"), "\ud800"),
    *(HUGE_TEXT, [[[[]]]], {"a": {}}, "99999-01-01T00:00:00+00:00", [0, 10**9], [-1, 0], "1969-12-31T00:00:00"),
)
BAD_NUMBERS = (-1, 2**31 - 1, -(2**31), 10**6)
BAD_FLOATS = (float("nan"), float("inf"), float("-inf"), -1e308, 1e308)
BAD_TEXTS = (b"x" * 100_000, b"\xed\xa0\x80", b"\xff\xfe", b"a" * 3_000_000)


def write_raw(path: Path, content: pa.Table) -> None:
    """Writes a table as it is, with no regard for the contract."""
    pq.write_table(content, path, compression="zstd")


def tables_in(folder: Path, chooser: random.Random) -> Path:
    """One of the tables that have rows."""
    files = [path for path in sorted(folder.glob("*.parquet")) if pq.read_metadata(path).num_rows]
    return chooser.choice(files)


def damage_info(folder: Path, chooser: random.Random) -> str:
    """Replaces or removes an entry of atlas.json or of its settings."""
    path = folder / "atlas.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    entries = info["settings"] if chooser.random() < 0.4 else info
    key = chooser.choice(sorted(entries))
    if chooser.random() < 0.15:
        del entries[key]
    else:
        entries[key] = chooser.choice(BAD_JSON_VALUES)
    path.write_text(json.dumps(info), encoding="utf-8")
    return f"atlas.json: {key} is {str(entries.get(key, 'removed'))[:40]}"


def damage_text_of_info(folder: Path, chooser: random.Random) -> str:
    content = chooser.choice(
        (DEEP_JSON, '{"a":' * 100_000, '{"layers": ' + "9" * 5_000 + "}", "{}", "[]", "nul\0", HUGE_TEXT, "")
    )
    (folder / "atlas.json").write_text(content, encoding="utf-8")
    return f"atlas.json is {content[:20]!r}"


def damage_bytes(folder: Path, chooser: random.Random) -> str:
    """Overwrites some bytes of a table's file, mostly in its footer."""
    path = tables_in(folder, chooser)
    content = bytearray(path.read_bytes())
    end = len(content)
    start = max(0, end - 2_000) if chooser.random() < 0.7 else 0
    for _ in range(chooser.choice((1, 1, 4, 40))):
        content[chooser.randrange(start, end)] = chooser.randrange(256)
    path.write_bytes(bytes(content))
    return f"{path.name}: bytes overwritten"


def damage_schema(folder: Path, chooser: random.Random) -> str:
    """Gives a column another type or name, leaves it out, or adds one."""
    path = tables_in(folder, chooser)
    content = pq.read_table(path)
    i = chooser.randrange(content.num_columns)
    name, kind = content.column_names[i], chooser.choice(("type", "name", "missing", "more"))
    other = pa.array([{"a": [1]}] * len(content)) if chooser.random() < 0.5 else pa.array(["x"] * len(content))
    if kind == "type":
        other = pa.array([0.5] * len(content)) if other.type.equals(content.schema.types[i]) else other
        content = content.set_column(i, name, other)
    elif kind == "name":
        content = content.rename_columns([f"{each}?" if each == name else each for each in content.column_names])
    elif kind == "missing":
        content = content.remove_column(i)
    else:
        content = content.append_column("more", other)
    write_raw(path, content)
    return f"{path.name}: {kind} of {name}"


def damage_values(folder: Path, chooser: random.Random) -> str:
    """Replaces one value of a column by one that no mapping writes."""
    path = tables_in(folder, chooser)
    content = pq.read_table(path)
    name = chooser.choice(content.column_names)
    kind = SCHEMAS[path.stem].field(name).type
    values = content[name].cast(pa.int64() if pa.types.is_timestamp(kind) else kind).to_pylist()
    row = chooser.randrange(len(values))
    values[row] = bad_value(values[row], kind, chooser)
    content = content.set_column(content.column_names.index(name), pa.field(name, kind), raw_array(values, kind))
    write_raw(path, content)
    return f"{path.name}: {name} is {str(values[row])[:40]}"


def raw_array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """The values as an array, texts with invalid UTF-8 and times beyond all years included."""
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    if kind != pa.string():
        return pa.array(values, kind)
    raw = pa.array([value.encode() if isinstance(value, str) else value for value in values], pa.binary())
    validity, offsets, data = raw.buffers()
    return pa.StringArray.from_buffers(len(raw), offsets, data, validity)


def bad_value(value: Any, kind: pa.DataType, chooser: random.Random) -> Any:
    if chooser.random() < 0.2:
        return None
    if pa.types.is_list(kind):
        return chooser.choice(([None], value * 100 + [value[0]] * 100 if value else [None], [*value, None]))
    if kind == pa.string():
        return chooser.choice(BAD_TEXTS)
    if pa.types.is_floating(kind):
        return chooser.choice(BAD_FLOATS)
    if pa.types.is_timestamp(kind):
        return chooser.choice((-1, 2**62, -(2**62)))
    return None if pa.types.is_boolean(kind) else chooser.choice(BAD_NUMBERS)


def damage_rows(folder: Path, chooser: random.Random) -> str:
    """Repeats rows, or removes them."""
    path = tables_in(folder, chooser)
    content = pq.read_table(path)
    kind = chooser.choice(("twice", "none", "many"))
    rows = {"twice": [content, content], "none": [content.slice(0, 0)], "many": [content.slice(0, 1)] * 50_000}[kind]
    write_raw(path, pa.concat_tables(rows))
    return f"{path.name}: rows {kind}"


def damage_random_csv(folder: Path, chooser: random.Random) -> str:
    content = chooser.choice(
        ("tau\n", "tau,trained_heads,random_heads\nnan,1,1\n", "tau,trained_heads,random_heads\n0.1,-1,99999999999\n")
    )
    content = content if chooser.random() < 0.7 else "tau,trained_heads,random_heads\n" + "0.1,1,1\n" * 200_000
    (folder / "random.csv").write_text(content)
    return f"random.csv is {content[:60]!r}"


DAMAGES: tuple[Damage, ...] = (
    *(damage_info, damage_info, damage_text_of_info, damage_bytes, damage_bytes, damage_schema),
    *(damage_values, damage_values, damage_values, damage_rows, damage_random_csv),
)


def damage_atlas(folder: Path, seed: int) -> str:
    """Damages an atlas; returns what was done. Not every damage makes it invalid: one of no consequence may stay."""
    chooser = random.Random(seed)
    return chooser.choice(DAMAGES)(folder, chooser)


HOSTILE_NAME = "\0\x01\x1b[2J\u202e<b>\ufffe"
NAMES = {
    "relations": ("relation", "category"),
    "hits": ("relation",),
    "pairs": ("relation", "category", "source", "target"),
    "descriptions": ("describer", "observed_pattern", "input_strings", "reasoning", "model"),
    "checks": ("check",),
}


def write_atlas_of_hostile_names(folder: Path, prebuilt: Path) -> Path:
    """A copy of the prebuilt atlas whose every name ends in control characters; it is valid."""
    shutil.copytree(prebuilt, folder)
    info = json.loads((folder / "atlas.json").read_text(encoding="utf-8"))
    info |= {key: info[key] + HOSTILE_NAME for key in ("model", "asked_for")}
    info["settings"]["relations"] = {
        name + HOSTILE_NAME: value for name, value in info["settings"]["relations"].items()
    }
    (folder / "atlas.json").write_text(json.dumps(info), encoding="utf-8")
    atlas = Atlas.open(folder)
    for table, names in NAMES.items():
        content = atlas.table(table)
        for name in names:
            renamed = pc.binary_join_element_wise(content[name], HOSTILE_NAME, "")
            content = content.set_column(content.column_names.index(name), name, renamed)
        write_table(folder, table, content)
    measured = {
        "detection": 0.8,
        "detection_low": 0.6,
        "detection_high": 0.9,
        "detection_swapped": 0.5,
        **{"n": 20, "seed": 0, "generation": 0.9, "generation_n": 8, "generation_others": 0},
    }
    scores = [
        {**{key: row[key] for key in ("layer", "head", "description_id", "describer")}, **measured}
        | {"scorer": HOSTILE_NAME}
        for row in Atlas.open(folder).descriptions()
    ]
    write_atlas_table(Atlas.open(folder), "scores", make_table("scores", scores))
    return folder
