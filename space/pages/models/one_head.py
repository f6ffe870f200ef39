"""What organisers can do with one head: ask a describer again, or describe it by hand."""

from __future__ import annotations

import json

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.types import HeadId
from space.components.markup import Html, head_link, notice, with_chips
from space.jobs.job import Step
from space.pages.models.handlers import chosen_atlas, own_folder, page_updates, server_request, store_text
from space.pages.models.layout import ModelsPage
from space.web.sessions import Annotator
from space.web.updates import Inputs, Updates

ASK_SECONDS = 300.0


def ask_about_head(page: ModelsPage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Asks a describer about one head, also if it has described it before, and shows the answer."""
    fields = page.head.fields
    server = server_request({name: inputs[fields[name]] for name in ("name", "url", "key")} | {"max_cost": None})
    folder, head = own_folder(page.services, inputs[fields["atlas"]]), chosen_head(page, inputs)
    command = ("describe", str(folder), "--describer", server.name, "--heads", str(head), "--redo", *server.options)
    page.services.jobs.run_now(Step("Asking about one head", command), server.keys, ASK_SECONDS)
    page.services.jobs.report_folder(folder)
    atlas = chosen_atlas(page.services, inputs[fields["atlas"]])
    return page_updates(page) | {page.head.message: newest_description(atlas, head, server.name)}


def save_by_hand(page: ModelsPage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Stores a description that the organiser wrote, as a row of its own with their name as describer."""
    fields = page.head.fields
    author, words, pattern = (
        str(inputs[fields[name]] or "").strip() for name in ("author", "input_strings", "observed_pattern")
    )
    if not author or not pattern:
        raise MapsError("Write your name and the observed pattern; “Unclear” if you see none.")
    model, head = inputs[fields["atlas"]], chosen_head(page, inputs)
    row = {"head": str(head), "describer": author, "input_strings": words or "Unclear", "observed_pattern": pattern}
    store_text(page.services, model, ".jsonl", json.dumps(row), None)
    return page_updates(page) | {
        page.head.message: newest_description(chosen_atlas(page.services, model), head, author)
    }


def chosen_head(page: ModelsPage, inputs: Inputs) -> HeadId:
    """The head that was typed; raises MapsError if the model has none of that name."""
    fields = page.head.fields
    head = HeadId.parse(str(inputs[fields["head"]] or "").strip())
    atlas = page.services.whole_atlas(str(inputs[fields["atlas"]]))
    if head not in atlas.head_ids:
        raise MapsError(f"{atlas.model} has no head {head} here.")
    return head


def newest_description(atlas: Atlas, head: HeadId, describer: str) -> Html:
    """What a describer said about a head last, with a link to the head's page."""
    row = next((row for row in atlas.descriptions(head) if row["describer"] == describer), None)
    if row is None:
        return notice(
            f"{describer} did not describe {head}. “Show its answers” on the tab Describe says why.", "problem"
        )
    return Html("<p>{}, {}: {} <b>{}</b></p>").format(
        head_link(atlas.model, head), describer, with_chips(row["input_strings"]), with_chips(row["observed_pattern"])
    )
