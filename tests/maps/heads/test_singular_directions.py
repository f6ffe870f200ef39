"""Directions of a head: against formed matrices in float64; the experiment's files, its runs, its refusals."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from maps.__main__ import main
from maps.errors import MapsError
from maps.experiments.directions import SCHEMAS, evaluate_directions
from maps.experiments.layer_runs import ExperimentTables
from maps.experiments.results import ExperimentRun
from maps.heads.circuit import HeadWeights
from maps.heads.singular_directions import (
    assign_directions,
    count_directions_for_share,
    output_shares,
    second_moment,
    shares_of_sum,
    singular_directions,
)
from maps.mapping.model import Model
from maps.mapping.reading import Reading
from maps.mapping.settings import MappingSettings
from maps.types import HeadId
from tests.near_ties import normal_tensor
from tests.small_models import VOCABULARY_SIZE, SmallModel, random_weights, save_model_folder
from tests.small_models import plain_matrix as formula

SETTINGS = MappingSettings(())


@pytest.fixture(scope="module")
def finished_run(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> ExperimentTables:
    return evaluate_directions(
        ExperimentRun(str(small_model), tmp_path_factory.mktemp("runs") / "directions", SETTINGS), max_directions=3
    )


def rows_and_map(layer: int, head: int) -> tuple[Tensor, Tensor, Tensor]:
    """Ẽ (V, d), W_V W_O (d, d) and U (V, d) of the small model by the formula; duplicate tokens have equal rows."""
    weights = {name: tensor.double() for name, tensor in random_weights(SmallModel()).items()}
    prefix = f"model.layers.{layer}.self_attn."
    value = weights[prefix + "v_proj.weight"][head // 2 * 8 : head // 2 * 8 + 8].T
    output = weights[prefix + "o_proj.weight"][:, head * 8 : head * 8 + 8].T
    u = weights["lm_head.weight"][:VOCABULARY_SIZE]
    e = weights["model.embed_tokens.weight"][:VOCABULARY_SIZE]
    if layer:
        e = formula_rows(weights, e)
    return e, value @ output, u


def formula_rows(w: dict[str, Tensor], e: Tensor) -> Tensor:
    """MLP₀(norm(E))."""
    first = "model.layers.0."
    x = (
        e
        / (e.square().mean(1, keepdim=True) + SmallModel().epsilon).sqrt()
        * w[first + "post_attention_layernorm.weight"]
    )
    gate, up = x @ w[first + "mlp.gate_proj.weight"].T, x @ w[first + "mlp.up_proj.weight"].T
    return torch.nn.functional.silu(gate) * up @ w[first + "mlp.down_proj.weight"].T


def falling(scores: Tensor) -> list[int]:
    """Ids by falling score, those within rounding by lower id."""
    order = sorted(range(len(scores)), key=lambda i: (-round(float(scores[i]), 9), i))
    return order[:5]


def test_directions_rebuild_the_map_and_are_those_of_the_formed_matrix() -> None:
    heads = HeadWeights(normal_tensor(3, 24, 6), normal_tensor(3, 6, 24, seed=1))
    split = singular_directions(heads)
    formed = heads.values @ heads.outputs
    torch.testing.assert_close(split.reads.transpose(1, 2) * split.strengths[:, None] @ split.writes, formed)
    torch.testing.assert_close(split.strengths, torch.linalg.svdvals(formed)[:, :6])
    eye = torch.eye(6, dtype=torch.float64).expand(3, 6, 6)
    torch.testing.assert_close(split.reads @ split.reads.transpose(1, 2), eye)
    torch.testing.assert_close(split.writes @ split.writes.transpose(1, 2), eye)
    torch.testing.assert_close(split.shares.sum(1), torch.ones(3, dtype=torch.float64))


def test_a_head_of_lower_rank_has_fewer_directions_and_one_that_writes_nothing_has_none() -> None:
    values, outputs = normal_tensor(2, 24, 6), normal_tensor(2, 6, 24, seed=1)
    values[0, :, 2:] = 0
    values[1] = 0
    split = singular_directions(HeadWeights(values, outputs))
    assert split.effective_ranks().tolist() == [2, 0]
    assert split.shares[1].tolist() == [0.0] * 6
    assert count_directions_for_share(split.shares, 0.9).tolist()[1] == 0


def test_the_fewest_directions_that_hold_a_share_are_counted() -> None:
    shares = torch.tensor([[0.5, 0.4, 0.1], [0.05, 0.9, 0.05], [1.0, 0.0, 0.0], [0.4, 0.3, 0.3]], dtype=torch.float64)
    assert count_directions_for_share(shares, 0.9).tolist() == [2, 1, 1, 3]
    assert shares_of_sum(torch.tensor([[3.0, 1.0], [0.0, 0.0]])).tolist() == [[0.75, 0.25], [0.0, 0.0]]


def test_a_token_belongs_to_the_direction_that_writes_most_for_it() -> None:
    reads = torch.eye(3, dtype=torch.float64)
    rows = torch.tensor([[1.0, 0.0, -4.0], [-2.0, 1.0, 1.0]], dtype=torch.float64)
    assignment = assign_directions(rows, reads, torch.tensor([2.0, 2.0, 1.0], dtype=torch.float64))
    assert assignment.direction.tolist() == [2, 0]
    assert assignment.is_high_end.tolist() == [False, False]
    assert assignment.share.tolist() == pytest.approx([16 / 20, 16 / 21])


@pytest.mark.parametrize("layer", [0, 1])
def test_what_directions_write_adds_up_to_the_mean_square_of_the_saliency(layer: int, small_model: Path) -> None:
    weights = Model.open(str(small_model)).layer(layer)
    heads = weights.exact_heads
    split = singular_directions(HeadWeights(heads.values.repeat_interleave(2, 0), heads.outputs))
    moment = second_moment(weights.sources)
    along = split.strengths.square() * torch.linalg.vecdot(split.reads @ moment, split.reads)
    torch.testing.assert_close(along.sum(1), weights.saliency.double().square().mean(1), rtol=1e-5, atol=0)
    torch.testing.assert_close(output_shares(split, moment).sum(1), torch.ones(4, dtype=torch.float64))


@pytest.mark.parametrize("layer", [0, 1])
def test_both_ends_of_a_direction_are_those_of_the_formula(layer: int, finished_run: ExperimentTables) -> None:
    for head in range(4):
        e, formed, unembedding = rows_and_map(layer, head)
        left, strengths, right = torch.linalg.svd(formed)
        at = [row for row in finished_run.tables["directions"] if (row["layer"], row["head"]) == (layer, head)]
        assert [(row["direction"], row["end"]) for row in at] == [(i, e) for i in (1, 2, 3) for e in ("high", "low")]
        for high, low in zip(at[::2], at[1::2], strict=True):
            i = high["direction"] - 1
            assert high["strength"] == low["strength"] == pytest.approx(float(strengths[i]), rel=1e-4)
            share = strengths[i].square() / strengths.square().sum()
            assert high["share"] == pytest.approx(float(share), rel=1e-4)
            cosines = e @ left[:, i] / e.norm(dim=1)
            sign = 1 if cosines.max() > -cosines.min() else -1
            scores = sign * right[i] @ unembedding.T
            assert high["source_ids"] == falling(sign * cosines)
            assert low["source_ids"] == falling(-sign * cosines)
            assert high["cosines"] == pytest.approx(sorted((sign * cosines).tolist())[::-1][:5], rel=1e-4)
            assert high["target_ids"] == falling(scores)
            assert low["target_ids"] == falling(-scores)


def test_salient_tokens_are_sorted_by_direction_as_the_formula_sorts_them(finished_run: ExperimentTables) -> None:
    for row in finished_run.tables["direction_heads"]:
        layer, head = row["layer"], row["head"]
        e, formed, _ = rows_and_map(layer, head)
        ids = formula(SmallModel(), random_weights(SmallModel()), layer, head).salient_tokens(30)
        left, strengths, _ = torch.linalg.svd(formed)
        parts = (e[ids] @ left[:, :8]) * strengths[:8]
        shares = parts.square() / parts.square().sum(1, keepdim=True)
        share, direction = shares.max(1)
        ends = [(int(i), bool(part[i] > 0)) for i, part in zip(direction, parts, strict=True)]
        sizes = sorted((ends.count(end) for end in set(ends)), reverse=True)
        assert row["salient"] == 30
        assert row["salient_share"] == pytest.approx(float(share.mean()), rel=1e-4)
        assert row["salient_elsewhere"] == sum(int(i) >= 3 for i in direction)
        assert (row["operations"], row["second"]) == (sum(n >= 5 for n in sizes), sizes[1])
        listed = [r for r in finished_run.tables["directions"] if (r["layer"], r["head"]) == (layer, head)]
        assert sum(r["salient"] for r in listed) == 30 - row["salient_elsewhere"]


def test_the_final_norms_gain_goes_on_the_side_of_the_targets(tmp_path: Path) -> None:
    weights = random_weights(SmallModel())
    weights["model.norm.weight"] = 1 + normal_tensor(32, seed=5).float().abs()
    folder = save_model_folder(tmp_path / "model", SmallModel(), weights)
    result = evaluate_directions(
        ExperimentRun(str(folder), tmp_path / "out", replace(SETTINGS, reading=Reading.parse("mlp+final-norm"))),
        (HeadId(1, 2),),
        1,
    )
    _, formed, unembedding = rows_and_map(1, 2)
    _, _, right = torch.linalg.svd(formed)
    scores = (right[0] * weights["model.norm.weight"].double()) @ unembedding.T
    ends = sorted(row["target_ids"] for row in result.tables["directions"])
    assert ends == sorted([falling(scores), falling(-scores)])


def test_a_run_that_was_stopped_goes_on_and_ends_the_same(
    small_model: Path, finished_run: ExperimentTables, tmp_path: Path
) -> None:
    def stopped(todo: Sequence[int], _done: int) -> Iterator[int]:
        yield todo[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_directions(ExperimentRun(str(small_model), tmp_path, SETTINGS, progress=stopped), max_directions=3)
    assert not (tmp_path / "directions.csv").exists()
    again = evaluate_directions(ExperimentRun(str(small_model), tmp_path, SETTINGS), max_directions=3)
    assert again.tables == finished_run.tables == ExperimentTables.read(tmp_path, "directions").tables
    for name in ("directions.csv", "direction_heads.csv", "directions.json"):
        assert (tmp_path / name).read_bytes() == (finished_run.folder / name).read_bytes()


def test_a_folder_of_other_settings_or_of_another_models_atlas_is_refused(
    small_model: Path, finished_run: ExperimentTables, mapped_once: Path, tmp_path: Path
) -> None:
    with pytest.raises(MapsError, match=r"holds a run with other settings \(directions was 3, now 4\)"):
        evaluate_directions(ExperimentRun(str(small_model), finished_run.folder, SETTINGS), max_directions=4)
    other = save_model_folder(tmp_path / "other", SmallModel(layers=1), random_weights(SmallModel(layers=1)))
    with pytest.raises(MapsError, match=r"holds an atlas of another model; choose another --out\.$"):
        evaluate_directions(ExperimentRun(str(other), mapped_once, SETTINGS))


def test_the_command_looks_at_named_heads_and_says_where_its_tables_are(
    small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "directions", str(small_model), "--out", str(tmp_path), "--heads", "L1H3,l0h1"]
    assert main(command) == 0
    printed, _ = capsys.readouterr()
    where = re.escape(f"{tmp_path}/directions.csv and direction_heads.csv")
    summary = rf"\d of 2 heads have 5 or more of their salient mappings .*: {where}\n"
    assert re.fullmatch(rf"{summary}The report is in {re.escape(str(tmp_path))}/report\.html\.\n", printed)
    rows = json.loads((tmp_path / "directions.json").read_text())["tables"]["direction_heads"]
    assert [(row["layer"], row["head"]) for row in rows] == [(0, 1), (1, 3)]
    with (tmp_path / "directions.csv").open(newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == SCHEMAS["directions"].names
    assert len(lines) == 1 + 2 * 5 * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--k", "3"], "evaluate directions does not use --k; leave it out.\n"),
        (["--seed", "3"], "evaluate directions does not use --seed; leave it out.\n"),
        (["--heads", "L7H0"], "has no head L7H0: its heads are L0H0 to L1H3.\n"),
        (["--heads", "L1H0", "--layers", "0"], "--heads names L1H0, which --layers leaves out.\n"),
    ],
)
def test_what_the_experiment_cannot_heed_is_refused_in_one_sentence(
    options: list[str], message: str, small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "directions", str(small_model), "--out", str(tmp_path), *options]) == 2
    assert capsys.readouterr().err.endswith(message)
