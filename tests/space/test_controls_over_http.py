"""What an annotator learns over HTTP about controls: the address of a head used to open true items only."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotation.form import GUIDELINES_VERSION
from annotation.identity import pseudonyms
from space.pages.organise import studies
from space.pages.organise.studies import StudyRequest
from space.services import open_services
from tests.sign_in import session_token
from tests.space.running import Visitor, run_app

pytestmark = pytest.mark.process

STUDY = StudyRequest("pilot", "SmolLM2-135M-Instruct · offline", 15, "uniform", 2, 0, 5, 5, False, 0, None, "0")


def test_the_address_of_a_head_shows_the_same_item_whatever_the_head_is(tmp_path: Path) -> None:
    settings = {"MAPS_DATA": str(tmp_path), "MAPS_PSEUDONYM_KEY": "for tests, as long as keys must be"}
    used = open_services(settings)
    study = studies.create_study(used, STUDY)
    used.journal.record_consent(pseudonyms.derive_pseudonym("Ada", used.pseudonym_key), GUIDELINES_VERSION)
    token = session_token("Ada", used.pseudonym_key)
    used.journal.close()
    with run_app(settings) as app:
        [load] = [one for one in app.endpoints() if one.name == "load_annotate_page"]
        evidence = load.outputs.index("evidence")
        shown, kept = set(), set()
        for item in study.order:
            for visitor in (Visitor({"maps-token": token}), Visitor()):
                query = f"study=pilot&layer={item.layer}&head={item.head}"
                values = app.call(load, visitor, query).values
                shown.add(str(values[evidence]))
                task = visitor.stored_values["maps-desk"]
                kept.add((task.get("item"), task.get("wanted")))
    assert len(shown) == 2  # one item, and the welcome
    assert len(kept) == 2
    assert not any(wanted for _, wanted in kept)
