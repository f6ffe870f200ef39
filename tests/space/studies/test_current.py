"""Which study somebody works on, what is stale in it, and why judging is closed."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from annotation.form import Answers
from annotation.study.study import stale_item_keys
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from space.atlases.names import PREBUILT_FOLDER
from space.services import Services
from space.studies.annotator_work import annotator_work
from space.studies.current import all_studies, find_stale_item_keys, judging_closed_reason, select_study
from space.studies.results import results_without_evidence
from space.web.sessions import Annotator
from tests.space.conftest import BASE_SETTINGS, create_test_study
from tests.space.judging import record_judgment

LATER = datetime.now(UTC) + timedelta(days=1)
EARLIER = datetime.now(UTC) - timedelta(days=1)


def test_without_a_created_study_it_is_that_of_all_described_heads(served: Services) -> None:
    assert list(all_studies(served)) == ["default"]
    assert select_study(served, None) is served.default_study
    assert select_study(served, None, "pilot") is served.default_study


@pytest.mark.slow
def test_whoever_comes_by_chance_gets_the_open_mode_and_who_has_a_link_the_study(served: Services) -> None:
    old = create_test_study(served, name="old")
    new = create_test_study(served, name="new", created_at=BASE_SETTINGS.created_at + timedelta(days=1), deadline=LATER)
    over = create_test_study(
        served, name="over", created_at=BASE_SETTINGS.created_at + timedelta(days=2), deadline=EARLIER
    )
    assert select_study(served, None) is served.default_study
    assert select_study(served, None, "old") == old
    assert (
        select_study(served, None, "over")
        == select_study(served, None, "default")
        == select_study(served, None, 7)
        == served.default_study
    )
    assert select_study(served, "new") == new
    assert select_study(served, "over", "old") == over
    assert select_study(served, "default") is served.default_study
    with pytest.raises(MapsError, match="no study 'nosuch' here"):
        select_study(served, "nosuch")


@pytest.mark.slow
def test_an_item_whose_description_has_changed_is_stale_at_once(
    served: Services, tmp_path: Path, ada: Annotator
) -> None:
    folder = tmp_path / "atlas"
    shutil.copytree(PREBUILT_FOLDER / "smollm2", folder)
    own = replace(served, whole_atlases={BASE_SETTINGS.model: Atlas.open(folder)})
    study = create_test_study(own)
    assert find_stale_item_keys(own.whole_atlases, study) == set()
    first, second = study.order[:2]
    for item in (first, second):
        record_judgment(own, study, item, ada, Answers("absent_none", None, None, ""))
    assert [each.items for each in annotator_work(own, study)[0]] == [2]
    table = pq.read_table(folder / "descriptions.parquet")
    rows = table.to_pylist()
    for row in rows:
        if row["description_id"] == first.description_id:
            row["description_id"] = "another"
    pq.write_table(table.from_pylist(rows, schema=table.schema), folder / "descriptions.parquet")
    assert first.key in find_stale_item_keys(own.whole_atlases, study)
    assert [each.items for each in annotator_work(own, study)[0]] == [1]
    assert results_without_evidence(own, study).report.left_out["stale"] == 1
    assert find_stale_item_keys(own.whole_atlases, served.default_study) == set()
    assert find_stale_item_keys({}, study) == set()
    assert stale_item_keys(study, {}) == set(study.item_by_key)


@dataclass(frozen=True)
class Unread:
    """A ledger that could not be read."""

    def state_sentences(self) -> list[str]:
        return ["The ledger has not been read since the app started."]

    def problems(self) -> list[str]:
        return []

    def public_summary(self) -> dict[str, object]:
        return {"state": "unread"}

    def status(self) -> Unread:
        return self

    def closed_reason(self) -> str | None:
        return "Judging is closed until the ledger can be read."


@pytest.mark.slow
def test_judging_is_closed_by_the_deadline_the_ledger_or_a_space_without_login(served: Services) -> None:
    open_, over = (
        create_test_study(served, name="open", deadline=LATER),
        create_test_study(served, name="over", deadline=EARLIER),
    )
    assert judging_closed_reason(served, open_) is None
    assert judging_closed_reason(served, served.default_study) is None
    assert (
        judging_closed_reason(served, over)
        == "The study over is over: its deadline has passed. Thank you to everybody who took part!"
    )
    assert (
        judging_closed_reason(replace(served, ledger=Unread()), open_)
        == "Judging is closed until the ledger can be read."
    )
    on_a_space = replace(served, is_on_space=True)
    assert "this Space has no login" in str(judging_closed_reason(on_a_space, open_))
    assert judging_closed_reason(replace(on_a_space, has_login=True), open_) is None


@pytest.mark.slow
def test_a_damaged_study_is_told(served: Services) -> None:
    create_test_study(served)
    path = served.data_folder / "studies" / "pilot.json"
    path.write_text(json.dumps({"format_version": 1}), encoding="utf-8")
    with pytest.raises(MapsError, match="pilot"):
        all_studies(served)
