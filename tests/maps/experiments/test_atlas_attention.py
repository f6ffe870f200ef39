"""What an atlas keeps of attention: queries as `evaluate attention` finds them, and scores by the plain definition."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from maps.__main__ import main
from maps.atlas.reader import Atlas
from maps.errors import MapsError, NotRunnableError
from maps.experiments import atlas_attention
from maps.experiments.atlas_attention import STORED_QUERIES, add_attention, rename_scores, run_bytes
from maps.experiments.attention import compute_head_rows
from maps.experiments.attention_scores import (
    RANDOM_TOKENS,
    RUN_SCORES,
    TEXT_TOKENS,
    measure_attention_scores,
    random_tokens,
    repetition_scores,
    text_scores,
)
from maps.experiments.hooked_model import HookedModel
from maps.experiments.layer_runs import five_digits
from maps.heads.query_key import QueryKeyCircuit
from maps.mapping.model import Model
from maps.types import HeadId, no_progress_bar
from maps.weights.attention import read_query_key_weights
from tests.families import FAST_FAMILIES, RUN_MODELS
from tests.hooked_models import open_family
from tests.sampling import sampled


@pytest.fixture
def atlas(mapped_once: Path, tmp_path: Path) -> Atlas:
    """A copy of a small model's atlas, which a test may add to."""
    return Atlas.open(shutil.copytree(mapped_once, tmp_path / "atlas"))


def add(atlas: Atlas, small_model: Path) -> tuple[bool, list[str]]:
    said: list[str] = []
    return add_attention(atlas, Model.open(str(small_model)), no_progress_bar, said.append), said


@pytest.mark.transformers
def test_an_atlas_gets_queries_and_scores_of_every_head(atlas: Atlas, small_model: Path) -> None:
    assert add(atlas, small_model) == (True, [])
    model = Model.open(str(small_model))
    circuit = QueryKeyCircuit(model.sources(1), read_query_key_weights(model.checkpoint, 1))
    queries, statistics = compute_head_rows(circuit, HeadId(1, 2), model.vocabulary.tokens)
    stored = atlas.table("attention", head=HeadId(1, 2)).to_pylist()
    assert stored == [rename_scores(row) for row in queries[:STORED_QUERIES]]
    assert [row["key_scores"] for row in stored] == [row["scores"] for row in queries[:STORED_QUERIES]]
    run = measure_attention_scores(HookedModel.open(model))
    scores = {row["measure"]: row for row in atlas.table("attention_scores", head=HeadId(1, 2)).to_pylist()}
    assert scores.keys() == {"same_token", *RUN_SCORES}
    assert (scores["same_token"]["origin"], scores["induction"]["origin"]) == ("weights", "run")
    assert scores["same_token"]["value"] == five_digits(statistics["own_share"])
    assert {name: scores[name]["value"] for name in RUN_SCORES} == {
        name: pytest.approx(float(values[1, 2]), rel=1e-4) for name, values in run.items()
    }
    assert len(atlas.table("attention")) == 8 * STORED_QUERIES
    assert len(atlas.table("attention_scores")) == 8 * 6
    assert "| attention_scores | simple attention scores" in (atlas.folder / "README.md").read_text(encoding="utf-8")
    assert not (atlas.folder / "attention_tables.parts").exists()
    assert add(atlas, small_model) == (False, [])


