"""The layer × head grid: what each cell shows in each colouring, and the element in which `grid.js` draws it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import escape

from maps.analysis.classification import CATEGORIES, SCORE, SUPPRESSION, HeadRelation, categories_of
from maps.atlas.reader import Atlas
from maps.text import relation_label
from maps.types import HeadId
from space.atlases import cache
from space.components.markup import Html, join_html

KNOWN_COLOURING, CATEGORY_COLOURING, RELATION_PREFIX = "known", "category", "relation:"
OWN_BAND = "own"
VERDICT_BANDS = ("right", "wrong", "tied")
DESCRIBED_BAND = "described"
BANDS = (*CATEGORIES, OWN_BAND, *VERDICT_BANDS, DESCRIBED_BAND)  # in the order of their bits, as in grid.js
BAND_LABELS = {DESCRIBED_BAND: "described pattern, no known relation", OWN_BAND: "a relation of your own"}
MEASURES = {  # column of the table `heads`: its name on the page
    "saliency_mean": "mean saliency over the vocabulary",
    "input_skewness": "input skewness",
    "output_space": "output space (share of the vocabulary)",
}
POINTER_HINT = "Point at a square to see what the head does; click to open it."
TOUCH_HINT = "Tap a square to see what the head does; tap it again to open it."
DETECTION_COLOURING, VERDICT_COLOURING = "detection", "verdict"


@dataclass(frozen=True)
class Grid:
    """What the cells of a grid show: one value per head, in the order of `atlas.head_ids`.

    Cells are coloured by `bands` (a bit for each of BANDS) or by `shares` (0 to 1, None where undefined). A cell's
    meaning in words comes from `values` with the `label`, or from `cell_texts` (keyed by index); without either it is
    `default_text`. `scale_ends` label shares 0 and 1. Grids with bands rank their heads by `sort_values`.
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
        """Indices of the strongest heads, strongest first: by `sort_values`, else number of bands, else share."""
        band_counts = [bits.bit_count() for bits in self.bands or ()]
        sizes = self.sort_values or band_counts or [share or 0 for share in self.shares or ()]
        return sorted(range(len(sizes)), key=lambda index: (-sizes[index], index))[:count]

    def cell_text(self, index: int) -> str:
        """The meaning of a cell in words, as shown when someone points at it."""
        if self.values is None:
            return self.cell_texts.get(index, self.default_text)
        value = self.values[index]
        return self.default_text if value is None else f"{self.label} {value:g}"


def colouring_choices(atlas: Atlas, has_verdicts: bool) -> list[tuple[str, str]]:
    """The colourings that the atlas has data for, as (label, key)."""
    relations = cache.relation_names(atlas)
    choices = [("What is known", KNOWN_COLOURING)] if atlas.has_table("descriptions") else []
    choices += [("Category of relations", CATEGORY_COLOURING)] if relations else []
    for column, name in MEASURES.items():
        if any(value is not None for value in cache.head_column(atlas, column)):
            choices.append((name.capitalize(), column))
    if any(cache.detection_scores(atlas)):
        choices.append(("Detection score of the description", DETECTION_COLOURING))
    if has_verdicts:
        choices.append(("Human verdict on the description", VERDICT_COLOURING))
    return choices + [(f"Relation: {relation_label(name)}", RELATION_PREFIX + name) for name in relations]


def build_grid(
    atlas: Atlas, colouring: str, side: str, tau: float, verdicts: Grid | None, described: frozenset[HeadId]
) -> Grid:
    """The grid of a colouring; `described` are the heads whose best description sees a pattern."""
    if colouring == VERDICT_COLOURING and verdicts is not None:
        return verdicts
    if colouring == KNOWN_COLOURING:
        return known_grid(atlas, tau, described)
    if colouring == CATEGORY_COLOURING:
        return category_grid(atlas, tau)
    if colouring == DETECTION_COLOURING:
        return detection_grid(atlas)
    if colouring in MEASURES:
        return measure_grid(atlas, colouring)
    return relation_grid(atlas, colouring.removeprefix(RELATION_PREFIX), side, tau)


