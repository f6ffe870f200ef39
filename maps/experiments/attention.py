"""Which tokens attend to which: each head's salient queries with the keys that they attend to most. Beyond the paper.

W_Q W_Kᵀ is read as the paper reads W_V W_O, without positions (formulas: `maps.heads.query_key`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from maps.atlas.schema import INTEGER, NUMBER, TEXT, Row, columns, table_by_head
from maps.experiments.layer_runs import ExperimentTables, TableRows, five_digits, open_heads, run_layers
from maps.experiments.results import INTEGERS, NUMBERS, TEXTS, ExperimentRun, pick_settings
from maps.heads.circuit import skewness
from maps.heads.query_key import QueryKeyCircuit
from maps.types import HeadId
from maps.weights.attention import read_query_key_weights

QUERIES_PER_HEAD = 30  # the most salient ones
KEYS_PER_QUERY = 5
SAMPLE_SIZE = 500  # tokens, evenly spaced over the vocabulary, for `own_share`
SELF_ATTENTION_SHARE = 0.1  # a head attends to the same token if this share of tokens are among their own keys
SCHEMAS = {
    "attention": table_by_head(
        *[("rank", INTEGER), ("query_id", INTEGER), ("query", TEXT), ("saliency", NUMBER)],
        *[("key_ids", INTEGERS), ("keys", TEXTS), ("scores", NUMBERS)],
    ),
    "attention_heads": table_by_head(
        *[("key_head", INTEGER), *columns(NUMBER, "saliency_mean", "saliency_max", "query_skewness")],
        *[*columns(INTEGER, "distinct_keys", "own"), ("own_share", NUMBER)],
    ),
}


def evaluate_attention(run: ExperimentRun, heads: Sequence[HeadId] = ()) -> ExperimentTables:
    """Reads W_Q W_Kᵀ of heads and writes `attention.csv` and `attention_heads.csv`; continues a stopped run.

    `heads`: only these heads, or all heads of the settings' layers.
    """
    opened, selected = open_heads(run, heads, ("query", "key"))
    asked = {
        **pick_settings(run.settings, ("reading", "calibration", "dtype", "layers")),
        "heads": [str(head) for head in heads],
    }

    def compute_layer(layer: int) -> TableRows:
        circuit = QueryKeyCircuit(
            opened.sources(layer), read_query_key_weights(opened.checkpoint, layer).to(opened.device)
        )
        tables: TableRows = {name: [] for name in SCHEMAS}
        group_size = circuit.exact_weights.group_size
        for head in selected[layer]:
            query_rows, head_row = compute_head_rows(circuit, HeadId(layer, head), opened.vocabulary.tokens)
            tables["attention"] += query_rows
            tables["attention_heads"].append({**head_row, "key_head": head // group_size})
        return tables

    return run_layers("attention", run, opened, asked, list(selected), SCHEMAS, compute_layer)


def compute_head_rows(
    circuit: QueryKeyCircuit, head_id: HeadId, tokens: Sequence[str], count: int = QUERIES_PER_HEAD
) -> tuple[list[Row], Row]:
    """One head's rows of `attention`, one for each query, and its row of `attention_heads` without the key head."""
    head, size = head_id.head, len(circuit.sources)
    queries, saliency = circuit.salient_queries(head, count)
    query_vectors = circuit.exact_weights.compute_queries(circuit.source_rows(queries))[:, head]  # (queries, d_h)
    keys = circuit.top_keys(query_vectors, head, KEYS_PER_QUERY)
    sample = torch.arange(0, size, max(1, size // SAMPLE_SIZE), device=queries.device)[:SAMPLE_SIZE]
    sigma = circuit.screen.saliency[head].double()
    query_skewness = skewness(sigma)
    head_row = {
        **head_id._asdict(),
        "saliency_mean": five_digits(float(sigma.mean())),
        "saliency_max": five_digits(float(saliency[0])),
        "query_skewness": None if query_skewness is None else five_digits(query_skewness),
        "distinct_keys": len(keys.ids.unique()),
        "own": int((keys.ids == queries[:, None]).any(1).sum()),
        "own_share": float(circuit.attends_to_itself(sample, head, KEYS_PER_QUERY).double().mean()),
    }
    query_rows = [
        {
            **head_id._asdict(),
            "rank": i + 1,
            "query_id": query,
            "query": tokens[query],
            "saliency": five_digits(float(saliency[i])),
            "key_ids": keys.ids[i].tolist(),
            "keys": [tokens[key] for key in keys.ids[i].tolist()],
            "scores": [five_digits(score) for score in keys.scores[i].tolist()],
        }
        for i, query in enumerate(queries.tolist())
    ]
    return query_rows, head_row
