"""Which sources attend to which: each head's salient queries with the keys that they attend to most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import torch
from torch import Tensor

from maps.atlas.schema import HEAD_COLUMNS, Row
from maps.experiments.layer_runs import (
    ExperimentTables,
    LayerExperiment,
    Progress,
    TableRows,
    no_progress_bar,
    round_to_five_digits,
    select_heads,
)
from maps.heads.circuit import skewness
from maps.heads.query_key import QueryKeyCircuit
from maps.mapping.mapper import open_model
from maps.mapping.settings import MappingSettings, select_layers
from maps.types import HeadId
from maps.weights.attention import read_query_key_weights

QUERIES_PER_HEAD = 30  # salient queries of a head
KEYS_PER_QUERY = 5  # of each
SAMPLE_SIZE = 500  # tokens, evenly spaced over the vocabulary, that are asked whether they attend to themselves
SCHEMAS = {
    "attention": pa.schema(
        [
            *HEAD_COLUMNS,
            ("rank", pa.int32()),
            ("query_id", pa.int32()),
            ("query", pa.string()),
            ("saliency", pa.float64()),
            ("key_ids", pa.list_(pa.int32())),
            ("keys", pa.list_(pa.string())),
            ("scores", pa.list_(pa.float64())),
        ]
    ),
    "attention_heads": pa.schema(
        [
            *HEAD_COLUMNS,
            ("key_head", pa.int32()),
            ("saliency_mean", pa.float64()),
            ("saliency_max", pa.float64()),
            ("query_skewness", pa.float64()),
            ("distinct_keys", pa.int32()),
            ("own", pa.int32()),
            ("own_share", pa.float64()),
        ]
    ),
}


def evaluate_attention(
    model: str,
    out: Path,
    settings: MappingSettings,
    heads: Sequence[HeadId] = (),
    device: str = "cpu",
    progress: Progress = no_progress_bar,
) -> ExperimentTables:
    """Reads W_Q W_Kᵀ of heads and writes `attention.csv` and `attention_heads.csv`; goes on where a run stopped.

    `heads`: only these, else all of the settings' layers.
    """
    loaded = open_model(model, settings, device)
    where = select_heads(loaded, select_layers(settings, loaded.shape.layers), heads)
    asked = {name: settings.as_json()[name] for name in ("first_mlp", "dtype", "layers")}
    asked["heads"] = [str(head) for head in heads]
    loaded.checkpoint.check_files(where, settings.first_mlp, ("query", "key"))
    group, tokens = loaded.shape.heads // loaded.shape.kv_heads, loaded.vocabulary.tokens

    def make(layer: int) -> TableRows:
        sources = loaded.embedding_sources if layer == 0 else loaded.mlp_sources
        found = QueryKeyCircuit(sources, read_query_key_weights(loaded.checkpoint, layer).to(loaded.device))
        made: TableRows = {name: [] for name in SCHEMAS}
        for head in (HeadId(layer, each) for each in where[layer]):
            rows, row = compute_head_rows(found, head, tokens)
            made["attention"] += rows
            made["attention_heads"].append({**row, "key_head": head.head // group})
        return made

    return LayerExperiment("attention", loaded, asked, list(where), SCHEMAS).run(out, make, progress)


def compute_head_rows(circuit: QueryKeyCircuit, head_id: HeadId, tokens: Sequence[str]) -> tuple[list[Row], Row]:
    """The rows of `evaluate_attention` of one head, and that of `attention_heads` without its key head."""
    head, size = head_id.head, len(circuit.sources)
    queries, saliency = circuit.salient_queries(head, QUERIES_PER_HEAD)
    keys = circuit.top_keys(
        circuit.exact_weights.compute_queries(circuit.source_rows(queries))[:, head], head, KEYS_PER_QUERY
    )
    sample = torch.arange(0, size, max(1, size // SAMPLE_SIZE), device=queries.device)[:SAMPLE_SIZE]
    sigma = circuit.screen.saliency[head].double()
    skewed = skewness(sigma)
    row = {
        **head_id._asdict(),
        "saliency_mean": round_to_five_digits(float(sigma.mean())),
        "saliency_max": round_to_five_digits(float(saliency[0])),
        "query_skewness": None if skewed is None else round_to_five_digits(skewed),
        "distinct_keys": len(keys.ids.unique()),
        "own": int((keys.ids == queries[:, None]).any(1).sum()),
        "own_share": float(circuit.attends_to_itself(sample, head, KEYS_PER_QUERY).double().mean()),
    }
    return [
        {**head_id._asdict(), **query_row(rank, *each, tokens)}
        for rank, each in enumerate(zip(queries.tolist(), saliency.tolist(), *keys, strict=True), start=1)
    ], row


def query_row(rank: int, query: int, saliency: float, ids: Tensor, scores: Tensor, tokens: Sequence[str]) -> Row:
    """One query with its keys."""
    return {
        "rank": rank,
        "query_id": query,
        "query": tokens[query],
        "saliency": round_to_five_digits(saliency),
        "key_ids": ids.tolist(),
        "keys": [tokens[key] for key in ids.tolist()],
        "scores": [round_to_five_digits(score) for score in scores.tolist()],
    }
