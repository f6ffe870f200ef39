"""Descriptions of an atlas: stored as they arrive, asked for once."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from maps.atlas.choice import HeadChoice, named_heads
from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import Row, make_table
from maps.data import predefined_relations
from maps.describers.describe_atlas import DescribeSummary, describe_atlas
from maps.describers.describe_in_batches import OpenBatch, batch_notes, check_batch_is_chosen
from maps.describers.offline.describer import OfflineDescriber
from maps.errors import DescriberError, MapsError, ReplyError
from maps.hashes import mapping_hash
from maps.types import Answer, Description, HeadId, Mapping
from tests.scripted import ScriptedDescriber


def answer(pattern: str) -> Answer:
    return Answer(Description("Words.", pattern, "Seen."), "scripted v1", support=21, seed=0, cost_usd=0.001)


EIGHT = [answer(f"Pattern {n}.") for n in range(7)] + [answer("Unclear.")]


def patterns(folder: Path) -> dict[HeadId, str]:
    return {HeadId(row["layer"], row["head"]): row["observed_pattern"] for row in Atlas.open(folder).descriptions()}


def rows(folder: Path, name: str = "descriptions") -> list[Row]:
    return Atlas.open(folder).table(name).to_pylist()


def test_every_head_is_described_once(atlas_folder: Path) -> None:
    describer = ScriptedDescriber(EIGHT)
    assert describe_atlas(atlas_folder, describer) == DescribeSummary(asked=8, failed=0, patterns=7, heads=8)
    atlas = Atlas.open(atlas_folder)
    stored = rows(atlas_folder)
    assert patterns(atlas_folder) == {
        head: EIGHT[n].description.observed_pattern for n, head in enumerate(atlas.head_ids)
    }
    assert [row["mapping_hash"] for row in stored] == [mapping_hash(atlas.mappings(head)) for head in atlas.head_ids]
    assert {(r["describer"], r["model"], r["support"], r["cost_usd"]) for r in stored} == {
        ("scripted", "scripted v1", 21, 0.001)
    }
    assert len({row["description_id"] for row in stored}) == 8
    assert all(row["created_at"].tzinfo is not None for row in stored)
    assert not list(atlas_folder.glob("*.jsonl"))
    assert describe_atlas(atlas_folder, ScriptedDescriber([])) == DescribeSummary(
        asked=0, failed=0, patterns=7, heads=8
    )
    assert rows(atlas_folder) == stored


def test_a_run_that_ends_early_is_stored_and_continued(atlas_folder: Path) -> None:
    with pytest.raises(DescriberError, match="No quota"):
        describe_atlas(atlas_folder, ScriptedDescriber([*EIGHT[:3], DescriberError("No quota left.")]))
    stored = rows(atlas_folder)
    assert len(stored) == 3
    rest = ScriptedDescriber(EIGHT[3:])
    assert describe_atlas(atlas_folder, rest) == DescribeSummary(asked=5, failed=0, patterns=7, heads=8)
    atlas = Atlas.open(atlas_folder)
    sources = [tuple(m.source_id for m in atlas.mappings(head)) for head in atlas.head_ids[3:]]
    assert rest.questions == [(ids, 0) for ids in sources]
    assert [row for row in rows(atlas_folder) if row in stored] == stored


def write_log(folder: Path, stored: list[Row], end: str) -> None:
    """The log of a killed run; `end`: its last line, which may be cut off."""
    lines = [json.dumps({**row, "created_at": row["created_at"].isoformat()}) for row in stored]
    (folder / "descriptions.pending.jsonl").write_text("".join(line + "\n" for line in lines) + end)


@pytest.mark.parametrize("end", ["", '{"layer": 1, "he', "{}"])
def test_rows_of_a_killed_run_are_merged_once(end: str, atlas_folder: Path) -> None:
    describe_atlas(atlas_folder, ScriptedDescriber(EIGHT))
    stored = rows(atlas_folder)
    write_table(atlas_folder, "descriptions", make_table("descriptions", stored[:5]))
    write_log(atlas_folder, stored[3:7], end)  # killed after a part of the log was in the table
    describer = ScriptedDescriber(EIGHT[7:])
    assert describe_atlas(atlas_folder, describer) == DescribeSummary(asked=1, failed=0, patterns=7, heads=8)
    again = rows(atlas_folder)
    assert again[:7] == stored[:7]
    assert [row["description_id"] for row in again] == [row["description_id"] for row in stored]
    assert not list(atlas_folder.glob("*.jsonl"))


def test_a_damaged_log_is_named_and_kept(atlas_folder: Path) -> None:
    path = atlas_folder / "descriptions.pending.jsonl"
    path.write_text("{nonsense}\n{}\n")
    with pytest.raises(
        MapsError, match=f"^{re.escape(str(path))}, line 1, is damaged .*; repair or delete that line, then"
    ):
        describe_atlas(atlas_folder, ScriptedDescriber(EIGHT))
    assert path.read_text() == "{nonsense}\n{}\n"


def test_a_deterministic_describer_gets_the_same_ids_again(atlas_folder: Path) -> None:
    ids = []
    for _ in range(2):
        describe_atlas(atlas_folder, ScriptedDescriber(EIGHT))
        ids.append([row["description_id"] for row in rows(atlas_folder)])
        (atlas_folder / "descriptions.parquet").unlink()
    assert ids[0] == ids[1]
    assert all(re.fullmatch("[0-9a-f]{20}", name) for name in ids[0])


def test_heads_whose_mappings_changed_are_asked_again(atlas_folder: Path) -> None:
    describe_atlas(atlas_folder, ScriptedDescriber(EIGHT))
    before = rows(atlas_folder)
    mappings = Atlas.open(atlas_folder).table("mappings").to_pylist()
    changed = [{**row, "source_id": 0} if row["layer"] == 0 and row["head"] == 2 else row for row in mappings]
    write_table(atlas_folder, "mappings", make_table("mappings", changed))
    describer = ScriptedDescriber([answer("Pattern 2.")])  # the same description as before
    assert describe_atlas(atlas_folder, describer) == DescribeSummary(asked=1, failed=0, patterns=7, heads=8)
    assert describer.questions == [((0,) * 30, 0)]
    new = [row for row in rows(atlas_folder) if row not in before]
    assert [(row["layer"], row["head"], row["observed_pattern"]) for row in new] == [(0, 2, "Pattern 2.")]
    assert len({row["description_id"] for row in rows(atlas_folder)}) == 9
    assert describe_atlas(atlas_folder, ScriptedDescriber([])).asked == 0


def test_a_failed_head_is_recorded_and_asked_again(atlas_folder: Path) -> None:
    empty = ReplyError("The reply is empty.")
    run = describe_atlas(atlas_folder, ScriptedDescriber([*EIGHT[:2], empty, empty, empty, *EIGHT[3:]]))
    assert run == DescribeSummary(asked=7, failed=1, patterns=6, heads=7)
    (row,) = rows(atlas_folder, "failures")
    assert {name: value for name, value in row.items() if name != "created_at"} == {
        **{"layer": 0, "head": 2, "describer": "scripted", "reason": "The reply is empty.", "attempts": 3}
    }
    assert (datetime.now(UTC) - row["created_at"]).total_seconds() < 60
    assert describe_atlas(atlas_folder, ScriptedDescriber(EIGHT[2:3])) == DescribeSummary(
        asked=1, failed=0, patterns=7, heads=8
    )
    assert len(rows(atlas_folder, "failures")) == 1


def test_a_long_reason_is_shortened(atlas_folder: Path) -> None:
    describe_atlas(atlas_folder, ScriptedDescriber([*EIGHT[:7], *[ReplyError("Long " * 200_000)] * 3]))
    [row] = rows(atlas_folder, "failures")
    assert row["reason"] == ("Long " * 60) + "…"


@pytest.mark.parametrize("seed", [-1, 10**9, 2**31])
def test_a_seed_that_is_too_large_for_the_table_is_refused_before_anything_is_asked(
    seed: int, atlas_folder: Path
) -> None:
    describer = ScriptedDescriber(EIGHT)
    with pytest.raises(MapsError, match=r"^The seed must be a whole number from 0 to 999,999,999, not "):
        describe_atlas(atlas_folder, describer, seed=seed)
    assert describer.questions == []
    assert describe_atlas(atlas_folder, describer, seed=10**9 - 1).asked == 8
    assert {row["seed"] for row in rows(atlas_folder)} == {0}  # as the scripted answers say


def test_a_redo_in_a_folder_without_an_atlas_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(MapsError, match="is not an atlas"):
        describe_atlas(tmp_path, ScriptedDescriber(EIGHT), redo=True)
    assert list(tmp_path.iterdir()) == []


def test_replies_that_another_program_deletes_are_reported(atlas_folder: Path) -> None:
    class Thief(ScriptedDescriber):
        async def describe(self, mappings: Sequence[Mapping], seed: int) -> Answer:
            if len(self.questions) == 7:
                (atlas_folder / "descriptions.pending.jsonl").unlink()
            return await super().describe(mappings, seed)

    with pytest.raises(MapsError, match=f"^8 replies of this run are missing in {re.escape(str(atlas_folder))}: "):
        describe_atlas(atlas_folder, Thief(EIGHT))


def test_describers_do_not_touch_each_others_descriptions(atlas_folder: Path) -> None:
    describe_atlas(atlas_folder, ScriptedDescriber(EIGHT, "one"))
    before = rows(atlas_folder)
    offline = OfflineDescriber(predefined_relations())
    assert describe_atlas(atlas_folder, offline).asked == 8
    assert [row for row in rows(atlas_folder) if row["describer"] == "one"] == before
    floor = [row for row in rows(atlas_folder) if row["describer"] == "offline"]
    assert len(floor) == 8
    assert {(row["seed"], row["prompt_tokens"], row["completion_tokens"], row["cost_usd"]) for row in floor} == {
        (None, None, None, None)
    }
    assert describe_atlas(atlas_folder, offline).asked == 0


def test_a_redo_of_some_heads_neither_goes_on_with_a_redo_of_all_nor_ends_it(atlas_folder: Path) -> None:
    describe_atlas(atlas_folder, ScriptedDescriber(EIGHT))
    with pytest.raises(DescriberError):
        describe_atlas(
            atlas_folder, ScriptedDescriber([*EIGHT[:3], DescriberError("No quota left.")]), redo=True
        )  # three of eight are done
    some = ScriptedDescriber(EIGHT[:1])
    assert describe_atlas(atlas_folder, some, redo=True, choice=named_heads(["L0H0"])).asked == 1
    assert describe_atlas(atlas_folder, ScriptedDescriber(EIGHT[3:]), redo=True).asked == 5
    assert describe_atlas(atlas_folder, ScriptedDescriber(EIGHT), redo=True).asked == 8


def test_an_open_batch_is_not_thrown_away_by_a_choice_of_other_heads(atlas_folder: Path) -> None:
    heads = {"L0H0": "hash", "L0H1": "hash"}
    entry = OpenBatch("file_0", "batch_0", 1, 0, "2026-12-01T00:00:00+00:00", heads)._asdict()
    batch_notes(atlas_folder).write_entry("gpt-4o", entry)
    check_batch_is_chosen(atlas_folder, "gpt-4o", HeadChoice())
    check_batch_is_chosen(atlas_folder, "gpt-4o", HeadChoice(layers=(0, 0)))
    with pytest.raises(MapsError, match=r"^A batch for gpt-4o about other heads is open: fetch it first"):
        check_batch_is_chosen(atlas_folder, "gpt-4o", named_heads(["L0H0"]))
