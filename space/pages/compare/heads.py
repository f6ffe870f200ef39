"""Head by head: two models of one architecture, or two readings of one model, and one head in both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from maps.analysis.classification import SUPPRESSION
from maps.analysis.head_by_head import (
    KINDS,
    ChanceLevel,
    HeadChange,
    HeadComparison,
    RelationChange,
    SourceChange,
    relation_changes,
    source_changes,
)
from maps.atlas.reader import Atlas
from maps.atlas.readings import reading_phrase
from maps.errors import MapsError
from maps.hashes import is_same_model
from maps.text import join_words, pluralize, relation_label
from maps.types import HeadId
from space.atlases import cache
from space.atlases.comparison import compare_atlases
from space.components import markup
from space.components.grid import Grid, grid_html
from space.components.links import head_in_query, link_to_compare
from space.components.markup import Html

ROWS_ON_A_PAGE = 50
ALIKE, CHANGED, PLACE = "alike", "changed", "place"
ORDERS = {ALIKE: "most alike first", CHANGED: "most changed first", PLACE: "by layer and head"}
NO_CHANGE = RelationChange((), (), ())


class Pair(NamedTuple):
    """Two comparable atlases, what their heads have in common, and how the relations of their heads differ."""

    first: Atlas
    second: Atlas
    compared: HeadComparison
    relations: Mapping[HeadId, RelationChange]

    @property
    def are_readings(self) -> bool:
        """Whether both are of one model, so that a difference is one of readings."""
        return is_same_model(self.first.info, self.second.info)


def heads_view(first: Atlas, second: Atlas, query: Mapping[str, str]) -> Html:
    pair = Pair(first, second, compare_atlases(first, second), relation_changes(*map(classify_heads, (first, second))))
    head = head_in_query(query)
    if head is not None:
        return head_section(pair, head)
    return summary_section(pair) + similarity_grid(pair) + heads_section(pair, query)


def classify_heads(atlas: Atlas) -> dict[HeadId, list]:  # type: ignore[type-arg]
    return cache.classified_heads(atlas, float(atlas.info["settings"]["tau"]))


def summary_section(pair: Pair) -> Html:
    """What the comparison gives, in sentences, and the level of chance for each kind of similarity."""
    heads = pair.compared.heads
    lead = f"{pair.first.model} and {pair.second.model} have the same {pluralize(len(heads), 'head')}."
    if pair.are_readings:
        lead = (
            f"Both are readings of one model: {reading_phrase(pair.first.reading)} and "
            f"{reading_phrase(pair.second.reading)}. The heads are the same, read in two ways."
        )
    kept, lost, gained = (sum(getattr(each, name) for each in heads) for name in ("kept", "lost", "gained"))
    mappings = (
        f"Of {kept + lost:,} mappings (source and target) of {pair.first.model}, {kept:,} are in {pair.second.model} "
        f"too; {lost:,} are lost and {gained:,} gained."
    )
    if pair.are_readings:
        mappings += " Few stay, as the targets of two readings mean different things: look at what is above chance."
    rows = [kind_row(pair, kind) for kind in KINDS]
    header = (
        "Similarity of",
        "Mean, same head",
        "Mean, different heads",
        "95th percentile, different heads",
        "Same heads above that percentile",
        "Heads most similar to themselves",
    )
    caption = "How similar the same head is in both, beside two different heads (chance)"
    return (
        Html("<p class='lead'>{} {}</p>").format(lead, mappings)
        + markup.table(header, rows, caption)
        + Html(
            '<p class="hint">A similarity is the share of what either head has that both have (Jaccard). Different '
            "heads are any head of the one and any head in another place of the other: their similarity is chance.</p>"
        )
    )


def kind_row(pair: Pair, kind: str) -> tuple[str, ...]:
    heads = [each.likeness[kind] for each in pair.compared.heads]
    chance = pair.compared.chance.get(kind)
    if not heads or chance is None:
        return kind, *("undefined" for _ in range(5))
    return (
        kind,
        similarity_text(sum(each.similarity for each in heads) / len(heads)),
        similarity_text(chance.mean),
        similarity_text(chance.high),
        f"{sum(each.similarity > chance.high for each in heads):,} of {len(heads):,}",
        f"{sum(each.rank == 1 for each in heads):,}",
    )


def similarity_text(value: float) -> str:
    return "below 0.0001" if 0 < value < 0.0001 else f"{value:.4f}"


def similarity_grid(pair: Pair) -> Html:
    """Each head by how its targets compare with those of different heads."""
    by_head = {each.head: each.likeness["targets"] for each in pair.compared.heads}
    values = [round(by_head[head].above, 3) if head in by_head else None for head in pair.first.head_ids]
    title = "How alike the same head is in both: the share of pairs of different heads that are less alike"
    return grid_html(Grid(title, shares=values, values=values, label="less alike pairs"), pair.first)


def heads_section(pair: Pair, query: Mapping[str, str]) -> Html:
    """The heads in the order of the address, a page at a time."""
    heads = pair.compared.heads
    order = query.get("sort") or default_order(heads)
    if order not in ORDERS:
        raise MapsError(f"The order in the address must be one of {', '.join(ORDERS)}.")
    ranked = sorted(heads, key=lambda each: sort_key(each, order))
    pages = max(1, -(-len(ranked) // ROWS_ON_A_PAGE))
    page = page_in_query(query, pages)
    start = (page - 1) * ROWS_ON_A_PAGE
    rows = [head_row(pair, each) for each in ranked[start : start + ROWS_ON_A_PAGE]]
    header = ("Head", "Kept", "Lost", "Gained", *(f"Similar {kind}" for kind in KINDS), "Different heads less alike")
    header += ("Relations",)
    caption = f"Heads {start + 1:,} to {start + len(rows):,} of {len(ranked):,}, {ORDERS[order]}"
    fields = [markup.hidden_field(name, value) for name, value in address_of(pair).items()]
    choices = [(label, key) for key, label in ORDERS.items()]
    form = markup.controls_form("compare", [*fields, markup.select_field("Order", "sort", choices, order)])
    return (
        Html("<h2>Head by head</h2>")
        + form
        + markup.table(header, rows, caption)
        + page_links(pair, order, page, pages)
    )


def default_order(heads: list[HeadChange]) -> str:
    """Of models that have most mappings in common the changes are worth seeing first, else what is alike."""
    kept, lost = sum(each.kept for each in heads), sum(each.lost for each in heads)
    return CHANGED if kept > lost else ALIKE


def sort_key(change: HeadChange, order: str) -> tuple[float | HeadId, ...]:
    if order == PLACE:
        return (change.head,)
    sign = -1 if order == ALIKE else 1
    return *(sign * change.likeness[kind].similarity for kind in ("mappings", "targets", "sources")), change.head


def page_in_query(query: Mapping[str, str], pages: int) -> int:
    text = query.get("page") or "1"
    if not (text.isascii() and text.isdecimal()) or len(text) > 6 or not 1 <= int(text) <= pages:
        raise MapsError(f"The page in the address must be a number from 1 to {pages:,}.")
    return int(text)


def address_of(pair: Pair) -> dict[str, str]:
    return {"model": pair.first.model, "other": pair.second.model, "view": "heads"}


def page_links(pair: Pair, order: str, page: int, pages: int) -> Html:
    links = [
        markup.anchor(link_to_compare(**address_of(pair), sort=order, page=number), label, rel=rel)
        for number, label, rel in ((page - 1, "← Previous", "prev"), (page + 1, "Next →", "next"))
        if 1 <= number <= pages
    ]
    return Html('<p class="ways">{}</p>').format(markup.join_html(links))


def head_row(pair: Pair, change: HeadChange) -> tuple[Html | str, ...]:
    link = markup.anchor(
        link_to_compare(**address_of(pair), layer=change.head.layer, head=change.head.head), str(change.head)
    )
    similarities = [f"{change.likeness[kind].similarity:.3f}" for kind in KINDS]
    above = max(change.likeness[kind].above for kind in KINDS)
    relations = change_words(pair.relations.get(change.head, NO_CHANGE))
    return (
        link,
        f"{change.kept:,}",
        f"{change.lost:,}",
        f"{change.gained:,}",
        *similarities,
        share_words(above),
        relations,
    )


def share_words(share: float) -> str:
    """A share as per cent, without rounding up to all."""
    return f"{min(100 * share, 100.0 if share == 1 else 99.9):.1f} %"


def change_words(change: RelationChange) -> Html:
    """`lost country to capital; gained suppresses copying; kept …`."""
    parts = []
    for name in ("lost", "gained", "kept"):
        relations = getattr(change, name)
        if relations:
            parts.append(Html("<b>{}</b> {}").format(name, join_words([relation_words(*each) for each in relations])))
    return Html("; ").join(parts)


def relation_words(relation: str, side: str) -> str:
    return ("suppresses " if side == SUPPRESSION else "") + relation_label(relation)


def head_section(pair: Pair, head: HeadId) -> Html:
    """One head in both models: its likeness, its relations, and its mappings source by source."""
    change = next((each for each in pair.compared.heads if each.head == head), None)
    if change is None:
        raise MapsError(f"There is no head {head} with mappings in both {pair.first.model} and {pair.second.model}.")
    lists = [atlas.mappings(head) for atlas in (pair.first, pair.second)]
    changes = source_changes(*lists)
    heading = Html("<h2>{} in both</h2><p>{} · {}</p>").format(
        str(head),
        *(
            Html("{} in {}").format(markup.head_link(atlas.model, head), atlas.model)
            for atlas in (pair.first, pair.second)
        ),
    )
    relations = change_words(pair.relations.get(head, NO_CHANGE))
    words = [*(likeness_sentence(change, kind, pair.compared.chance.get(kind)) for kind in KINDS)]
    if relations:
        words.append(Html("Relations: {}.").format(relations))
    back = Html("<p>{}</p>").format(markup.anchor(link_to_compare(**address_of(pair)), "All heads of both"))
    return back + heading + markup.bullet_list(words) + relation_table(pair, head) + sources_table(pair, changes)


def likeness_sentence(change: HeadChange, kind: str, chance: ChanceLevel | None) -> str:
    """`Targets: similarity 0.065, more than 99.8 % of pairs of different heads (mean 0.003); 1st of 270 …`."""
    likeness = change.likeness[kind]
    sentence = f"{kind.capitalize()}: similarity {likeness.similarity:.3f}"
    average = f"{similarity_text(chance.mean)} on average" if chance else ""
    if chance is None:
        return f"{sentence}."
    if likeness.rank is None:
        return f"{sentence}: nothing in common (different heads: {average})."
    sentence += f", more than {share_words(likeness.above)} of pairs of different heads ({average})"
    place = "more than any other head" if likeness.rank == 1 else f"{likeness.rank - 1:,} other heads are more similar"
    return f"{sentence}; {place}."


def relation_table(pair: Pair, head: HeadId) -> Html:
    """The head's score on each relation that it hits in at least one of the models."""
    scores = [{each.relation: each for each in atlas.relation_scores(head)} for atlas in (pair.first, pair.second)]
    rows = []
    for name in dict.fromkeys((*scores[0], *scores[1])):
        values = [score.classified_score if (score := found.get(name)) else None for found in scores]
        if any(value for value in values):
            shown = ["undefined" if value is None else f"{value:.2f}" for value in values]
            rows.append((relation_label(name), *shown))
    if not rows:
        return markup.notice("It hits no pair of any relation beyond copying, in either of them.")
    return markup.table(("Relation", pair.first.model, pair.second.model), rows, "Relation scores beyond copying")


def sources_table(pair: Pair, changes: list[SourceChange]) -> Html:
    rows = [
        (
            markup.token_chip(each.source),
            *("–" if rank is None else f"{rank:,}" for rank in each.ranks),
            *(chips(getattr(each, name)) for name in ("kept", "lost", "gained")),
        )
        for each in sorted(changes, key=lambda each: (None in each.ranks, not each.kept))
    ]
    both = sum(None not in each.ranks for each in changes)
    header = ("Source", f"Rank in {pair.first.model}", f"Rank in {pair.second.model}", "Kept", "Lost", "Gained")
    return markup.table(header, rows, f"Its mappings: {pluralize(both, 'source')} in both, first")


def chips(tokens: tuple[str, ...]) -> Html:
    return Html(" ").join(markup.token_chip(token) for token in tokens)
