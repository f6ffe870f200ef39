"""The random baseline: how many random heads would implement a relation (paper, section 4.1)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from maps.atlas.append_log import keep_card
from maps.atlas.random_csv import COLUMNS, RANDOM_CSV
from maps.experiments.results import atlas_in
from maps.files.atomic import read_json, write_file, write_json
from maps.files.lock import locked
from maps.files.run_settings import check_same
from maps.heads.random_heads import mean_and_deviation, seed_of, written_at_random
from maps.heads.rank_tests import hits
from maps.heads.relation_scores import scores_of_layer, shares
from maps.mapping.mapper import Work, opened
from maps.mapping.settings import Settings, chosen_layers
from maps.types import RelationScore

TAUS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5)


class Baseline(NamedTuple):
    """How many heads pass each τ, trained and random, of how many."""

    taus: tuple[float, ...]
    trained: tuple[int, ...]
    random: tuple[int, ...]
    heads: int


def best_score(scores: Sequence[RelationScore], min_pairs: int) -> float:
    """The highest score or suppression among the relations that classify heads."""
    counted = [s for s in scores if s.pairs >= min_pairs]
    return max((max(s.score or 0.0, s.suppression or 0.0) for s in counted), default=0.0)


def layer_scores(work: Work, layer: int, seed: int) -> dict[str, list[float]]:
    """The best score of every trained head of a layer, and of as many random ones."""
    weights, columns = work.model.layer(layer), work.model.columns
    sources, pairs, least = weights.sources, work.pairs, work.settings.min_pairs
    trained = scores_of_layer(pairs, sources, weights.reading, columns)
    mean, deviation = mean_and_deviation(weights.exact)
    rows, random = sources.exact(pairs.sources), []
    for head in range(len(weights.heads.outputs)):
        y = written_at_random(rows, mean, deviation, seed_of(seed, layer, head))
        found = hits(y if weights.gain is None else y * weights.gain, pairs.targets, pairs.k, columns)
        random.append(best_score(shares(pairs.relations, found.top, found.bottom), least))
    return {"trained": [best_score(scores, least) for scores in trained], "random": random}


def random_baseline(
    model: str,
    out: Path,
    settings: Settings,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[Sequence[int], int], Iterable[int]] = lambda todo, _done: todo,
) -> Baseline:
    """Counts trained and random heads that pass each τ and writes `random.csv`; goes on where a run stopped.

    `out` may be the folder of the model's atlas; raises MapsError where that was made with other settings.
    """
    parts = out / "random.parts"
    asked = {"model": model, "seed": seed, **settings.as_json()}
    check_same(parts / "settings.json", asked, f"{out} holds a run with")
    loaded = opened(model, settings, device)
    atlas = atlas_in(out, loaded.checkpoint.revision, settings)
    write_json(parts / "settings.json", asked)
    layers = chosen_layers(settings, loaded.shape.layers)
    files = {layer: parts / f"layer-{layer:03d}.json" for layer in layers}
    todo = [layer for layer, file in files.items() if not file.exists()]
    if todo:
        work = Work.prepare(loaded, settings)
        for layer in progress(todo, len(layers) - len(todo)):
            write_json(files[layer], layer_scores(work, layer, seed))
    found = counted([read_json(file) or {} for file in files.values()], settings.tau)
    write_file(out / RANDOM_CSV, as_csv(found).encode())
    if atlas is not None:
        with locked(out, "evaluate"):
            keep_card(atlas)
    return found


def counted(layers: Sequence[dict[str, list[float]]], tau: float) -> Baseline:
    """Heads that pass each τ, the chosen one among them."""
    taus = tuple(sorted({*TAUS, tau}))
    trained, random = ([score for layer in layers for score in layer[kind]] for kind in ("trained", "random"))
    return Baseline(
        taus,
        tuple(sum(score >= each for score in trained) for each in taus),
        tuple(sum(score >= each for score in random) for each in taus),
        len(trained),
    )


def as_csv(found: Baseline) -> str:
    """`random.csv`."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS.names)
    rows.writerows(zip(found.taus, found.trained, found.random, strict=True))
    return text.getvalue()
