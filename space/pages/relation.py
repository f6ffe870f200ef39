"""Relations: one in all models, its heads best first and its scores; without a name, the overview of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from maps.analysis.classification import BEYOND_COPYING, SCORE, SUPPRESSION
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.report.copying_control import control_phrase, stronger_value, too_few_pairs_phrase
from maps.text import pluralize, relation_label
from maps.types import HeadId
from space.atlases import cache
from space.components import markup
from space.components.links import head_in_query, link_to_grid, link_to_relations
from space.components.markup import Html
from space.components.relations_table import pairs_link, relations_table
from space.services import Services
from space.studies.headlines import head_headlines
from space.web.page import PageContent
from space.web.sessions import Annotator

MAX_HEADS_SHOWN = 20  # heads of a model, best first
MAX_UNFOLDED_PAIRS = 100  # more hits than these are folded
MAX_MODELS_SHOWN = 3  # models with a table, if the address names none
INTRODUCTION = (
    "A relation is a list of word pairs, such as France → Paris. A head implements it if it promotes the second word "
    "when it attends to the first, for enough of the pairs; it suppresses it if it pushes the second word down."
)


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:  # noqa: ARG001
    """The relation in the address; in one model if the address names it, with a head of it if it names that too.

    Without a relation, the overview.
    """
    name = query.get("name", "")
    if not name:
        return build_overview(services, query)
    known = list(dict.fromkeys(each for atlas in services.atlases.values() for each in cache.relation_names(atlas)))
    if name not in known:
        raise MapsError(f"There is no relation {name!r} here. The relations are {', '.join(known) or 'none'}.")
    chosen = chosen_atlases(services, query)
    atlases = [atlas for atlas in chosen if name in cache.relation_names(atlas)]
    if not atlases:
        raise MapsError(f"{chosen[0].model} was not scored on {relation_label(name)}.")
    sentences = [relation_sentence(atlas, name) for atlas in atlases]
    html = markup.join_html(
        (
            Html("<h1>{}</h1>").format(relation_label(name)),
            markup.controls_form("relation", [markup.select_field("Relation", "name", relation_choices(known), name)]),
            *(Html("<p>{}</p>").format(sentence) for sentence in sentences),
            head_section(atlases[0], name, head_in_query(query)) if query.get("model") else "",
            *(best_heads_table(services, atlas, name) for atlas in atlases),
        )
    )
    figure = partial(scores_figure, atlases, name)
    title = f"Heads that implement {relation_label(name)}"
    return PageContent(title, " ".join(sentences), html, (figure,))


def chosen_atlases(services: Services, query: Mapping[str, str]) -> list[Atlas]:
    """The atlas of the model in the address, or all."""
    return [services.atlas(query["model"])] if query.get("model") else list(services.atlases.values())


def build_overview(services: Services, query: Mapping[str, str]) -> PageContent:
    """All relations: of the model in the address, or of the first models."""
    model = query.get("model", "")
    services.default_model()  # raises MapsError if no atlas is left
    atlases = chosen_atlases(services, query)
    shown, more = atlases[:MAX_MODELS_SHOWN], atlases[MAX_MODELS_SHOWN:]
    html = markup.join_html(
        (
            Html('<h1>Relations</h1><p class="lead">{}</p>').format(INTRODUCTION),
            model_picker(services, model),
            *map(model_section, shown),
            further_models(more),
        )
    )
    summary = " ".join(found_sentence(atlas) for atlas in shown)
    return PageContent("Relations, and the heads that implement them", summary, html)


def model_picker(services: Services, model: str) -> Html:
    if len(services.atlases) < 2:
        return Html("")
    choices = [("all models", ""), *((name, name) for name in services.atlases)]
    return markup.controls_form("relation", [markup.select_field("Model", "model", choices, model)])


def model_section(atlas: Atlas) -> Html:
    """A model's table, with how many relations its heads implement or suppress."""
    start = Html("<h2>{}</h2><p>{}</p>").format(atlas.model, found_sentence(atlas))
    return start + relations_table(atlas, default_threshold(atlas)) if cache.relation_names(atlas) else start


