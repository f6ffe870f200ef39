"""A reading: how a head's sources and targets are read from the weights. Imports no torch.

A source is what a layer's heads read of a token; in layer 0 it is always the embedding E, which attention reads there.

- `mlp`: MLP₀(norm(E)), the paper's
- `embedding`: E
- `residual`: E + MLP₀(norm(E))
- `calibrated`: a linear map of the token's features to the residual stream, fitted for each layer (`maps calibrate`)

`+input-norm`: the source goes through the norm in front of the layer's attention. `+final-norm`: the head's outputs
are multiplied by the final norm's gain. `+target-map`: a fitted linear map leads them from the layer to the last one.
"""

from __future__ import annotations

from dataclasses import dataclass

from maps.errors import MapsError
from maps.text import shorten

SOURCES = ("mlp", "embedding", "residual", "calibrated")
PAPER = "paper"  # another name of `mlp`
AUTO = "auto"  # of `maps map`: the reading that predicts best
INPUT_NORM, FINAL_NORM, TARGET_MAP = "input-norm", "final-norm", "target-map"
PARTS = (INPUT_NORM, FINAL_NORM, TARGET_MAP)


@dataclass(frozen=True)
class Reading:
    """A way to read heads. `str` gives its name, such as `embedding+input-norm+final-norm`."""

    source: str = "mlp"
    input_norm: bool = False
    final_norm: bool = False
    target_map: bool = False

    @classmethod
    def parse(cls, name: str) -> Reading:
        """A reading from its name; raises MapsError for an unknown one."""
        source, *parts = ("mlp" if name == PAPER else name).split("+")
        if source not in SOURCES or len(set(parts)) < len(parts) or not set(parts) <= set(PARTS):
            raise MapsError(
                f"There is no reading {shorten(name, 80)}; a reading is {PAPER}, or one of {', '.join(SOURCES)} with "
                f"any of {', '.join('+' + part for part in PARTS)} behind it."
            )
        return cls(source, INPUT_NORM in parts, FINAL_NORM in parts, TARGET_MAP in parts)

    def __str__(self) -> str:
        used = zip(PARTS, (self.input_norm, self.final_norm, self.target_map), strict=True)
        return "+".join([self.source, *(part for part, is_used in used if is_used)])

    @property
    def needs_calibration(self) -> bool:
        """Whether it reads through maps that are fitted to the running model."""
        return self.source == "calibrated" or self.target_map

    @property
    def has_own_sources_in_each_layer(self) -> bool:
        """Whether no two layers read the same rows; else all but layer 0 do."""
        return self.input_norm or self.source == "calibrated"

    @property
    def reads_first_mlp(self) -> bool:
        return self.source != "embedding"


PAPER_READING = Reading()
