"""The settings of a mapping, and whether a folder contains the finished mapping. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.files.atomic import read_json
from maps.files.run_folder import settings_difference
from maps.mapping.calibration import Calibration, check_reading
from maps.mapping.reading import PAPER_READING, Reading
from maps.types import MIN_PAIRS, TAU, Relation, check_at_least_one

if TYPE_CHECKING:
    from maps.weights.shape import ModelShape


@dataclass(frozen=True)
class MappingSettings:
    """What a mapping depends on in addition to the model; it is only continued with the same settings.

    Raises MapsError for numbers below 1 and for a τ outside 0 to 1.
    """

    relations: tuple[Relation, ...]
    salient: int = 30
    heldout: int = 30
    targets: int = 5
    k: int | None = None
    tau: float = TAU
    min_pairs: int = MIN_PAIRS
    reading: Reading = PAPER_READING
    calibration: Calibration | None = None  # for a reading that needs one
    dtype: str = "stored"
    suppressive: bool = False
    output_space: bool = False
    top_scoring: bool = False
    layers: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("salient", "targets", "min_pairs", *(() if self.k is None else ("k",))):
            check_at_least_one(name, getattr(self, name))
        if not 0 <= self.tau <= 1:
            raise MapsError(f"tau must be a number from 0 to 1, not {self.tau!r}.")
        check_reading(self.reading, self.calibration)

    def as_json(self) -> dict[str, Any]:
        """The content of `settings` in `atlas.json`; relations and the calibration as hashes of their content."""
        relations = {r.name: hashlib.sha256(json.dumps(r.pairs).encode()).hexdigest()[:16] for r in self.relations}
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "relations"}
        return values | {
            "layers": None if self.layers is None else list(self.layers),
            "relations": relations,
            "reading": str(self.reading),
            "calibration": None if self.calibration is None else self.calibration.hash,
        }


def is_mapping_finished(model: str, out: Path, settings: MappingSettings) -> bool:
    """Whether `out` contains this mapping; raises MapsError where it contains another one. Reads no weights."""
    info = read_json(out / "atlas.json")
    if info is None:
        return False
    before = {"model": info.get("asked_for"), **info.get("settings", {})}
    now = {"model": model, **settings.as_json()}
    if before != now:
        difference = settings_difference(before, now)
        raise MapsError(f"{out} holds an atlas made with other settings ({difference}); choose another --out.")
    Atlas.open(out)  # raises where a table is missing or damaged
    return True


def select_layers(settings: MappingSettings, shape: ModelShape) -> list[int]:
    """The layers to map; raises MapsError where the model has fewer, or no heads in these."""
    first, last = settings.layers or (0, shape.layers - 1)
    if not 0 <= first <= last < shape.layers:
        raise MapsError(f"--layers {first}-{last} is outside the model's layers 0-{shape.layers - 1}.")
    layers = [layer for layer in shape.layers_with_heads if first <= layer <= last]
    if not layers:
        with_heads = ", ".join(map(str, shape.layers_with_heads))
        raise MapsError(f"The layers {first}-{last} of this model have no heads; its heads are in {with_heads}.")
    return layers
