"""How people judged a model's descriptions, in the newest of its studies whose answers everybody may see."""

from __future__ import annotations

from typing import Any

from annotation.statistics.labels import compute_labels
from annotation.statistics.rates import CORRECT_CODES
from maps.atlas.reader import Atlas
from maps.types import HeadId
from space.components.grid import Grid, band_bits
from space.services import Services
from space.studies.open_answers import study_with_open_answers
from space.studies.results import counted_judgments


def verdict_grid(services: Services, atlas: Atlas) -> Grid | None:
    """Each head by the majority's answer to question one: is the description right? None without such a study."""
    study = study_with_open_answers(services, atlas)
    if study is None:
        return None
    labels = compute_labels(counted_judgments(services, study))
    rows = labels[labels["question"] == "presence"].to_dict("records")
    by_head = {HeadId(int(row["layer"]), int(row["head"])): verdict(row["label"]) for row in rows}
    people = {HeadId(int(row["layer"]), int(row["head"])): int(row["n"]) for row in rows}
    bands, texts = [0] * len(atlas.head_ids), {}
    for index, head in enumerate(atlas.head_ids):
        if head in by_head:
            bands[index] = band_bits([by_head[head]])
            count = "1 person" if people[head] == 1 else f"{people[head]:,} people"
            texts[index] = f"description judged {by_head[head]} by {count}"
    right = sum(bands[index] == band_bits(["right"]) for index in texts)
    title = f"{right:,} of {len(texts):,} judged descriptions are right about whether the head has a pattern."
    return Grid(title, bands=bands, cell_texts=texts, default_text="not judged")


def verdict(label: Any) -> str:
    """The band for a majority's answer; a label that is not a string means that the answers are tied."""
    if not isinstance(label, str):
        return "tied"
    return "right" if label in CORRECT_CODES else "wrong"
