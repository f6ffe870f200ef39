"""Readings in words: names of atlases, what heads are read from, what targets are."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from maps.atlas.card import atlas_card
from maps.atlas.reader import Atlas
from maps.atlas.readings import (
    CALIBRATED_READING,
    PAPER_READING,
    is_calibrated,
    reading_phrase,
    targets_phrase,
    title_with_reading,
)
from maps.experiments.auto_reading import BEST_READING
from maps.mapping import reading as readings
from maps.mapping.reading import SOURCES, Reading
from maps.text import size_category

EVERY_READING = [Reading(source, *parts) for source in SOURCES for parts in product((False, True), repeat=3)]


@pytest.mark.parametrize(
    ("reading", "title"),
    [
        ("mlp", "m"),
        ("calibrated+input-norm+final-norm+target-map", "m (calibrated)"),
        ("calibrated", "m (calibrated sources)"),
        ("mlp+input-norm+final-norm", "m (mlp+input-norm+final-norm)"),
        ("embedding", "m (embedding)"),
        ("<b>", "m (<b>)"),
    ],
)
def test_an_atlas_is_named_after_its_model_and_its_reading(reading: str, title: str) -> None:
    assert title_with_reading("m", reading) == title


def test_every_reading_has_a_title_of_its_own() -> None:
    assert len({title_with_reading("m", str(each)) for each in EVERY_READING}) == len(EVERY_READING) == 32


@pytest.mark.parametrize("reading", EVERY_READING, ids=str)
def test_the_words_follow_what_a_reading_does(reading: Reading) -> None:
    assert is_calibrated(str(reading)) == reading.needs_calibration
    assert ("in the end" in targets_phrase(str(reading))) == reading.target_map
    assert Reading.parse(str(reading)) == reading


def test_the_names_with_words_of_their_own_are_those_of_the_readings() -> None:
    assert str(readings.PAPER_READING) == PAPER_READING
    assert str(BEST_READING) == CALIBRATED_READING
    assert reading_phrase(PAPER_READING) == "the paper's reading (mlp)"
    assert reading_phrase(CALIBRATED_READING).startswith("the calibrated reading (calibrated+")
    assert reading_phrase("residual") == "the reading residual"


def test_the_card_says_from_what_heads_are_read_and_what_targets_are(mapped_once: Path) -> None:
    info = Atlas.open(mapped_once).info
    paper = atlas_card(info, ["mappings.parquet"])
    assert "read from their weights alone\nwith MAPS" in paper
    assert "This is the paper's reading (mlp): targets are the tokens that the head promotes directly." in paper
    settings = info["settings"] | {"reading": CALIBRATED_READING, "calibration": "0123"}
    calibrated = atlas_card(info | {"settings": settings}, ["mappings.parquet"])
    assert "weights alone" not in calibrated
    assert "read from their weights and a calibration (linear maps" in calibrated
    assert "targets are the tokens that the head raises in the end" in calibrated


@pytest.mark.parametrize(
    ("rows", "category"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (8100, "1K<n<10K"), (10**6, "1M<n<10M"), (10**9, "n>100M")],
)
def test_the_hub_is_told_the_size_in_its_own_categories(rows: int, category: str) -> None:
    assert size_category(rows) == category
