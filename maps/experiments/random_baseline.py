"""The random baseline: how many random heads would implement a relation (paper, section 4.1).

For every head of the model, a random head is drawn: M = Ẽ R Uᵀ. The entries of R (d, d) are independent and normal,
with the mean and the standard deviation of the entries of W_V W_O in the same layer. Both heads are scored alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from maps.atlas.append_log import write_card
from maps.atlas.random_csv import RANDOM_CSV, RANDOM_CSV_SCHEMA
from maps.experiments.results import ExperimentRun, experiment_parts, open_matching_atlas
from maps.files.atomic import write_file
from maps.heads.random_heads import apply_random_head, mean_and_deviation, random_head_seed
from maps.heads.rank_tests import target_hits
from maps.heads.relation_scores import score_layer_relations, scores_from_hits
from maps.mapping.mapper import LayerMapper, open_model
from maps.mapping.settings import select_layers
from maps.types import RelationScore

TAUS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5)


class RandomBaseline(NamedTuple):
    """For each τ, how many of the model's heads and how many of as many random heads pass it."""

    taus: tuple[float, ...]
    trained_counts: tuple[int, ...]
    random_counts: tuple[int, ...]
    head_count: int


def evaluate_random_baseline(run: ExperimentRun, seed: int = 0) -> RandomBaseline:
    """Counts trained and random heads that pass each τ and writes `random.csv`; continues a stopped run.

    `out` may be the folder of the model's atlas; raises MapsError when that has other settings.
    """
    out, settings = run.out, run.settings
    opened = open_model(run.model, settings, run.device)
    layers = select_layers(settings, opened.shape)
    atlas = open_matching_atlas(out, opened.checkpoint, settings)
    work = LayerMapper.prepare(opened, settings)
    parts = experiment_parts(out, "random")
    identity = opened.checkpoint.identity
    with parts.begin("evaluate", {"model": run.model, **identity, "seed": seed, **settings.as_json()}):
        scores = parts.compute_missing(layers, lambda layer: best_scores_of_layer(work, layer, seed), run.progress)
        baseline = count_passing_heads(scores, settings.tau)
        rows = zip(baseline.taus, baseline.trained_counts, baseline.random_counts, strict=True)
        lines = [",".join(map(str, row)) + "\n" for row in (RANDOM_CSV_SCHEMA.names, *rows)]
        write_file(out / RANDOM_CSV, "".join(lines).encode())
        if atlas is not None:
            write_card(atlas)
    return baseline


def best_scores_of_layer(work: LayerMapper, layer: int, seed: int) -> dict[str, list[float]]:
    """The best score of every head of a layer, and of as many random heads."""
    weights, pairs, min_pairs = work.model.layer(layer), work.pairs, work.settings.min_pairs
    unembedding = work.model.unembedding
    copied = work.model.copied_pairs(pairs, weights)
    trained = score_layer_relations(pairs, weights.sources, weights.scoring_heads, unembedding, copied)
    mean, deviation = mean_and_deviation(weights.exact_heads)
    rows, random = weights.sources.exact_rows(pairs.sources), []  # (n, d), one row for each pair
    for head in range(len(weights.heads.outputs)):
        written = apply_random_head(rows, mean, deviation, random_head_seed(seed, layer, head))
        hits = target_hits(weights.target_side.apply(written), pairs.targets, pairs.k, unembedding)
        random.append(best_score(scores_from_hits(pairs.relations, *hits, copied), min_pairs))
    return {"trained": [best_score(scores, min_pairs) for scores in trained], "random": random}


def best_score(scores: Sequence[RelationScore], min_pairs: int) -> float:
    """The highest score or suppression among the relations with enough pairs."""
    counted = [score for score in scores if score.pairs >= min_pairs]
    return max((max(score.score or 0.0, score.suppression or 0.0) for score in counted), default=0.0)


def count_passing_heads(layers: Sequence[dict[str, list[float]]], tau: float) -> RandomBaseline:
    """How many heads pass each τ of TAUS and the chosen one."""
    taus = tuple(sorted({*TAUS, tau}))
    scores = {kind: [score for layer in layers for score in layer[kind]] for kind in ("trained", "random")}
    trained, random = (tuple(sum(score >= each for score in own) for each in taus) for own in scores.values())
    return RandomBaseline(taus, trained, random, len(scores["trained"]))
