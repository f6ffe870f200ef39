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
from annotation.study.study import stale
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from space.atlases.catalogue import SEED
from space.pages.organise.studies import people
from space.services import Services
from space.studies.current import chosen, closed, stale_keys, studies
from space.studies.results import numbers
from space.web.sessions import Annotator
from tests.space.conftest import PLAIN, created
from tests.space.judging import judged

LATER = datetime.now(UTC) + timedelta(days=1)
EARLIER = datetime.now(UTC) - timedelta(days=1)


def test_without_a_created_study_it_is_that_of_all_described_heads(served: Services) -> None:
    assert list(studies(served)) == ["default"]
    assert chosen(served, None) is served.study
    assert chosen(served, None, "pilot") is served.study


def test_it_is_the_newest_that_is_open_unless_the_address_or_the_browser_names_another(served: Services) -> None:
    old = created(served, name="old")
    new = created(served, name="new", created_at=PLAIN.created_at + timedelta(days=1), deadline=LATER)
    over = created(served, name="over", created_at=PLAIN.created_at + timedelta(days=2), deadline=EARLIER)
    assert chosen(served, None).name == "new"
    assert chosen(served, None, "old") == old
    assert chosen(served, None, "over") == chosen(served, None, "default") == chosen(served, None, 7) == new
    assert chosen(served, "over", "old") == over
    assert chosen(served, "default") is served.study
    with pytest.raises(MapsError, match="no study 'nosuch' here"):
        chosen(served, "nosuch")


def test_an_item_whose_description_has_changed_is_stale_at_once(
    served: Services, tmp_path: Path, ada: Annotator
) -> None:
    folder = tmp_path / "atlas"
    shutil.copytree(SEED / "smollm2", folder)
    own = replace(served, atlases={PLAIN.model: Atlas.open(folder)})
    study = created(own)
    assert stale_keys(own, study) == set()
    first, second = study.order[:2]
    for item in (first, second):
        judged(own, study, item, ada, Answers("absent_none", None, None, ""))
    assert [each.items for each in people(own, study)] == [2]
    table = pq.read_table(folder / "descriptions.parquet")
    rows = table.to_pylist()
    for row in rows:
        if row["description_id"] == first.description_id:
            row["description_id"] = "another"
    pq.write_table(table.from_pylist(rows, schema=table.schema), folder / "descriptions.parquet")
    assert first.key in stale_keys(own, study)
    assert [each.items for each in people(own, study)] == [1]
    assert numbers(own, study).report.left_out["stale"] == 1
    assert stale_keys(own, served.study) == set()
    assert stale_keys(replace(own, atlases={}), study) == set()
    assert stale(study, {}) == set(study.by_key)


@dataclass(frozen=True)
class Unread:
    """A ledger that could not be read."""

    def sentences(self) -> list[str]:
        """How it stands."""
        return ["The ledger has not been read since the app started."]

    def troubles(self) -> list[str]:
        """What is wrong."""
        return []

    def summary(self) -> dict[str, object]:
        """What everybody may know."""
        return {"state": "unread"}

    def status(self) -> Unread:
        """Its own report."""
        return self

    def closed(self) -> str | None:
        """Why."""
        return "Judging is closed until the ledger can be read."


def test_judging_is_closed_by_the_deadline_the_ledger_or_a_space_without_login(served: Services) -> None:
    open_, over = created(served, name="open", deadline=LATER), created(served, name="over", deadline=EARLIER)
    assert closed(served, open_) is None
    assert closed(served, served.study) is None
    assert closed(served, over) == "The study over is over: its deadline has passed. Thank you to all who took part."
    assert closed(replace(served, ledger=Unread()), open_) == "Judging is closed until the ledger can be read."
    on_a_space = replace(served, on_space=True)
    assert "this Space has no login" in str(closed(on_a_space, open_))
    assert closed(replace(on_a_space, login=True), open_) is None


def test_a_damaged_study_is_told(served: Services) -> None:
    created(served)
    path = served.data / "studies" / "pilot.json"
    path.write_text(json.dumps({"format_version": 1}), encoding="utf-8")
    with pytest.raises(MapsError, match="pilot"):
        studies(served)