def category_grid(atlas: Atlas, tau: float) -> Grid:
    """Each head with a band for every category of which it implements or suppresses a relation."""
    relations_by_head = cache.classified_heads(atlas, tau)
    bands: list[int] = []
    strongest: list[float] = []
    texts: dict[int, str] = {}
    for index, head in enumerate(atlas.head_ids):
        relations = relations_by_head.get(head, [])
        names = categories_of(relations)
        if any(not relation.category for relation in relations):
            names = [*names, OWN_BAND]
        bands.append(band_bits(names))
        strongest.append(max((relation.value for relation in relations), default=0.0))
        if relations:
            texts[index] = "; ".join(map(implemented_phrase, relations))
    counts = Counter(name for bits in bands for name in band_names(bits))
    listed = ", ".join(f"{counts[name]} {name}" for name in (*CATEGORIES, OWN_BAND) if counts[name])
    title = f"{len(texts):,} of {len(bands):,} heads match a known relation"
    title += f": {listed} (some match several)." if texts else f" at a minimum score of {tau:g}."
    absent = "no relation at this threshold"
    return Grid(title, bands=bands, cell_texts=texts, default_text=absent, sort_values=strongest)


def known_grid(atlas: Atlas, tau: float, described: frozenset[HeadId]) -> Grid:
    """Each head with the categories of its relations, or else whether its description sees a pattern."""
    grid = category_grid(atlas, tau)
    bands, texts = list(grid.bands or ()), dict(grid.cell_texts)
    for index, head in enumerate(atlas.head_ids):
        if not bands[index] and head in described:
            bands[index], texts[index] = band_bits([DESCRIBED_BAND]), "described"
    title = (
        f"Something is known about {len(texts):,} of {len(bands):,} heads: {len(grid.cell_texts):,} match a known "
        f"relation, {len(texts) - len(grid.cell_texts):,} more have a pattern that is described in words."
    )
    return Grid(title, bands=bands, cell_texts=texts, default_text="nothing known", sort_values=grid.sort_values)


def band_bits(names: Sequence[str]) -> int:
    """Band names as bits; a name outside BANDS counts as an own relation."""
    bits = 0
    for name in names:
        bits |= 1 << BANDS.index(name if name in BANDS else OWN_BAND)
    return bits


def band_names(bits: int) -> list[str]:
    return [name for index, name in enumerate(BANDS) if bits >> index & 1]


def implemented_phrase(implemented: HeadRelation) -> str:
    """`suppresses country to capital 0.40`."""
    prefix = "suppresses " if implemented.side == SUPPRESSION else ""
    return f"{prefix}{relation_label(implemented.relation)} {implemented.value:.2f}"


def relation_grid(atlas: Atlas, name: str, side: str, tau: float) -> Grid:
    """Each head by its score on one relation, or by its suppression; counted are those that the relation classifies."""
    values, classifying = cache.relation_values(atlas, name, side), cache.classifying_values(atlas, name, side)
    row = next(row for row in cache.relation_summary(atlas, tau).to_pylist() if row["relation"] == name)
    least = atlas.info["settings"]["min_pairs"]
    count = sum((value or 0.0) >= tau for value in classifying)
    verb = "implement" if side == SCORE else "suppress"
    rule = "score beyond copying" if cache.is_controlled_for_copying(atlas, name) else "score"
    title = f"{count:,} of {len(values):,} heads {verb} {relation_label(name)} ({rule} {tau:g} or more"
    title += f", {row['pairs']:,} pairs)."
    if not row["counted"]:
        title += f" It has fewer than {least} usable pairs, so no head is classified by it."
    elif not any(value is not None for value in classifying):
        title += " Copying alone hits almost all of its pairs, so no head is classified by it."
    return score_grid(values, relation_label(name), side, title)


def own_pairs_grid(values: Sequence[float | None], side: str, tau: float, pairs: int, remark: str) -> Grid:
    """Each head by its score on a visitor's own pairs, computed live, without a control for copying."""
    count = sum((value or 0.0) >= tau for value in values)
    title = f"{count:,} of {len(values):,} heads reach a {side} of {tau:g} or more on your pairs ({pairs:,} pairs)."
    title += f" Heads that only copy count too.{remark}"
    return score_grid(values, "your pairs", side, title)


