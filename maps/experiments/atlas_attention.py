"""Keeps in an atlas what its heads look at: queries with their keys from the weights, and simple attention scores.

Each layer is stored when it is finished, so that a stopped run continues where it stopped.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence

from maps.atlas.append_log import write_atlas_table
from maps.atlas.reader import Atlas
from maps.atlas.schema import RUN_ORIGIN, WEIGHTS_ORIGIN, Row, make_table
from maps.errors import MapsError, NotRunnableError
from maps.experiments.attention import compute_head_rows
from maps.experiments.attention_scores import measure_attention_scores
from maps.experiments.bundled_network import open_bundled_network
from maps.experiments.hooked_model import HookedModel
from maps.experiments.layer_runs import TableRows, five_digits
from maps.experiments.mapping_plan import free_memory_bytes
from maps.experiments.results import experiment_parts
from maps.heads.query_key import QueryKeyCircuit
from maps.mapping.model import Model
from maps.types import HeadId, Progress
from maps.weights.attention import read_query_key_weights
from maps.weights.bundled import BUNDLED_MODEL
from maps.weights.checkpoint import Checkpoint

PARTS = "attention_tables"
STORED_QUERIES = 10  # of each head
SAME_TOKEN = "same_token"


def add_attention(atlas: Atlas, model: Model, progress: Progress[int], report: Callable[[str], None]) -> bool:
    """Writes the tables `attention` and `attention_scores` of an atlas; returns False where they are there already.

    Where the model cannot be run, `report` is told why, and only the scores from the weights are stored. Raises
    MapsError if the model is not that of the atlas, or its queries and keys cannot be read.
    """
    if not model.checkpoint.is_model_of(atlas.info):
        raise MapsError(f"{model.name} is not the model of the atlas in {atlas.folder}; choose another --out.")
    if atlas.has_table("attention") and atlas.has_table("attention_scores"):
        return False
    layers, parts = sorted({head.layer for head in atlas.head_ids}), experiment_parts(atlas.folder, PARTS)
    with parts.begin("map", {**model.checkpoint.identity, "reading": atlas.reading}):
        model.check_files(layers, ("query", "key"))
        computed = parts.compute_missing(layers, lambda layer: read_layer(atlas, model, layer), progress)
        rows: TableRows = {name: [row for layer in computed for row in layer[name]] for name in computed[0]}
        rows["attention_scores"] += run_rows(atlas, model, report)
        write_atlas_table(atlas, "attention", make_table("attention", rows["attention"]))
        write_atlas_table(atlas, "attention_scores", make_table("attention_scores", rows["attention_scores"]))
        shutil.rmtree(parts.folder)
    return True


def read_layer(atlas: Atlas, model: Model, layer: int) -> TableRows:
    """The rows of a layer that are read from the weights."""
    circuit = QueryKeyCircuit(model.sources(layer), read_query_key_weights(model.checkpoint, layer).to(model.device))
    tables: TableRows = {"attention": [], "attention_scores": []}
    for head in (head for head in atlas.head_ids if head.layer == layer):
        queries, statistics = compute_head_rows(circuit, head, model.vocabulary.tokens, STORED_QUERIES)
        tables["attention"] += [rename_scores(row) for row in queries]
        tables["attention_scores"].append(score_row(head, SAME_TOKEN, statistics["own_share"], WEIGHTS_ORIGIN))
    return tables


def rename_scores(row: Row) -> Row:
    return {"key_scores" if name == "scores" else name: value for name, value in row.items()}


def score_row(head: HeadId, measure: str, value: float, origin: str) -> Row:
    return {**head._asdict(), "measure": measure, "value": five_digits(min(value, 1.0)), "origin": origin}


def run_rows(atlas: Atlas, model: Model, report: Callable[[str], None]) -> Sequence[Row]:
    """The rows of `attention_scores` that come from a run; none where the model cannot be run."""
    try:
        scores = measure_attention_scores(open_network(model))
    except NotRunnableError as error:
        report(f"{error} Attention scores that need a run are left out.")
        return []
    return [
        score_row(head, measure, float(values[head.layer, head.head]), RUN_ORIGIN)
        for measure, values in scores.items()
        for head in atlas.head_ids
    ]


def open_network(model: Model) -> HookedModel:
    """The model as transformers runs it; raises NotRunnableError if it cannot, or if it does not fit into memory."""
    if model.requested_name == BUNDLED_MODEL:
        return open_bundled_network(model)
    if run_bytes(model.checkpoint) > free_memory_bytes():
        raise NotRunnableError(f"{model.name} does not fit into the free memory in float32, so it is not run.")
    return HookedModel.open(model)


def run_bytes(checkpoint: Checkpoint) -> int:
    """The memory of all weights in float32, with a quarter more for loading them."""
    source = checkpoint.source
    return 5 * sum(math.prod(source.shape(name)) for name in source.names())
