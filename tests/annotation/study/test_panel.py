"""Panels: presets, codes and addresses for the end, and ids that are none."""

from __future__ import annotations

import pytest

from annotation.study.file import study_from_json, study_to_json
from annotation.study.panel import PRESETS, PanelSettings, check_panel_id, exit_address, panel_settings
from maps.errors import MapsError
from tests.annotation.invented_study import freeze_invented_study


def test_a_code_of_prolific_becomes_its_address() -> None:
    made = panel_settings("prolific", completed="C1ABC", declined="https://example.org/no?who={id}")
    assert made.parameter == "PROLIFIC_PID"
    assert made.completed == "https://app.prolific.com/submissions/complete?cc=C1ABC"
    assert exit_address(made.declined, "a b&c") == "https://example.org/no?who=a%20b%26c"
    assert made.screened_out == ""


def test_a_code_of_another_panel_is_shown_as_it_is() -> None:
    assert panel_settings("", "who", "C1").completed == "C1"
    assert panel_settings("sona", "survey", "C1") == PanelSettings("SONA", "survey", "%SURVEY_CODE%", "C1")


@pytest.mark.parametrize("text", ["javascript://alert(1)", "ftp://example.org", "two words", "C1\x07", "x" * 501])
def test_an_end_that_is_neither_code_nor_address_is_refused(text: str) -> None:
    with pytest.raises(MapsError):
        panel_settings("prolific", completed=text)


@pytest.mark.parametrize("parameter", ["study", "invitation", "a b", "1st", "x" * 41, "a=b"])
def test_a_parameter_that_the_page_or_an_address_cannot_take_is_refused(parameter: str) -> None:
    with pytest.raises(MapsError, match="cannot be the name"):
        panel_settings("", parameter)


@pytest.mark.parametrize("text", [None, "", "{{%PROLIFIC_PID%}}", "%SURVEY_CODE%", "a b", "<i>", "x" * 101, 7])
def test_what_a_panel_did_not_fill_in_is_no_id(text: object) -> None:
    assert check_panel_id(text) is None


def test_ids_of_the_known_panels_are_ids() -> None:
    assert check_panel_id("5f8a0c1d2e3b4a5968778899") == "5f8a0c1d2e3b4a5968778899"
    assert all(check_panel_id(preset.placeholder) is None for preset in PRESETS.values())


def test_a_study_keeps_its_panel() -> None:
    made = freeze_invented_study(panel=panel_settings("prolific", completed="C1"), practice_pass=3)
    assert study_from_json(study_to_json(made)) == made
    shown = made.settings.shown_values()
    assert shown["panel_name"] == "Prolific"
    assert "panel_declined" not in shown
