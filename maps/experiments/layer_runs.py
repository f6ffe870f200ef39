"""Runs an experiment on the weights, one layer at a time, and writes its tables.

Each finished layer is stored in `NAME.parts/`, so that a stopped run continues where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.errors import MapsError
from maps.experiments.results import experiment_parts, read_finished
from maps.files.atomic import write_file, write_json
from maps.files.csv_export import table_to_csv
from maps.files.run_folder import REMEDY
from maps.mapping.model import Model
from maps.mapping.settings import MappingSettings, select_layers
from maps.types import HeadId, Progress, no_progress_bar

TableRows = dict[str, list[Row]]  # the rows of each table


def round_to_five_digits(value: float) -> float:
    """A number as it is stored: the digits after the fifth depend on the number of threads."""
    return float(f"{value:.5g}")


@dataclass(frozen=True)
class ExperimentTables:
    """The settings and the tables of a finished experiment on the weights."""

    experiment: str
    folder: Path
    settings: dict[str, Any]
    tables: TableRows

    @classmethod
    def find(cls, folder: Path, experiment: str) -> ExperimentTables | None:
        """The tables in a folder, or None when the experiment is not finished there."""
        return cls.read(folder, experiment) if (folder / f"{experiment}.json").exists() else None

    @classmethod
    def read(cls, folder: Path, experiment: str) -> ExperimentTables:
        """The tables in a folder; raises MapsError when they are missing or damaged."""
        data = read_finished(folder, experiment)
        if not isinstance(data.get("settings"), dict) or not isinstance(data.get("tables"), dict):
            path = folder / f"{experiment}.json"
            raise MapsError(f"{path} is damaged (it holds no settings or no tables); {REMEDY}.")
        return cls(experiment, folder, data["settings"], data["tables"])


@dataclass(frozen=True)
class LayerExperiment:
    """An experiment on some layers of a model: its settings apart from the model, and the columns of its tables."""

    experiment: str
    model: Model
    settings: Dictionary[str, Any]
    layers: Sequence[int]
    schemas: Dictionary[str, pa.Schema]

    def run(
        self,
        out: Path,
        compute_layer: Callable[[int], TableRows],
        progress: Progress[int] = no_progress_bar,
        build_tables: Callable[[TableRows], TableRows] = lambda rows: rows,
    ) -> ExperimentTables:
        """Computes the layers that are missing, then writes one CSV file for each table and one JSON file with all.

        `compute_layer` returns a layer's rows by name; `build_tables` makes the tables from the rows of all layers.
        Raises MapsError when the folder holds a run with other settings or the atlas of another model.
        """
        revision, parts = self.model.checkpoint.revision, experiment_parts(out, self.experiment)
        settings = {"model": self.model.requested_name, "revision": revision, **self.settings}
        if (out / "atlas.json").exists() and Atlas.open(out).info["revision"] != revision:
            raise MapsError(f"{out} holds an atlas of another model; choose another --out.")
        with parts.begin("evaluate", settings):
            layers = parts.compute_missing(self.layers, compute_layer, progress)
            tables = build_tables({name: [row for layer in layers for row in layer[name]] for name in layers[0]})
            for name, schema in self.schemas.items():
                table = pa.Table.from_pylist(tables[name], schema=schema)
                write_file(out / f"{name}.csv", table_to_csv(table).encode())
            write_json(out / f"{self.experiment}.json", {"settings": settings, "tables": tables})
        return ExperimentTables(self.experiment, out, settings, tables)


def select_heads(model: Model, settings: MappingSettings, heads: Sequence[HeadId]) -> dict[int, list[int]]:
    """The heads to look at, by layer: the named ones, or all heads of the settings' layers when none is named.

    Raises MapsError for a head that the model or the layers lack.
    """
    layers = select_layers(settings, model.shape.layers)
    if not heads:
        return {layer: list(range(model.shape.heads)) for layer in layers}
    named = sorted({model.head(head) for head in heads})
    outside = [str(head) for head in named if head.layer not in layers]
    if outside:
        raise MapsError(f"--heads names {', '.join(outside)}, which --layers leaves out.")
    return {layer: [head.head for head in named if head.layer == layer] for layer in sorted({h.layer for h in named})}
