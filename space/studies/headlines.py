"""The headline of every head of an atlas, as visitors see it: from relations, descriptions and people's verdicts."""

from __future__ import annotations

from annotation.statistics.rates import CORRECT_CODES
from maps.atlas.reader import Atlas
from maps.report.headline import Headline
from maps.types import HeadId
from space.atlases import cache
from space.atlases.first_describer import first_describer
from space.atlases.hidden import HIDDEN_DESCRIPTION, hidden_heads
from space.services import Services
from space.studies.results import presence_labels, study_with_open_answers


def head_headlines(services: Services, atlas: Atlas) -> dict[HeadId, Headline]:
    """The headlines in the order of `atlas.head_ids`; where a running study hides a description, that is said."""
    first = first_describer(services.whole_atlas(atlas.model))
    hidden, headlines = hidden_heads(atlas), cache.headlines(atlas, verdicts_on_descriptions(services, atlas), first)
    return {
        head: Headline(headline.relations, HIDDEN_DESCRIPTION) if head in hidden else headline
        for head, headline in zip(atlas.head_ids, headlines, strict=True)
    }


def verdicts_on_descriptions(services: Services, atlas: Atlas) -> frozenset[tuple[str, bool]]:
    """Ids of descriptions with whether the majority judged them right about the presence of a pattern.

    From the newest study of the model whose answers everybody may see; ties are left out.
    """
    study = study_with_open_answers(services, atlas)
    if study is None:
        return frozenset()
    labels = presence_labels(services, study)
    named = zip(labels["description_id"], labels["label"], strict=True)
    return frozenset((name, label in CORRECT_CODES) for name, label in named if isinstance(label, str))
