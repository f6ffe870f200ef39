"""A mapping under way: its finished layers, each in a folder of its own, until they are joined into the atlas."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from maps.atlas.card import atlas_card
from maps.atlas.reader import PARTS_FOLDER, list_card_files, write_table
from maps.atlas.schema import LAYER_TABLES, OPTIONAL_LAYER_TABLES, SCHEMAS, Row, make_table
from maps.files.atomic import write_file, write_json
from maps.files.run_folder import RunFolder, part_name


@dataclass(frozen=True)
class LayerStore:
    """The layers of a mapping under way, one folder each, and the settings that they were made with."""

    folder: Path

    def begin(self, settings: Dictionary[str, Any]) -> AbstractContextManager[None]:
        """Locks the folder until the block ends; raises MapsError when its layers were made with other settings."""
        remedy = f"choose another --out or delete {self.folder / PARTS_FOLDER}"
        run = RunFolder(self.folder, PARTS_FOLDER)
        return run.begin("map", settings, "an unfinished mapping made", remedy)

    def has_table(self, layer: int, name: str = "heads") -> bool:
        """Whether a layer's table is there; the tables of a layer come together, but for those added later."""
        return (self.layer_folder(layer) / f"{name}.parquet").exists()

    def layer_folder(self, layer: int) -> Path:
        return self.folder / PARTS_FOLDER / part_name(layer)

    def store_layer(self, layer: int, tables: Dictionary[str, pa.Table]) -> None:
        """Keeps a finished layer, or hits alone beside the tables that an earlier version kept without them."""
        if set(tables) == {"hits"}:
            write_table(self.layer_folder(layer), "hits", tables["hits"])
            return
        place = self.layer_folder(layer)
        beside = place.with_name(f".{place.name}.{os.getpid()}")
        shutil.rmtree(beside, ignore_errors=True)
        for name in (*LAYER_TABLES, *(name for name in OPTIONAL_LAYER_TABLES if name in tables)):
            write_table(beside, name, tables[name])
        beside.replace(place)

    def read_table(self, layer: int, name: str) -> pa.Table:
        """A table of a finished layer."""
        return pq.read_table(self.layer_folder(layer) / f"{name}.parquet")

    def finish(self, layers: Sequence[int], pairs: Sequence[Row], info: Dictionary[str, Any]) -> None:
        """Joins the layers into the atlas, beside the tables that it has, and removes the parts."""
        for name in (name for name in SCHEMAS if self.has_table(layers[0], name)):
            write_table(self.folder, name, pa.concat_tables([self.read_table(layer, name) for layer in layers]))
        write_table(self.folder, "pairs", make_table("pairs", pairs))
        write_file(self.folder / "README.md", atlas_card(info, list_card_files(self.folder)).encode())
        write_json(self.folder / "atlas.json", info)
        self.remove_parts()

    def remove_parts(self) -> None:
        shutil.rmtree(self.folder / PARTS_FOLDER)
