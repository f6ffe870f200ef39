"""Two models, or two readings of one model, side by side: one view at a time, each with an address of its own."""

from __future__ import annotations

from collections.abc import Mapping

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from space.atlases.comparison import are_comparable
from space.components import markup
from space.components.links import link_to_compare
from space.components.markup import Html
from space.components.model_choice import catalogue_link
from space.pages.compare.describers import describers_view
from space.pages.compare.heads import heads_view
from space.pages.compare.relations import relations_view
from space.pages.compare.scatter import scatter_view
from space.services import Services
from space.web.page import PageContent
from space.web.sessions import Annotator

HEADS, RELATIONS, SCATTER, DESCRIBERS = "heads", "relations", "scatter", "describers"
VIEWS = {
    HEADS: "Head by head",
    RELATIONS: "Relations and patterns",
    SCATTER: "Scatter of two numbers",
    DESCRIBERS: "Describers",
}
ONE_MODEL = "There is only one model here, so there is no other to compare it with."
SAME_MODEL = "The same model is chosen twice. Choose another one to compare models."


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:  # noqa: ARG001
    """The view in the address of the models in the address, by default the first two."""
    names = list(services.atlases)
    first = services.atlas(query.get("model") or services.default_model())
    second = services.atlas(query.get("other") or next((name for name in names if name != first.model), first.model))
    views = views_of(first, second)
    view = query.get("view") or default_view(views, query)
    if view not in VIEWS:
        raise MapsError(f"The view in the address must be one of {', '.join(VIEWS)}.")
    if view not in views:
        view = views[0]
    title = f"{first.model} and {second.model} compared"
    if first.model == second.model:
        title = f"Scatter of {first.model}" if view == SCATTER else f"Describers of {first.model}"
    html = Html("<h1>Compare</h1>{}{}{}{}").format(
        model_chooser(names, first, second, view),
        markup.notice(ONE_MODEL if len(names) == 1 else SAME_MODEL) if first.model == second.model else "",
        view_links(views, view, first, second),
        view_html(view, first, second, query),
    )
    return PageContent(title, f"{title}: {VIEWS[view].lower()}.", html)


def views_of(first: Atlas, second: Atlas) -> list[str]:
    """The views that two models have, the default one first."""
    if first.model == second.model:
        return [DESCRIBERS, SCATTER]
    comparable = [HEADS] if are_comparable(first, second) else []
    return [*comparable, RELATIONS, SCATTER, DESCRIBERS]


def default_view(views: list[str], query: Mapping[str, str]) -> str:
    return DESCRIBERS if query.get("describer") or query.get("against") else views[0]


def view_html(view: str, first: Atlas, second: Atlas, query: Mapping[str, str]) -> Html:
    if view == HEADS:
        return heads_view(first, second, query)
    if view == RELATIONS:
        return relations_view(first, second)
    if view == SCATTER:
        return scatter_view(first, second, query)
    return describers_view(first, second, query)


def model_chooser(names: list[str], first: Atlas, second: Atlas, view: str) -> Html:
    if len(names) == 1:
        return Html("")
    choices = [(name, name) for name in names]
    fields = [
        markup.hidden_field("view", view),
        markup.select_field("Model", "model", choices, first.model),
        markup.select_field("compared with", "other", choices, second.model),
    ]
    return markup.controls_form("compare", fields) + catalogue_link(len(names))


def view_links(views: list[str], view: str, first: Atlas, second: Atlas) -> Html:
    links = (
        markup.anchor(
            link_to_compare(first.model, second.model, each),
            VIEWS[each],
            **({"aria-current": "page"} if each == view else {}),
        )
        for each in views
    )
    return Html('<nav class="views" aria-label="Views">{}</nav>').format(markup.join_html(links))
