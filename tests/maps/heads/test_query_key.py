"""W_QK: what is read of every family against the model's own attention, what is found against the formula."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from maps.__main__ import main
from maps.errors import MapsError
from maps.experiments.attention import SCHEMAS, evaluate_attention
from maps.experiments.layer_runs import ExperimentTables
from maps.experiments.results import ExperimentRun
from maps.heads.norm import scale_to_root_width
from maps.heads.query_key import QueryKeyCircuit
from maps.mapping.model import Model
from maps.mapping.settings import MappingSettings
from maps.types import HeadId
from maps.weights.attention import read_query_key_weights
from maps.weights.checkpoint import Checkpoint
from maps.weights.open import open_checkpoint
from tests.families import (
    FAMILY_MODELS,
    FAST_FAMILIES,
    BuiltOnce,
    attend,
    block_attention,
    build_model,
    model_blocks,
)
from tests.gguf_families import save_gguf
from tests.sampling import sampled
from tests.small_models import VOCABULARY_SIZE

SETTINGS = MappingSettings(())
NORMED = ["qwen3", "gemma3_text", "olmo2"]
UNREAD = [name for name, model in FAMILY_MODELS.items() if "kv_lora_rank" in model.settings] + ["llama4_text"]
READ = {name: model for name, model in FAMILY_MODELS.items() if name not in UNREAD}
IN_GGUF = [family for family, model in READ.items() if model.gguf_architecture]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Path]]:
    """Every family's model with its folder."""
    folder = tmp_path_factory.mktemp("families")
    return BuiltOnce(lambda family: (build_model(family, folder / family), folder / family))


@torch.no_grad()
def own_logarithms(model: Any, layer: int, rows: Tensor) -> Tensor:
    """The logarithms of the model's attention weights among rows (n, d) that stand at one position: (H, n, n)."""
    attention = block_attention(model_blocks(model)[layer])
    for name, parameter in attention.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
    if hasattr(attention, "attn_logit_softcapping"):
        attention.attn_logit_softcapping = None
    return attend(model, layer, rows[None])[1][0].log()


