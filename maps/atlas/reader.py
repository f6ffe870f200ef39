"""An atlas on disk: a folder of Parquet tables and `atlas.json` with everything known about one model.

Every file is replaced as a whole, so a reader never sees half of one. `atlas.json` is written last: a folder without
it is an unfinished mapping, whose finished layers are in `parts/` (`maps.mapping.mapper`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from maps.atlas.info import INFO_BYTES, AtlasSizes
from maps.atlas.random_csv import RANDOM_CSV, read_random_csv
from maps.atlas.readings import reading_name, title_with_reading
from maps.atlas.schema import (
    LAYER_TABLES,
    SCHEMAS,
    Row,
    add_hit_columns,
    head_of,
    mapping_from_row,
    relation_score_from_row,
)
from maps.atlas.table_checks import check_footer, check_rows
from maps.errors import MapsError
from maps.files.atomic import read_json, write_file
from maps.hashes import mapping_hash, mapping_ids_hash
from maps.text import escape_invisible, shorten
from maps.types import HeadId, Mapping, RelationScore

FORMAT_VERSION = 2
PARTS_FOLDER = "parts"
CALIBRATION_FILE = "calibration.safetensors"  # what an atlas of a calibrated reading was mapped with
TOKEN_TABLES = ("mappings", "heldout", "attention")  # tokens and scores hardly repeat: dictionaries take a half more
MAX_REASON_LENGTH = 300  # characters of a reason that an error message quotes


def write_table(folder: Path, name: str, content: pa.Table) -> None:
    """Writes one table as Parquet, sorted by head, so that reading one head skips the rest."""
    by_head = len(content) and "layer" in content.column_names
    ordered = content.sort_by([("layer", "ascending"), ("head", "ascending")]) if by_head else content
    repeats = name not in TOKEN_TABLES
    sink = pa.BufferOutputStream()
    pq.write_table(
        ordered,
        sink,
        compression="zstd",
        compression_level=12,
        use_dictionary=repeats,
        use_byte_stream_split=not repeats and float_columns(ordered.schema),
        row_group_size=16_384,
        write_page_index=True,
    )
    write_file(folder / f"{name}.parquet", sink.getvalue().to_pybytes())


def float_columns(schema: pa.Schema) -> list[str]:
    """Parquet's names of the columns of floats and of lists of floats."""
    return [
        f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name
        for field in schema
        if pa.types.is_floating(field.type.value_type if pa.types.is_list(field.type) else field.type)
    ]


REPAIRS = dict.fromkeys(  # of tables that need no mapping
    ("scores", "checks", "concentration", "random_heads"), "delete it; `python -m maps score` makes it again"
) | dict.fromkeys(("attention", "attention_scores"), "delete it; `python -m maps map --attention` makes it again")


@contextmanager
def translate_damage(path: Path) -> Iterator[None]:
    """Turns what a damaged file may raise into a MapsError that names the file and says what to do."""
    try:
        yield
    except (pa.ArrowException, ValueError, OSError) as error:  # a ValueError of the checks too
        reason = shorten(escape_invisible(str(error)), MAX_REASON_LENGTH)
        repair = REPAIRS.get(path.stem, "map the model again")
        raise MapsError(f"{path} is damaged ({reason}); {repair}.") from error


def list_atlas_files(folder: Path) -> list[str]:
    """The files of the tables in an atlas's folder, and `random.csv` where it exists."""
    names = [*(f"{name}.parquet" for name in SCHEMAS), RANDOM_CSV]
    return [name for name in names if (folder / name).exists()]


def list_card_files(folder: Path) -> list[str]:
    """The files that the card lists: those with rows, because `datasets` cannot load an empty table."""
    return [file for file in list_atlas_files(folder) if file == RANDOM_CSV or pq.read_metadata(folder / file).num_rows]


