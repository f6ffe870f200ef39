"""The random baseline: how many random heads would implement a relation (paper, section 4.1)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from maps.atlas.append_log import write_card
from maps.atlas.random_csv import RANDOM_CSV, RANDOM_CSV_SCHEMA
from maps.experiments.results import open_matching_atlas
from maps.files.atomic import read_json, write_file, write_json
from maps.files.lock import lock_folder
from maps.files.run_settings import check_same_settings
from maps.heads.random_heads import apply_random_head, mean_and_deviation, random_head_seed
from maps.heads.rank_tests import target_hits
from maps.heads.relation_scores import score_layer_relations, scores_from_hits
from maps.mapping.mapper import LayerMapper, open_model
from maps.mapping.settings import MappingSettings, select_layers
from maps.types import RelationScore

TAUS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5)


class RandomBaseline(NamedTuple):
    """How many heads pass each τ, trained and random, of how many."""

    taus: tuple[float, ...]
    trained_counts: tuple[int, ...]
    random_counts: tuple[int, ...]
    head_count: int


def best_score(scores: Sequence[RelationScore], min_pairs: int) -> float:
    """The highest score or suppression among the relations that classify heads."""
    counted = [s for s in scores if s.pairs >= min_pairs]
    return max((max(s.score or 0.0, s.suppression or 0.0) for s in counted), default=0.0)


def best_scores_of_layer(work: LayerMapper, layer: int, seed: int) -> dict[str, list[float]]:
    """The best score of every trained head of a layer, and of as many random ones."""
    weights, columns = work.model.layer(layer), work.model.unembedding
    sources, pairs, least = weights.sources, work.pairs, work.settings.min_pairs
    trained = score_layer_relations(pairs, sources, weights.scoring_heads, columns)
    mean, deviation = mean_and_deviation(weights.exact_heads)
    rows, random = sources.exact_rows(pairs.sources), []
    for head in range(len(weights.heads.outputs)):
        y = apply_random_head(rows, mean, deviation, random_head_seed(seed, layer, head))
        found = target_hits(
            y if weights.final_norm_gain is None else y * weights.final_norm_gain, pairs.targets, pairs.k, columns
        )
        random.append(best_score(scores_from_hits(pairs.relations, found.top, found.bottom), least))
    return {"trained": [best_score(scores, least) for scores in trained], "random": random}


def evaluate_random_baseline(
    model: str,
    out: Path,
    settings: MappingSettings,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[Sequence[int], int], Iterable[int]] = lambda todo, _done: todo,
) -> RandomBaseline:
    """Counts trained and random heads that pass each τ and writes `random.csv`; goes on where a run stopped.

    `out` may be the folder of the model's atlas; raises MapsError where that was made with other settings.
    """
    parts = out / "random.parts"
    asked = {"model": model, "seed": seed, **settings.as_json()}
    check_same_settings(parts / "settings.json", asked, f"{out} holds a run with")
    loaded = open_model(model, settings, device)
    atlas = open_matching_atlas(out, loaded.checkpoint.revision, settings)
    write_json(parts / "settings.json", asked)
    layers = select_layers(settings, loaded.shape.layers)
    files = {layer: parts / f"layer-{layer:03d}.json" for layer in layers}
    todo = [layer for layer, file in files.items() if not file.exists()]
    if todo:
        work = LayerMapper.prepare(loaded, settings)
        for layer in progress(todo, len(layers) - len(todo)):
            write_json(files[layer], best_scores_of_layer(work, layer, seed))
    found = count_passing_heads([read_json(file) or {} for file in files.values()], settings.tau)
    write_file(out / RANDOM_CSV, baseline_csv(found).encode())
    if atlas is not None:
        with lock_folder(out, "evaluate"):
            write_card(atlas)
    return found


def count_passing_heads(layers: Sequence[dict[str, list[float]]], tau: float) -> RandomBaseline:
    """Heads that pass each τ, the chosen one among them."""
    taus = tuple(sorted({*TAUS, tau}))
    trained, random = ([score for layer in layers for score in layer[kind]] for kind in ("trained", "random"))
    return RandomBaseline(
        taus,
        tuple(sum(score >= each for score in trained) for each in taus),
        tuple(sum(score >= each for score in random) for each in taus),
        len(trained),
    )


def baseline_csv(baseline: RandomBaseline) -> str:
    """`random.csv`."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(RANDOM_CSV_SCHEMA.names)
    rows.writerows(zip(baseline.taus, baseline.trained_counts, baseline.random_counts, strict=True))
    return text.getvalue()
