"""The maps of a calibration: which linear maps lead from a token to what each layer reads, and on to the last layer.

A calibration is one safetensors file, made by `maps calibrate` for one model:

    source.{layer}.weight (m, d), source.{layer}.offset (d,)   from a token's features to the stream before the layer
    target.{layer} (d, d)                                      from the stream after the layer to the final one, less I
    attention.{layer}.own (H,), attention.{layer}.constant (d,)    what attention does on average, of the first blocks

Weights are in float16, so that the file stays small; they are the maps, exactly. What it was fitted on and which model
it belongs to stands in the file's metadata.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from maps.atlas.reader import CALIBRATION_FILE, Atlas
from maps.errors import MapsError
from maps.files.atomic import atomic_writer
from maps.hashes import is_same_model
from maps.mapping.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from maps.heads.average_block import AverageAttention
    from maps.heads.source_rows import StreamMap

FORMAT_VERSION = 2
FEATURES = ("embedding", "mlp", "blocks")  # rows of E, of MLP₀(norm(E)), behind the first blocks (`average_block`)
METADATA_KEY = "calibration"


@dataclass(frozen=True)
class Calibration:
    """A calibration's file, opened; its maps are read when they are needed."""

    path: Path
    info: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> Calibration:
        """Reads what the file says of itself; raises MapsError where it is missing or no calibration."""
        from safetensors import SafetensorError, safe_open

        if not path.is_file():
            raise MapsError(f"There is no calibration {path}; make it with `python -m maps calibrate`.")
        try:
            with safe_open(path, "pt") as file:
                info = json.loads((file.metadata() or {}).get(METADATA_KEY, "null"))
                names = set(file.keys())
        except (SafetensorError, OSError, ValueError) as error:
            raise MapsError(f"{path} is no calibration, or is damaged; make it with `maps calibrate`.") from error
        if not is_valid_info(info, names):
            raise MapsError(f"{path} is no calibration that this version reads; make it with `maps calibrate`.")
        return cls(path.resolve(), info)  # other processes may have another working directory

    @cached_property
    def hash(self) -> str:
        """128 bits of XXH3 over the file's bytes: readings with other maps are other readings."""
        digest = xxhash.xxh3_128()
        with self.path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
        return digest.hexdigest()

    def copy_to(self, folder: Path) -> None:
        """Puts the file beside an atlas, which is read with it."""
        target = folder / CALIBRATION_FILE
        if not (target.exists() and target.samefile(self.path)):
            with atomic_writer(target) as copy, self.path.open("rb") as file:
                shutil.copyfileobj(file, copy)

    @property
    def features(self) -> tuple[str, ...]:
        """The features of a token that the maps start from, some of FEATURES."""
        return tuple(self.info["features"])

    @property
    def blocks(self) -> int:
        """How many of the first blocks its features run through; a layer takes those in front of it."""
        return int(self.info["blocks"])

    @property
    def is_parallel(self) -> bool:
        """Whether attention and MLP of these blocks read the same."""
        return bool(self.info["parallel"])

    def average_attention(self, layer: int, heads: int, width: int) -> AverageAttention:
        """What the attention of one of the first blocks does on average."""
        from maps.heads.average_block import AverageAttention

        own = self._read(f"attention.{layer}.own", (heads,))
        return AverageAttention(own, self._read(f"attention.{layer}.constant", (width,)))

    def check_model(self, identity: Mapping[str, Any], name: str) -> None:
        """Raises MapsError if it was fitted to another model."""
        if not is_same_model(identity, self.info):
            raise MapsError(
                f"{self.path} was fitted to {self.info['model']} with other weights than those of {name}; calibrate "
                f"{name} with `python -m maps calibrate`."
            )

    def source_map(self, layer: int, width: int) -> StreamMap:
        """The map from a token's features to the stream before a layer."""
        from maps.heads.source_rows import StreamMap

        m = len(self.features) * width
        weight = self._read(f"source.{layer}.weight", (m, width))
        return StreamMap(weight, self._read(f"source.{layer}.offset", (width,)))

    def target_map(self, layer: int, width: int) -> Tensor:
        """The map from the stream after a layer to the final stream, (d, d) in float64."""
        weight = self._read(f"target.{layer}", (width, width)).double()
        weight.diagonal().add_(1)
        return weight

    def _read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        from safetensors import safe_open

        with safe_open(self.path, "pt") as file:
            tensor: Tensor = file.get_tensor(name)
        if tuple(tensor.shape) != shape or not tensor.isfinite().all():
            raise MapsError(f"{self.path} is damaged ({name}); make it anew with `python -m maps calibrate`.")
        return tensor


def open_atlas_calibration(atlas: Atlas) -> Calibration | None:
    """The calibration that an atlas was mapped with, which lies in its folder; None if its reading needs none.

    Raises MapsError if it is missing or another one.
    """
    wanted = atlas.info["settings"].get("calibration")
    if wanted is None:
        return None
    calibration = Calibration.open(atlas.folder / CALIBRATION_FILE)
    if calibration.hash != wanted:
        raise MapsError(f"{calibration.path} is not the calibration that the atlas was mapped with; map it again.")
    return calibration


def check_reading(reading: Reading, calibration: Calibration | None) -> None:
    """Raises MapsError where a reading lacks its calibration, or has one that it does not use."""
    if calibration is not None and not reading.needs_calibration:
        raise MapsError(f"The reading {reading} uses no calibration; leave it out, or choose another reading.")
    if calibration is None and reading.needs_calibration:
        raise MapsError(
            f"The reading {reading} needs a calibration; make one with `python -m maps calibrate MODEL --out FILE` and "
            "name the file with --calibration."
        )


def is_valid_info(info: Any, names: set[str]) -> bool:
    """Whether a file's metadata and names of tensors are those of a calibration."""
    if not isinstance(info, dict) or info.get("format_version") != FORMAT_VERSION:
        return False
    features, layers = info.get("features"), info.get("layers")
    if not isinstance(features, list) or not features or not set(features) <= set(FEATURES):
        return False
    if type(layers) is not int or not all(isinstance(info.get(key), str) for key in ("model", "revision")):
        return False
    blocks, is_parallel = info.get("blocks"), info.get("parallel")
    if type(blocks) is not int or not 0 <= blocks < max(layers, 1) or type(is_parallel) is not bool:
        return False
    if ("blocks" in features) != bool(blocks):
        return False
    wanted = {f"source.{i}.{part}" for i in range(1, layers) for part in ("weight", "offset")}
    wanted |= {f"attention.{i}.{part}" for i in range(blocks) for part in ("own", "constant")}
    return wanted | {f"target.{i}" for i in range(layers - 1)} <= names
