"""The reading in which questions are answered live: that of the atlas that is shown, where this can be done."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from maps.atlas.reader import CALIBRATION_FILE, Atlas
from maps.atlas.readings import PAPER_READING, reading_phrase
from maps.errors import MapsError
from maps.mapping.reading import Reading


class LiveReading(NamedTuple):
    """A reading, the file of its calibration if it needs one, and why it is not the first atlas's (empty if it is).

    `is_slow`: each layer has rows of its own, which do not all fit into memory and are computed for each question.
    """

    name: str = PAPER_READING
    calibration: Path | None = None
    remark: str = ""
    is_slow: bool = False


def choose_live_reading(atlases: Sequence[Atlas]) -> LiveReading:
    """The reading of the first of a model's atlases that can be used here; the paper's if none can.

    A reading cannot be used if its calibration is not in the atlas's folder, as with the prebuilt one and those from
    the Hub, or if this version does not know it.
    """
    for atlas in atlases:
        if can_be_used(atlas):
            told = remark(atlases[0], atlas.reading) if atlas is not atlases[0] else ""
            is_slow = Reading.parse(atlas.reading).has_own_sources_in_each_layer
            return LiveReading(atlas.reading, calibration_file(atlas), told, is_slow)
    return LiveReading(PAPER_READING, None, remark(atlases[0], PAPER_READING))


def can_be_used(atlas: Atlas) -> bool:
    """Whether questions can be answered here in the reading of an atlas."""
    try:
        path = calibration_file(atlas)
    except MapsError as error:
        print(f"Live questions are not answered in the reading of {atlas.folder}: {error}", file=sys.stderr)
        return False
    return path is None or path.is_file()


def calibration_file(atlas: Atlas) -> Path | None:
    """Where the calibration of an atlas lies; None if its reading needs none. Raises MapsError for an unknown one."""
    return atlas.folder / CALIBRATION_FILE if Reading.parse(atlas.reading).needs_calibration else None


def remark(atlas: Atlas, reading: str) -> str:
    """What visitors are told if questions are answered in another reading than an atlas's."""
    return (
        f"The heads of {atlas.model} are shown in another reading, which cannot answer questions on this site. Try it "
        f"answers in {reading_phrase(reading)}, so its answers differ from the pages of these heads."
    )
