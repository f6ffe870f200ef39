"""What an experiment found, kept in its run's folder: rows, what was left out and why, and each relation's details.

A run under way keeps a part for every relation that is done, so that it goes on where it stopped. Imports no torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.errors import MapsError
from maps.files.atomic import read_json, write_file, write_json
from maps.files.csv_export import table_to_csv
from maps.files.run_settings import check_same_settings, settings_difference
from maps.mapping.settings import MappingSettings

USED_SETTINGS = ("k", "tau", "min_pairs", "first_mlp", "final_norm", "dtype", "layers", "relations")  # of the settings
CORRELATION_KINDS = ("without_context", "with_context", "suppression_without_context", "suppression_with_context")
P_VALUE_COLUMNS = tuple(f"{kind}_p" for kind in CORRELATION_KINDS)
CORRELATION_SCHEMA = pa.schema(
    [
        *(("relation", pa.string()), ("pairs", pa.int32()), ("k", pa.int32())),
        *((kind, pa.float64()) for kind in (*CORRELATION_KINDS, "max_score", "max_suppression", *P_VALUE_COLUMNS)),
    ]
)
MULTI_TOKEN_SCHEMA = pa.schema(
    [
        *CORRELATION_SCHEMA,
        pa.field("single_pairs", pa.int32()),
        *(pa.field(f"single_{kind}", pa.float64()) for kind in (*CORRELATION_KINDS, *P_VALUE_COLUMNS)),
    ]
)
CAUSAL_SCHEMA = pa.schema(
    [
        *(("relation", pa.string()), ("heads_removed", pa.int32())),
        *((name, pa.float64()) for name in ("base", "relation_heads_removed", "random_heads_removed", "random_sd")),
        ("control_tasks", pa.int32()),
        *((name, pa.float64()) for name in ("control_base", "control_relation_heads_removed")),
        *((name, pa.float64()) for name in ("control_base_sd", "control_sd")),
        ("pairs", pa.int32()),
    ]
)
RESULT_SCHEMAS = {"correlation": CORRELATION_SCHEMA, "multi_token": MULTI_TOKEN_SCHEMA, "causal": CAUSAL_SCHEMA}
REMEDY = "delete it and run the same command again"


class LeftOutRelation(NamedTuple):
    """A relation that has no row, with its usable pairs and the reason in words."""

    relation: str
    pairs: int
    reason: str


@dataclass(frozen=True)
class Result:
    """A finished experiment: `correlation`, `multi_token` or `causal`.

    `settings` are those that it was asked for with the model and its revision; a row is a dict by the columns of
    TABLES, absent values None. What a relation's row was made of is read by `detail`.
    """

    experiment: str
    folder: Path
    settings: dict[str, Any]
    rows: list[Row]
    left_out_relations: list[LeftOutRelation]

    @classmethod
    def read(cls, folder: Path, experiment: str) -> Result:
        """A result in a folder; raises MapsError where there is none, or a damaged one."""
        path = folder / f"{experiment}.json"
        data = read_json(path, REMEDY)
        if data is None:
            raise MapsError(f"{folder} holds no {experiment}.json; run `python -m maps evaluate` first.")
        try:
            left = [LeftOutRelation(each["relation"], each["pairs"], each["reason"]) for each in data["left_out"]]
            rows = [{name: row[name] for name in RESULT_SCHEMAS[experiment].names} for row in data["rows"]]
            return cls(experiment, folder, dict(data["settings"]), rows, left)
        except (KeyError, TypeError, ValueError) as error:
            raise MapsError(f"{path} is damaged ({error}); {REMEDY}.") from error

    def detail(self, relation: str) -> dict[str, Any]:
        """What a relation's row was made of (docs/contract.md); raises MapsError where its part is missing."""
        path = part_path(self.folder, self.experiment, relation)
        found = read_json(path, REMEDY)
        if found is None:
            raise MapsError(
                f"{path} is missing; delete {self.folder / self.experiment}.json and run the command again."
            )
        return found

    def write(self) -> None:
        """Writes the table as CSV and all of it as JSON, which says that the run is finished."""
        table = pa.Table.from_pylist(self.rows, schema=RESULT_SCHEMAS[self.experiment])
        write_file(self.folder / f"{self.experiment}.csv", table_to_csv(table).encode())
        left = [each._asdict() for each in self.left_out_relations]
        write_json(
            self.folder / f"{self.experiment}.json", {"settings": self.settings, "rows": self.rows, "left_out": left}
        )


@dataclass(frozen=True)
class ExperimentRun:
    """An experiment under way in a folder, with what it was asked for."""

    folder: Path
    experiment: str
    settings: Dictionary[str, Any]

    def finished_result(self) -> Result | None:
        """The result where the same run is finished; raises MapsError where the folder holds one of other settings."""
        path = self.folder / f"{self.experiment}.parts" / "settings.json"
        check_same_settings(path, self.settings, f"{self.folder} holds a run with")
        done = check_same_settings(path, self.settings, "") and (self.folder / f"{self.experiment}.json").exists()
        return Result.read(self.folder, self.experiment) if done else None

    def begin(self) -> None:
        """Notes what was asked for."""
        write_json(self.folder / f"{self.experiment}.parts" / "settings.json", self.settings)

    def has_part(self, name: str) -> bool:
        """Whether a part is done."""
        return part_path(self.folder, self.experiment, name).exists()

    def write_part(self, name: str, data: Dictionary[str, Any]) -> None:
        """Keeps a part."""
        write_json(part_path(self.folder, self.experiment, name), data)

    def read_part(self, name: str) -> dict[str, Any]:
        """A part that is done."""
        return read_json(part_path(self.folder, self.experiment, name), REMEDY) or {}

    def write_result(self, rows: Sequence[Row], left_out_relations: Sequence[LeftOutRelation]) -> Result:
        """Writes the result."""
        result = Result(self.experiment, self.folder, dict(self.settings), list(rows), list(left_out_relations))
        result.write()
        return result


def part_path(folder: Path, experiment: str, name: str) -> Path:
    """The file of a part; names are people's own and may be no file's."""
    return folder / f"{experiment}.parts" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"


def open_matching_atlas(out: Path, revision: str, settings: MappingSettings) -> Atlas | None:
    """The atlas in a folder, where there is one; raises MapsError where it is not of that model and these settings."""
    if not (out / "atlas.json").exists():
        return None
    atlas, now = Atlas.open(out), settings.as_json()
    before = {name: atlas.info["settings"].get(name) for name in USED_SETTINGS} | {"revision": atlas.info["revision"]}
    asked = {name: now[name] for name in USED_SETTINGS} | {"revision": revision}
    if before != asked:
        raise MapsError(
            f"{out} holds an atlas made with other settings ({settings_difference(before, asked)}); choose another --out."
        )
    return atlas