def test_a_stopped_run_goes_on_with_the_layers_that_are_missing(
    atlas: Atlas, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, layers = atlas_attention.read_layer, list[int]()

    def stop_at_second(of: Atlas, model: Model, layer: int) -> Any:
        layers.append(layer)
        if layers == [0, 1]:
            raise KeyboardInterrupt
        return read(of, model, layer)

    monkeypatch.setattr(atlas_attention, "read_layer", stop_at_second)
    with pytest.raises(KeyboardInterrupt):
        add(atlas, small_model)
    assert not atlas.has_table("attention")
    assert add(atlas, small_model)[0]
    assert layers == [0, 1, 1]


def test_where_the_model_cannot_be_run_the_weights_alone_are_read(
    atlas: Atlas, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atlas_attention, "free_memory_bytes", lambda: 1000)
    added, said = add(atlas, small_model)
    assert added
    [sentence] = said
    assert "does not fit into the free memory in float32, so it is not run. Attention scores that need" in sentence
    rows = atlas.table("attention_scores").to_pylist()
    assert {row["origin"] for row in rows} == {"weights"}
    assert len(rows) == 8
    assert run_bytes(Model.open(str(small_model)).checkpoint) > 1000


def test_another_model_than_the_atlas_is_refused(atlas: Atlas) -> None:
    other = Atlas(atlas.folder, atlas.info | {"weights": "0" * 32, "revision": "0"})
    with pytest.raises(MapsError, match="is not the model of the atlas in"):
        add_attention(other, Model.open(str(atlas.info["asked_for"])), no_progress_bar, print)


def test_the_command_adds_attention_to_a_finished_atlas_once(
    mapped_once: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "atlas"
    model = Atlas.open(mapped_once).info["asked_for"]
    command = ["map", model, "--out", str(out), "--relations", "copying", "--salient", "7", "--targets", "3"]
    assert main(command) == 0
    assert not Atlas.open(out).has_table("attention")
    assert main([*command, "--attention"]) == 0
    assert Atlas.open(out).has_table("attention_scores")
    assert len(Atlas.open(out).table("attention")) == 8 * STORED_QUERIES
    capsys.readouterr()
    assert main([*command, "--attention"]) == 0
    assert capsys.readouterr().out == f"The atlas in {out} was already finished.\n"


def plain_attention(layers: int, size: int) -> Tensor:
    """Random attention (L, 2, T, T): rows over the lower triangle sum to 1."""
    scores = torch.rand(layers, 2, size, size, generator=torch.Generator().manual_seed(0)).tril()
    return scores / scores.sum(3, keepdim=True)


def test_scores_are_means_over_positions() -> None:
    attention = plain_attention(3, 2 * RANDOM_TOKENS + 1)
    size, first = 2 * RANDOM_TOKENS + 1, RANDOM_TOKENS + 1
    found = torch.cat([text_scores(attention, 3), repetition_scores(attention)])
    for layer in range(3):
        a = attention[layer, 1].double()
        later, repeated = range(3, size), range(first, size)
        expected = [
            sum(float(a[i, i - 1]) for i in later) / len(later),
            sum(float(a[i, 0]) for i in later) / len(later),
            sum(float(a[i, i]) for i in later) / len(later),
            sum(float(a[i, i - RANDOM_TOKENS]) for i in repeated) / RANDOM_TOKENS,
            sum(float(a[i, i - RANDOM_TOKENS + 1]) for i in repeated) / RANDOM_TOKENS,
        ]
        assert found[:, layer, 1].tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.transformers
@pytest.mark.parametrize("family", sampled(RUN_MODELS, FAST_FAMILIES))
def test_every_family_that_is_run_has_scores_from_0_to_1(family: str, tmp_path: Path) -> None:
    hooked_model = open_family(family, tmp_path / family)
    scores = measure_attention_scores(hooked_model)
    shape = hooked_model.model.shape
    assert {tuple(values.shape) for values in scores.values()} == {(shape.layers, shape.heads)}
    assert all(bool(((values >= 0) & (values <= 1 + 1e-6)).all()) for values in scores.values())
    assert 2 * RANDOM_TOKENS <= 64
    assert TEXT_TOKENS <= 64  # positions of the small models


def test_random_tokens_are_different_and_none_is_an_added_one(small_model: Path) -> None:
    hooked_model = HookedModel.open(Model.open(str(small_model)))
    drawn = random_tokens(hooked_model, 0)
    assert all(len(set(tokens)) == RANDOM_TOKENS for tokens in drawn)
    assert not set().union(*drawn) & hooked_model.model.vocabulary.added_ids
    assert drawn != random_tokens(hooked_model, 1)


def test_a_model_that_is_read_but_not_run_says_so(atlas: Atlas, small_model: Path, monkeypatch: Any) -> None:
    def refuse(_model: Model) -> HookedModel:
        raise NotRunnableError("It has layers without heads.")

    monkeypatch.setattr(atlas_attention, "open_network", refuse)
    assert add(atlas, small_model) == (
        True,
        ["It has layers without heads. Attention scores that need a run are left out."],
    )


@pytest.mark.slow
def test_known_attention_heads_of_the_bundled_model_are_found() -> None:
    model = Model.open("smollm2")
    scores = measure_attention_scores(atlas_attention.open_network(model))
    assert float(scores["previous_token"].max()) > 0.6
    assert float(scores["induction"].max()) > 0.5
    assert float(scores["first_token"].mean()) > 0.3
