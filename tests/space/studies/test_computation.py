"""The results of a large study, which a child process computes."""

from __future__ import annotations

import os
from dataclasses import replace

import pandas as pd
import pytest

from annotation.form import Answers
from maps.errors import MapsError
from space.child import run_in_child
from space.pages.annotate import task as tasks
from space.services import Services
from space.studies import computation, results
from space.studies.participant import Participant
from space.web.sessions import Annotator

ANSWERS = Answers("absent_none", None, None, "")


def process_id(number: int) -> tuple[int, int]:
    return os.getpid(), number


def refuse(sentence: str) -> None:
    raise MapsError(sentence)


def end_the_process(_number: int) -> None:
    os._exit(7)


def test_a_large_study_gets_the_same_results_from_a_child_process(
    served: Services, ada: Annotator, grace: Annotator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for annotator in (ada, grace):
        task = tasks.reserve_next_task(Participant(served, served.default_study, annotator), ())
        tasks.store_judgment(replace(task, answers=ANSWERS))
    here = computation.compute_results(results.results_key(served, served.default_study))
    monkeypatch.setattr(computation, "LARGE_JOURNAL", 0)
    monkeypatch.setattr(results, "count_judgments", None)  # nothing is counted in this process
    there = results.results_without_evidence(served, served.default_study)
    assert there.report.as_json() == here.report.as_json()
    assert there.report.judgments == 2
    pd.testing.assert_frame_equal(there.answer_counts, here.answer_counts)
    pd.testing.assert_frame_equal(results.presence_labels(served, served.default_study), here.presence_labels)
    pd.testing.assert_frame_equal(
        results.counted_judgments(served, served.default_study).rows, here.judgments.rows, check_categorical=False
    )
    # The child's own journal does not come back: each would be one more open file.
    assert results.newest_count(served, served.default_study).key.journal is served.journal


def test_a_child_is_another_process_and_passes_errors_on() -> None:
    child, number = run_in_child(process_id, 4)
    assert (child != os.getpid(), number) == (True, 4)
    with pytest.raises(MapsError, match=r"^Ask again\.$"):
        run_in_child(refuse, "Ask again.")


def test_a_child_that_ends_early_is_reported_with_what_it_said_last() -> None:
    with pytest.raises(MapsError, match=r"^Computing ended early \(exit status 7\); try again\.$"):
        run_in_child(end_the_process, 0)
