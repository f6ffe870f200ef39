"""The reading of an atlas in words, from its name in `atlas.json` (docs/contract.md, section 2).

A name is a source with parts behind it, such as `mlp+input-norm`. It may be any printable text, because an atlas may
come from anybody: pages and commands escape it. `maps.mapping.reading` parses the names of readings that exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PAPER_READING = "mlp"
CALIBRATED_READING = "calibrated+input-norm+final-norm+target-map"
CALIBRATED = "calibrated"  # a source, and the label of the reading above
TARGET_MAP = "target-map"


def reading_name(info: Mapping[str, Any]) -> str:
    """The name of the reading in an `atlas.json`."""
    return str(info["settings"]["reading"])


def title_with_reading(model: str, reading: str) -> str:
    """The name under which an atlas is shown: `MODEL` in the paper's reading, else such as `MODEL (calibrated)`.

    Studies keep the name, so it depends on no other atlas.
    """
    return model if reading == PAPER_READING else f"{model} ({reading_label(reading)})"


def reading_label(reading: str) -> str:
    """The short name of a reading: `calibrated` for the recommended one, else its name.

    The reading that is called `calibrated` calibrates its sources only, and is labelled so.
    """
    if reading == CALIBRATED:
        return "calibrated sources"
    return CALIBRATED if reading == CALIBRATED_READING else reading


def is_calibrated(reading: str) -> bool:
    """Whether a reading uses maps that were fitted to the running model."""
    return shares_mean(reading) or TARGET_MAP in reading.split("+")


def shares_mean(reading: str) -> bool:
    """Whether all sources share a part in a reading: the mean of the stream, which calibrated sources include."""
    return reading.split("+")[0] == CALIBRATED


def reading_phrase(reading: str) -> str:
    """A reading in a sentence: `the paper's reading (mlp)`."""
    if reading == PAPER_READING:
        return f"the paper's reading ({reading})"
    if reading == CALIBRATED_READING:
        return f"the calibrated reading ({reading})"
    return f"the reading {reading}"


def basis_phrase(reading: str) -> str:
    """What heads are read from, behind "read from"."""
    if is_calibrated(reading):
        return "their weights and a calibration (linear maps that were fitted while the model ran)"
    return "their weights alone"


def targets_phrase(reading: str) -> str:
    """What the targets of a mapping are in a reading."""
    if TARGET_MAP in reading.split("+"):
        return "the tokens that the head raises in the end, after the layers behind it"
    return "the tokens that the head promotes directly"
