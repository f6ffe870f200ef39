"""The overview of all relations, by model: what each is, and which heads implement or suppress it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maps.atlas.reader import Atlas
from maps.text import pluralize
from space.atlases import cache
from space.components.links import link_to_relations
from space.components.markup import Html, anchor, controls_form, join_html, notice, select_field
from space.components.relations_table import relations_table
from space.services import Services
from space.web.page import PageContent

MAX_MODELS_SHOWN = 3  # models with a table, if the address names none
INTRODUCTION = (
    "A relation is a list of word pairs, such as France → Paris. A head implements it if it promotes the second word "
    "when it attends to the first, for enough of the pairs; it suppresses it if it pushes the second word down."
)


def build_overview(services: Services, query: Mapping[str, str]) -> PageContent:
    """The relations of the model in the address, or of the first models; raises MapsError if there is none."""
    model = query.get("model", "")
    services.default_model()  # raises without any atlas
    atlases = [services.atlas(model)] if model else list(services.atlases.values())
    shown, more = atlases[:MAX_MODELS_SHOWN], atlases[MAX_MODELS_SHOWN:]
    html = join_html(
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
    return controls_form("relation", [select_field("Model", "model", choices, model)])


def model_section(atlas: Atlas) -> Html:
    """A model's table, with how many relations its heads implement or suppress."""
    title = Html("<h2>{}</h2>").format(atlas.model)
    if not cache.relation_names(atlas):
        return title + notice("The heads of this model were not scored on any relation.")
    return title + Html("<p>{}</p>").format(found_sentence(atlas)) + relations_table(atlas, threshold(atlas))


def found_sentence(atlas: Atlas) -> str:
    """How many of a model's relations a head implements or suppresses."""
    rows = cache.relation_summary(atlas, threshold(atlas)).to_pylist()
    found = [row for row in rows if row["either"]]
    relations = pluralize(len(rows), "relation")
    verb = "is" if len(found) == 1 else "are"
    return f"{len(found)} of {relations} {verb} implemented or suppressed by a head of {atlas.model}."


def threshold(atlas: Atlas) -> float:
    return float(atlas.info["settings"]["tau"])


def further_models(atlases: Sequence[Atlas]) -> Html:
    """Links to the overviews of models that are not shown."""
    if not atlases:
        return Html("")
    links = Html(", ").join(anchor(link_to_relations(atlas.model), atlas.model) for atlas in atlases)
    return Html("<h2>More models</h2><p>{}</p>").format(links)
