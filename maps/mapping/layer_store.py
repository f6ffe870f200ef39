"""The finished layers of an unfinished mapping, each in a folder of its own, until they are joined into the atlas."""

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
from maps.atlas.schema import LAYER_TABLES, OPTIONAL_LAYER_TABLES, Row, make_table
from maps.files.atomic import write_file, write_json
from maps.files.run_folder import RunFolder, part_name


@dataclass(frozen=True)
class LayerStore:
    """The layers of an unfinished mapping into `folder`, and the settings that they were made with."""

    folder: Path

    def begin(self, settings: Dictionary[str, Any]) -> AbstractContextManager[None]:
        """Locks the folder until the block ends; raises MapsError when its layers were made with other settings."""
        remedy = f"choose another --out or delete {self.folder / PARTS_FOLDER}"
        run = RunFolder(self.folder, PARTS_FOLDER)
        return run.begin("map", settings, "an unfinished mapping made", remedy)

    def layer_folder(self, layer: int) -> Path:
        return self.folder / PARTS_FOLDER / part_name(layer)

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

    def finish(self, layers: Sequence[int], pairs: Sequence[Row], info: Dictionary[str, Any]) -> None:
        """Joins the layers into the atlas and removes their folders; `atlas.json` is written last."""
        names = [path.stem for path in self.layer_folder(layers[0]).glob("*.parquet")]
        for name in names:
            files = [self.layer_folder(layer) / f"{name}.parquet" for layer in layers]
            write_table(self.folder, name, pa.concat_tables([pq.read_table(file) for file in files]))
        write_table(self.folder, "pairs", make_table("pairs", pairs))
        write_file(self.folder / "README.md", atlas_card(info, list_card_files(self.folder)).encode())
        write_json(self.folder / "atlas.json", info)
        self.remove_parts()

    def remove_parts(self) -> None:
        shutil.rmtree(self.folder / PARTS_FOLDER)
