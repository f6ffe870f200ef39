"""The measures of `evaluate readings`, beside the same from scores of all targets, and what is recommended."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from maps.errors import MapsError
from maps.experiments.calibrate import calibrate
from maps.experiments.reading_judge import TOP, ReadingJudge, Words
from maps.experiments.readings import (
    CONTROL_PREFIX,
    build_tables,
    evaluate_readings,
    read_recommendation,
    readings_text,
    recommend,
)
from maps.experiments.results import ExperimentRun
from maps.experiments.streams import evaluation_count, token_order
from maps.heads.target_side import TargetSide
from maps.mapping.reading import Reading
from maps.mapping.settings import MappingSettings
from tests.families import FAST_FAMILIES, RUN_MODELS, BuiltOnce, block_attention, model_blocks, output_projection
from tests.hooked_models import open_family
from tests.sampling import sampled

pytestmark = pytest.mark.transformers


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ReadingJudge]:
    """Every family's small model with a calibration."""

    def make(family: str) -> ReadingJudge:
        folder = tmp_path_factory.mktemp("judged")
        hooked_model = open_family(family, folder / family)
        hooked_model.model.calibration = calibrate(hooked_model.model, folder / "maps.safetensors", 240)
        return ReadingJudge(hooked_model, Words.select(hooked_model.model, 8), 3)

    return BuiltOnce(make)


def plain_correlation(a: Tensor, b: Tensor) -> Tensor:
    a, b = a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True)
    return (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1))


