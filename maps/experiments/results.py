"""The results of the experiments that run the model: rows, the relations left out and why, and each relation's details.

A run stores one part for each finished relation, so that it continues where it stopped. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from maps.atlas.reader import Atlas
from maps.atlas.schema import INTEGER, NUMBER, TEXT, Row, columns
from maps.errors import MapsError
from maps.files.atomic import read_json, write_file, write_json
from maps.files.csv_export import table_to_csv
from maps.files.run_folder import REMEDY, RunFolder, settings_difference
from maps.mapping.settings import MappingSettings
from maps.types import Progress, no_progress_bar

if TYPE_CHECKING:
    from maps.weights.checkpoint import Checkpoint

# The settings of a mapping that change an experiment's scores.
USED_SETTINGS = ("k", "tau", "min_pairs", "reading", "calibration", "dtype", "layers", "relations")
CORRELATION_KINDS = ("without_context", "with_context", "suppression_without_context", "suppression_with_context")
P_VALUE_COLUMNS = tuple(f"{kind}_p" for kind in CORRELATION_KINDS)
INTEGERS, NUMBERS, TEXTS = pa.list_(INTEGER), pa.list_(NUMBER), pa.list_(TEXT)
CORRELATION_SCHEMA = pa.schema(
    [
        *[("relation", TEXT), *columns(INTEGER, "pairs", "k"), *columns(NUMBER, *CORRELATION_KINDS)],
        *columns(NUMBER, "max_score", "max_suppression", *P_VALUE_COLUMNS),
    ]
)
MULTI_TOKEN_SCHEMA = pa.schema(
    [
        *[*CORRELATION_SCHEMA, pa.field("single_pairs", INTEGER)],
        *(pa.field(f"single_{name}", NUMBER) for name in (*CORRELATION_KINDS, *P_VALUE_COLUMNS)),
    ]
)
CAUSAL_SCHEMA = pa.schema(
    [
        *[("relation", TEXT), ("heads_removed", INTEGER)],
        *columns(NUMBER, "base", "relation_heads_removed", "random_heads_removed", "random_sd"),
        *[("control_tasks", INTEGER), *columns(NUMBER, "control_base", "control_relation_heads_removed")],
        *[*columns(NUMBER, "control_base_sd", "control_sd"), ("pairs", INTEGER)],
    ]
)
RESULT_SCHEMAS = {"correlation": CORRELATION_SCHEMA, "multi_token": MULTI_TOKEN_SCHEMA, "causal": CAUSAL_SCHEMA}


class ExperimentRun(NamedTuple):
    """What every experiment needs; `progress` wraps the layers, relations or tasks that are still to do."""

    model: str
    out: Path
    settings: MappingSettings
    device: str = "cpu"
    progress: Progress[Any] = no_progress_bar


class LeftOutRelation(NamedTuple):
    """A relation without a row: its number of usable pairs and the reason in words."""

    relation: str
    pairs: int
    reason: str


@dataclass(frozen=True)
class Result:
    """A finished experiment: `correlation`, `multi_token` or `causal`.

    `settings` contains the model, its revision and the options. A row is a dictionary with the columns of
    RESULT_SCHEMAS; undefined values are None. `detail` returns what a relation's row was computed from.
    """

    experiment: str
    folder: Path
    settings: dict[str, Any]
    rows: list[Row]
    left_out_relations: list[LeftOutRelation]

    @classmethod
    def find(cls, folder: Path, experiment: str) -> Result | None:
        """The result in a folder, or None when the experiment is not finished there."""
        return cls.read(folder, experiment) if (folder / f"{experiment}.json").exists() else None

    @classmethod
    def read(cls, folder: Path, experiment: str) -> Result:
        """The result in a folder; raises MapsError when it is missing or damaged."""
        path, data = folder / f"{experiment}.json", read_finished(folder, experiment)
        try:
            left = [LeftOutRelation(each["relation"], each["pairs"], each["reason"]) for each in data["left_out"]]
            rows = [{name: row[name] for name in RESULT_SCHEMAS[experiment].names} for row in data["rows"]]
            return cls(experiment, folder, dict(data["settings"]), rows, left)
        except (KeyError, TypeError, ValueError) as error:
            raise MapsError(f"{path} is damaged ({error}); {REMEDY}.") from error

    def detail(self, relation: str) -> dict[str, Any]:
        """What a relation's row was computed from (docs/contract.md); raises MapsError when its part is missing."""
        parts = experiment_parts(self.folder, self.experiment)
        if not parts.has(relation):
            result = self.folder / f"{self.experiment}.json"
            raise MapsError(f"{parts.path(relation)} is missing; delete {result} and run the command again.")
        return parts.read(relation)

    def write(self) -> Result:
        """Writes the CSV table, then the JSON file, which marks the run as finished; returns the result."""
        table = pa.Table.from_pylist(self.rows, schema=RESULT_SCHEMAS[self.experiment])
        write_file(self.folder / f"{self.experiment}.csv", table_to_csv(table).encode())
        left = [each._asdict() for each in self.left_out_relations]
        data = {"settings": self.settings, "rows": self.rows, "left_out": left}
        write_json(self.folder / f"{self.experiment}.json", data)
        return self


def read_finished(folder: Path, experiment: str) -> dict[str, Any]:
    """The JSON file that a finished experiment leaves in its folder; raises MapsError when it is missing."""
    data = read_json(folder / f"{experiment}.json", REMEDY)
    if data is None:
        raise MapsError(f"{folder} holds no {experiment}.json; run `python -m maps evaluate` first.")
    return data


def experiment_parts(folder: Path, experiment: str) -> RunFolder:
    return RunFolder(folder, f"{experiment}.parts")


def pick_settings(settings: MappingSettings, names: Sequence[str] = USED_SETTINGS) -> dict[str, Any]:
    values = settings.as_json()
    return {name: values[name] for name in names}


def open_matching_atlas(out: Path, checkpoint: Checkpoint, settings: MappingSettings) -> Atlas | None:
    """The atlas in a folder, if there is one; raises MapsError when its model or settings differ."""
    if not (out / "atlas.json").exists():
        return None

    atlas = Atlas.open(out)
    if not checkpoint.is_model_of(atlas.info):
        raise MapsError(f"{out} holds an atlas of another model, {atlas.model}; choose another --out.")
    stored = {name: atlas.info["settings"].get(name) for name in USED_SETTINGS}
    asked = pick_settings(settings)
    if stored != asked:
        difference = settings_difference(stored, asked)
        raise MapsError(f"{out} holds an atlas made with other settings ({difference}); choose another --out.")
    return atlas
