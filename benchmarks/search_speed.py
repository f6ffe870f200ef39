"""How fast search answers on an atlas of 5,120 heads, and what its index takes.

Run from the project's root on a quiet machine: `.venv/bin/python -m benchmarks.search_speed`. The atlas is the invented
one of tests/large_atlas.py. A search is timed as a visitor's request is made: the index looked up, the search, the
page's HTML. Kept in benchmarks/results/search_speed.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from maps.atlas.reader import Atlas
from space.atlases import cache
from space.pages.search.view import SearchView, results_html
from space.search.index import SearchIndexes
from space.search.search import search
from tests.large_atlas import MODEL, write_large_atlas

ROOT = Path(__file__).parents[1]
SEED_ATLAS = ROOT / "space" / "seed" / "smollm2"
RESULTS = ROOT / "benchmarks" / "results" / "search_speed.json"
RUNS_PER_QUERY = 20  # each query
QUERIES = {
    "words of a description": ("pronouns", "languages", "running text", "prefixes suffixes"),
    "misspelt words": ("pronuons", "langauges", "vegetbles", "adjectivs"),
    "token": (" the", "he", " capital", "house"),
    "misspelt token": (" captial", "hosue", "presidnet", " windwo"),
    "relation": ("country to capital", "antonym", "copying", "englsh to french"),
    "anything": ("a" * 10_000, '" OR * NEAR (', "\x00", "the of and a in to is it that was he for"),
}


def memory_in_mb() -> float:
    return psutil.Process().memory_info().rss / 2**20


def search_milliseconds(indexes: SearchIndexes, atlas: Atlas, queries: Sequence[str], times: int) -> list[float]:
    taken = []
    headlines = {atlas.model: dict(zip(atlas.head_ids, cache.headlines(atlas, frozenset()), strict=True))}
    for _ in range(times):
        for query in queries:
            begin = time.perf_counter()
            results_html(SearchView(search([indexes.get(atlas)], query), MODEL, headlines))
            taken.append(1000 * (time.perf_counter() - begin))
    return taken


def measure(folder: Path, times: int) -> dict[str, object]:
    indexes, atlas = SearchIndexes(), write_large_atlas(folder)
    indexes.get(Atlas.open(SEED_ATLAS))
    cache.headlines(atlas, frozenset())
    cache.classified_heads(atlas, 0.15)
    before, begin = memory_in_mb(), time.perf_counter()
    indexes.get(atlas)
    building, taken = time.perf_counter() - begin, memory_in_mb() - before
    kinds = {kind: search_milliseconds(indexes, atlas, queries, times) for kind, queries in QUERIES.items()}
    return {
        "heads": len(atlas.head_ids),
        "building_seconds": round(building, 2),
        "memory_mb": round(taken, 1),
        "milliseconds": {
            kind: {
                "p50": round(statistics.median(each), 1),
                "p95": round(statistics.quantiles(each, n=20)[-1], 1),
                "most": round(max(each), 1),
            }
            for kind, each in kinds.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="each query once; keeps nothing")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), 1 if quick else RUNS_PER_QUERY)
    print(json.dumps(found, indent=2))
    if not quick:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
