"""What mapping a model takes, told before it starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from maps.__main__ import main
from maps.experiments.mapping_plan import STARTUP_SECONDS, Machine, misfit, plan_mapping, plan_sentences, size_text
from maps.weights.open import open_checkpoint
from tests.small_models import SmallModel, random_weights, save_model_folder

SMALL = SmallModel(layers=3)
ROOMY = Machine(free_memory=8 << 30, free_disk=8 << 30, rate=1e9)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model_folder(tmp_path_factory.mktemp("model"), SMALL, random_weights(SMALL))


def test_a_calibrated_reading_takes_more_of_everything(model: Path) -> None:
    checkpoint = open_checkpoint(str(model))
    paper, auto = plan_mapping(checkpoint, "paper"), plan_mapping(checkpoint, "auto")
    assert (paper.layers, paper.heads, paper.vocabulary) == (3, 4, checkpoint.vocabulary.size)
    assert (paper.reading, auto.reading) == ("mlp", "calibrated+input-norm+final-norm+target-map")
    assert paper.download_bytes == auto.download_bytes == 0
    assert auto.memory_bytes > paper.memory_bytes
    assert auto.disk_bytes > paper.disk_bytes
    assert auto.seconds(1e9) > 2 * paper.seconds(1e9)
    assert paper.seconds(1e9) - STARTUP_SECONDS == pytest.approx(2 * (paper.seconds(2e9) - STARTUP_SECONDS))


def test_the_work_on_heads_is_counted_layer_by_layer(model: Path) -> None:
    checkpoint = open_checkpoint(str(model))
    more = replace(checkpoint, shape=replace(checkpoint.shape, head_layers=(0,)))
    whole, part = plan_mapping(checkpoint, "embedding"), plan_mapping(more, "embedding")
    assert whole.operations == pytest.approx(3 * part.operations)


def test_what_does_not_fit_is_said_with_what_to_do(model: Path) -> None:
    plan = plan_mapping(open_checkpoint(str(model)), "auto")
    assert misfit(plan, ROOMY) == ""
    little = misfit(plan, replace(ROOMY, free_memory=10**9))
    assert little.endswith("1.0 GB are free. Use a larger machine or choose a reading without a calibration.")
    assert misfit(plan, replace(ROOMY, free_disk=1000)).endswith("of disk, and 1 MB are free. Free some space.")
    assert plan_sentences(plan, ROOMY)[1] == "To download: nothing."


def test_sizes_are_said_as_people_say_them() -> None:
    assert [size_text(size) for size in (1, 850_400_000, 9_234_000_000)] == ["1 MB", "850 MB", "9.2 GB"]


def test_the_command_says_it_and_maps_nothing(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", str(model), "--out", str(tmp_path / "atlas"), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines[1:]] == ["To download", "Memory", "Disk", "Time on this machine"]
    assert not (tmp_path / "atlas").exists()
