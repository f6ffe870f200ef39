"""One head's page: its mappings, relations and descriptions, and how people judged it. Its address can be shared."""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr

from maps.atlas import Atlas
from maps.describers import OFFLINE
from maps.prompts import mapping_hash
from maps.tables import Row
from maps.types import HeadId, MapsError
from maps.types import Mapping as HeadMapping
from space.browser import browser_token
from space.desk import judged
from space.markup import anchor, head_in, link_to_head, mappings, notice, relation_bars, text
from space.seat import Seat
from space.services import Services
from space.sessions import Annotator, annotator
from space.tally import tally

FLOOR = "the offline describer, a fixed set of rules: a floor, not a person and not a language model"


def build(services: Services, page: gr.Blocks) -> None:
    """Lays out the page and fills it from its address."""
    token = browser_token()
    body = gr.HTML(elem_id="head-page")

    def opened(signed: object, request: gr.Request) -> str:
        """The head in the address, or a sentence and a way back."""
        try:
            atlas, head = asked_for(services, request.query_params)
            return head_page(services, atlas, head, annotator(services, signed, request))
        except MapsError as error:
            return notice(str(error), "problem") + f"<p>{anchor('./', 'Back to all heads')}</p>"

    page.load(opened, token, body, queue=False, api_visibility="private")


def asked_for(services: Services, query: Mapping[str, str]) -> tuple[Atlas, HeadId]:
    """The head that an address names."""
    atlas = services.atlas(query.get("model") or next(iter(services.atlases)))
    found = head_in(query)
    if found is None:
        raise MapsError("The address names no head; it ends like ?model=…&layer=26&head=2.")
    if found not in atlas.ids:
        heads, layers = atlas.info["heads"] - 1, atlas.info["layers"] - 1
        raise MapsError(f"{atlas.model} has no head {found}: layers run from 0 to {layers}, heads from 0 to {heads}.")
    return atlas, found


def head_page(services: Services, atlas: Atlas, head: HeadId, who: Annotator | None) -> str:
    """The whole page as HTML."""
    rows = atlas.mappings(head)
    settings = atlas.info["settings"]
    scores = atlas.relation_scores(head)
    return "".join(
        (
            f"<header>{neighbours(atlas, head)}<h1>{head} <small>of {text(atlas.model)}</small></h1></header>",
            descriptions(atlas, head, rows),
            f"<h2>Mappings</h2><p class='hint'>The {len(rows)} tokens that this head acts on most, and what it "
            "promotes for each. The bar is the token's saliency.</p>",
            mappings(rows),
            "<h2>Relations</h2>",
            relation_bars(scores, settings["tau"], settings["min_pairs"]) if scores else notice("None was scored."),
            "<h2>How people judged the description</h2>",
            verdicts(services, atlas, head, who),
            "<h2>Provenance</h2>",
            provenance(atlas, head),
        )
    )


def neighbours(atlas: Atlas, head: HeadId) -> str:
    """Links to the head before and after, also on the arrow keys, and back to the grid."""
    at = atlas.ids.index(head)
    before, after = atlas.ids[at - 1 : at] if at else (), atlas.ids[at + 1 : at + 2]
    links = [anchor(link_to_head(atlas.model, other), f"← {other}", rel="prev") for other in before]
    links.append(anchor("./", "All heads"))
    links += [anchor(link_to_head(atlas.model, other), f"{other} →", rel="next") for other in after]
    return f'<nav class="neighbours" aria-label="Other heads">{"".join(links)}</nav>'


def descriptions(atlas: Atlas, head: HeadId, rows: list[HeadMapping]) -> str:
    """What each describer says, with who it is and how many mappings bear it out."""
    now = mapping_hash(rows)
    said = [description(row, now, len(rows)) for row in atlas.descriptions(head)]
    missing = "Nobody has described this head yet; `python -m maps describe ATLAS --describer offline` does."
    return "".join(said) or notice(missing)


def description(row: Row, now: str, mapped: int) -> str:
    """One description."""
    who = FLOOR if row["describer"] == OFFLINE else f"{row['describer']} ({row['model']})"
    support = "" if row["support"] is None else f" Borne out by {row['support']} of {mapped} mappings."
    stale = "" if row["mapping_hash"] == now else " It was written for other mappings than those below."
    inputs = "" if not row["pattern"] else f"<p>Inputs: {text(row['input_strings'])}</p>"
    return (
        f'<blockquote class="description"><p class="pattern">{text(row["observed_pattern"])}</p>{inputs}'
        f"<footer>By {text(who)}.{support}{stale}</footer></blockquote>"
    )


def verdicts(services: Services, atlas: Atlas, head: HeadId, who: Annotator | None) -> str:
    """The judgments of a head, to those who have judged it; to others, how many there are."""
    item = services.study.by_head.get(head) if atlas.model == services.study.settings.model else None
    if item is None:
        return notice("This head is not in the study.")
    rows = services.journal.current(services.study.name, item=item)
    link = f"<p>{anchor(f'annotate?layer={head.layer}&head={head.head}', 'Judge this description')}</p>"
    if not rows:
        return notice("Nobody has judged it yet.") + link
    if who is None or item not in {row.item for row in judged(Seat(services, services.study, who))}:
        count = "One person has" if len(rows) == 1 else f"{len(rows)} people have"
        return notice(f"{count} judged it. You see the answers once you have given yours.") + link
    return tally(rows)


def provenance(atlas: Atlas, head: HeadId) -> str:
    """Numbers of the head and where they come from."""
    row = atlas.table("heads", head=head).to_pylist()[0]
    shown = {
        "Mean saliency": row["saliency_mean"],
        "Highest saliency": row["saliency_max"],
        "Input skewness": row["input_skewness"],
        "Target kurtosis": row["target_kurtosis"],
    }
    numbers = "".join(
        f"<dt>{name}</dt><dd>{'undefined' if value is None else f'{value:.3g}'}</dd>" for name, value in shown.items()
    )
    info = atlas.info
    made = f"{info['revision']}, mapped {info['created_at'][:10]}"
    return f"<dl>{numbers}<dt>Value head</dt><dd>{row['kv_head']}</dd><dt>Model</dt><dd>{text(made)}</dd></dl>"
