"""The layers of an unfinished mapping, each stored when it is finished, and the atlas that they become."""

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
from maps.atlas.info import AtlasSizes
from maps.atlas.reader import PARTS_FOLDER, Atlas, list_card_files, write_table
from maps.atlas.schema import LAYER_TABLES, OPTIONAL_LAYER_TABLES, Row, make_table
from maps.files.atomic import read_json, write_file, write_json
from maps.files.run_folder import RunFolder, part_name

LAYER_PREFIX = "layer-"


@dataclass(frozen=True)
class LayerStore:
    """The layers of an unfinished mapping into `folder`, and the settings that they were made with."""

    folder: Path

    def begin(self, settings: Dictionary[str, Any]) -> AbstractContextManager[None]:
        """Locks the folder until the block ends; raises MapsError when its layers were made with other settings."""
        remedy = f"choose another --out or delete {self.parts}"
        run = RunFolder(self.folder, PARTS_FOLDER)
        return run.begin("map", settings, "an unfinished mapping made", remedy)

    @property
    def parts(self) -> Path:
        return self.folder / PARTS_FOLDER

    def layer_folder(self, layer: int) -> Path:
        return self.parts / part_name(layer)

    def has(self, layer: int) -> bool:
        """Whether a layer is finished; its folder appears with all its tables at once."""
        return self.layer_folder(layer).exists()

    def store(self, layer: int, tables: Dictionary[str, pa.Table]) -> None:
        """Stores a layer's tables, all or none."""
        folder = self.layer_folder(layer)
        temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
        shutil.rmtree(temporary, ignore_errors=True)
        for name in (*LAYER_TABLES, *(name for name in OPTIONAL_LAYER_TABLES if name in tables)):
            write_table(temporary, name, tables[name])
        temporary.replace(folder)

    def begin_atlas(self, info: Dictionary[str, Any], pairs: Sequence[Row]) -> None:
        """Stores what the atlas will hold besides the layers, so that it can be shown before it is finished."""
        write_table(self.parts, "pairs", make_table("pairs", pairs))
        write_json(self.parts / "atlas.json", info)

    def finished_layers(self) -> list[int]:
        """The layers that are stored."""
        return sorted(int(path.name.removeprefix(LAYER_PREFIX)) for path in self.parts.glob(f"{LAYER_PREFIX}*"))

    def write_unfinished(self, into: Path) -> Atlas | None:
        """Writes the layers that are stored as an atlas into a new folder; returns None before the first one.

        Its `head_layers` are these layers, and `unfinished` is the number of all layers to be mapped.
        """
        layers, info = self.finished_layers(), read_json(self.parts / "atlas.json")
        if not layers or info is None:
            return None
        into.mkdir(parents=True)
        total = len(AtlasSizes.from_info(info).layers)
        shutil.copy2(self.parts / "pairs.parquet", into)
        self._join(layers, into)
        write_json(into / "atlas.json", {**info, "head_layers": layers, "unfinished": total})
        return Atlas.open(into)

    def _join(self, layers: Sequence[int], into: Path) -> None:
        """Joins the tables of layers."""
        for name in [path.stem for path in self.layer_folder(layers[0]).glob("*.parquet")]:
            files = [self.layer_folder(layer) / f"{name}.parquet" for layer in layers]
            write_table(into, name, pa.concat_tables([pq.read_table(file) for file in files]))

    def finish(self, layers: Sequence[int], pairs: Sequence[Row], info: Dictionary[str, Any]) -> None:
        """Joins the layers into the atlas and removes their folders; `atlas.json` is written last."""
        self._join(layers, self.folder)
        write_table(self.folder, "pairs", make_table("pairs", pairs))
        write_file(self.folder / "README.md", atlas_card(info, list_card_files(self.folder)).encode())
        write_json(self.folder / "atlas.json", info)
        self.remove_parts()

    def remove_parts(self) -> None:
        shutil.rmtree(self.parts)
