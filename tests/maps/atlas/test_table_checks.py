"""What an atlas's files promise is compared with `atlas.json` before data is read, and every value when it is."""

from __future__ import annotations

import json
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from maps.atlas.append_log import MAX_LINE_BYTES, merge_pending_rows
from maps.atlas.reader import Atlas
from maps.atlas.schema import SCHEMAS
from maps.atlas.verification import AtlasVerifier, verify_atlas
from maps.errors import MapsError

Rows = list[dict[str, Any]]


def refusal(folder: Path) -> str:
    with pytest.raises(MapsError) as caught:
        Atlas.open(folder).check_tables()
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 700
    return message


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("layers", 2**40, "layers is not a whole number from 1 to 10,000"),
        ("layers", -1, "layers is not a whole number from 1 to 10,000"),
        ("heads", "4\x1b]0;", "heads is not a whole number from 1 to 10,000"),
        ("kv_heads", 5, "kv_heads is larger than heads"),
        ("vocabulary", float("nan"), "vocabulary is not a whole number from 1 to 4,194,304"),
        ("vocabulary", True, "vocabulary is not a whole number from 1 to 4,194,304"),
        ("model", "x" * 10_000_000, "model is not a valid text"),
        ("model", "\ud800", "model is not a valid text"),
        ("revision", "a\0b", "revision is not a valid text"),
        ("created_at", "99999-01-01T00:00:00+00:00", "created_at is not a valid time"),
        ("created_at", 5, "created_at is not a valid text"),
        ("settings", None, "it has no settings"),
        ("capitalised_share", float("inf"), "capitalised_share is not a number from 0 to 1"),
        ("versions", ["torch"], "versions is not valid"),
    ],
)
def test_an_entry_that_no_mapping_writes_is_named(key: str, value: object, reason: str, atlas_folder: Path) -> None:
    path = atlas_folder / "atlas.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    expected = f"{path} is damaged ({reason}); delete the folder and map again."
    assert refusal(atlas_folder) in (expected, f"{path} is damaged (it has more than 4,000,000 bytes); delete the "
                                     "folder and map the model again.")  # fmt: skip


BAD_SETTINGS: dict[str, tuple[object, ...]] = {
    "tau": (float("nan"), -0.1, "0.1", 2),
    "salient": (0, 10**9, None, 1.5),
    "layers": ([0, 10**9], [1], "01", [-1, 0], [1, 0]),
    "relations": ([], {"a": 1}, {"\ud800": "x"}, {"x" * 5_000: "x"}),
    **{
        "targets": (4_000_000,),
        "suppressive": ("yes",),
        "reading": (5, "a\nb"),
        "calibration": (5,),
        "k": (0,),
        "min_pairs": (0,),
    },
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BAD_SETTINGS.items() for value in values])
def test_a_setting_that_no_mapping_writes_is_refused(key: str, value: object, atlas_folder: Path) -> None:
    path = atlas_folder / "atlas.json"
    info = json.loads(path.read_text())
    info["settings"][key] = value
    path.write_text(json.dumps(info))
    assert refusal(atlas_folder).startswith(f"{path} is damaged (")


def change_rows(name: str, **values: object) -> Callable[[Path], None]:
    """Replaces values of the first row of a table."""

    def change(folder: Path) -> None:
        path = folder / f"{name}.parquet"
        rows = pq.read_table(path).to_pylist()
        rows[0] |= values
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMAS[name]), path)

    return change


def repeat_first_row(folder: Path) -> None:
    path = folder / "relations.parquet"
    content = pq.read_table(path)
    pq.write_table(pa.concat_tables([content.slice(0, 1), content.slice(0, len(content) - 1)]), path)


def too_many_rows(folder: Path) -> None:
    path = folder / "mappings.parquet"
    pq.write_table(pa.concat_tables([pq.read_table(path)] * 2), path)


def fewer_heads(folder: Path) -> None:
    path = folder / "heads.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)


def another_type(folder: Path) -> None:
    path = folder / "heads.parquet"
    content = pq.read_table(path)
    pq.write_table(content.set_column(2, "kv_head", content["kv_head"].cast(pa.int64())), path)


