"""Two models, or two describers of one model, side by side."""

from __future__ import annotations

from collections.abc import Mapping

from maps.analysis.classification import CATEGORIES, categories_of
from maps.atlas.reader import Atlas
from maps.text import relation_label
from space.atlases import cache
from space.atlases.compare import DescriberAgreement, compare_describers
from space.atlases.hidden import hidden_heads
from space.components import markup
from space.components.markup import Html
from space.services import Services
from space.web.page import PageContent
from space.web.sessions import Annotator

MAX_DIFFERENCES_SHOWN = 50  # heads on which describers differ


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:  # noqa: ARG001
    """The models in the address, by default the first two; and two describers of the first model."""
    names = list(services.atlases)
    first = services.atlas(query.get("model") or services.default_model())
    second = services.atlas(query.get("other") or next((name for name in names if name != first.model), first.model))
    if first.model == second.model:
        title = f"Describers of {first.model}"
        models = markup.notice("There is only one model here, so there is no other to compare it with.")
        if len(names) > 1:
            models = markup.notice("The same model is chosen twice. Choose another one to compare models.")
    else:
        title = f"{first.model} and {second.model} compared"
        models = model_tables(first, second)
    html = Html("<h1>Compare</h1>{}{}{}").format(
        model_chooser(names, first, second), models, describers_section(first, second, query)
    )
    return PageContent(title, f"{title}: relations, categories and descriptions.", html)


def model_chooser(names: list[str], first: Atlas, second: Atlas) -> Html:
    choices = [(name, name) for name in names]
    one = markup.select_field("Model", "model", choices, first.model)
    return markup.controls_form("compare", [one, markup.select_field("compared with", "other", choices, second.model)])


def model_tables(first: Atlas, second: Atlas) -> Html:
    """How many heads belong to each category and each relation, for each model at its own threshold."""
    first_shares, second_shares = category_shares(first), category_shares(second)
    categories = [(name, first_shares[name], second_shares[name]) for name in ("any relation", *CATEGORIES)]
    first_counts, second_counts = relation_counts(first), relation_counts(second)
    relations = [
        (relation_label(name), first_counts.get(name, "not scored"), second_counts.get(name, "not scored"))
        for name in dict.fromkeys((*cache.relation_names(first), *cache.relation_names(second)))
    ]
    return markup.table(("Category", first.model, second.model), categories, "Heads by category") + markup.table(
        ("Relation", first.model, second.model), relations, "Heads that implement or suppress each relation"
    )


def category_shares(atlas: Atlas) -> dict[str, str]:
    relations_by_head = cache.classified_heads(atlas, float(atlas.info["settings"]["tau"]))
    counts = {"any relation": len(relations_by_head)}
    for name in CATEGORIES:
        counts[name] = sum(name in categories_of(relations) for relations in relations_by_head.values())
    total = len(atlas.head_ids)
    return {name: f"{count:,} ({100 * count / total:.1f} %)" for name, count in counts.items()}


def relation_counts(atlas: Atlas) -> dict[str, str]:
    rows = cache.relation_summary(atlas, float(atlas.info["settings"]["tau"])).to_pylist()
    return {row["relation"]: f"{row['either']:,}" if row["counted"] else "too few pairs" for row in rows}


def describers_section(atlas: Atlas, second: Atlas, query: Mapping[str, str]) -> Html:
    """How often two describers agree that a head has a pattern, and the heads on which they do not."""
    agreement = compare_describers(atlas, query.get("describer", ""), query.get("against", ""))
    names = sorted(cache.descriptions_by_describer(atlas))
    heading = Html("<h2>Describers</h2>") + markup.hidden_descriptions_notice(atlas)
    if agreement is None and not names and hidden_heads(atlas):
        return heading
    if agreement is None and not names:
        return heading + markup.notice(f"The heads of {atlas.model} have not been described yet.")
    if agreement is None:
        sentence = f"Only one describer ({names[0]}) has described {atlas.model}, so there is nothing to compare."
        return heading + markup.notice(sentence)
    sentence = (
        f"{agreement.describer} and {agreement.against} agree on {agreement.agreed:,} of {agreement.heads:,} heads "
        "whether there is a pattern."
    )
    rows = [
        (markup.head_link(atlas.model, head), markup.description_preview(one), markup.description_preview(other))
        for head, one, other in agreement.differing_heads[:MAX_DIFFERENCES_SHOWN]
    ]
    differences = Html("")
    if rows:
        caption = f"The first {len(rows)} of {len(agreement.differing_heads):,} heads on which they differ"
        differences = markup.table(("Head", agreement.describer, agreement.against), rows, caption)
    chooser = describer_chooser(names, agreement, atlas, second)
    return heading + chooser + Html("<p>{}</p>").format(sentence) + differences


def describer_chooser(names: list[str], agreement: DescriberAgreement, atlas: Atlas, second: Atlas) -> Html:
    """The form that picks two describers; empty unless there are more than two."""
    if len(names) < 3:
        return Html("")
    choices = [(name, name) for name in names]
    fields = (
        markup.hidden_field("model", atlas.model),
        markup.hidden_field("other", second.model),
        markup.select_field("Describer", "describer", choices, agreement.describer),
        markup.select_field("compared with", "against", choices, agreement.against),
    )
    return markup.controls_form("compare", fields)
