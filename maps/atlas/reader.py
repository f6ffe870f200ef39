"""An atlas on disk: the folder of Parquet tables and `atlas.json` that holds everything known of one model.

Every file is written beside its place and moved there, so a reader never sees half of one. `atlas.json` is written
last: a folder without it is a mapping under way, whose finished layers wait in `parts/` (`maps.mapping.layer_store`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from maps.atlas.random_csv import RANDOM_CSV, read_random_csv
from maps.atlas.schema import (
    HIT_TABLES,
    LAYER_TABLES,
    SCHEMAS,
    Row,
    add_hit_columns,
    mapping_from_row,
    relation_score_from_row,
)
from maps.errors import MapsError
from maps.files.atomic import read_json, write_file
from maps.hashes import mapping_hash, mapping_ids_hash
from maps.types import HeadId, Mapping, RelationScore

FORMAT_VERSION = 1
PARTS_FOLDER = "parts"


def write_table(folder: Path, name: str, content: pa.Table) -> None:
    """Writes one table as Parquet, sorted by head where it has heads: a reader of one head skips the rest."""
    by_head = len(content) and "layer" in content.column_names
    ordered = content.sort_by([("layer", "ascending"), ("head", "ascending")]) if by_head else content
    sink = pa.BufferOutputStream()
    pq.write_table(ordered, sink, compression="zstd", row_group_size=16_384, write_page_index=True)
    write_file(folder / f"{name}.parquet", sink.getvalue().to_pybytes())


def check_parquet_file(path: Path) -> None:
    """Raises MapsError where a Parquet file is cut off: its description stands at its end."""
    try:
        pq.read_metadata(path)
    except pa.ArrowInvalid as error:
        raise MapsError(f"{path} is damaged ({error}); map the model again.") from error


def list_tables(folder: Path) -> list[str]:
    """The names of the tables in an atlas's folder."""
    return [name for name in SCHEMAS if (folder / f"{name}.parquet").exists()]


def list_atlas_files(folder: Path) -> list[str]:
    """The tables in an atlas's folder as files, and `random.csv` where it is there."""
    others = [RANDOM_CSV] if (folder / RANDOM_CSV).exists() else []
    return [*(f"{name}.parquet" for name in list_tables(folder)), *others]


def list_card_files(folder: Path) -> list[str]:
    """The files among these that the card lists; `datasets` cannot load a table without rows."""
    return [file for file in list_atlas_files(folder) if file == RANDOM_CSV or pq.read_metadata(folder / file).num_rows]


