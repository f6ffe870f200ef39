"""The random baseline: its draws compared with whole matrices, its file, its runs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from maps.__main__ import main
from maps.errors import MapsError
from maps.experiments import random_baseline
from maps.experiments.random_baseline import best_score, count_passing_heads
from maps.experiments.results import ExperimentRun
from maps.heads import random_heads
from maps.heads.circuit import HeadWeights
from maps.heads.random_heads import apply_random_head, mean_and_deviation
from maps.mapping.mapper import map_model
from maps.mapping.settings import MappingSettings
from maps.types import Relation, RelationScore
from tests.near_ties import normal_tensor
from tests.small_models import WORDS, SmallModel, random_weights, save_model_folder

PAIRS = tuple(zip(WORDS, [*WORDS[1:], WORDS[0]], strict=True))
SETTINGS = MappingSettings((Relation("next", "", PAIRS),), k=60, min_pairs=5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small model of three layers."""
    small = SmallModel(layers=3)
    return save_model_folder(tmp_path_factory.mktemp("models") / "small", small, random_weights(small))


@pytest.fixture(scope="module")
def whole(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    random_baseline.evaluate_random_baseline(ExperimentRun(str(model), out, SETTINGS), seed=3)
    return out


def test_mean_and_deviation_are_those_of_the_formed_matrices() -> None:
    heads = HeadWeights(normal_tensor(2, 24, 6) + 0.2, normal_tensor(4, 6, 24, seed=1) + 0.1)
    formed = [heads.values[head // 2] @ heads.outputs[head] for head in range(4)]
    assert mean_and_deviation(heads) == pytest.approx(
        (
            sum(float(matrix.mean()) for matrix in formed) / 4,
            sum(float(matrix.std(correction=0)) for matrix in formed) / 4,
        ),
        rel=1e-10,
    )


def test_heads_whose_entries_do_not_vary_deviate_by_zero() -> None:
    heads = HeadWeights(
        torch.full((1, 5, 3), 0.1, dtype=torch.float64), torch.full((2, 3, 5), 0.3, dtype=torch.float64)
    )
    assert mean_and_deviation(heads) == pytest.approx((0.09, 0.0), abs=1e-8)


def test_what_is_written_at_random_is_rows_times_one_normal_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, eye = normal_tensor(40, 320), torch.eye(320, dtype=torch.float64)
    matrix = apply_random_head(eye, 0.5, 2.0, seed=7)
    assert float(matrix.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(matrix.std()) == pytest.approx(2.0, abs=0.02)
    torch.testing.assert_close(apply_random_head(rows, 0.5, 2.0, seed=7), rows @ matrix)
    assert not torch.equal(apply_random_head(eye, 0.5, 2.0, seed=8), matrix)
    monkeypatch.setattr(random_heads, "RANDOM_NUMBERS_AT_ONCE", 320 * 32)
    torch.testing.assert_close(apply_random_head(rows, 0.5, 2.0, seed=7), rows @ matrix)


def test_the_best_score_is_that_of_relations_with_enough_pairs() -> None:
    def score(pairs: int, up: float | None, down: float | None) -> RelationScore:
        return RelationScore("r", "", 10, pairs, up, down)

    assert best_score([score(40, 0.1, 0.3), score(29, 0.9, 0.9), score(30, 0.2, 0.0)], 30) == 0.3
    assert best_score([score(0, None, None)], 0) == 0.0
    assert best_score([], 30) == 0.0


def test_heads_are_counted_at_every_tau_the_chosen_one_included() -> None:
    layers = [{"trained": [0.15, 0.4], "random": [0.0, 0.1]}, {"trained": [0.05, 1.0], "random": [0.2, 0.16]}]
    baseline = count_passing_heads(layers, 0.16)
    assert baseline == (
        (0.05, 0.1, 0.15, 0.16, 0.2, 0.3, 0.5),
        (4, 3, 3, 2, 2, 2, 1),
        (3, 3, 2, 2, 1, 0, 0),
        4,
    )


@pytest.mark.slow
def test_trained_heads_pass_as_in_the_atlas(model: Path, whole: Path, tmp_path: Path) -> None:
    atlas = map_model(str(model), tmp_path / "atlas", SETTINGS)
    best = [
        max(score.score or 0.0, score.suppression or 0.0)
        for where in atlas.head_ids
        for score in atlas.relation_scores(where)
    ]
    lines = (whole / "random.csv").read_text().splitlines()
    assert lines[0] == "tau,trained_heads,random_heads"
    rows = [line.split(",") for line in lines[1:]]
    assert [float(tau) for tau, _, _ in rows] == [0.05, 0.1, 0.15, 0.2, 0.3, 0.5]
    assert [int(trained) for _, trained, _ in rows] == [sum(x >= float(tau) for x in best) for tau, _, _ in rows]
    at_random = [int(random) for _, _, random in rows]
    assert 0 < at_random[2] <= 12
    assert at_random == sorted(at_random, reverse=True)


def test_a_seed_gives_the_same_and_another_one_other_heads(model: Path, whole: Path, tmp_path: Path) -> None:
    random_baseline.evaluate_random_baseline(ExperimentRun(str(model), tmp_path / "again", SETTINGS), seed=3)
    random_baseline.evaluate_random_baseline(ExperimentRun(str(model), tmp_path / "other", SETTINGS), seed=4)
    files = [f"random.parts/layer-00{layer}.json" for layer in range(3)]
    first, again, other = (
        [(out / file).read_text() for file in files] for out in (whole, tmp_path / "again", tmp_path / "other")
    )
    assert first == again != other
    assert (tmp_path / "again" / "random.csv").read_bytes() == (whole / "random.csv").read_bytes()
    assert len({first[0], first[1], first[2]}) == 3


def test_a_stopped_run_continues_and_ends_the_same(model: Path, whole: Path, tmp_path: Path) -> None:
    seen: list[tuple[list[int], int]] = []

    def stopped(todo: Sequence[int], done: int) -> Iterator[int]:
        seen.append((list(todo), done))
        yield from todo[:2]
        raise KeyboardInterrupt

    def watched(todo: Sequence[int], done: int) -> Iterable[int]:
        seen.append((list(todo), done))
        return todo

    with pytest.raises(KeyboardInterrupt):
        random_baseline.evaluate_random_baseline(ExperimentRun(str(model), tmp_path, SETTINGS, progress=stopped), 3)
    assert not (tmp_path / "random.csv").exists()
    random_baseline.evaluate_random_baseline(ExperimentRun(str(model), tmp_path, SETTINGS, progress=watched), 3)
    assert seen == [([0, 1, 2], 0), ([2], 2)]
    assert (tmp_path / "random.csv").read_bytes() == (whole / "random.csv").read_bytes()


@pytest.mark.parametrize(
    ("settings", "seed", "differs"),
    [(replace(SETTINGS, k=3), 3, "k"), (SETTINGS, 4, "seed"), (replace(SETTINGS, layers=(0, 1)), 3, "layers")],
)
def test_a_folder_of_other_settings_is_refused(
    settings: MappingSettings, seed: int, differs: str, model: Path, whole: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "copy"))
    start = re.escape(f"{out} holds a run with other settings ({differs}")
    with pytest.raises(MapsError, match=rf"^{start}.*choose another --out\.$"):
        random_baseline.evaluate_random_baseline(ExperimentRun(str(model), out, settings), seed)
    assert (out / "random.csv").read_bytes() == (whole / "random.csv").read_bytes()


@pytest.mark.parametrize("layer", [0, 2])
def test_a_layer_alone_draws_the_heads_that_it_draws_among_all(
    layer: int, model: Path, whole: Path, tmp_path: Path
) -> None:
    random_baseline.evaluate_random_baseline(
        ExperimentRun(str(model), tmp_path, replace(SETTINGS, layers=(layer, layer))), seed=3
    )
    file = f"random.parts/layer-00{layer}.json"
    assert (tmp_path / file).read_text() == (whole / file).read_text()


def test_the_command_writes_the_file_and_prints_its_path(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "random"
    command = ["evaluate", "random", str(model), "--out", str(out), "--relations", "copying", "--k", "60"]
    command += ["--min-pairs", "5", "--tau", "0.25", "--layers", "1-2", "--seed", "5"]
    assert main(command) == 0
    printed, bar = capsys.readouterr()
    assert re.fullmatch(
        rf"τ = 0\.25 is passed by \d of 8 heads, and by \d of as many random ones: {re.escape(str(out))}/random\.csv\n"
        rf"The report is in {re.escape(str(out))}/report\.html\.\n",
        printed,
    )
    assert "100%" in bar
    lines = (out / "random.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["tau", "0.05", "0.1", "0.15", "0.2", "0.25", "0.3", "0.5"]
    assert main(command) == 0
    assert capsys.readouterr() == (printed, "")
    assert main([*command[:-1], "6"]) != 0
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_a_run_into_the_models_atlas_is_kept_with_it(model: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "atlas"
    atlas = map_model(str(model), out, SETTINGS)
    assert atlas.random_baseline() == []
    before = {path.name: path.read_bytes() for path in out.glob("*.parquet")}
    random_baseline.evaluate_random_baseline(ExperimentRun(str(model), out, SETTINGS), seed=3)
    lines = [line.split(",") for line in (whole / "random.csv").read_text().splitlines()[1:]]
    rows = [{"tau": float(tau), "trained_heads": int(own), "random_heads": int(other)} for tau, own, other in lines]
    assert atlas.random_baseline() == rows
    assert "- config_name: random\n  data_files: random.csv\n" in (out / "README.md").read_text()
    assert {path.name: path.read_bytes() for path in out.glob("*.parquet")} == before
    (out / "random.csv").write_text("tau,heads\n0.1,x\n")
    with pytest.raises(MapsError, match=rf"^{re.escape(str(out / 'random.csv'))} is damaged \("):
        atlas.random_baseline()


def test_an_atlas_of_other_settings_is_left_alone(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "atlas"
    map_model(str(model), out, SETTINGS)
    before = sorted(path.name for path in out.iterdir())
    message = re.escape(f"{out} holds an atlas made with other settings (tau was 0.15, now 0.5); choose another --out.")
    with pytest.raises(MapsError, match=f"^{message}$"):
        random_baseline.evaluate_random_baseline(ExperimentRun(str(model), out, replace(SETTINGS, tau=0.5)), 3)
    assert sorted(path.name for path in out.iterdir()) == before
