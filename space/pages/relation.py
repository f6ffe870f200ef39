"""One relation in all models: which heads implement or suppress it, best first, and how its scores are distributed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from maps.analysis.classification import SCORE, SUPPRESSION
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.text import relation_label
from maps.types import HeadId
from space.atlases import cache
from space.components.links import head_in_query, link_to_grid, link_to_head, link_to_relation
from space.components.markup import anchor, description_preview, escape_html, notice, select_options, table, token_chip
from space.services import Services
from space.web.page import PageContent
from space.web.sessions import Annotator

MAX_HEADS_SHOWN = 20  # heads of a model, best first
MAX_UNFOLDED_PAIRS = 100  # hits that are shown without being asked for


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:  # noqa: ARG001
    """The relation in the address; of one model where it names one, with a head of it where it names that."""
    known = list(dict.fromkeys(name for atlas in services.atlases.values() for name in cache.relation_names(atlas)))
    name = query.get("name") or (known[0] if known else "")
    if name not in known:
        raise MapsError(f"There is no relation {name!r} here; the relations are {', '.join(known) or 'none'}.")
    chosen = [services.atlas(query["model"])] if query.get("model") else list(services.atlases.values())
    atlases = [atlas for atlas in chosen if name in cache.relation_names(atlas)]
    if not atlases:
        raise MapsError(f"{chosen[0].model} was not scored on {relation_label(name)}.")
    sentences = [relation_sentence(atlas, name) for atlas in atlases]
    html = "".join(
        (
            f"<h1>{escape_html(relation_label(name))}</h1>",
            relation_chooser(known, name),
            "".join(f"<p>{escape_html(each)}</p>" for each in sentences),
            head_section(atlases[0], name, head_in_query(query)) if query.get("model") else "",
            *(best_heads_table(atlas, name) for atlas in atlases),
        )
    )
    figure = partial(scores_figure, [(atlas, cache.relation_values(atlas, name, SCORE)) for atlas in atlases], name)
    return PageContent(f"Heads that do {relation_label(name)}", " ".join(sentences), html, (figure,))


def relation_chooser(known: list[str], name: str) -> str:
    """A form that opens another relation."""
    choices = select_options([(relation_label(each), each) for each in known], name)
    return (
        '<form class="controls" action="relation" data-auto>'
        f'<label>Relation <select name="name">{choices}</select></label>'
        "<noscript><button>Show</button></noscript></form>"
    )


def relation_row(atlas: Atlas, name: str) -> dict[str, Any]:
    """The counts of a relation at the atlas's threshold."""
    rows = cache.relation_summary(atlas, float(atlas.info["settings"]["tau"])).to_pylist()
    return next(row for row in rows if row["relation"] == name)


def relation_sentence(atlas: Atlas, name: str) -> str:
    """How many heads of a model do it."""
    row = relation_row(atlas, name)
    start = f"{atlas.model}: {row['pairs']:,} usable pairs, a hit among the {row['k']} highest targets"
    if not row["counted"]:
        return f"{start}; too few pairs to classify heads by."
    return f"{start}; {row['heads']:,} heads implement it, {row['suppression_heads']:,} suppress it."


def head_section(atlas: Atlas, name: str, head: HeadId | None) -> str:
    """The score of the head in the address."""
    if head is None or head not in atlas.head_ids:
        return ""
    place = atlas.head_ids.index(head)
    score, down = (cache.relation_values(atlas, name, side)[place] for side in (SCORE, SUPPRESSION))
    link = anchor(link_to_head(atlas.model, head), str(head))
    start = f"<p>{link} scores {score_text(score)}, its suppression is {score_text(down)}.</p>"
    if not atlas.has_hits:
        return start + notice("This atlas keeps no pairs; mapping the model again with the same command adds them.")
    return start + pair_lists(atlas.pairs(name, head).to_pylist(), str(head))


def pair_lists(rows: list[dict[str, Any]], head: str) -> str:
    """The pairs that the head has among its targets, then those that it suppresses and those that it misses."""
    kinds = {
        "has among the highest targets": [row for row in rows if row["hit"]],
        "has among the lowest": [row for row in rows if row["suppressed"]],
        "misses": [row for row in rows if not (row["hit"] or row["suppressed"])],
    }
    return "".join(
        f"<details{' open' * (number == 0 and len(some) <= MAX_UNFOLDED_PAIRS)}><summary>{len(some):,} of {len(rows):,} pairs that "
        f"{escape_html(head)} {words}</summary><p>{' '.join(map(pair_html, some))}</p></details>"
        for number, (words, some) in enumerate(kinds.items())
        if some
    )


def pair_html(row: dict[str, Any]) -> str:
    """Source and target, kept on one line."""
    arrow = '<span aria-label="to">→</span>'
    return f'<span class="pair">{token_chip(row["source"])} {arrow} {token_chip(row["target"])}</span>'


def score_text(value: float | None) -> str:
    """A score in words."""
    return "undefined" if value is None else f"{value:.2f}"


def best_heads_table(atlas: Atlas, name: str) -> str:
    """The heads of a model with the highest scores or suppressions, with their descriptions."""
    scores, downs = (cache.relation_values(atlas, name, side) for side in (SCORE, SUPPRESSION))
    said = cache.head_descriptions(atlas)
    ranked = sorted(range(len(atlas.head_ids)), key=lambda place: (-max(scores[place] or 0, downs[place] or 0), place))
    some = [place for place in ranked if max(scores[place] or 0, downs[place] or 0) > 0]
    lines = [
        (
            anchor(link_to_head(atlas.model, atlas.head_ids[place]), str(atlas.head_ids[place])),
            anchor(link_to_relation(name, atlas.model, atlas.head_ids[place]), "pairs"),
            score_text(scores[place]),
            score_text(downs[place]),
            description_preview(said[place] or "not described"),
        )
        for place in some[:MAX_HEADS_SHOWN]
    ]
    caption = f"{atlas.model}: the best {len(lines)} of {len(some):,} heads with a hit"
    grid = anchor(link_to_grid(atlas.model, name), "All heads on the grid")
    return table(("Head", "Hits and misses", "Score", "Suppression", "Description"), lines, caption) + f"<p>{grid}</p>"


def scores_figure(scores: list[tuple[Atlas, list[float | None]]], name: str) -> Any:
    """The scores of all heads by model; the library of figures is imported when one is drawn."""
    from maps.figures.universality import scores_by_model

    taus = {atlas.model: float(atlas.info["settings"]["tau"]) for atlas, _ in scores}
    named = [
        (atlas.model, str(head), value)
        for atlas, values in scores
        for head, value in zip(atlas.head_ids, values, strict=True)
    ]
    return scores_by_model(named, name, max(taus.values()))