def found_sentence(atlas: Atlas) -> str:
    """How many of a model's relations a head implements or suppresses."""
    if not cache.relation_names(atlas):
        return f"The heads of {atlas.model} were not scored on any relation."
    rows = cache.relation_summary(atlas, default_threshold(atlas)).to_pylist()
    found = [row for row in rows if row["either"]]
    relations = pluralize(len(rows), "relation")
    verb = "is" if len(found) == 1 else "are"
    return f"{len(found)} of {relations} {verb} implemented or suppressed by a head of {atlas.model}."


def further_models(atlases: Sequence[Atlas]) -> Html:
    """Links to the overviews of models that are not shown."""
    if not atlases:
        return Html("")
    links = Html(", ").join(markup.anchor(link_to_relations(atlas.model), atlas.model) for atlas in atlases)
    return Html("<h2>More models</h2><p>{}</p>").format(links)


def default_threshold(atlas: Atlas) -> float:
    return float(atlas.info["settings"]["tau"])


def relation_choices(names: Sequence[str]) -> list[tuple[str, str]]:
    """The choices of the form; the first leads to the overview."""
    return [("all relations", ""), *((relation_label(name), name) for name in names)]


def relation_row(atlas: Atlas, name: str) -> dict[str, Any]:
    """The counts of a relation at the atlas's threshold."""
    rows = cache.relation_summary(atlas, default_threshold(atlas)).to_pylist()
    return next(row for row in rows if row["relation"] == name)


def relation_sentence(atlas: Atlas, name: str) -> str:
    """How many heads of a model implement or suppress the relation, and how that was counted."""
    row = relation_row(atlas, name)
    rule = f"{row['pairs']:,} usable pairs; a pair counts if its target is among the top {row['k']} tokens"
    if not row["counted"]:
        return f"{atlas.model}: too few pairs to classify heads by ({rule})."
    heads, suppressing_heads = pluralize(row["heads"], "head"), pluralize(row["suppression_heads"], "head")
    counts = f"{atlas.model}: implemented by {heads}, suppressed by {suppressing_heads} ({rule})."
    return " ".join(filter(None, (counts, control_sentence(atlas, name))))


def control_sentence(atlas: Atlas, name: str) -> str:
    """What copying alone gives on the relation, and how many pairs that leaves to classify by; empty for copying."""
    known = [value for value in cache.relation_values(atlas, name, "identity") if value is not None]
    if not known or not cache.is_controlled_for_copying(atlas, name):
        return ""
    pairs = cache.relation_values(atlas, name, "beyond_copying_pairs")
    counts = [count for count in pairs if count is not None]
    alone = f"Copying alone gives {range_text([f'{min(known):.2f}', f'{max(known):.2f}'])}"
    if all(value is None for value in cache.relation_values(atlas, name, BEYOND_COPYING[SCORE])):
        return f"{alone}; {too_few_pairs_phrase(max(counts))}."
    left = range_text([f"{min(counts):,}", f"{max(counts):,}"])
    return f"{alone}; heads are classified by the {left} pairs that it does not hit."


def range_text(ends: Sequence[str]) -> str:
    """`0.10`, or `0.10 to 0.12` if the ends differ."""
    return " to ".join(dict.fromkeys(ends))


def head_section(atlas: Atlas, name: str, head: HeadId | None) -> Html:
    if head is None or head not in atlas.head_ids:
        return Html("")
    score = next(score for score in atlas.relation_scores(head) if score.relation == name)
    values = f"score {score_text(score.score)}, suppression {score_text(score.suppression)}"
    sentence = Html("<p>{}: {}.</p>").format(
        markup.head_link(atlas.model, head), "; ".join(filter(None, (values, control_phrase(score))))
    )
    return sentence + pair_lists(atlas.pairs(name, head).to_pylist(), str(head))