@dataclass(frozen=True)
class Atlas:
    """A finished atlas. Its tables (`maps.atlas.schema`) are read by column or by head."""

    folder: Path
    info: dict[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> Atlas:
        """Opens a folder; raises MapsError where it does not contain a finished atlas, or where it is damaged.

        Checks `atlas.json` and what the files of the tables promise. Values are checked when they are read
        (`maps.atlas.table_checks`); `check_tables` reads and checks all of them.
        """
        path = Path(folder)
        info = read_json(path / "atlas.json", max_bytes=INFO_BYTES)
        if info is None:
            if (path / PARTS_FOLDER).is_dir():
                raise MapsError(f"{path} contains an unfinished mapping; run the same map command again to finish it.")
            raise MapsError(f"{path} is not an atlas; `python -m maps map MODEL --out {path}` makes one.")
        version = info.get("format_version")
        if version != FORMAT_VERSION:
            raise MapsError(f"{path} has atlas format {version}, but this version reads {FORMAT_VERSION}; map again.")
        try:
            AtlasSizes.from_info(info)
        except ValueError as error:
            raise MapsError(f"{path / 'atlas.json'} is damaged ({error}); delete the folder and map again.") from error
        atlas = cls(path, info)
        missing = [name for name in (*LAYER_TABLES, "pairs") if not atlas.has_table(name)]
        if missing:
            raise MapsError(f"{path} lacks {missing[0]}.parquet; delete the folder and map the model again.")
        for name in atlas.table_names:
            with atlas.open_file(name):
                pass  # its footer is checked
        return atlas

    @property
    def model(self) -> str:
        return str(self.info["model"])

    @property
    def reading(self) -> str:
        """The name of its reading, in which its heads were read."""
        return reading_name(self.info)

    def named_by_reading(self) -> Atlas:
        """The atlas with its reading in the model's name, as the app and studies call it (`title_with_reading`)."""
        return Atlas(self.folder, self.info | {"model": title_with_reading(self.model, self.reading)})

    @cached_property
    def sizes(self) -> AtlasSizes:
        return AtlasSizes.from_info(self.info)

    @cached_property
    def head_ids(self) -> tuple[HeadId, ...]:
        """Every head that was mapped."""
        return tuple(HeadId(**row) for row in self.table("heads", ["layer", "head"]).to_pylist())

    @property
    def table_names(self) -> list[str]:
        """The names of the tables that exist."""
        return [name for name in SCHEMAS if self.has_table(name)]

    def table_file(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def has_table(self, name: str) -> bool:
        return self.table_file(name).exists()

    def table(self, name: str, columns: Sequence[str] | None = None, head: HeadId | None = None) -> pa.Table:
        """A table, or some of its columns, or one head's rows; empty where it does not exist yet."""
        if not self.has_table(name):
            schema = SCHEMAS[name]
            return schema.empty_table().select(list(columns or schema.names))
        filters = [("layer", "=", head.layer), ("head", "=", head.head)] if head else None
        with self.open_file(name):
            path = self.table_file(name)
            content = pq.read_table(path, columns=None if columns is None else list(columns), filters=filters)
            check_rows(content, name, self.sizes)
        return content

    def batches(
        self, name: str, rows: int, columns: Sequence[str] | None = None, **options: bool
    ) -> Iterator[pa.RecordBatch]:
        """A table that exists, or some of its columns, `rows` rows at a time; `options` of ParquetFile.iter_batches."""
        with self.open_file(name) as file:
            for batch in file.iter_batches(rows, columns=None if columns is None else list(columns), **options):
                check_rows(pa.Table.from_batches([batch]), name, self.sizes)
                yield batch

    def check_tables(self, names: Iterable[str] = (*SCHEMAS, RANDOM_CSV)) -> None:
        """Reads tables once and checks every value; raises MapsError at the first that is not valid."""
        for name in names:
            if name == RANDOM_CSV:
                self.random_baseline()
            else:
                self.table(name)

    @contextmanager
    def open_file(self, name: str) -> Iterator[pq.ParquetFile]:
        """The open file of a table, its footer checked; errors in the block are MapsErrors that name the file."""
        path = self.table_file(name)
        with translate_damage(path), pq.ParquetFile(path, pre_buffer=False) as file:
            check_footer(file, name, self.sizes)
            yield file

    def mappings(self, head: HeadId, name: str = "mappings") -> list[Mapping]:
        """A head's salient mappings by rank (with `heldout`: those of the next ranks)."""
        return [mapping_from_row(row) for row in self.table(name, head=head).sort_by("rank").to_pylist()]

    def mappings_by_head(self, name: str = "mappings") -> dict[HeadId, list[Mapping]]:
        """The same for all heads, which is quicker than head by head."""
        mappings: dict[HeadId, list[Mapping]] = {head: [] for head in self.head_ids}
        for row in self.table(name).sort_by("rank").to_pylist():
            mappings[head_of(row)].append(mapping_from_row(row))
        return mappings

    def mapping_hashes(self) -> dict[HeadId, str]:
        """The hash of every head's salient mappings, read from the id columns alone."""
        columns = ["layer", "head", "rank", "source_id", "target_ids"]
        table = self.table("mappings", columns).sort_by([(name, "ascending") for name in columns[:3]])
        batches = table.to_batches(max_chunksize=1024)  # not all at once, to save memory
        rows = chain.from_iterable(batch.to_pylist() for batch in batches)
        hashes = dict.fromkeys(self.head_ids, mapping_ids_hash(()))
        for (layer, head), of_head in groupby(rows, key=lambda row: (row["layer"], row["head"])):
            hashes[HeadId(layer, head)] = mapping_ids_hash((row["source_id"], row["target_ids"]) for row in of_head)
        return hashes

    def relation_scores(self, head: HeadId) -> list[RelationScore]:
        return [relation_score_from_row(row) for row in self.table("relations", head=head).to_pylist()]

    def pairs(self, relation: str, head: HeadId | None = None) -> pa.Table:
        """A relation's usable pairs by number; with a head also whether each is a `hit` or `suppressed`."""
        is_relation = pc.field("relation") == relation
        rows = self.table("pairs").filter(is_relation)
        return rows if head is None else add_hit_columns(rows, self.hits(head).filter(is_relation))

    def hits(self, head: HeadId) -> pa.Table:
        """The numbers of the pairs that a head hits and suppresses; one row for each relation that has any."""
        return self.table("hits", head=head)

    def random_baseline(self) -> list[Row]:
        """The rows of `random.csv` by τ; empty where `evaluate random` was not run into this folder."""
        return read_random_csv(self.folder, self.sizes.mapped_heads)

    def descriptions(self, head: HeadId | None = None) -> list[Row]:
        """The current descriptions: the newest row of each head and describer."""
        return self.description_table(head=head).to_pylist()

    def description_table(self, columns: Sequence[str] | None = None, head: HeadId | None = None) -> pa.Table:
        """The same as a table; `columns` come in addition to layer, head and describer."""
        key = ["layer", "head", "describer"]
        wanted = None if columns is None else [*key, *columns, "created_at"]
        return newest_rows(self.table("descriptions", wanted, head), key)

    def stale_description_ids(self, head: HeadId | None = None) -> set[str]:
        """The ids of the current descriptions whose mappings have changed since."""
        hashes = self.mapping_hashes() if head is None else {head: mapping_hash(self.mappings(head))}
        rows = self.description_table(["description_id", "mapping_hash"], head)
        return {row["description_id"] for row in rows.to_pylist() if row["mapping_hash"] != hashes.get(head_of(row))}


def newest_rows(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """Of the rows with the same key the one that was created last, sorted by key."""
    rows = rows.sort_by("created_at")
    newest = {tuple(row.values()): number for number, row in enumerate(rows.select(key).to_pylist())}
    return rows.take(pa.array([newest[each] for each in sorted(newest)], pa.int64()))