def score_grid(values: Sequence[float | None], name: str, side: str, title: str) -> Grid:
    """Each head by a score or suppression from 0 to 1 on any relation, stored in the atlas or computed live."""
    rounded = [None if value is None else round(value, 3) for value in values]
    return Grid(title, shares=rounded, values=rounded, label=f"{name}: {side}", side=side)


def measure_grid(atlas: Atlas, column: str) -> Grid:
    """Each head by a column of the table `heads`."""
    values = cache.head_column(atlas, column)
    return scaled_grid(values, MEASURES[column], is_logarithmic=column == "output_space")


def scaled_grid(values: Sequence[float | None], name: str, is_logarithmic: bool = False) -> Grid:
    """Each head by a number, on a scale from the model's lowest to its highest."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    transform = math.log if is_logarithmic and low > 0 else float
    span = (transform(high) - transform(low)) or 1.0  # 1 where all values are equal, which then have share 0
    shares = [None if value is None else round((transform(value) - transform(low)) / span, 3) for value in values]
    rounded = [None if value is None else float(f"{value:.3g}") for value in values]
    remark = " Colours follow its logarithm." if transform is math.log else ""
    title = f"{name.capitalize()} of {len(known):,} heads, from {low:.3g} to {high:.3g}.{remark}"
    return Grid(title, shares=shares, values=rounded, label=name, scale_ends=(f"{low:.3g}", f"{high:.3g}"))


def detection_grid(atlas: Atlas) -> Grid:
    """Each head by the detection score of its description; chance is 0.5."""
    values = cache.detection_scores(atlas)
    known = [value for value in values if value is not None]
    title = f"Detection scores of {len(known):,} descriptions; 0.5 is chance."
    rounded = [None if value is None else round(value, 3) for value in values]
    return Grid(title, shares=rounded, values=rounded, label="detection score", default_text="not measured")


def grid_html(grid: Grid, atlas: Atlas) -> Html:
    """The grid as an element with its data; `grid.js` draws the canvas in it."""
    data = {
        "model": atlas.model,
        "layers": atlas.info["layers"],
        "heads": atlas.info["heads"],
        "layer": [head.layer for head in atlas.head_ids],
        "head": [head.head for head in atlas.head_ids],
        "side": grid.side,
        "default": grid.default_text,
        "label": grid.label,
    }
    if grid.bands is not None:
        data |= {"bands": list(grid.bands), "words": grid.cell_texts}
    else:
        data |= {"share": grid.shares, "value": grid.values}
    text = json.dumps(data, separators=(",", ":"))
    return Html(
        '<div class="head-grid" data-hint="{hint}" data-touch-hint="{touch_hint}" data-grid="{data}">'
        '<p class="grid-title">{title}</p>{legend}<div class="scroll">'
        '<div class="plot" style="--heads:{heads};--columns:{columns}"><canvas aria-hidden="true"></canvas>'
        '<a class="cell" href="./" aria-label="{hint}"></a></div></div>'
        '<p class="pointed" aria-live="polite">{hint}</p></div>'
    ).format(
        heads=atlas.info["heads"],
        columns=atlas.info["layers"],
        hint=POINTER_HINT,
        touch_hint=TOUCH_HINT,
        data=escape(text),
        title=grid.title,
        legend=legend(grid),
    )


def legend(grid: Grid) -> Html:
    subject = ""
    if grid.bands is None:
        low, high = grid.scale_ends
        entries = [("low", low), (f"high {grid.side}", high)]
    else:
        present = {name for bits in set(grid.bands) for name in band_names(bits)}
        is_of_verdicts = bool(present & set(VERDICT_BANDS))
        always = () if is_of_verdicts else CATEGORIES
        subject = "" if is_of_verdicts else "Kind of relation: "
        entries = [(name, BAND_LABELS.get(name, name)) for name in BANDS if name in present or name in always]
        entries.append(("none", grid.default_text))
    keys = join_html(Html('<span><i class="key {}"></i> {}</span>').format(kind, label) for kind, label in entries)
    return Html('<p class="legend">{}{}</p>').format(subject, keys)