def test_the_words_are_tokens_that_no_calibration_sees(judges: dict[str, ReadingJudge]) -> None:
    model = judges["llama"].model
    order = token_order(model.vocabulary.size)
    words = Words.select(model, 8)
    assert set(words.tokens.tolist()) <= set(order[: evaluation_count(len(order))].tolist())
    assert words.prompts.tolist() == [0, 1] * (len(words.tokens) // 2) + [0] * (len(words.tokens) % 2)


@pytest.mark.parametrize("reading", ["mlp", "calibrated+input-norm+final-norm", "mlp+input-norm+final-norm+target-map"])
def test_measures_equal_those_from_all_scores(reading: str, judges: dict[str, ReadingJudge]) -> None:
    judge, parsed, layer = judges["llama"], Reading.parse(reading), 1
    model, writes = judge.model, judge.write(layer)
    measured = judge.judge_all(writes, [parsed])[reading]
    unembedding = model.checkpoint.unembedding(model.embedding).double()
    side = model.target_side(layer, parsed)
    real_side = side if parsed.target_map else TargetSide(gain=model.final_norm_gain)
    real = real_side.apply(writes.real) @ unembedding.T  # (n, H, V)
    predicted = side.apply(judge.predicted_writes(writes, parsed)) @ unembedding.T
    top, real_top = predicted.topk(TOP).indices, real.topk(TOP).indices
    for word in range(len(real)):
        shares = [len({*top[word, h].tolist()} & {*real_top[word, h].tolist()}) / TOP for h in range(4)]
        assert float(measured.overlap[word]) == pytest.approx(sum(shares) / 4)
    torch.testing.assert_close(measured.correlation, plain_correlation(real, predicted).mean(1))
    rest = [scores.clone() for scores in (real, predicted)]
    for prompt in (0, 1):
        own = judge.words.prompts == prompt
        for scores in rest:
            scores[own] -= scores[own].mean(0)
    torch.testing.assert_close(measured.specific, plain_correlation(*rest).mean(1))
    effects = writes.effects.double()
    torch.testing.assert_close(
        measured.effect, plain_correlation(effects, predicted[: len(effects)]).mean(1), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("family", sampled(RUN_MODELS, FAST_FAMILIES))
def test_effects_are_those_of_the_model_with_the_write_added(family: str, judges: dict[str, ReadingJudge]) -> None:
    """The model is run whole, without a cache, with a write added to the output projection of one layer."""
    judge, layer, head, word = judges[family], 1, 2, 1
    network, writes = judge.hooked_model.network, judge.write(layer)
    ids = torch.tensor([[*judge.prefixes[int(judge.words.prompts[word])], int(judge.words.tokens[word])]])

    def add(_module: object, _given: object, output: Tensor) -> Tensor:
        changed = output.clone()
        changed[:, -1] += writes.real[word, head].float()
        return changed

    with torch.no_grad():
        before = network(input_ids=ids).logits[0, -1]
        hook = output_projection(block_attention(model_blocks(network)[layer])).register_forward_hook(add)
        after = network(input_ids=ids).logits[0, -1]
        hook.remove()
    size = judge.model.vocabulary.size
    torch.testing.assert_close(writes.effects[word, head], (after - before)[:size], rtol=1e-3, atol=1e-3)
    assert float((after - before).abs().max()) > 1e-3


@pytest.mark.parametrize("family", sampled(RUN_MODELS, FAST_FAMILIES))
def test_layer_0_is_predicted_whole_by_the_embedding_with_both_norms(
    family: str, judges: dict[str, ReadingJudge]
) -> None:
    """Where positions are not added to the embedding: then what its heads read is known."""
    judge = judges[family]
    measured = judge.judge_all(judge.write(0), [Reading("mlp", True, True)])["mlp+input-norm+final-norm"]
    if RUN_MODELS[family].has_positions:
        assert float(measured.specific.min()) < 0.99
    else:
        assert float(measured.overlap.min()) == 1.0
        assert float(measured.specific.min()) > 0.9999


def test_without_a_token_nothing_specific_is_predicted(judges: dict[str, ReadingJudge]) -> None:
    judge = judges["llama"]
    controls = judge.judge_controls(judge.write(1), Reading.parse("calibrated+input-norm+final-norm"))
    assert sorted(controls) == ["another head", "another token", "mean stream"]
    assert float(controls["mean stream"].specific.abs().max()) == 0.0
    assert abs(float(controls["another token"].specific.mean())) < 0.5


def run_of(folder: Path, out: Path, **settings: object) -> ExperimentRun:
    return ExperimentRun(str(folder), out, MappingSettings((), **settings), "cpu", lambda todo, _done: todo)  # type: ignore[arg-type]


def test_a_run_writes_its_tables_goes_on_and_recommends(tmp_path: Path) -> None:
    folder, out = tmp_path / "llama", tmp_path / "out"
    model = open_family("llama", folder).model
    calibration = calibrate(model, tmp_path / "maps.safetensors", 240)
    result = evaluate_readings(run_of(folder, out), calibration)
    rows = list(csv.DictReader((out / "readings.csv").read_text().splitlines()))
    assert {row["layer"] for row in rows} == {"0", "1", "2"}
    readings = dict.fromkeys(row["reading"] for row in rows)
    assert len(rows) == 3 * len(readings)
    assert sum(name.startswith(CONTROL_PREFIX) for name in readings) == 3
    for row in rows:
        assert float(row["low"]) <= float(row["specific"]) + 1e-9 <= float(row["high"]) + 1e-8
    stored = json.loads((out / "readings.json").read_text())
    assert stored["recommended"] == read_recommendation(out) == recommend(result.tables["readings"])["recommended"]
    assert any("calibrated" in line for line in readings_text(result.tables["readings"]))
    before = (out / "readings.csv").read_bytes()
    evaluate_readings(run_of(folder, out), calibration)  # finished: every part is there
    assert (out / "readings.csv").read_bytes() == before
    with pytest.raises(MapsError, match="other settings"):
        evaluate_readings(run_of(folder, out, dtype="bfloat16"), calibration)


def test_the_reading_with_the_highest_mean_effect_is_recommended_and_controls_never_are() -> None:
    def row(reading: str, *effects: float) -> list[dict[str, object]]:
        return [{"reading": reading, "layer": i, "effect": effect} for i, effect in enumerate(effects)]

    rows = row("mlp", 0.2, 0.2) + row("residual", 0.1, 0.2) + row("calibrated", 0.0, 0.6) + row("control: x", 0.9, 0.9)
    assert recommend(rows) == {"recommended": "calibrated", "recommended_weights_only": "mlp"}


def test_intervals_are_of_the_mean_over_tokens() -> None:
    values = [0.0, 1.0] * 50
    measures = dict.fromkeys(("overlap", "correlation", "specific", "raised", "effect"), values)
    tables = build_tables({"readings": [{"reading": "mlp", "layer": 0, **measures}], "target_sides": []})
    [row] = tables["readings"]
    assert (row["specific"], row["n"], row["effect_n"]) == (0.5, 100, 100)
    assert 0.35 < row["low"] < 0.45 < 0.55 < row["high"] < 0.65
    assert (row["low"], row["high"]) == (row["overlap_low"], row["overlap_high"])
