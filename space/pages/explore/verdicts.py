"""What people made of a model's descriptions, in the newest of its studies whose answers are open to everybody."""

from __future__ import annotations

from annotation.statistics.labels import labels
from annotation.statistics.rates import RIGHT
from maps.atlas.reader import Atlas
from maps.types import HeadId
from space.components.grid import Grid, bits
from space.services import Services
from space.studies.open_answers import open_study
from space.studies.results import counting


def verdicts(services: Services, atlas: Atlas) -> Grid | None:
    """Each head by whether its description was judged right (question one, by majority); None without such a study."""
    study = open_study(services, atlas)
    if study is None:
        return None
    found = labels(counting(services, study))
    rows = found[found["question"] == "presence"].to_dict("records")
    by_head = {HeadId(int(row["layer"]), int(row["head"])): row for row in rows}
    bands, words = [], {}
    for place, head in enumerate(atlas.ids):
        row = by_head.get(head)
        label = row["label"] if row is not None else None
        kind = (
            [] if row is None else ["tied"] if not isinstance(label, str) else ["right" if label in RIGHT else "wrong"]
        )
        bands.append(bits(kind))
        if row is not None:
            people = "1 person" if row["n"] == 1 else f"{row['n']:,} people"
            words[place] = f"description judged {kind[0]} by {people}"
    right = sum(bands[place] == bits(["right"]) for place in words)
    title = f"{right:,} of {len(words):,} judged descriptions recognise rightly whether there is a pattern."
    return Grid(title, bands=bands, words=words, otherwise="not judged")
