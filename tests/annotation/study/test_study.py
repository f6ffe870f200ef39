"""A study as a value, its file, and what makes its items stale."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from annotation.form import GUIDELINES_VERSION
from annotation.study.file import study_from_json, study_to_json
from annotation.study.store import check_study_name, load_studies, save_study
from annotation.study.study import CurrentVersions, Study, build_default_study, has_all_judgments, stale_item_keys
from annotation.types import StudyItem
from maps.errors import MapsError
from maps.types import HeadId
from tests.annotation.invented_study import BASE_SETTINGS, CANDIDATES, CREATED, freeze_invented_study

PRESENT: CurrentVersions = {one.head: [(one.mapping_hash, one.description_id)] for one in CANDIDATES}


def test_a_study_survives_its_file() -> None:
    hostile = [replace(one, observed_pattern='</script>\u2028"\\ ⟨é⟩\n' + one.observed_pattern) for one in CANDIDATES]
    for made in (
        freeze_invented_study(),
        freeze_invented_study(hostile, deadline=CREATED, revision="abc", per_annotator=7),
        freeze_invented_study(practice=False, annotators=5),
    ):
        assert study_from_json(study_to_json(made)) == made


def test_a_file_from_before_annotators_were_counted_is_read() -> None:
    whole = json.loads(study_to_json(freeze_invented_study()))
    del whole["settings"]["annotators"]
    content = {name: whole[name] for name in ("settings", "items")}
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    whole["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    assert study_from_json(json.dumps(whole)) == freeze_invented_study()


def test_a_file_that_was_damaged_or_changed_is_refused() -> None:
    text = study_to_json(freeze_invented_study())
    assert text.count('"per_item": 2') == 1
    damage = {
        "is damaged": (text[:-200], "", "[]", "null", "{}", text.replace('"items"', '"things"')),
        "was changed": (text.replace('"per_item": 2', '"per_item": 3'), text.replace(" s1", " s2", 1)),
        "has format 2, but this version reads 1": (text.replace('"format_version": 1', '"format_version": 2'),),
    }
    for sentence, texts in damage.items():
        for spoiled in texts:
            with pytest.raises(MapsError, match=sentence):
                study_from_json(spoiled)


def test_a_study_is_written_once_and_found_again(tmp_path: Path) -> None:
    made = freeze_invented_study()
    assert save_study(made, tmp_path / "studies") == tmp_path / "studies" / "pilot.json"
    with pytest.raises(MapsError, match="There is already a study 'pilot'"):
        save_study(freeze_invented_study(seed=1), tmp_path / "studies")
    assert load_studies(tmp_path / "studies") == {"pilot": made}
    assert [path.name for path in (tmp_path / "studies").iterdir()] == ["pilot.json"]
    assert load_studies(tmp_path / "nowhere") == {}


def test_a_damaged_or_renamed_file_is_named(tmp_path: Path) -> None:
    path = save_study(freeze_invented_study(), tmp_path)
    path.rename(tmp_path / "other.json")
    with pytest.raises(MapsError, match=r"other\.json contains the study 'pilot'; rename the file to pilot\.json"):
        load_studies(tmp_path)
    (tmp_path / "other.json").write_bytes(b"\xff")
    with pytest.raises(MapsError, match=r"other\.json"):
        load_studies(tmp_path)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "studies").write_text("a file")
    with pytest.raises(MapsError, match="The study cannot be written to"):
        save_study(freeze_invented_study(), tmp_path / "studies")


@pytest.mark.parametrize("name", ["", "-a", "A", "a/b", "a" * 41, "ä", "default", "a\n"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(MapsError):
        check_study_name(name)
    assert check_study_name("pilot-2") == "pilot-2"


def items_of(keys: set[str]) -> set[tuple[HeadId, str]]:
    by_key = {item.key: item for item in freeze_invented_study().order}
    return {(HeadId(by_key[key].layer, by_key[key].head), by_key[key].item_kind) for key in keys}


def changed(head: HeadId, **versions: str) -> CurrentVersions:
    """The present versions, with other mappings or another description of one head."""
    one = next(candidate for candidate in CANDIDATES if candidate.head == head)
    newer = replace(one, **versions)  # type: ignore[arg-type]
    return {**PRESENT, head: [(newer.mapping_hash, newer.description_id)]}


def test_only_what_changed_is_stale() -> None:
    made = freeze_invented_study()
    assert stale_item_keys(made, PRESENT) == set()
    assert stale_item_keys(made, {}) == set(made.item_by_key)
    swapped = next(item for item in made.order if item.item_kind == "swapped")
    shuffled = next(item for item in made.order if item.item_kind == "shuffled")
    own, described = HeadId(swapped.layer, swapped.head), made.origins[swapped.key].described_head
    of_the_other = {key for key in made.item_by_key if made.origins[key].described_head == described}
    assert stale_item_keys(made, changed(described, description_id="newer")) == of_the_other
    assert swapped.key in of_the_other
    assert swapped.key in stale_item_keys(made, changed(own, mapping_hash="other"))
    assert swapped.key not in stale_item_keys(made, changed(own, description_id="newer"))
    remapped = HeadId(shuffled.layer, shuffled.head)
    assert items_of(stale_item_keys(made, changed(remapped, mapping_hash="other"))) >= {(remapped, "shuffled")}


def test_the_open_study_has_every_candidate_without_limit_or_controls() -> None:
    made = build_default_study("m", "r", 8, "offline", CANDIDATES, CREATED)
    assert sorted(made.items_by_head) == sorted(PRESENT)
    assert {item.item_kind for item in made.order} == {"head"}
    kept_settings = {
        "name": "default",
        "revision": "r",
        "heads": 32,
        "per_item": None,
        "guidelines_version": GUIDELINES_VERSION,
    }
    controls = {"overlap": 0, "swapped": 0, "shuffled": 0, "practice": False}
    assert made.settings == replace(BASE_SETTINGS, **kept_settings, **controls)  # type: ignore[arg-type]
    assert made.settings.deadline is None
    assert stale_item_keys(made, PRESENT) == set()


def test_items_are_found_by_their_columns() -> None:
    made = freeze_invented_study()
    found = made.order[3]
    assert made.key_by_columns[tuple(json.loads(found.key))] == found.key
    assert made.item_by_key[found.key] == StudyItem(*json.loads(found.key))


def judged_by(study: Study, people: str, overlap_people: str) -> dict[str, set[str]]:
    """Each limited item judged by `people`, each item of the overlap by `overlap_people`; a letter is a person."""
    return {item.key: set(overlap_people if item.item_kind == "overlap" else people) for item in study.order}


@pytest.mark.parametrize(
    ("changes", "people", "overlap_people", "expected"),
    [
        ({"overlap": 0}, "ab", "", True),
        ({"overlap": 0}, "a", "", False),
        ({"overlap": 0, "annotators": 5}, "ab", "", True),  # the limited places are all that is invited
        ({"annotators": None}, "ab", "abc", False),
        ({"annotators": 3}, "ab", "ab", False),
        ({"annotators": 3}, "ab", "abc", True),
        ({"annotators": 3}, "a", "abc", False),
        ({"heads": 4, "overlap": 4, "swapped": 0, "shuffled": 0}, "", "abcdefgh", False),
        ({"heads": 4, "overlap": 4, "swapped": 0, "shuffled": 0, "annotators": 1}, "", "", False),
        ({"heads": 4, "overlap": 4, "swapped": 0, "shuffled": 0, "annotators": 1}, "", "a", True),
    ],
)
def test_a_study_is_done_when_every_invited_place_is(
    changes: dict[str, object], people: str, overlap_people: str, expected: bool
) -> None:
    made = freeze_invented_study(CANDIDATES, **changes)
    assert has_all_judgments(made, judged_by(made, people, overlap_people)) is expected
    assert not has_all_judgments(made, {})


def test_the_overlap_is_done_by_people_who_judged_all_of_it() -> None:
    made = freeze_invented_study(annotators=3)
    judged = judged_by(made, "ab", "abc")
    first = next(item.key for item in made.order if item.item_kind == "overlap")
    assert not has_all_judgments(made, judged | {first: {"a", "b", "d"}})


def test_the_study_of_all_described_heads_is_never_done() -> None:
    default = build_default_study("m", "r", 8, "offline", CANDIDATES, CREATED)
    assert not has_all_judgments(default, {item.key: {"a", "b", "c"} for item in default.order})
