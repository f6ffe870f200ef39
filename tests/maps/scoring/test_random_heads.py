"""Random heads: compared with the plain formula, drawn once, and compared with the model's heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.errors import MapsError
from maps.heads.random_heads import apply_random_head, mean_and_deviation, random_head_seed
from maps.heads.salient_tokens import SalientCounts
from maps.mapping.model import Model
from maps.scoring import random_heads
from maps.scoring.comparison import entropy
from maps.scoring.measures import RandomHeadDraw, draw_random_heads, write_checks, write_concentration
from maps.scoring.random_heads import random_head_rows
from maps.types import no_progress_bar
from tests.small_models import (
    VOCABULARY_SIZE,
    SmallModel,
    approximate_rows,
    random_weights,
    save_model_folder,
    unique_rows,
)

COUNTS = SalientCounts(30, 0, 5)


def plain_formula(model: Model, layer: int, number: int, seed: int) -> tuple[float, float]:
    """Entropy and kurtosis of a random head's targets, from the whole matrix M = Ẽ R U."""
    weights = model.layer(layer)
    mean, deviation = mean_and_deviation(weights.exact_heads)
    d = model.shape.width
    drawn = apply_random_head(torch.eye(d, dtype=torch.float64), mean, deviation, random_head_seed(seed, layer, number))
    e, source = unique_rows(weights.sources.exact_rows(torch.arange(VOCABULARY_SIZE)))
    u, column = unique_rows(model.checkpoint.unembedding(model.embedding).double())
    written = e @ drawn
    table = (written @ u.T)[source][:, column]
    sigma = (written.norm(dim=1) / e.norm(dim=1))[source]
    rows = table[sigma.sort(descending=True, stable=True).indices[:30]]
    off = rows - rows.mean(1, keepdim=True)
    kurtosis = off.pow(4).mean(1) / off.square().mean(1).square()
    return entropy(rows.sort(descending=True, stable=True).indices[:, :5].flatten().tolist()), float(kurtosis.mean())


@pytest.mark.parametrize("layer", [0, 1])
def test_random_heads_match_the_plain_formula(layer: int, small_model: Path) -> None:
    model = Model.open(str(small_model))
    found = random_head_rows(model, layer, [0, 1, 4], 3, COUNTS)
    for row in found:
        assert (row["target_entropy"], row["target_kurtosis"]) == pytest.approx(
            plain_formula(model, layer, row["head"], 3)
        )
    assert [(row["layer"], row["head"], row["seed"]) for row in found] == [(layer, n, 3) for n in (0, 1, 4)]
    assert len({row["target_kurtosis"] for row in found}) == 3


def test_a_random_head_does_not_depend_on_the_others(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model.open(str(small_model))
    together = random_head_rows(model, 1, range(4), 0, COUNTS)
    monkeypatch.setattr(random_heads, "MAX_MATRIX_ENTRIES", 1)
    assert random_head_rows(model, 1, [2], 0, COUNTS) == approximate_rows(together[2:3], 1e-6)
    assert random_head_rows(model, 1, range(4), 0, COUNTS) == approximate_rows(together, 1e-6)


def test_an_interrupted_draw_continues(atlas_folder: Path, tmp_path: Path) -> None:
    atlas, draw = Atlas.open(atlas_folder), RandomHeadDraw(3, 5)
    calls: list[tuple[list[int], int]] = []

    def interrupt(todo: Sequence[int], done: int) -> Iterator[int]:
        calls.append((list(todo), done))
        yield todo[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_random_heads(atlas, None, draw, interrupt)
    first = atlas.table("random_heads").to_pylist()
    assert [(row["layer"], row["head"]) for row in first] == [(0, 0), (0, 1), (0, 2)]
    log = atlas_folder / "random_heads.pending.jsonl"
    log.write_text('{"layer": 1, "head": 0, "seed": 5, "target_entropy": 6.5, "target_kurtosis": null}\n{"lay')

    def record(todo: Sequence[int], done: int) -> Sequence[int]:
        calls.append((list(todo), done))
        return todo

    draw_random_heads(atlas, None, draw, record)
    assert calls == [([0, 1], 0), ([1], 1)]
    whole = atlas.table("random_heads").to_pylist()
    assert [(row["layer"], row["head"]) for row in whole] == [(n // 3, n % 3) for n in range(6)]
    assert (whole[:3], whole[3]["target_entropy"], log.exists()) == (first, 6.5, False)
    draw_random_heads(atlas, str(tmp_path / "nowhere"), draw, no_progress_bar)  # nothing is missing: no model is opened


def test_concentration_compares_each_head_with_random_heads(atlas_folder: Path) -> None:
    atlas, draw = Atlas.open(atlas_folder), RandomHeadDraw(4, 0)
    alone = write_concentration(atlas, draw)
    assert {(row["random_heads"], row["seed"], row["entropy_below"]) for row in alone} == {(0, None, None)}
    draw_random_heads(atlas, None, RandomHeadDraw(6, 0), no_progress_bar)
    rows = write_concentration(atlas, draw)
    assert atlas.table("concentration").to_pylist() == rows
    others = [row for row in atlas.table("random_heads").to_pylist() if row["head"] < 4]
    heads = {(row["layer"], row["head"]): row["target_kurtosis"] for row in atlas.table("heads").to_pylist()}
    for row in rows:
        layer_rows = [other for other in others if other["layer"] == row["layer"]]
        assert row["entropy_below"] == share(row["target_entropy"], layer_rows, "target_entropy")
        assert row["kurtosis_below"] == share(heads[row["layer"], row["head"]], layer_rows, "target_kurtosis")
        assert (row["random_heads"], row["seed"]) == (4, 0)
    assert "concentration.parquet" in (atlas_folder / "README.md").read_text()


def share(value: float, rows: Sequence[Row], measure: str) -> float:
    """The share of rows below a value; ties count half."""
    below, equal = sum(row[measure] < value for row in rows), sum(row[measure] == value for row in rows)
    return (below + equal / 2) / len(rows)


def test_another_model_than_that_of_the_atlas_is_refused(atlas_folder: Path, tmp_path: Path) -> None:
    other = save_model_folder(tmp_path / "other", SmallModel(layers=3), random_weights(SmallModel(layers=3)))
    with pytest.raises(
        MapsError, match=r"is not the model of this atlas: its revision is .* without --predict needs none"
    ):
        draw_random_heads(Atlas.open(atlas_folder), str(other), RandomHeadDraw(1, 0), no_progress_bar)


def test_checks_of_every_head_are_stored(atlas_folder: Path) -> None:
    atlas = Atlas.open(atlas_folder)
    rows = write_checks(atlas, ())
    stored = atlas.table("checks").to_pylist()
    assert sorted(map(str, stored)) == sorted(map(str, rows))
    assert all(1 <= row["support"] <= 30 for row in stored)
