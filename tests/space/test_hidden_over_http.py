"""The explorer over HTTP while a study hides descriptions, also after the app was killed."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest

from annotation.study.study import Study
from maps.types import HeadId
from space.components.links import link_to_head
from space.pages.organise import studies
from space.pages.organise.studies import StudyRequest
from space.services import open_services
from tests.space.described_atlas import MODEL, make_described_atlas, word_of, words_of
from tests.space.running import AppUnderTest, fetch_text, run_app

pytestmark = pytest.mark.process
STUDY = StudyRequest("pilot", f"{MODEL} · offline", 12, "uniform", 2, 0, 4, 4, False, 0, None, "0")


def told_heads(app: AppUnderTest, study: Study) -> set[HeadId]:
    """What an annotator can tell: for each item, which of its heads' descriptions the explorer gives anywhere."""
    heads = {HeadId(item.layer, item.head) for item in study.order}
    heads |= {origin.described_head for origin in study.origins.values()}
    grid = fetch_text(f"{app.url}/look/sentences.json?{urlencode({'model': MODEL})}").text
    tables = [
        fetch_text(f"{app.url}/look/table?{urlencode({'model': MODEL, 'name': name, 'format': 'csv'})}").text
        for name in ("descriptions", "failures", "scores", "detections", "checks")
    ]
    told = set()
    for head in heads:
        page = fetch_text(f"{app.url}/{link_to_head(MODEL, head)}").text
        found = fetch_text(f"{app.url}/search?{urlencode({'q': word_of(head, 'input_strings')})}").text
        answers = "".join((page, grid, *tables))
        if any(word in answers for word in words_of(head)) or word_of(head) in found:
            told.add(head)
    return told


def test_no_control_can_be_told_until_the_study_is_closed(tmp_path: Path) -> None:
    folder = make_described_atlas(tmp_path / "atlas").folder
    settings = {
        "MAPS_DATA": str(tmp_path / "data"),
        "MAPS_ATLASES": str(folder),
        "MAPS_PSEUDONYM_KEY": "for tests, as long as keys must be",
    }
    with run_app(settings) as app:
        fetch_text(f"{app.url}/search?q=she")  # the index of the whole atlas is built
        used = open_services(settings)
        study = studies.create_study(used, STUDY)
        assert told_heads(app, study) == set()  # the next block starts after a kill
    with run_app(settings) as app:
        assert told_heads(app, study) == set()
        used.journal.close_study(study, "a-organiser")
        used.journal.close()
        told = told_heads(app, study)
    assert {HeadId(item.layer, item.head) for item in study.order} <= told
