"""The form on a head's page that runs the head on a visitor's own sentence."""

from __future__ import annotations

from maps.atlas.reader import Atlas
from maps.types import HeadId
from space.components.markup import Html
from space.pages.sentence.page import is_runnable
from space.pages.sentence.view import sentence_form
from space.services import Services

EXPLANATION = "See what it looks at and writes when the model runs, next to what its weights predict."


def sentence_section(services: Services, atlas: Atlas, head: HeadId) -> Html:
    """The section with its heading; nothing for a model that is not run here."""
    if services.live_model.model_name is None or not is_runnable(atlas):
        return Html("")
    return Html('<h2>On your own sentence</h2><p class="hint">{}</p>{}').format(
        EXPLANATION, sentence_form(atlas.model, head)
    )
