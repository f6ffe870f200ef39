"""An experiment that looks at the weights a layer at a time: its parts, and the tables that they make.

A run that was stopped goes on: each finished layer waits in `NAME.parts/`, beside the settings that it was made with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.errors import MapsError
from maps.files.atomic import read_json, write_file, write_json
from maps.files.csv_export import table_to_csv
from maps.files.lock import lock_folder
from maps.files.run_settings import check_same_settings
from maps.mapping.model import Model
from maps.types import HeadId

REMEDY = "delete it and run the experiment again"
Progress = Callable[[Sequence[int], int], Iterable[int]]
TableRows = dict[str, list[Row]]


def round_to_five_digits(value: float) -> float:
    """A number as it is stored: five digits, which do not depend on the number of threads."""
    return float(f"{value:.5g}")


def no_progress_bar(todo: Sequence[int], _done: int) -> Iterable[int]:
    """No bar."""
    return todo


@dataclass(frozen=True)
class ExperimentTables:
    """What such an experiment found: what it was asked for, and its tables by name."""

    experiment: str
    folder: Path
    settings: dict[str, Any]
    tables: TableRows

    @classmethod
    def read(cls, folder: Path, experiment: str) -> ExperimentTables:
        """What a finished run left in a folder; raises MapsError where there is none, or a damaged one."""
        path = folder / f"{experiment}.json"
        found = read_json(path, REMEDY)
        if found is None:
            raise MapsError(f"{folder} holds no {experiment}.json; run `python -m maps evaluate` first.")
        if not isinstance(found.get("settings"), dict) or not isinstance(found.get("tables"), dict):
            raise MapsError(f"{path} is damaged (it holds no settings or no tables); {REMEDY}.")
        return cls(experiment, folder, found["settings"], found["tables"])


@dataclass(frozen=True)
class LayerExperiment:
    """An experiment to be run: what it is asked for beside the model, the layers, and the tables that it fills."""

    experiment: str
    model: Model
    settings: Dictionary[str, Any]
    layers: Sequence[int]
    schemas: Dictionary[str, pa.Schema]

    def run(
        self,
        out: Path,
        compute_layer: Callable[[int], TableRows],
        progress: Progress = no_progress_bar,
        build_tables: Callable[[TableRows], TableRows] = lambda made: made,
    ) -> ExperimentTables:
        """Makes what is not there yet and writes a CSV a table and all of them as JSON.

        `compute_layer` gives a layer's rows by name; `build_tables` makes the tables of those of all layers. Raises MapsError where
        the folder holds a run with other settings, or the atlas of other weights.
        """
        parts, revision = out / f"{self.experiment}.parts", self.model.checkpoint.revision
        settings = {"model": self.model.requested_name, "revision": revision, **self.settings}
        check_same_settings(parts / "settings.json", settings, f"{out} holds a run with")
        if (out / "atlas.json").exists() and Atlas.open(out).info["revision"] != revision:
            raise MapsError(f"{out} holds an atlas of another model; choose another --out.")
        write_json(parts / "settings.json", settings)
        with lock_folder(out, "evaluate"):
            files = {layer: parts / f"layer-{layer:03d}.json" for layer in self.layers}
            todo = [layer for layer, file in files.items() if not file.exists()]
            for layer in progress(todo, len(files) - len(todo)) if todo else ():
                write_json(files[layer], compute_layer(layer))
            layers = [read_json(file, REMEDY) or {} for file in files.values()]
            tables = build_tables({name: [row for layer in layers for row in layer[name]] for name in layers[0]})
            for name, schema in self.schemas.items():
                write_file(
                    out / f"{name}.csv", table_to_csv(pa.Table.from_pylist(tables[name], schema=schema)).encode()
                )
            write_json(out / f"{self.experiment}.json", {"settings": settings, "tables": tables})
        return ExperimentTables(self.experiment, out, settings, tables)


def select_heads(model: Model, layers: Sequence[int], heads: Sequence[HeadId]) -> dict[int, list[int]]:
    """The heads to look at, by layer: all of these layers, or the named ones; MapsError where the model lacks one."""
    if not heads:
        return {layer: list(range(model.shape.heads)) for layer in layers}
    named = sorted({model.head(head) for head in heads})
    outside = [str(head) for head in named if head.layer not in layers]
    if outside:
        raise MapsError(f"--heads names {', '.join(outside)}, which --layers leaves out.")
    return {layer: [head.head for head in named if head.layer == layer] for layer in sorted({h.layer for h in named})}
