"""What people made of a model's descriptions, in the newest of its studies whose answers are open to everybody."""

from __future__ import annotations

from annotation.statistics.labels import compute_labels
from annotation.statistics.rates import CORRECT_CODES
from maps.atlas.reader import Atlas
from maps.types import HeadId
from space.components.grid import Grid, band_bits
from space.services import Services
from space.studies.open_answers import study_with_open_answers
from space.studies.results import counted_judgments


def verdict_grid(services: Services, atlas: Atlas) -> Grid | None:
    """Each head by whether its description was judged right (question one, by majority); None without such a study."""
    study = study_with_open_answers(services, atlas)
    if study is None:
        return None
    found = compute_labels(counted_judgments(services, study))
    rows = found[found["question"] == "presence"].to_dict("records")
    by_head = {HeadId(int(row["layer"]), int(row["head"])): row for row in rows}
    bands, words = [], {}
    for place, head in enumerate(atlas.head_ids):
        row = by_head.get(head)
        label = row["label"] if row is not None else None
        kind = (
            []
            if row is None
            else ["tied"]
            if not isinstance(label, str)
            else ["right" if label in CORRECT_CODES else "wrong"]
        )
        bands.append(band_bits(kind))
        if row is not None:
            people = "1 person" if row["n"] == 1 else f"{row['n']:,} people"
            words[place] = f"description judged {kind[0]} by {people}"
    right = sum(bands[place] == band_bits(["right"]) for place in words)
    title = f"{right:,} of {len(words):,} judged descriptions recognise rightly whether there is a pattern."
    return Grid(title, bands=bands, cell_texts=words, default_text="not judged")
