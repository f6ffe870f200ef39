"""The layer × head grid: what each cell shows, in each colouring, and the element that `grid.js` draws it in."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from maps.analysis.classification import CATEGORIES, SCORE, SUPPRESSION, HeadRelation, categories_of
from maps.atlas.reader import Atlas
from maps.text import relation_label
from space.atlases import cache
from space.components.markup import escape_html

CATEGORY_COLOURING, RELATION_PREFIX = "category", "relation:"
OWN_BAND = "own"
VERDICT_BANDS = ("right", "wrong", "tied")
BANDS = (*CATEGORIES, OWN_BAND, *VERDICT_BANDS)  # in the order of their bits, as in grid.js
MEASURES = {  # column of `heads`: its name, and what the highest and lowest stand for
    "saliency_mean": "mean saliency over the vocabulary",
    "input_skewness": "input skewness",
    "output_space": "output space (share of the vocabulary)",
}
POINTER_HINT = "Point at a cell to read it; click to open the head."
DETECTION_COLOURING, VERDICT_COLOURING = "detection", "verdict"


@dataclass(frozen=True)
class Grid:
    """What the cells of a grid show, a value for each head in the order of the atlas's heads.

    Either `bands` (a bit for each of BANDS) or `shares` (0 to 1, null where undefined) gives the colour. `cell_texts` says
    what a cell means, by place; cells without words mean `default_text`. `scale_ends` are the words for share 0 and 1. By
    `sort_values` heads are ordered where they have bands.
    """

    title: str
    bands: Sequence[int] | None = None
    shares: Sequence[float | None] | None = None
    values: Sequence[float | None] | None = None
    label: str = ""
    cell_texts: Mapping[int, str] = field(default_factory=dict)
    default_text: str = "undefined"
    side: str = SCORE
    scale_ends: tuple[str, str] = ("0", "1")
    sort_values: Sequence[float] = ()

    def strongest_indices(self, count: int = 10) -> list[int]:
        """The places with the highest shares, highest first; of bands by `sort_values`, else those with most."""
        most = [each.bit_count() for each in self.bands or ()]
        sizes = self.sort_values or most or [share or 0 for share in self.shares or ()]
        return sorted(range(len(sizes)), key=lambda place: (-sizes[place], place))[:count]

    def cell_text(self, index: int) -> str:
        """What a cell means."""
        if self.values is None:
            return self.cell_texts.get(index, self.default_text)
        value = self.values[index]
        return self.default_text if value is None else f"{self.label} {value:g}"


def colouring_choices(atlas: Atlas, has_verdicts: bool) -> list[tuple[str, str]]:
    """What the grid of an atlas can be coloured by: (words, key). Only what its tables hold."""
    relations = cache.relation_names(atlas)
    first = [("Category of relations", CATEGORY_COLOURING)] if relations else []
    measured = [
        (name.capitalize(), key)
        for key, name in MEASURES.items()
        if any(value is not None for value in cache.head_column(atlas, "heads", key))
    ]
    detected = (
        [("Detection score of its description", DETECTION_COLOURING)] if any(cache.detection_scores(atlas)) else []
    )
    judged = [("Human verdict on its description", VERDICT_COLOURING)] if has_verdicts else []
    named = [(f"Relation: {relation_label(name)}", RELATION_PREFIX + name) for name in relations]
    return [*first, *measured, *detected, *judged, *named]


def category_grid(atlas: Atlas, tau: float) -> Grid:
    """Each head with a band for every category that it implements or suppresses at a threshold."""
    found = cache.classified_heads(atlas, tau)
    bands, words = [], {}
    best = [max((each.value for each in found.get(head, ())), default=0.0) for head in atlas.head_ids]
    for place, head in enumerate(atlas.head_ids):
        does = found.get(head, [])
        bands.append(band_bits([*categories_of(does), *[OWN_BAND] * any(not each.category for each in does)]))
        if does:
            words[place] = "; ".join(map(implemented_phrase, does))
    counts = Counter(name for each in bands for name in band_names(each))
    each = ", ".join(f"{name} {counts[name]}" for name in (*CATEGORIES, OWN_BAND) if counts[name])
    what = f"{len(words):,} of {len(bands):,} heads implement or suppress a relation (score {tau:g} or more)"
    title = f"{what}: {each}; a head may count in several." if words else f"{what}."
    return Grid(title, bands=bands, cell_texts=words, default_text="no relation at the threshold", sort_values=best)


def band_bits(bands: Sequence[str]) -> int:
    """Bands as bits; names that are none of BANDS are own ones."""
    found = 0
    for name in bands:
        found |= 1 << BANDS.index(name if name in BANDS else OWN_BAND)
    return found


def band_names(bands: int) -> list[str]:
    """The bands of a cell by name."""
    return [name for place, name in enumerate(BANDS) if bands >> place & 1]


def implemented_phrase(implemented: HeadRelation) -> str:
    """`suppresses country to capital 0.40`."""
    prefix = "suppresses " if implemented.side == SUPPRESSION else ""
    return f"{prefix}{relation_label(implemented.relation)} {implemented.value:.2f}"


def relation_grid(atlas: Atlas, name: str, side: str, tau: float) -> Grid:
    """Each head by its score on one relation, or its suppression."""
    values = cache.relation_values(atlas, name, side)
    row = next(row for row in cache.relation_summary(atlas, tau).to_pylist() if row["relation"] == name)
    least = atlas.info["settings"]["min_pairs"]
    few = "" if row["counted"] else f" Fewer than {least} usable pairs: no head is classified by it."
    return score_grid(values, relation_label(name), side, tau, row["pairs"], few)


def score_grid(values: Sequence[float | None], name: str, side: str, tau: float, pairs: int, remark: str = "") -> Grid:
    """Heads by scores from 0 to 1 on a relation, whether an atlas holds them or not."""
    reach = sum((value or 0.0) >= tau for value in values)
    verb = "implement" if side == SCORE else "suppress"
    title = f"{reach:,} of {len(values):,} heads {verb} {name} (score {tau:g} or more, {pairs:,} pairs).{remark}"
    rounded = [None if value is None else round(value, 3) for value in values]
    return Grid(title, shares=rounded, values=rounded, label=f"{name}: {side}", side=side)


def measure_grid(atlas: Atlas, column: str) -> Grid:
    """Each head by a number of its own, on a scale from the model's lowest to its highest."""
    name, values = MEASURES[column], cache.head_column(atlas, "heads", column)
    return scaled_grid(values, name, is_logarithmic=column == "output_space")