def pair_lists(rows: list[dict[str, Any]], head: str) -> Html:
    """The pairs whose target the head promotes, then those that it suppresses, then those that it misses."""
    kinds = (
        ("promotes", [row for row in rows if row["hit"]]),
        ("suppresses", [row for row in rows if row["suppressed"]]),
        ("misses", [row for row in rows if not (row["hit"] or row["suppressed"])]),
    )
    parts = []
    for number, (verb, pairs) in enumerate(kinds):
        if not pairs:
            continue
        is_open = number == 0 and len(pairs) <= MAX_UNFOLDED_PAIRS
        summary = f"{len(pairs):,} of {len(rows):,} pairs that {head} {verb}"
        parts.append(
            Html("<details{}><summary>{}</summary><p>{}</p></details>").format(
                Html(" open") if is_open else "", summary, Html(" ").join(map(pair_html, pairs))
            )
        )
    return markup.join_html(parts)


def pair_html(row: dict[str, Any]) -> Html:
    """Source and target, kept on one line."""
    return Html('<span class="pair">{} <span aria-label="to">→</span> {}</span>').format(
        markup.token_chip(row["source"]), markup.token_chip(row["target"])
    )


def score_text(value: float | None) -> str:
    """A score with two decimals."""
    return "undefined" if value is None else f"{value:.2f}"


def best_heads_table(services: Services, atlas: Atlas, name: str) -> Html:
    """The heads of a model with a hit, best first: by what they are classified by, then by their score on all pairs."""
    columns = {"Score": SCORE, "Suppression": SUPPRESSION}
    if cache.is_controlled_for_copying(atlas, name):
        columns |= {"Copying alone": "identity", "Score beyond copying": BEYOND_COPYING[SCORE]}
        columns |= {"Suppression beyond copying": BEYOND_COPYING[SUPPRESSION]}
    values = {label: cache.relation_values(atlas, name, column) for label, column in columns.items()}
    on_all_pairs = strongest_values(values["Score"], values["Suppression"])
    classifying = strongest_values(*(cache.classifying_values(atlas, name, side) for side in (SCORE, SUPPRESSION)))
    headlines = head_headlines(services, atlas)
    with_hits = [index for index, value in enumerate(on_all_pairs) if value > 0]
    ranked = sorted(with_hits, key=lambda index: (-classifying[index], -on_all_pairs[index], index))[:MAX_HEADS_SHOWN]
    rows, pair_count = [], relation_row(atlas, name)["pairs"]
    for index in ranked:
        head = atlas.head_ids[index]
        side = SUPPRESSION if (values["Suppression"][index] or 0.0) > (values["Score"][index] or 0.0) else SCORE
        pairs = pairs_link(atlas, name, head, side, on_all_pairs[index], pair_count)
        if side == SUPPRESSION:
            pairs += Html(" <small>suppressed</small>")
        numbers = [score_text(of_heads[index]) for of_heads in values.values()]
        rows.append((markup.head_link(atlas.model, head), pairs, *numbers, markup.headline_html(headlines[head])))
    caption = f"{atlas.model}: the best {len(rows)} of {len(with_hits):,} heads with at least one hit"
    header = ("Head", "Pairs that it promotes or suppresses", *columns, "What it does")
    grid = markup.anchor(link_to_grid(atlas.model, name), "See all heads on the grid")
    return markup.table(header, rows, caption, is_stacked=True) + Html("<p>{}</p>").format(grid)


def strongest_values(scores: Sequence[float | None], suppressions: Sequence[float | None]) -> list[float]:
    """The higher of the score and the suppression of each head."""
    return [stronger_value(score, suppression) for score, suppression in zip(scores, suppressions, strict=True)]


def scores_figure(atlases: Sequence[Atlas], name: str) -> Any:
    """The scores by which heads are classified, with the threshold."""
    from maps.figures.experiments import scores_by_model  # imported here: the figure library is slow to load

    named = []
    for atlas in atlases:
        values = cache.classifying_values(atlas, name, SCORE)
        named += [(atlas.model, str(head), value) for head, value in zip(atlas.head_ids, values, strict=True)]
    is_controlled = any(cache.is_controlled_for_copying(atlas, name) for atlas in atlases)
    label = "Relation score beyond copying" if is_controlled else "Relation score"
    return scores_by_model(named, name, max(map(default_threshold, atlases)), label)
