"""All relations of a model as a table: what each is, with an example, and which heads implement or suppress it."""

from __future__ import annotations

from typing import Any

from maps.analysis.classification import SCORE, SUPPRESSION
from maps.atlas.reader import Atlas
from maps.data.relation_info import RELATION_TEXTS
from maps.text import pluralize, relation_title
from maps.types import HeadId
from space.atlases import cache
from space.components.links import link_to_relation
from space.components.markup import Html, anchor, escape_html, head_link, table, token_chip

MEANINGS = {name: meaning for texts in RELATION_TEXTS.values() for name, (meaning, _) in texts.items()}
BEST_HEAD_COLUMNS = {SCORE: ("best_head", "best_score"), SUPPRESSION: ("best_suppression_head", "best_suppression")}
PAIR_VERBS = {SCORE: "promotes", SUPPRESSION: "suppresses"}


def relations_table(atlas: Atlas, tau: float) -> Html:
    """The relations that a head implements first, then those that a head suppresses; in each group the best first."""
    examples = cache.example_pairs(atlas)
    lines = []
    for row in sorted(cache.relation_summary(atlas, tau).to_pylist(), key=sort_key):
        counts = ["too few pairs" if row[key] is None else f"{row[key]:,}" for key in ("heads", "suppression_heads")]
        heads = [best_head_html(atlas, row, side) for side in (SCORE, SUPPRESSION)]
        lines.append((relation_html(row, examples.get(row["relation"])), row["category"] or "own", *counts, *heads))
    header = ("Relation", "Category", "Implement it", "Suppress it", "Best head", "Strongest suppression")
    caption = f"How many heads of {atlas.model} implement or suppress each relation"
    return Html('<div class="relation-table">{}</div>').format(table(header, lines, caption))


def sort_key(row: dict[str, Any]) -> tuple[bool, bool, float, str]:
    """Sorts a row of `relation_summary`."""
    return not row["heads"], not row["suppression_heads"], -(row["best_score"] or 0.0), row["relation"]


def relation_html(row: dict[str, Any], example: tuple[str, str] | None) -> Html:
    """The relation's name as a link, its meaning, and an example pair."""
    link = anchor(link_to_relation(row["relation"]), relation_title(row["relation"]))
    meaning = escape_html(MEANINGS.get(row["relation"], "") if row["category"] else "")
    pair = Html("")
    if example is not None:
        pair = Html(' <span class="pair">{} <span aria-label="to">→</span> {}</span>').format(*map(token_chip, example))
    return Html("{}<br><small>{}</small>{}").format(link, meaning, pair)


def best_head_html(atlas: Atlas, row: dict[str, Any], side: str) -> Html:
    """`L23H4` and `30 of 48 pairs`: the head's page, and the pairs that it hits or misses."""
    head_column, value_column = BEST_HEAD_COLUMNS[side]
    if row[head_column] is None or row[value_column] is None:
        return Html("none")
    head = HeadId.parse(row[head_column])
    pairs = pairs_link(atlas, row["relation"], head, side, row[value_column], row["pairs"])
    return Html("{} {}").format(head_link(atlas.model, head), pairs)


def pairs_link(atlas: Atlas, relation: str, head: HeadId, side: str, value: float, pairs: int) -> Html:
    """A link to the pairs of a relation that a head promotes, suppresses and misses: `30 of 48 pairs`.

    `value`: the share of the `pairs` that it promotes or, for the side of suppression, suppresses.
    """
    label = f"{round(value * pairs):,} of {pluralize(pairs, 'pair')}"
    name = f"{label} of {relation_title(relation)} that {head} {PAIR_VERBS[side]}"
    return anchor(link_to_relation(relation, atlas.model, head), label, **{"aria-label": name})
