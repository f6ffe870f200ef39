"""Which judgments count, and which a visitor may see one by one."""

from __future__ import annotations

from dataclasses import asdict, replace

from annotation.form import Answers
from annotation.judges.store import judges_file, open_writer
from annotation.study.candidates import load_default_study
from space.pages.agreement.view import judges_section
from space.pages.annotate import task as tasks
from space.services import Services
from space.studies.computation import StudyResults
from space.studies.participant import Participant
from space.studies.results import judge_reports, study_results, visible_judgments
from space.web.sessions import Annotator

ANSWERS = Answers("absent_none", None, None, "")


def test_a_visitor_sees_single_judgments_only_of_items_judged_by_themselves(
    served: Services, ada: Annotator, grace: Annotator
) -> None:
    for _ in range(2):
        tasks.store_judgment(
            replace(tasks.reserve_next_task(Participant(served, served.default_study, grace), ()), answers=ANSWERS)
        )
    assert visible_judgments(served, served.default_study, None) == []
    assert visible_judgments(served, served.default_study, ada) == []
    tasks.store_judgment(
        replace(tasks.reserve_next_task(Participant(served, served.default_study, ada), ()), answers=ANSWERS)
    )
    assert [row.annotator for row in visible_judgments(served, served.default_study, ada)] == ["a-grace", "a-ada"]
    assert len(visible_judgments(served, served.default_study, grace)) == 3


def test_judgments_of_changed_mappings_or_descriptions_are_counted_as_stale(served: Services, ada: Annotator) -> None:
    tasks.store_judgment(
        replace(tasks.reserve_next_task(Participant(served, served.default_study, ada), ()), answers=ANSWERS)
    )
    assert counts(study_results(served, served.default_study)) == (1, 0, 2)
    first, *others = served.default_study.order
    changed = replace(first, mapping_hash="other")
    study = replace(served.default_study, order=(changed, *others))
    found = study_results(served, study)
    assert counts(found) == (0, 1, 0)


def test_the_default_study_has_every_described_head_once_in_one_order(served: Services) -> None:
    atlas = served.atlases[served.default_model()]
    study = load_default_study(atlas)
    assert study == served.default_study
    assert sorted(study.items_by_head) == list(atlas.head_ids)
    assert [item.layer for item in study.order] != sorted(item.layer for item in study.order)
    assert study.settings.describer == "offline"
    [row] = [row for row in atlas.descriptions() if row["description_id"] == study.order[0].description_id]
    assert study.contents[study.order[0].key].observed_pattern == row["observed_pattern"]


def counts(found: StudyResults) -> tuple[int, int, int]:
    """How many judgments count, how many are stale, and the answers of all layers and by quarter."""
    return found.report.judgments, found.report.left_out["stale"], int(found.answer_counts["count"].sum())


def test_judges_stand_beside_people_and_enter_no_figure(served: Services, ada: Annotator) -> None:
    study = served.default_study
    task = tasks.reserve_next_task(Participant(served, study, ada), ())
    tasks.store_judgment(replace(task, answers=ANSWERS))
    before = study_results(served, study).report
    assert judge_reports(served, study) == []
    item = study.order[0]
    answer = {"presence": "absent_none", "precision": None, "category": None, "comment": "No.", "prompt_hash": "p"}
    with open_writer(judges_file(served.data_folder, study.name)) as store:
        store({**asdict(item), "judge": "wise", "seed": 0, **answer, "created_at": "2026-12-01T10:00:00+00:00"})
    [report] = judge_reports(served, study)
    assert (report.judge, report.items) == ("wise", 1)
    assert study_results(served, study).report == before
    assert "wise judged 1 of 270 items" in judges_section([report], len(study.true_items), ())
