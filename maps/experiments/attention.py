"""Which sources attend to which: each head's salient queries with the keys that they attend to most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import torch
from torch import Tensor

from maps.atlas.schema import HEAD, Row
from maps.experiments.layer_runs import Layered, Progress, Rows, Tables, chosen, digits, plainly
from maps.heads.circuit import skewness
from maps.heads.query_key import Attending
from maps.mapping.mapper import opened
from maps.mapping.settings import Settings, chosen_layers
from maps.types import HeadId
from maps.weights.attention import comparing

QUERIES = 30  # salient queries of a head
KEYS = 5  # of each
SAMPLE = 500  # tokens, evenly spaced over the vocabulary, that are asked whether they attend to themselves
SCHEMAS = {
    "attention": pa.schema(
        [
            *HEAD,
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
            *HEAD,
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


def attention(
    model: str,
    out: Path,
    settings: Settings,
    heads: Sequence[HeadId] = (),
    device: str = "cpu",
    progress: Progress = plainly,
) -> Tables:
    """Reads W_Q W_Kᵀ of heads and writes `attention.csv` and `attention_heads.csv`; goes on where a run stopped.

    `heads`: only these, else all of the settings' layers.
    """
    loaded = opened(model, settings, device)
    where = chosen(loaded, chosen_layers(settings, loaded.shape.layers), heads)
    asked = {name: settings.as_json()[name] for name in ("first_mlp", "dtype", "layers")}
    asked["heads"] = [str(head) for head in heads]
    loaded.checkpoint.require(where, settings.first_mlp, ("query", "key"))
    group, tokens = loaded.shape.heads // loaded.shape.kv_heads, loaded.vocabulary.tokens

    def make(layer: int) -> Rows:
        sources = loaded.plain if layer == 0 else loaded.through_mlp
        found = Attending(sources, comparing(loaded.checkpoint, layer).to(loaded.device))
        made: Rows = {name: [] for name in SCHEMAS}
        for head in (HeadId(layer, each) for each in where[layer]):
            rows, row = look(found, head, tokens)
            made["attention"] += rows
            made["attention_heads"].append({**row, "key_head": head.head // group})
        return made

    return Layered("attention", loaded, asked, list(where), SCHEMAS).run(out, make, progress)


def look(found: Attending, where: HeadId, tokens: Sequence[str]) -> tuple[list[Row], Row]:
    """The rows of `attention` of one head, and that of `attention_heads` without its key head."""
    head, size = where.head, len(found.sources)
    queries, saliency = found.salient(head, QUERIES)
    keys = found.keys(found.exact.asked(found.rows(queries))[:, head], head, KEYS)
    sample = torch.arange(0, size, max(1, size // SAMPLE), device=queries.device)[:SAMPLE]
    sigma = found.screen.saliency[head].double()
    skewed = skewness(sigma)
    row = {
        **where._asdict(),
        "saliency_mean": digits(float(sigma.mean())),
        "saliency_max": digits(float(saliency[0])),
        "query_skewness": None if skewed is None else digits(skewed),
        "distinct_keys": len(keys.ids.unique()),
        "own": int((keys.ids == queries[:, None]).any(1).sum()),
        "own_share": float(found.own_among(sample, head, KEYS).double().mean()),
    }
    return [
        {**where._asdict(), **query_row(rank, *each, tokens)}
        for rank, each in enumerate(zip(queries.tolist(), saliency.tolist(), *keys, strict=True), start=1)
    ], row


def query_row(rank: int, query: int, saliency: float, ids: Tensor, scores: Tensor, tokens: Sequence[str]) -> Row:
    """One query with its keys."""
    return {
        "rank": rank,
        "query_id": query,
        "query": tokens[query],
        "saliency": digits(saliency),
        "key_ids": ids.tolist(),
        "keys": [tokens[key] for key in ids.tolist()],
        "scores": [digits(score) for score in scores.tolist()],
    }
