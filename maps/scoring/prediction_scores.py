"""The generation test, second half: the exact ranks in M of the targets that a writer predicted.

A pair's percentile is the share of the other tokens that the head ranks below the predicted target: 1 for the highest
token, about one half for a target without relation to the source. A description's score is the mean percentile of its
pairs under its own head. Its p-value compares this with the pairs that were predicted from other heads' descriptions in
the layer, under the same head: the share of all of these, its own included, that score at least as high.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import torch
from torch import Tensor

from maps.atlas.append_log import write_atlas_table
from maps.atlas.null import RANDOM, is_null, null_kind
from maps.atlas.reader import Atlas
from maps.atlas.schema import Row, head_of, make_table
from maps.data import predefined_relations
from maps.describers.names import OFFLINE, REFERENCE
from maps.describers.offline.describer import OFFLINE_MODEL, OfflineDescriber
from maps.describers.offline.examples import ExamplePairs
from maps.describers.reference import AUTHORS, find_reference
from maps.heads.random_heads import apply_random_head, mean_and_deviation, random_head_seed
from maps.heads.rank_tests import count_ranks
from maps.mapping.model import LayerWeights, Model
from maps.scoring.prediction import PAIRS_WRITTEN, TokenStrings, described_patterns, pair_columns
from maps.scoring.score_table import GENERATION_COLUMNS, is_generation, replace_scores
from maps.text import pluralize
from maps.types import HeadId, Mapping, Progress, no_progress_bar
from maps.weights.tokens import Vocabulary

MIN_PAIRS = 3  # usable pairs below which there is no score
TokenPairs = list[tuple[int, int]]
MappingsByHead = dict[HeadId, list[Mapping]]


class PredictionGroup(NamedTuple):
    """Predictions that are compared with each other."""

    describer: str
    scorer: str  # who predicted
    seed: int


class Prediction(NamedTuple):
    """The usable pairs that were predicted from a description."""

    group: PredictionGroup
    head: HeadId
    description_id: str
    pairs: TokenPairs
    reason: str | None  # why there are too few


def write_own_predictions(atlas: Atlas, vocabulary: Vocabulary, seed: int) -> None:
    """Adds to `predictions` what the rules predict from their descriptions, and what comes with the reference."""
    stored, mappings = atlas.table("predictions").to_pylist(), atlas.mappings_by_head()
    known = {(row["description_id"], row["writer"], row["seed"]) for row in stored}
    todo = [row for row in described_patterns(atlas) if (row["description_id"], row["describer"], seed) not in known]
    of_rules = [row for row in todo if row["describer"] == OFFLINE]
    describer = OfflineDescriber(predefined_relations(), atlas.reading)
    new = rule_predictions(describer, of_rules, mappings, vocabulary, seed) if of_rules else []
    if seed == 0:
        new += reference_predictions([row for row in todo if row["describer"] == REFERENCE], mappings)
    if new:
        write_atlas_table(atlas, "predictions", make_table("predictions", [*stored, *new]))


def rule_predictions(
    describer: OfflineDescriber,
    descriptions: Iterable[Row],
    mappings: MappingsByHead,
    vocabulary: Vocabulary,
    seed: int,
) -> list[Row]:
    """What each rule that described a head predicts, drawn from the vocabulary."""
    examples, rows = ExamplePairs(vocabulary.tokens), []
    for row in descriptions:
        own = mappings[head_of(row)]
        hypothesis = describer.best_hypothesis(own)
        if hypothesis is not None:
            draw = random.Random(f"predict:{seed}:{head_of(row)}")
            pairs = examples.draw(hypothesis, {mapping.source for mapping in own}, PAIRS_WRITTEN, draw)
            rows.append(own_row(row, OFFLINE_MODEL, seed, pairs))
    return rows


def reference_predictions(descriptions: Iterable[Row], mappings: MappingsByHead) -> list[Row]:
    """The predictions that were written from the reference descriptions."""
    written = [(row, find_reference(mappings[head_of(row)])) for row in descriptions]
    return [own_row(row, AUTHORS, 0, entry["predictions"]) for row, entry in written if entry is not None]


def own_row(row: Row, model: str, seed: int, pairs: Iterable[Sequence[str]]) -> Row:
    """A row of `predictions` by the describer itself, from its description."""
    about = {name: row[name] for name in ("layer", "head", "describer", "description_id")}
    columns = pair_columns([(source, target) for source, target in pairs])
    return {
        **about,
        **{"writer": row["describer"], "seed": seed, "model": model, "created_at": datetime.now(UTC)},
        **columns,
    }


def score_predictions(atlas: Atlas, model: Model, progress: Progress[int] = no_progress_bar) -> list[Row]:
    """Writes the generation test's columns of `scores` from `predictions`, all layers anew; returns its rows."""
    by_layer: dict[int, list[Prediction]] = defaultdict(list)
    for prediction in current_predictions(atlas, model.vocabulary):
        by_layer[prediction.head.layer].append(prediction)
    rows = [row for layer in progress(sorted(by_layer), 0) for row in layer_scores(atlas, model, by_layer[layer])]
    return [row for row in replace_scores(atlas, rows, GENERATION_COLUMNS) if is_generation(row)]


