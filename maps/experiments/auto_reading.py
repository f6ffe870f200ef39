"""The reading that `map --reading auto` takes: the one that predicts best, with a calibration where it needs one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from maps.atlas.reader import CALIBRATION_FILE
from maps.errors import NotRunnableError
from maps.experiments.calibrate import TOKENS, calibrate
from maps.experiments.readings import read_recommendation
from maps.mapping.model import Model
from maps.mapping.reading import Reading
from maps.types import Progress

# What `evaluate readings` recommends for the models that were measured (docs/readings.md).
BEST_READING = Reading("calibrated", input_norm=True, final_norm=True, target_map=True)
BEST_WEIGHTS_ONLY = Reading("mlp", input_norm=True, final_norm=True)


class ReadingChoice(NamedTuple):
    """A reading, the file of its calibration, and a sentence that says why."""

    reading: Reading
    calibration: Path | None
    sentence: str


def choose_reading(
    model: str, out: Path, calibration: Path | None, device: str, progress: Progress[Any]
) -> ReadingChoice:
    """The recommendation of `evaluate readings` in `out`, else the best one of the measured models.

    Where that needs a calibration and none is given, the model is calibrated, into the folder `out`; where it cannot be
    run, the best reading from weights alone is taken.
    """
    recommended = read_recommendation(out)
    reading = BEST_READING if recommended is None else Reading.parse(recommended)
    reason = (
        "the best on the models that were measured"
        if recommended is None
        else "recommended by `evaluate readings` here"
    )
    if not reading.needs_calibration:
        return ReadingChoice(reading, None, f"Reading: {reading} ({reason}).")
    path = calibration or out / CALIBRATION_FILE
    if not path.exists():
        try:
            calibrate(Model.open(model, device), path, TOKENS, progress)
        except NotRunnableError as error:
            return ReadingChoice(
                BEST_WEIGHTS_ONLY,
                None,
                f"Reading: {BEST_WEIGHTS_ONLY}, the best from weights alone, because the model cannot be run ({error})",
            )
    return ReadingChoice(reading, path, f"Reading: {reading} ({reason}).")
