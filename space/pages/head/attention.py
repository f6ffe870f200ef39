"""What a head looks at: queries with the keys that they attend to most, and simple attention scores."""

from __future__ import annotations

from collections.abc import Sequence

from maps.atlas.reader import Atlas
from maps.atlas.schema import RUN_ORIGIN, WEIGHTS_ORIGIN, Row
from maps.types import HeadId, Mapping
from space.components.markup import Html, join_html, mapping_list

EXPLANATION = (
    "On the left, tokens for which the head looks most strongly. On the right, the tokens that each would attend to "
    "most, highest first. This is read from the query and key weights, whatever the distance between two tokens."
)
MAX_QUERIES = 30
MEASURES = {  # in words, in the order in which they are shown
    "previous_token": "of its attention is on the token before",
    "first_token": "of its attention is on the first token of the text",
    "current_token": "of its attention is on the token itself",
    "duplicate_token": "of its attention is on an earlier occurrence of the same token, where there is one",
    "induction": "of its attention is on the token that came after the earlier occurrence",
    "same_token": "of tokens have themselves among the five that they attend to most",
}
ORIGINS = {RUN_ORIGIN: "from a run", WEIGHTS_ORIGIN: "from the weights"}


def attention_section(atlas: Atlas, head: HeadId) -> Html:
    """The section with its heading; nothing for an atlas that was mapped without it."""
    queries = sorted(atlas.table("attention", head=head).to_pylist(), key=lambda row: row["rank"])
    scores = atlas.table("attention_scores", head=head).to_pylist()
    if not queries and not scores:
        return Html("")
    listed = Html('<p class="hint">{}</p>{}').format(
        EXPLANATION, mapping_list([query_row(row) for row in queries[:MAX_QUERIES]])
    )
    return Html("<h2>What it looks at</h2>{}{}").format(score_bars(scores), listed if queries else "")


def query_row(row: Row) -> Mapping:
    """A query with its keys, in the form in which a source is shown with its targets."""
    return Mapping(
        row["rank"],
        row["query_id"],
        row["query"],
        row["saliency"],
        tuple(row["key_ids"]),
        tuple(row["keys"]),
        tuple(row["key_scores"]),
    )


def score_bars(rows: Sequence[Row]) -> Html:
    """Each score as a bar, with where it comes from; scores that this version does not know are left out."""
    by_measure = {row["measure"]: row for row in rows if row["origin"] in ORIGINS}
    items = [
        Html(
            '<li><b>{1:.0f} %</b><span class="look-bar" style="--share:{0:.3f}"></span><span>{2} <small>({3})</small>'
            "</span></li>"
        ).format(row["value"], 100 * row["value"], words, ORIGINS[row["origin"]])
        for measure, words in MEASURES.items()
        if (row := by_measure.get(measure)) is not None
    ]
    return Html('<ul class="looks">{}</ul>').format(join_html(items)) if items else Html("")
