"""Two models, or two describers of one model, side by side."""

from __future__ import annotations

from collections.abc import Mapping

from maps.analysis.classification import CATEGORIES, categories_of
from maps.atlas.reader import Atlas
from maps.text import relation_label
from space.atlases import cache
from space.atlases.compare import DescriberAgreement, compare_describers
from space.components.links import link_to_head
from space.components.markup import anchor, description_preview, escape_html, notice, select_options, table
from space.services import Services
from space.web.page import PageContent
from space.web.sessions import Annotator

MAX_DIFFERENCES_SHOWN = 50  # heads on which describers differ


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:  # noqa: ARG001
    """The models in the address, the first two where it names none; the describers of the first beside each other."""
    names = list(services.atlases)
    first = services.atlas(query.get("model") or names[0])
    second = services.atlas(query.get("other") or next((n for n in names if n != first.model), first.model))
    title = f"{first.model} beside {second.model}" if first.model != second.model else f"Describers of {first.model}"
    html = f"<h1>Compare</h1>{model_chooser(names, first, second)}"
    if first.model == second.model:
        html += notice("Only one model is chosen; name an atlas of another in MAPS_ATLASES to compare models.")
    else:
        html += model_tables(first, second)
    html += describers_section(first, second, query)
    return PageContent(title, f"{title}: relations, categories and descriptions.", html)


def model_chooser(names: list[str], first: Atlas, second: Atlas) -> str:
    """The form that picks the models."""
    choices = [(name, name) for name in names]
    return (
        f'<form class="controls" action="compare" data-auto>'
        f'<label>Model <select name="model">{select_options(choices, first.model)}</select></label>'
        f'<label>beside <select name="other">{select_options(choices, second.model)}</select></label>'
        "<noscript><button>Show</button></noscript></form>"
    )


def model_tables(first: Atlas, second: Atlas) -> str:
    """Shares of heads by category and by relation, each model at its own threshold."""
    pair = (first, second)
    heading = ("Heads", first.model, second.model)
    shares = [category_shares(atlas) for atlas in pair]
    lines = [(escape_html(name), *(found[name] for found in shares)) for name in ("any relation", *CATEGORIES)]
    relations = list(dict.fromkeys(name for atlas in pair for name in cache.relation_names(atlas)))
    counts = [relation_counts(atlas) for atlas in pair]
    rows = [
        (escape_html(relation_label(name)), *(found.get(name, "not scored") for found in counts)) for name in relations
    ]
    return table(heading, lines, "Heads by category") + table(heading, rows, "Heads that implement or suppress it")


def category_shares(atlas: Atlas) -> dict[str, str]:
    """How many heads belong to each category, and their share."""
    found = cache.classified_heads(atlas, float(atlas.info["settings"]["tau"]))
    counts = {name: sum(name in categories_of(does) for does in found.values()) for name in CATEGORIES}
    whole = len(atlas.head_ids)
    return {name: f"{n:,} ({100 * n / whole:.1f} %)" for name, n in ({"any relation": len(found)} | counts).items()}


def relation_counts(atlas: Atlas) -> dict[str, str]:
    """How many heads do each relation."""
    rows = cache.relation_summary(atlas, float(atlas.info["settings"]["tau"])).to_pylist()
    return {row["relation"]: f"{row['either']:,}" if row["counted"] else "too few pairs" for row in rows}


def describers_section(atlas: Atlas, second: Atlas, query: Mapping[str, str]) -> str:
    """How far two describers of a model agree on seeing a pattern, and the heads on which they do not."""
    found = compare_describers(atlas, query.get("describer", ""), query.get("against", ""))
    names = sorted(cache.descriptions_by_describer(atlas))
    if found is None:
        only = names[0] if names else "nobody"
        said = f"{atlas.model} is described by {only} alone; `python -m maps describe` adds another describer."
        return f"<h2>Describers</h2>{notice(said)}"
    words = (
        f"{found.describer} and {found.against} agree on {found.agreed:,} of {found.heads:,} heads whether there is a "
        "pattern."
    )
    lines = [
        (anchor(link_to_head(atlas.model, head), str(head)), description_preview(one), description_preview(other))
        for head, one, other in found.differing_heads[:MAX_DIFFERENCES_SHOWN]
    ]
    caption = f"The first {len(lines)} of {len(found.differing_heads):,} heads on which they differ"
    shown = table(("Head", found.describer, found.against), lines, caption) if lines else ""
    return f"<h2>Describers</h2>{describer_chooser(names, found, atlas, second)}<p>{escape_html(words)}</p>{shown}"


def describer_chooser(names: list[str], agreement: DescriberAgreement, atlas: Atlas, second: Atlas) -> str:
    """The form that picks two describers; none where there are no more than two."""
    if len(names) < 3:
        return ""
    kept = "".join(
        f'<input type="hidden" name="{name}" value="{escape_html(value)}">'
        for name, value in (("model", atlas.model), ("other", second.model))
    )
    choices = [(name, name) for name in names]
    return (
        f'<form class="controls" action="compare" data-auto>{kept}'
        f'<label>Describer <select name="describer">{select_options(choices, agreement.describer)}</select></label>'
        f'<label>beside <select name="against">{select_options(choices, agreement.against)}</select></label>'
        "<noscript><button>Show</button></noscript></form>"
    )