def same_as_the_models_own(checkpoint: Checkpoint, model: Any, family: str) -> None:
    """Our scores by the root of a head's width are the model's, up to what softmax takes off each query's row."""
    rows = 0.7 * torch.randn(4, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for layer in checkpoint.shape.layers_with_heads:
        heads = read_query_key_weights(checkpoint, layer).to(torch.float64)
        keys = heads.compute_keys(rows).repeat_interleave(heads.group_size, 1)
        ours = torch.einsum("nhr,mhr->hnm", heads.compute_queries(rows), keys) * FAMILY_MODELS[family].key_scale
        own = own_logarithms(model, layer, rows)
        differences = (each - each.mean(2, keepdim=True) for each in (ours, own))
        torch.testing.assert_close(*differences, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", sampled(READ, FAST_FAMILIES))
def test_scores_are_those_of_the_models_own_attention(family: str, made: dict[str, tuple[Any, Path]]) -> None:
    model, folder = made[family]
    same_as_the_models_own(open_checkpoint(str(folder)), model, family)


@pytest.mark.parametrize("family", sampled(IN_GGUF, FAST_FAMILIES))
def test_a_gguf_file_gives_the_same(family: str, made: dict[str, tuple[Any, Path]], tmp_path: Path) -> None:
    model, _ = made[family]
    same_as_the_models_own(open_checkpoint(str(save_gguf(tmp_path / "model.gguf", family, model))), model, family)


def formula(folder: Path, layer: int, head: int) -> tuple[Tensor, Tensor]:
    """All scores (V, V) and ‖q W_Kᵀ‖ / √d (V,) of a head, in float64, token by token as the contract has it."""
    model = Model.open(str(folder))
    sources, shape = model.sources(layer), model.shape
    rows = sources.exact_rows(torch.arange(VOCABULARY_SIZE))
    rows = rows / rows.norm(dim=1, keepdim=True) * shape.width**0.5
    heads = read_query_key_weights(model.checkpoint, layer).to(torch.float64)
    kv = head // (shape.heads // shape.kv_heads)
    queries, keys = (torch.einsum("nd,hdr->nhr", rows, each) for each in (heads.queries, heads.keys))
    look = heads.keys[kv]
    if heads.query_gain is not None and heads.key_gain is not None:
        over = (1, 2) if heads.query_gain.numel() > shape.head_width else 2
        queries, keys = (z / z.square().mean(over, keepdim=True).sqrt() for z in (queries, keys))
        query_gain, key_gain = (gain.view(-1, shape.head_width) for gain in (heads.query_gain, heads.key_gain))
        queries, keys = queries * query_gain, keys * key_gain
        look = look * key_gain[kv if len(key_gain) > 1 else 0]
    q = queries[:, head]
    return q @ keys[:, kv].T, (q @ look.T).norm(dim=1) / shape.width**0.5


def falling(values: Tensor, count: int) -> list[int]:
    """Ids by falling value, those within rounding by lower id."""
    return sorted(range(len(values)), key=lambda i: (-round(float(values[i]), 8), i))[:count]


def same_as_the_formula(folder: Path, result: ExperimentTables) -> None:
    shape = Model.open(str(folder)).shape
    for row in result.tables["attention_heads"]:
        layer, head = row["layer"], row["head"]
        scores, saliency = formula(folder, layer, head)
        rows = [r for r in result.tables["attention"] if (r["layer"], r["head"]) == (layer, head)]
        queries = [r["query_id"] for r in rows]
        assert queries == falling(saliency, 30)
        assert [r["rank"] for r in rows] == list(range(1, 31))
        assert [r["saliency"] for r in rows] == pytest.approx(saliency[queries].tolist(), rel=1e-4)
        for each in rows:
            own = scores[each["query_id"]]
            assert each["key_ids"] == falling(own, 5)
            assert each["scores"] == pytest.approx(own[each["key_ids"]].tolist(), rel=1e-4)
        assert row["key_head"] == head // (shape.heads // shape.kv_heads)
        assert row["own"] == sum(each["query_id"] in each["key_ids"] for each in rows)
        assert row["distinct_keys"] == len({key for each in rows for key in each["key_ids"]})
        higher = (scores > scores.diagonal()[:, None] + 1e-9).sum(1)
        assert row["own_share"] == pytest.approx(float((higher < 5).double().mean()))


@pytest.mark.canary
def test_the_small_model_attends_as_the_formula_says(small_model: Path, tmp_path: Path) -> None:
    result = evaluate_attention(ExperimentRun(str(small_model), tmp_path, SETTINGS))
    assert len(result.tables["attention_heads"]) == 8
    same_as_the_formula(small_model, result)
    for name, schema in SCHEMAS.items():
        with (tmp_path / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            assert next(csv.reader(file)) == schema.names


@pytest.mark.transformers
@pytest.mark.parametrize("family", NORMED)
def test_heads_that_norm_queries_and_keys_attend_as_the_formula_says(
    family: str, made: dict[str, tuple[Any, Path]], tmp_path: Path
) -> None:
    _, folder = made[family]
    same_as_the_formula(folder, evaluate_attention(ExperimentRun(str(folder), tmp_path, SETTINGS)))


def test_lengths_of_rows_change_nothing() -> None:
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(
        scale_to_root_width(rows), torch.tensor([[0.6, 0.8], [0.0, 0.0]], dtype=torch.float64) * 2**0.5
    )


@pytest.mark.slow
def test_what_is_too_close_for_float32_is_decided_in_float64(small_model: Path) -> None:
    model = Model.open(str(small_model))
    circuit = QueryKeyCircuit(model.sources(0), read_query_key_weights(model.checkpoint, 0))
    scores, _ = formula(small_model, 0, 2)
    tokens = torch.arange(VOCABULARY_SIZE)
    wanted = ((scores > scores.diagonal()[:, None] + 1e-9).sum(1) < 40).tolist()
    assert circuit.attends_to_itself(tokens, 2, 40).tolist() == wanted
    # With error bounds this large, float32 decides nothing.
    circuit.screen = circuit.screen._replace(key_error_bounds=circuit.screen.key_error_bounds + 1.0)
    assert circuit.attends_to_itself(tokens, 2, 40).tolist() == wanted
    assert 0 < sum(wanted) < VOCABULARY_SIZE


@pytest.mark.slow
def test_named_heads_alone_are_the_same_rows(small_model: Path, tmp_path: Path) -> None:
    whole = evaluate_attention(ExperimentRun(str(small_model), tmp_path / "whole", SETTINGS))
    alone = evaluate_attention(
        ExperimentRun(str(small_model), tmp_path / "alone", replace(SETTINGS, layers=(1, 1))), (HeadId(1, 2),)
    )
    for name in SCHEMAS:
        rows = [row for row in whole.tables[name] if (row["layer"], row["head"]) == (1, 2)]
        assert alone.tables[name] == rows != []


@pytest.mark.transformers
def test_keys_that_are_made_of_latents_are_refused(made: dict[str, tuple[Any, Path]]) -> None:
    with pytest.raises(MapsError, match=r"^deepseek_v3 makes its keys of latents, so its attention cannot be read\.$"):
        read_query_key_weights(open_checkpoint(str(made["deepseek_v3"][1])), 0)


@pytest.mark.slow
def test_norms_that_a_family_is_not_known_to_have_are_refused(small_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_bytes((small_model / name).read_bytes())
    tensors = load_file(small_model / "model.safetensors")
    save_file({**tensors, "model.layers.1.self_attn.q_norm.weight": torch.ones(8)}, folder / "model.safetensors")
    message = (
        "model normalises its queries and keys (model.layers.1.self_attn.q_norm.weight), which is not supported for"
    )
    with pytest.raises(MapsError, match=rf"^{re.escape(message)}"):
        evaluate_attention(ExperimentRun(str(folder), tmp_path / "out", SETTINGS))


@pytest.mark.slow
def test_the_command_counts_heads_that_attend_to_the_same_token(
    small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "attention", str(small_model), "--out", str(tmp_path), "--heads", "L1H3"]
    assert main(command) == 0
    printed, _ = capsys.readouterr()
    where = re.escape(f"{tmp_path}/attention.csv and attention_heads.csv")
    summary = rf"In \d of 1 heads, 10% or more of the tokens have themselves among their 5 keys: {where}\n"
    assert re.fullmatch(rf"{summary}The report is in {re.escape(str(tmp_path))}/report\.html\.\n", printed)
    assert main([*command, "--final-norm"]) == 2
    assert capsys.readouterr().err == ("evaluate attention reads no targets; leave out +final-norm and +target-map.\n")