def scaled_grid(values: Sequence[float | None], name: str, is_logarithmic: bool = False) -> Grid:
    """Heads by numbers on a scale from the lowest to the highest."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    of = math.log if is_logarithmic and low > 0 else float
    span = (of(high) - of(low) if known else 0.0) or 1.0
    shares = [None if value is None else round((of(value) - of(low)) / span, 3) for value in values]
    rounded = [None if value is None else float(f"{value:.3g}") for value in values]
    scale = " Colours follow its logarithm." if of is math.log else ""
    title = f"{name.capitalize()} of {len(known):,} heads, from {low:.3g} to {high:.3g}.{scale}"
    return Grid(title, shares=shares, values=rounded, label=name, scale_ends=(f"{low:.3g}", f"{high:.3g}"))


def detection_grid(atlas: Atlas) -> Grid:
    """Each head by the detection score of its description, 0.5 by chance."""
    values = cache.detection_scores(atlas)
    known = [value for value in values if value is not None]
    title = f"Detection scores of {len(known):,} descriptions; 0.5 is chance."
    rounded = [None if value is None else round(value, 3) for value in values]
    return Grid(title, shares=rounded, values=rounded, label="detection score", default_text="not measured")


def grid_html(grid: Grid, atlas: Atlas) -> str:
    """The grid as an element; `grid.js` draws its canvas from the data that it carries."""
    data = {
        "model": atlas.model,
        "layers": atlas.info["layers"],
        "heads": atlas.info["heads"],
        "layer": [head.layer for head in atlas.head_ids],
        "head": [head.head for head in atlas.head_ids],
        "side": grid.side,
        "otherwise": grid.default_text,
        "label": grid.label,
    }
    data |= (
        {"bands": list(grid.bands), "words": grid.cell_texts}
        if grid.bands is not None
        else {"share": grid.shares, "value": grid.values}
    )
    said = escape(f"{grid.title} Arrow keys move from head to head, Enter opens one.")
    return (
        f'<div class="head-grid" data-quiet="{POINTER_HINT}" data-grid="{escape(json.dumps(data, separators=(",", ":")))}">'
        f'<p class="grid-title">{escape_html(grid.title)}</p><div class="scroll">'
        f'<canvas tabindex="0" role="application" aria-label="{said}"></canvas></div>'
        f'<p class="pointed" aria-live="polite">{POINTER_HINT}</p>{legend(grid)}</div>'
    )


def legend(grid: Grid) -> str:
    """What the colours mean."""
    if grid.bands is None:
        low, high = grid.scale_ends
        entries = [(low, "low"), (high, f"high {grid.side}")]
    else:
        present = {name for each in set(grid.bands) for name in band_names(each)}
        entries = [
            (name, name)
            for name in BANDS
            if name in present or (name in CATEGORIES and not present & set(VERDICT_BANDS))
        ]
        entries.append(("none", "none"))
    keys = "".join(f'<span><i class="key {kind}"></i> {escape_html(words)}</span>' for words, kind in entries)
    return f'<p class="legend">{keys}</p>'
