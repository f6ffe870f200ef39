"""Biases of values and outputs: read from every family, and their effects compared with the formula in float64."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from maps.__main__ import main
from maps.errors import RunFailedError
from maps.experiments.biases import SCHEMAS, evaluate_biases
from maps.experiments.layer_runs import ExperimentTables
from maps.experiments.results import ExperimentRun
from maps.mapping.settings import MappingSettings
from maps.types import HeadId, Relation
from maps.weights.attention import read_attention_bias
from maps.weights.checkpoint import Checkpoint
from maps.weights.open import open_checkpoint
from tests.families import (
    FAMILY_MODELS,
    attend,
    block_attention,
    build_model,
    model_blocks,
    output_projection,
)
from tests.gguf_families import save_gguf
from tests.small_models import VOCABULARY_SIZE, WORDS, SmallModel, random_weights, save_model_folder, unique_rows

BIASED = [family for family, model in FAMILY_MODELS.items() if model.has_biases]
PAIRS = tuple(zip(WORDS, [*WORDS[1:], WORDS[0]], strict=True))
SETTINGS = MappingSettings((Relation("next", "", PAIRS),), k=60, min_pairs=5)


def with_biases(layers: int = 2) -> dict[str, Tensor]:
    """The weights of the small Llama with biases of values and outputs, which some such models have."""
    weights, generator = random_weights(SmallModel()), torch.Generator().manual_seed(9)
    for layer in range(layers):
        at = f"model.layers.{layer}.self_attn."
        weights[at + "v_proj.bias"] = 2 * torch.randn(16, generator=generator)
        weights[at + "o_proj.bias"] = torch.randn(32, generator=generator)
    return weights


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> ExperimentTables:
    """A finished run on the small Llama with biases."""
    folder = save_model_folder(tmp_path_factory.mktemp("models") / "biased", SmallModel(), with_biases())
    return evaluate_biases(ExperimentRun(str(folder), tmp_path_factory.mktemp("runs") / "biases", SETTINGS))


@torch.no_grad()
def check_biases_against_modules(checkpoint: Checkpoint, model: Any) -> None:
    """For an input of zeros, a layer's attention writes b_V W_O of all heads and b_O."""
    for layer, block in enumerate(model_blocks(model)):
        own = attend(model, layer, torch.zeros(1, 1, 32, dtype=torch.float64))[0][0, 0]
        value, output = (read_attention_bias(checkpoint, role, layer) for role in ("value", "output"))
        assert value is not None
        assert (output is None) == (output_projection(block_attention(block)).bias is None)
        shared = len(checkpoint.output_weights(layer)) // len(value)
        written = torch.einsum(
            "hr,hrd->d", value.double().repeat_interleave(shared, 0), checkpoint.output_weights(layer).double()
        )
        written = written if output is None else written + output.double()
        torch.testing.assert_close(written, own, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("family", BIASED)
def test_biases_equal_what_the_models_own_attention_adds(family: str, tmp_path: Path) -> None:
    model = build_model(family, tmp_path / family)
    check_biases_against_modules(open_checkpoint(str(tmp_path / family)), model)
    if FAMILY_MODELS[family].gguf_architecture is not None:
        check_biases_against_modules(open_checkpoint(str(save_gguf(tmp_path / "model.gguf", family, model))), model)


@pytest.mark.parametrize("family", [name for name in FAMILY_MODELS if name not in BIASED])
def test_other_families_have_no_biases_of_values(family: str, tmp_path: Path) -> None:
    model = build_model(family, tmp_path / family)
    checkpoint = open_checkpoint(str(tmp_path / family))
    value, output = (read_attention_bias(checkpoint, role, 1) for role in ("value", "output"))
    assert value is None
    own = output_projection(block_attention(model_blocks(model)[1])).bias
    assert output is None if own is None else torch.equal(torch.as_tensor(output).double(), own)


def read_rows(layer: int) -> tuple[Tensor, Tensor]:
    """The different rows of Ẽ at length √d, and which of them is each token's."""
    w = {name: tensor.double() for name, tensor in with_biases().items()}
    e, which = unique_rows(w["model.embed_tokens.weight"][:VOCABULARY_SIZE])
    if layer:
        first = "model.layers.0."
        x = (
            e
            / (e.square().mean(1, keepdim=True) + SmallModel().epsilon).sqrt()
            * w[first + "post_attention_layernorm.weight"]
        )
        gate, up = x @ w[first + "mlp.gate_proj.weight"].T, x @ w[first + "mlp.up_proj.weight"].T
        e = torch.nn.functional.silu(gate) * up @ w[first + "mlp.down_proj.weight"].T
    return e * (math.sqrt(32) / e.norm(dim=1, keepdim=True)), which


def written_and_constant(layer: int, head: int) -> tuple[Tensor, Tensor, Tensor]:
    """What a head writes for each token at length √d (V, d), what its bias does (d,), and U's rows (V, d)."""
    w = {name: tensor.double() for name, tensor in with_biases().items()}
    long, which = read_rows(layer)
    at, value = f"model.layers.{layer}.self_attn.", slice(head // 2 * 8, head // 2 * 8 + 8)
    output = w[at + "o_proj.weight"][:, head * 8 : head * 8 + 8].T
    written = long @ w[at + "v_proj.weight"][value].T @ output
    return written[which], w[at + "v_proj.bias"][value] @ output, w["lm_head.weight"][:VOCABULARY_SIZE]


def rank_test_hits(rows: Tensor, pairs: list[tuple[int, int]], unembedding: Tensor, k: int) -> list[tuple[bool, bool]]:
    """The rank tests of pairs of ids, both ends."""
    u, column = unique_rows(unembedding)
    m = (rows @ u.T)[:, column]
    ranks = [(int((m[s] > m[s, t]).sum()), int((m[s] < m[s, t]).sum())) for s, t in pairs]
    return [(high < k, low < k) for high, low in ranks]


def test_a_value_bias_changes_what_the_formula_says(result: ExperimentTables) -> None:
    checkpoint = open_checkpoint(result.settings["model"])
    ids = checkpoint.vocabulary.single_token_ids(WORDS)
    pairs = [(s, t) for s, t in zip(ids, [*ids[1:], ids[0]], strict=True) if s is not None and t is not None]
    rows = {(row["layer"], row["head"]): row for row in result.tables["biases"]}
    assert list(rows) == [(layer, head) for layer in (0, 1) for head in (0, 1, 2, 3, None)]
    changes = 0
    for layer in (0, 1):
        for head in range(4):
            written, constant, unembedding = written_and_constant(layer, head)
            row = rows[layer, head]
            assert row["length"] == pytest.approx(float(constant.norm()), rel=1e-4)
            assert row["written"] == pytest.approx(float(written.norm(dim=1).mean()), rel=1e-4)
            scores = constant @ unembedding.T
            assert row["target_ids"] == sorted(range(len(scores)), key=lambda i: (-round(float(scores[i]), 9), i))[:5]
            plain, shifted = (rank_test_hits(each, pairs, unembedding, 60) for each in (written, written + constant))
            assert row["hits_changed"] == sum(
                a != b for x, y in zip(plain, shifted, strict=True) for a, b in zip(x, y, strict=True)
            )
            rows_of_layer, which = read_rows(layer)
            copied = [high for high, _ in rank_test_hits(rows_of_layer[which], pairs, unembedding, 60)]
            left = copied.count(False)
            counted = [[each[i] for i in range(15) if not copied[i]] for each in (shifted, plain)]
            has, had = ([left >= 10 and sum(end) / left >= 0.15 for end in zip(*each, strict=True)] for each in counted)
            names = ["next", "next (suppression)"]
            assert row["gained"] == [n for n, a, b in zip(names, has, had, strict=True) if a and not b]
            assert row["lost"] == [n for n, a, b in zip(names, has, had, strict=True) if b and not a]
            changes += row["hits_changed"]
    assert changes > 20


def test_an_output_bias_has_a_row_of_its_own_without_a_head(result: ExperimentTables) -> None:
    weights = with_biases()
    for layer in (0, 1):
        [row] = [row for row in result.tables["biases"] if row["layer"] == layer and row["head"] is None]
        output = weights[f"model.layers.{layer}.self_attn.o_proj.bias"].double()
        scores = output @ weights["lm_head.weight"].double()[:VOCABULARY_SIZE].T
        assert row["length"] == pytest.approx(float(output.norm()), rel=1e-4)
        assert row["target_ids"] == sorted(range(len(scores)), key=lambda i: (-round(float(scores[i]), 9), i))[:5]
        assert [row[name] for name in ("written", "hits_changed", "gained", "lost")] == [None] * 4
    with (result.folder / "biases.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == SCHEMAS["biases"].names
    assert [row[1] for row in rows] == ["0", "1", "2", "3", ""] * 2


def test_named_heads_have_the_same_rows_as_among_all_heads(result: ExperimentTables, tmp_path: Path) -> None:
    model = result.settings["model"]
    alone = evaluate_biases(ExperimentRun(model, tmp_path, replace(SETTINGS, layers=(1, 1))), (HeadId(1, 2),))
    assert alone.tables["biases"] == [
        row for row in result.tables["biases"] if row["layer"] == 1 and row["head"] in (2, None)
    ]


def test_a_model_without_biases_says_so(small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RunFailedError, match=r"has no biases of values or outputs: nothing to compare\.$"):
        evaluate_biases(ExperimentRun(str(small_model), tmp_path, SETTINGS))
    assert main(["evaluate", "biases", str(small_model), "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_counts_heads_with_other_relations(
    result: ExperimentTables, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "biases", result.settings["model"], "--out", str(tmp_path), "--relations", "copying"]
    assert main([*command, "--min-pairs", "5", "--k", "60"]) == 0
    printed, _ = capsys.readouterr()
    where = re.escape(f"{tmp_path}/biases.csv")
    printed_line = rf"The value bias changes the relations of \d of 8 heads: {where}\n"
    assert re.fullmatch(rf"{printed_line}The report is in {re.escape(str(tmp_path))}/report\.html\.\n", printed)