def current_predictions(atlas: Atlas, vocabulary: Vocabulary) -> list[Prediction]:
    """The newest predictions of each writer from each current description."""
    current = {row["description_id"] for row in described_patterns(atlas)}
    mappings = atlas.mappings_by_head()
    newest: dict[tuple[object, ...], Row] = {}
    stored = atlas.table("predictions").to_pylist()
    for row in sorted(stored, key=lambda row: (bool(row["sources"]), row["created_at"])):  # usable answers last
        newest[row["description_id"], row["writer"], row["seed"]] = row
    predictions = []
    for row in newest.values():
        if row["description_id"] in current:
            group = PredictionGroup(row["describer"], row["writer"], row["seed"])
            pairs = usable_pairs(row, vocabulary, mappings[head_of(row)])
            reason = too_few_reason(row, pairs)
            predictions.append(Prediction(group, head_of(row), row["description_id"], pairs, reason))
    return sorted(predictions)


def usable_pairs(row: Row, vocabulary: Vocabulary, mappings: Sequence[Mapping]) -> TokenPairs:
    """The pairs of two tokens whose source is not among the head's salient ones."""
    known = {mapping.source_id for mapping in mappings}
    strings: list[TokenStrings] = list(zip(row["sources"], row["predicted"], strict=True))
    ids = [(written_token(vocabulary, source), written_token(vocabulary, target)) for source, target in strings]
    return [(s, t) for s, t in ids if s is not None and t is not None and s not in known]


def written_token(vocabulary: Vocabulary, text: str) -> int | None:
    """The token that is written exactly so, else the word's single token."""
    exact = vocabulary.ids_by_stored_form.get(text)
    return vocabulary.token_id(text) if exact is None else exact


def too_few_reason(row: Row, pairs: TokenPairs) -> str | None:
    if len(pairs) >= MIN_PAIRS:
        return None
    if not row["sources"]:
        return str(row["reason"] or "The writer predicted no pair.")
    written = pluralize(len(row["sources"]), "predicted pair")
    return f"{len(pairs)} of {written} are two tokens with a new source; {MIN_PAIRS} are needed."


def layer_scores(atlas: Atlas, model: Model, predictions: Sequence[Prediction]) -> list[Row]:
    """The rows of one layer's predictions."""
    usable = [prediction for prediction in predictions if prediction.reason is None]
    means = mean_percentiles(atlas, model, usable) if usable else {}
    rows = []
    for prediction in predictions:
        row: Row = {
            **{**prediction.head._asdict(), **prediction.group._asdict()},
            **{"description_id": prediction.description_id, "generation_n": len(prediction.pairs)},
            **{"generation_others": 0, "generation_reason": prediction.reason},
        }
        if prediction.reason is None:
            compared = list(zip(usable, means[prediction.head], strict=True))
            own = next(mean for other, mean in compared if other is prediction)
            others = [m for other, m in compared if other is not prediction and other.group == prediction.group]
            row |= generation_columns(own, others)
        rows.append(row)
    return rows


def generation_columns(own: float, others: Sequence[float]) -> Row:
    """The score, that of other heads' descriptions, and the p-value; None where the layer has no other."""
    at_least = 1 + sum(other >= own for other in others)
    return {
        "generation": own,
        "generation_swapped": sum(others) / len(others) if others else None,
        "generation_p": at_least / (1 + len(others)) if others else None,
        "generation_others": len(others),
    }


def mean_percentiles(atlas: Atlas, model: Model, predictions: Sequence[Prediction]) -> dict[HeadId, list[float]]:
    """The mean percentile of each prediction's pairs under each head of the layer that has a prediction."""
    weights = model.layer(predictions[0].head.layer)
    sources, targets = torch.tensor([pair for each in predictions for pair in each.pairs], device=model.device).T
    tokens, positions = sources.unique(return_inverse=True)
    rows = weights.sources.exact_rows(tokens)[positions]
    sizes, others = [len(each.pairs) for each in predictions], len(model.unembedding) - 1
    means = {}
    for head in sorted({each.head for each in predictions}):
        counts = count_ranks(head_outputs(atlas, weights, head, rows), targets, model.unembedding)
        tied = others - counts.higher_count - counts.lower_count  # other tokens with the same score
        percentiles = (counts.lower_count + tied / 2) / others
        means[head] = [float(part.double().mean()) for part in percentiles.split(sizes)]
    return means


def head_outputs(atlas: Atlas, weights: LayerWeights, head: HeadId, rows: Tensor) -> Tensor:
    """What a head writes for source rows (n, d), as the reading's target side makes it, (n, d) float64."""
    if not (is_null(atlas) and null_kind(atlas) == RANDOM):
        return weights.scoring_heads.head_output(rows, head.head)
    seed = random_head_seed(atlas.info["null"]["seed"], *head)
    return weights.target_side.apply(apply_random_head(rows, *mean_and_deviation(weights.exact_heads), seed))
