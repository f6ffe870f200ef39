"""Random heads: against the plain formula, drawn once, and compared with a head's own targets."""

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
from maps.scoring.concentration import entropy
from maps.scoring.measures import RandomHeadDraw, draw_random_heads, write_checks, write_concentration
from maps.scoring.random_heads import random_head_rows
from tests.small_models import (
    VOCABULARY_SIZE,
    SmallModel,
    approximate_rows,
    random_weights,
    save_model_folder,
    unique_rows,
)

WANTED = SalientCounts(30, 0, 5)


def everything(todo: Sequence[int], _done: int) -> Sequence[int]:
    """No bar."""
    return todo


def plainly(model: Model, layer: int, number: int, seed: int) -> tuple[float, float]:
    """Entropy and kurtosis of a random head's targets by the formula: M = Ẽ R U, formed."""
    read = model.layer(layer)
    mean, deviation = mean_and_deviation(read.exact_heads)
    d = model.shape.width
    drawn = apply_random_head(torch.eye(d, dtype=torch.float64), mean, deviation, random_head_seed(seed, layer, number))
    e, source = unique_rows(read.sources.exact_rows(torch.arange(VOCABULARY_SIZE)))
    u, column = unique_rows(model.checkpoint.unembedding(model.embedding).double())
    written = e @ drawn
    table = (written @ u.T)[source][:, column]
    sigma = (written.norm(dim=1) / e.norm(dim=1))[source]
    rows = table[sigma.sort(descending=True, stable=True).indices[:30]]
    off = rows - rows.mean(1, keepdim=True)
    kurtosis = off.pow(4).mean(1) / off.square().mean(1).square()
    return entropy(rows.sort(descending=True, stable=True).indices[:, :5].flatten().tolist()), float(kurtosis.mean())


@pytest.mark.parametrize("layer", [0, 1])
def test_random_heads_are_those_of_the_plain_formula(layer: int, small_model: Path) -> None:
    model = Model.open(str(small_model))
    found = random_head_rows(model, layer, [0, 1, 4], 3, WANTED)
    for row in found:
        assert (row["target_entropy"], row["target_kurtosis"]) == pytest.approx(plainly(model, layer, row["head"], 3))
    assert [(row["layer"], row["head"], row["seed"]) for row in found] == [(layer, n, 3) for n in (0, 1, 4)]
    assert len({row["target_kurtosis"] for row in found}) == 3


def test_a_random_head_does_not_depend_on_those_drawn_with_it(
    small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model.open(str(small_model))
    together = random_head_rows(model, 1, range(4), 0, WANTED)
    monkeypatch.setattr(random_heads, "MAX_MATRIX_ENTRIES", 1)
    assert random_head_rows(model, 1, [2], 0, WANTED) == approximate_rows(together[2:3], 1e-6)
    assert random_head_rows(model, 1, range(4), 0, WANTED) == approximate_rows(together, 1e-6)


def test_a_stopped_draw_goes_on_and_ends_the_same(atlas_folder: Path, tmp_path: Path) -> None:
    atlas, draw = Atlas.open(atlas_folder), RandomHeadDraw(3, 5)
    seen: list[tuple[list[int], int]] = []

    def stopped(todo: Sequence[int], done: int) -> Iterator[int]:
        seen.append((list(todo), done))
        yield todo[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_random_heads(atlas, None, draw, stopped)
    first = atlas.table("random_heads").to_pylist()
    assert [(row["layer"], row["head"]) for row in first] == [(0, 0), (0, 1), (0, 2)]
    waiting = atlas_folder / "random_heads.pending.jsonl"
    waiting.write_text('{"layer": 1, "head": 0, "seed": 5, "target_entropy": 6.5, "target_kurtosis": null}\n{"lay')

    def watched(todo: Sequence[int], done: int) -> Sequence[int]:
        seen.append((list(todo), done))
        return todo

    draw_random_heads(atlas, None, draw, watched)
    assert seen == [([0, 1], 0), ([1], 1)]
    whole = atlas.table("random_heads").to_pylist()
    assert [(row["layer"], row["head"]) for row in whole] == [(n // 3, n % 3) for n in range(6)]
    assert (whole[:3], whole[3]["target_entropy"], waiting.exists()) == (first, 6.5, False)
    draw_random_heads(atlas, str(tmp_path / "nowhere"), draw, everything)  # nothing is missing: no model is opened


def test_concentration_says_where_each_head_stands(atlas_folder: Path) -> None:
    atlas, draw = Atlas.open(atlas_folder), RandomHeadDraw(4, 0)
    alone = write_concentration(atlas, draw)
    assert {(row["random_heads"], row["seed"], row["entropy_below"]) for row in alone} == {(0, None, None)}
    draw_random_heads(atlas, None, RandomHeadDraw(6, 0), everything)
    rows = write_concentration(atlas, draw)
    assert atlas.table("concentration").to_pylist() == rows
    others = [row for row in atlas.table("random_heads").to_pylist() if row["head"] < 4]
    heads = {(row["layer"], row["head"]): row["target_kurtosis"] for row in atlas.table("heads").to_pylist()}
    for row in rows:
        mine = [each for each in others if each["layer"] == row["layer"]]
        assert row["entropy_below"] == share(row["target_entropy"], mine, "target_entropy")
        assert row["kurtosis_below"] == share(heads[row["layer"], row["head"]], mine, "target_kurtosis")
        assert (row["random_heads"], row["seed"]) == (4, 0)
    assert "concentration.parquet" in (atlas_folder / "README.md").read_text()


def share(value: float, rows: Sequence[Row], measure: str) -> float:
    """The share of rows below a value, ties half."""
    return sum(1.0 if row[measure] < value else 0.5 if row[measure] == value else 0.0 for row in rows) / len(rows)


def test_another_model_than_the_atlass_is_refused(atlas_folder: Path, tmp_path: Path) -> None:
    other = save_model_folder(tmp_path / "other", SmallModel(layers=3), random_weights(SmallModel(layers=3)))
    with pytest.raises(MapsError, match=r"is not the model of this atlas: its revision is .* leave random heads out"):
        draw_random_heads(Atlas.open(atlas_folder), str(other), RandomHeadDraw(1, 0), everything)


def test_checks_of_every_head_are_kept(atlas_folder: Path) -> None:
    atlas = Atlas.open(atlas_folder)
    rows = write_checks(atlas, ())
    kept = atlas.table("checks").to_pylist()
    assert sorted(map(str, kept)) == sorted(map(str, rows))
    assert all(1 <= row["support"] <= 30 for row in kept)