def promise_rows(folder: Path) -> None:
    """Writes 2^40 into the footer as the number of rows, where it is the varint of 240 rows."""
    path = folder / "mappings.parquet"
    content = path.read_bytes()
    length = struct.unpack("<I", content[-8:-4])[0]
    footer = content[-8 - length : -8]
    assert footer.count(b"\x16\xe0\x03") >= 2  # field of type i64, zigzag varint of 240
    huge = b"\x16\x80\x80\x80\x80\x80\x80\x40"
    footer = huge.join(footer.rsplit(b"\x16\xe0\x03", 1))
    path.write_bytes(content[: -8 - length] + footer + struct.pack("<I", len(footer)) + b"PAR1")


def add_attention_rows(**values: object) -> Callable[[Path], None]:
    """Adds both tables of attention with one good row and one that has these values."""
    lists = {"key_ids": [1, 2], "keys": ["a", "b"], "key_scores": [1.0, -1.0]}
    rows = {
        "attention": {"layer": 0, "head": 0, "rank": 1, "query_id": 5, "query": "q", "saliency": 1.0, **lists},
        "attention_scores": {"layer": 0, "head": 0, "measure": "induction", "value": 0.5, "origin": "run"},
    }

    def change(folder: Path) -> None:
        for name, row in rows.items():
            other = {key: value for key, value in values.items() if key in row}
            content = [row, {**row, "layer": 1, **other}] if other else [row]
            pq.write_table(pa.Table.from_pylist(content, schema=SCHEMAS[name]), folder / f"{name}.parquet")

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (add_attention_rows(key_ids=[346, 1]), "attention.parquet is damaged (a key_ids is outside 0 to 345)"),
        (add_attention_rows(key_scores=[1.0]), "(a query has not as many keys as scores)"),
        (add_attention_rows(keys=["a"] * 101), "(a row has more than 100 keys)"),
        (add_attention_rows(rank=0), "(a rank is outside 1 to 1000)"),
        (add_attention_rows(layer=0), "(two rows have the same layer, head, "),
        (add_attention_rows(value=1.5), "attention_scores.parquet is damaged (a value is outside 0 to 1); delete it; "),
        (too_many_rows, "mappings.parquet is damaged (it has 480 rows, but atlas.json allows 240)"),
        (fewer_heads, "heads.parquet is damaged (it has 7 rows, but atlas.json allows 8)"),
        (another_type, "heads.parquet is damaged (its columns are not those of the table heads)"),
        (promise_rows, "mappings.parquet is damaged ("),
        (repeat_first_row, "relations.parquet is damaged (two rows have the same layer, head, relation)"),
        (change_rows("heads", layer=-1), "heads.parquet is damaged (a layer is outside 0 to 1)"),
        (change_rows("heads", head=4), "heads.parquet is damaged (a head is outside 0 to 3)"),
        (change_rows("heads", kv_head=2), "heads.parquet is damaged (a kv_head is outside 0 to 1)"),
        (change_rows("heads", saliency_max=float("nan")), "(a saliency_max is not a finite number)"),
        (change_rows("heads", output_space=1.5), "(a output_space is outside 0 to 1)"),
        (change_rows("heads", layer=None), "(a row lacks layer)"),
        (change_rows("mappings", rank=31), "mappings.parquet is damaged (a rank is outside 1 to 30)"),
        (change_rows("heldout", rank=1), "heldout.parquet is damaged (a rank is outside 31 to 60)"),
        (change_rows("mappings", source_id=346), "(a source_id is outside 0 to 345)"),
        (change_rows("mappings", target_ids=[2**31 - 1]), "(a target_ids is outside 0 to 345)"),
        (change_rows("mappings", target_ids=[1] * 6), "(a row has more than 5 target_ids)"),
        (change_rows("mappings", scores=[0.5]), "(a mapping has not as many targets as scores)"),
        (change_rows("mappings", targets=["a", None]), "(a list of targets has a gap)"),
        (change_rows("mappings", source="x" * 70_000), "(a source has more than 65,536 bytes)"),
        (change_rows("relations", score=float("inf")), "(a score is not a finite number)"),
        (change_rows("relations", relation=None), "(a row lacks relation)"),
        (change_rows("pairs", pair=-1), "(a pair is outside 0 to inf)"),
    ],
)
def test_values_that_no_mapping_writes_are_named(
    change: Callable[[Path], None], reason: str, atlas_folder: Path
) -> None:
    change(atlas_folder)
    assert reason in refusal(atlas_folder)


