"""A mapping under way: its finished layers, each in a folder of its own, until they are joined into the atlas."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from maps.atlas.card import atlas_card
from maps.atlas.reader import PARTS, listed, write_table
from maps.atlas.schema import COMPUTED, ON_REQUEST, SCHEMAS, Row, table
from maps.files.atomic import write_file, write_json
from maps.files.run_settings import check_same


@dataclass(frozen=True)
class Parts:
    """The layers of a mapping under way, one folder each, and the settings that they were made with."""

    folder: Path

    def begin(self, settings: Dictionary[str, Any]) -> None:
        """Starts or continues; raises MapsError where other settings were used before."""
        path = self.folder / PARTS / "settings.json"
        remedy = f"choose another --out or delete {self.folder / PARTS}"
        if not check_same(path, settings, f"{self.folder} holds an unfinished mapping made with", remedy):
            write_json(path, settings)

    def has(self, layer: int, name: str = "heads") -> bool:
        """Whether a layer's table is there; the tables of a layer come together, but for those added later."""
        return (self.path(layer) / f"{name}.parquet").exists()

    def path(self, layer: int) -> Path:
        """Where a finished layer lies."""
        return self.folder / PARTS / f"layer-{layer:03d}"

    def keep(self, layer: int, tables: Dictionary[str, pa.Table]) -> None:
        """Keeps a finished layer, or hits alone beside the tables that an earlier version kept without them."""
        if set(tables) == {"hits"}:
            write_table(self.path(layer), "hits", tables["hits"])
            return
        place = self.path(layer)
        beside = place.with_name(f".{place.name}.{os.getpid()}")
        shutil.rmtree(beside, ignore_errors=True)
        for name in (*COMPUTED, *(name for name in ON_REQUEST if name in tables)):
            write_table(beside, name, tables[name])
        beside.replace(place)

    def table(self, layer: int, name: str) -> pa.Table:
        """A table of a finished layer."""
        return pq.read_table(self.path(layer) / f"{name}.parquet")

    def finish(self, layers: Sequence[int], pairs: Sequence[Row], info: Dictionary[str, Any]) -> None:
        """Joins the layers into the atlas, beside the tables that it has, and removes the parts."""
        for name in (name for name in SCHEMAS if self.has(layers[0], name)):
            write_table(self.folder, name, pa.concat_tables([self.table(layer, name) for layer in layers]))
        write_table(self.folder, "pairs", table("pairs", pairs))
        write_file(self.folder / "README.md", atlas_card(info, listed(self.folder)).encode())
        write_json(self.folder / "atlas.json", info)
        shutil.rmtree(self.folder / PARTS)
