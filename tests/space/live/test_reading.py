"""The reading in which questions are answered: the shown atlas's where that is possible, and visitors are told else."""

from __future__ import annotations

from pathlib import Path

import pytest

from maps.atlas.reader import CALIBRATION_FILE, Atlas
from maps.errors import MapsError
from maps.mapping.probe_results import Probe
from space.live.process import LiveModel, make_live_model
from space.live.reading import LiveReading, choose_live_reading
from space.live.worker import OTHER_CALIBRATION_MESSAGE, UNREADABLE_MESSAGE
from space.services import Services
from tests.calibrations import save_random_calibration

NORMS = "mlp+input-norm+final-norm"
TARGETS = "mlp+target-map"


def invented(folder: Path, reading: str, model: str = "m") -> Atlas:
    return Atlas(folder, {"model": model, "settings": {"reading": reading}})


def test_the_first_atlas_whose_reading_can_be_used_is_answered_in(tmp_path: Path) -> None:
    norms, calibrated = invented(tmp_path, NORMS), invented(tmp_path, TARGETS)
    assert choose_live_reading([norms, calibrated]) == LiveReading(NORMS, is_slow=True)
    (tmp_path / CALIBRATION_FILE).write_bytes(b"")
    assert choose_live_reading([calibrated, norms]) == LiveReading(TARGETS, tmp_path / CALIBRATION_FILE)


@pytest.mark.parametrize("reading", [TARGETS, "calibrated", "of a later version"])
def test_without_a_calibration_the_papers_reading_answers_and_it_is_told(
    tmp_path: Path, reading: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = choose_live_reading([invented(tmp_path, reading, "small")])
    assert chosen[:2] == ("mlp", None)
    assert chosen.remark == (
        "The heads of small are shown in another reading, which cannot answer questions on this site. Try it answers "
        "in the paper's reading (mlp), so its answers differ from the pages of these heads."
    )
    assert str(tmp_path) not in chosen.remark
    is_told = f"are not answered in the reading of {tmp_path}" in capsys.readouterr().err
    assert is_told == (reading == "of a later version")  # a missing calibration is told on the page


def test_an_atlas_in_another_reading_answers_before_the_papers_reading_is_taken(tmp_path: Path) -> None:
    chosen = choose_live_reading([invented(tmp_path, TARGETS, "first"), invented(tmp_path, NORMS)])
    assert (chosen.name, chosen.calibration) == (NORMS, None)
    assert "The heads of first are shown in another reading" in chosen.remark


@pytest.mark.parametrize(("reading", "seconds"), [("mlp", 20.0), ("residual+final-norm", 20.0), (NORMS, 120.0)])
def test_a_question_may_take_longer_where_every_layer_has_rows_of_its_own(
    served: Services, tmp_path: Path, reading: str, seconds: float
) -> None:
    assert live_in(served, reading, tmp_path).later_answer_seconds == seconds


def live_in(served: Services, reading: str, folder: Path, calibration: str | None = None) -> LiveModel:
    """Live questions about the bundled model as an atlas in this reading shows it."""
    atlas = next(iter(served.atlases.values()))
    settings = atlas.info["settings"] | {"reading": reading, "calibration": calibration}
    return make_live_model({"m": Atlas(folder, atlas.info | {"settings": settings})})


def answer(live: LiveModel) -> Probe:
    try:
        found = live.ask(("France", "Paris"))
    finally:
        live.close()
    assert isinstance(found, Probe)
    return found


@pytest.mark.process
def test_the_weights_answer_in_the_reading_of_the_atlas(served: Services, tmp_path: Path) -> None:
    import maps
    from maps.types import HeadId

    asked = maps.probe(maps.load("smollm2", reading=NORMS), "France", "Paris")
    answered = answer(live_in(served, NORMS, tmp_path))
    assert answered == asked
    paper = answer(served.live_model)
    by_head = [{row.head: row.score for row in probe.pair} for probe in (answered, paper)]
    assert by_head[0][HeadId(23, 4)] != by_head[1][HeadId(23, 4)]


@pytest.mark.process
def test_a_calibration_is_used_only_if_it_is_the_atlass(served: Services, tmp_path: Path) -> None:
    import maps

    reading = "mlp+target-map"
    checkpoint = maps.load("smollm2").checkpoint
    calibration = save_random_calibration(tmp_path / CALIBRATION_FILE, checkpoint)
    assert answer(live_in(served, reading, tmp_path, calibration.hash)).pair
    with pytest.raises(MapsError, match=f"^{OTHER_CALIBRATION_MESSAGE}$"):
        answer(live_in(served, reading, tmp_path, "another"))
    (tmp_path / CALIBRATION_FILE).write_bytes(b"damaged")
    with pytest.raises(MapsError, match=f"^{UNREADABLE_MESSAGE}$"):
        answer(live_in(served, reading, tmp_path, calibration.hash))