@dataclass(frozen=True)
class Atlas:
    """A finished atlas, read a column or a head at a time. Its tables are those of `maps.atlas.schema`."""

    folder: Path
    info: dict[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> Atlas:
        """Opens a folder; raises MapsError where it holds no finished atlas."""
        path = Path(folder)
        info = read_json(path / "atlas.json")
        if info is None:
            waiting = (
                " (it holds an unfinished mapping: run the same map command again)"
                if (path / PARTS_FOLDER).is_dir()
                else ""
            )
            raise MapsError(f"{path} is no atlas{waiting}; `python -m maps map MODEL --out {path}` makes one.")
        if info.get("format_version") != FORMAT_VERSION:
            raise MapsError(
                f"{path} has atlas format {info.get('format_version')}, this version reads {FORMAT_VERSION}; map again."
            )
        for name in SCHEMAS:
            if (path / f"{name}.parquet").exists():
                check_parquet_file(path / f"{name}.parquet")
        needed = [name for name in LAYER_TABLES if name not in HIT_TABLES]
        missing = [name for name in needed if not (path / f"{name}.parquet").exists()]
        if missing:
            raise MapsError(f"{path} lacks {missing[0]}.parquet; delete the folder and map the model again.")
        return cls(path, info)

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self.info["model"])

    @cached_property
    def head_ids(self) -> tuple[HeadId, ...]:
        """Every head that was mapped."""
        rows = self.table("heads", ["layer", "head"])
        return tuple(HeadId(x, y) for x, y in zip(*(c.to_pylist() for c in rows.columns), strict=True))

    @property
    def table_names(self) -> list[str]:
        """The names of the tables that are there."""
        return list_tables(self.folder)

    @property
    def has_hits(self) -> bool:
        """Whether it holds `pairs` and `hits`, which atlases of earlier versions lack."""
        return all(map(self.has_table, HIT_TABLES))

    def has_table(self, name: str) -> bool:
        """Whether the atlas has a table of that name."""
        return (self.folder / f"{name}.parquet").exists()

    def table(self, name: str, columns: Sequence[str] | None = None, head: HeadId | None = None) -> pa.Table:
        """A table, or some of its columns, or one head's rows; empty where it was not made yet."""
        path = self.folder / f"{name}.parquet"
        if not path.exists():
            schema = SCHEMAS[name]
            return schema.empty_table().select(list(columns or schema.names))
        chosen = [("layer", "=", head.layer), ("head", "=", head.head)] if head else None
        try:
            return pq.read_table(path, columns=None if columns is None else list(columns), filters=chosen)
        except pa.ArrowInvalid as error:
            raise MapsError(f"{path} is damaged ({error}); map the model again.") from error

    def mappings(self, head: HeadId, name: str = "mappings") -> list[Mapping]:
        """A head's salient mappings by rank (`heldout`: those of the next ranks)."""
        rows = self.table(name, head=head).sort_by("rank").to_pylist()
        return [mapping_from_row(row) for row in rows]

    def mappings_by_head(self, name: str = "mappings") -> dict[HeadId, list[Mapping]]:
        """The salient mappings of all heads (`heldout`: those of the next ranks), read at once."""
        found: dict[HeadId, list[Mapping]] = {head: [] for head in self.head_ids}
        for row in self.table(name).sort_by("rank").to_pylist():
            found[HeadId(row["layer"], row["head"])].append(mapping_from_row(row))
        return found

    def mapping_hashes(self) -> dict[HeadId, str]:
        """The hash of every head's salient mappings, from the columns of ids alone: no mapping is made."""
        columns = ["layer", "head", "rank", "source_id", "target_ids"]
        rows = self.table("mappings", columns).sort_by([(name, "ascending") for name in columns[:3]])
        of = [HeadId(*each) for each in zip(*(rows[name].to_pylist() for name in columns[:2]), strict=True)]
        found = dict.fromkeys(self.head_ids, mapping_ids_hash(()))
        start = 0
        for head, group in groupby(of):
            end = start + sum(1 for _ in group)
            some = rows.slice(start, end - start)
            found[head] = mapping_ids_hash(
                zip(some["source_id"].to_pylist(), some["target_ids"].to_pylist(), strict=True)
            )
            start = end
        return found

    def relation_scores(self, head: HeadId) -> list[RelationScore]:
        """A head's score on every relation."""
        return [relation_score_from_row(row) for row in self.table("relations", head=head).to_pylist()]

    def pairs(self, relation: str, head: HeadId | None = None) -> pa.Table:
        """A relation's usable pairs by number; with a head also whether it has each as a `hit` or `suppressed`.

        Raises MapsError where the atlas was made before they were kept.
        """
        self._require_hits()
        chosen = pc.field("relation") == relation
        rows = self.table("pairs").filter(chosen)
        return rows if head is None else add_hit_columns(rows, self.hits(head).filter(chosen))

    def hits(self, head: HeadId) -> pa.Table:
        """The numbers of the pairs that a head has as hits and suppresses, a row a relation that has any.

        Raises MapsError where the atlas was made before they were kept.
        """
        self._require_hits()
        return self.table("hits", head=head)

    def _require_hits(self) -> None:
        """Raises MapsError where there are none, with what adds them."""
        if not self.has_hits:
            command = f"python -m maps map {self.info['asked_for']} --out {self.folder}"
            raise MapsError(
                f"{self.folder} was mapped before pairs and hits were kept; run `{command}` again, with the options "
                "that it was made with, to add them."
            )

    def random_baseline(self) -> list[Row]:
        """The rows of `random.csv` by τ; none where `evaluate random` was not run into this folder."""
        return read_random_csv(self.folder)

    def descriptions(self, head: HeadId | None = None) -> list[Row]:
        """The current description of each describer: the newest row of a head and describer."""
        return self.description_table(head=head).to_pylist()

    def description_table(self, columns: Sequence[str] | None = None, head: HeadId | None = None) -> pa.Table:
        """The same as a table, whole or some columns of it beside layer, head and describer."""
        key = ("layer", "head", "describer")
        read = None if columns is None else [*key, *columns, "created_at"]
        rows = self.table("descriptions", read, head).sort_by("created_at")
        newest = {each: n for n, each in enumerate(zip(*(rows[name].to_pylist() for name in key), strict=True))}
        return rows.take(pa.array([newest[each] for each in sorted(newest)], pa.int64()))

    def stale_description_ids(self, head: HeadId | None = None) -> set[str]:
        """The ids of the current descriptions that are of other mappings than the present ones."""
        hashes = self.mapping_hashes() if head is None else {head: mapping_hash(self.mappings(head))}
        rows = self.description_table(["description_id", "mapping_hash"], head)
        return {
            row["description_id"]
            for row in rows.to_pylist()
            if row["mapping_hash"] != hashes.get(HeadId(row["layer"], row["head"]))
        }
