"""Two describers of one model side by side: how often they agree, and the heads on which they do not."""

from __future__ import annotations

from collections.abc import Mapping

from maps.atlas.reader import Atlas
from space.atlases import cache
from space.atlases.compare import DescriberAgreement, compare_describers
from space.atlases.hidden import hidden_heads
from space.components import markup
from space.components.markup import Html

MAX_DIFFERENCES_SHOWN = 50  # heads on which describers differ


def describers_view(atlas: Atlas, second: Atlas, query: Mapping[str, str]) -> Html:
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
        markup.hidden_field("view", "describers"),
        markup.select_field("Describer", "describer", choices, agreement.describer),
        markup.select_field("compared with", "against", choices, agreement.against),
    )
    return markup.controls_form("compare", fields)