def test_one_heads_rows_are_checked_too(atlas_folder: Path) -> None:
    change_rows("mappings", saliency=float("nan"))(atlas_folder)
    atlas = Atlas.open(atlas_folder)
    first, last = atlas.head_ids[0], atlas.head_ids[-1]
    assert len(atlas.mappings(last)) == 30
    with pytest.raises(MapsError, match="a saliency is not a finite number"):
        atlas.mappings(first)
    with pytest.raises(MapsError, match="a saliency is not a finite number"):
        list(atlas.batches("mappings", 50))


@pytest.mark.parametrize("content", ["tau\n", "tau,trained_heads,random_heads\nnan,1,1\n", "x" * 2_000_000])
def test_a_random_baseline_that_nothing_writes_is_refused(content: str, atlas_folder: Path) -> None:
    (atlas_folder / "random.csv").write_text(content)
    assert refusal(atlas_folder).startswith(f"{atlas_folder / 'random.csv'} is damaged (")


def test_a_line_of_a_log_that_does_not_end_is_not_read(atlas_folder: Path) -> None:
    path = atlas_folder / "descriptions.pending.jsonl"
    path.write_bytes(b'{"layer": "' + b"x" * 3 * MAX_LINE_BYTES)
    with pytest.raises(MapsError, match=r"is damaged \(a line has more than 1,000,000 bytes\)"):
        merge_pending_rows(Atlas.open(atlas_folder), "descriptions")


def write_bomb(path: Path, rows: int, text: str) -> None:
    """A table of a few kilobytes whose only text is repeated: a dictionary page with one entry."""
    values = {name: pa.array([0] * rows, pa.int32()) for name in ("layer", "head", "seed")}
    columns = []
    for field in SCHEMAS["descriptions"]:
        if field.name in values:
            columns.append(values[field.name])
        elif field.type == pa.string():
            columns.append(pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [text]))
        else:
            columns.append(pa.array([0] * rows, pa.int32()).cast(pa.int64()).cast(field.type))
    written = pa.table(columns, names=SCHEMAS["descriptions"].names)
    with pq.ParquetWriter(path, written.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(written)


@pytest.mark.process
def test_a_file_that_unpacks_to_gigabytes_ends_only_the_child(atlas_folder: Path) -> None:
    verify_atlas(atlas_folder)
    write_bomb(atlas_folder / "descriptions.parquet", 7_000, "x" * 3_000_000)
    assert (atlas_folder / "descriptions.parquet").stat().st_size < 3_000_000
    with pytest.raises(MapsError, match=r"^" + re.escape(str(atlas_folder))):
        verify_atlas(atlas_folder)


@pytest.mark.process
def test_a_child_that_takes_too_long_is_ended(atlas_folder: Path) -> None:
    with pytest.raises(MapsError, match=r"took more than 0\.01 seconds"):
        AtlasVerifier(max_seconds=0.01).verify(atlas_folder)


@pytest.mark.process
def test_the_childs_reason_is_told(atlas_folder: Path) -> None:
    change_rows("heads", layer=None)(atlas_folder)
    with pytest.raises(MapsError, match=r"heads\.parquet is damaged \(a row lacks layer\); map the model again\.$"):
        verify_atlas(atlas_folder)


@pytest.mark.process
def test_one_child_checks_many_atlases_and_another_goes_on_where_it_died(atlas_folder: Path, tmp_path: Path) -> None:
    damaged, deadly = tmp_path / "damaged", tmp_path / "deadly"
    shutil.copytree(atlas_folder, damaged)
    change_rows("heads", layer=None)(damaged)
    shutil.copytree(atlas_folder, deadly)
    write_bomb(deadly / "descriptions.parquet", 7_000, "x" * 3_000_000)
    children = set()
    with AtlasVerifier() as verifier:
        for folder in (atlas_folder, damaged, atlas_folder):
            assert ("a row lacks layer" in problem_of(verifier, folder)) is (folder == damaged)
            children.add(verifier.process_id)
        assert len(children) == 1
        assert str(deadly) in problem_of(verifier, deadly)
        assert problem_of(verifier, atlas_folder) == ""
    assert verifier.process_id is None


def problem_of(verifier: AtlasVerifier, folder: Path) -> str:
    try:
        verifier.verify(folder)
    except MapsError as error:
        return str(error)
    return ""
