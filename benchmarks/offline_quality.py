"""How much the offline describer sees, how often it sees it where nothing is, and how long it takes.

Run from the project's root: `.venv/bin/python -m benchmarks.offline_quality`, with an atlas's folder for another model.
Two nulls: each head's sources before the mappings of one other head, where only a pattern that ties targets to their
sources is false; and before mappings of thirty heads drawn anew, where every pattern is. With seed 0.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from maps.analysis.identification import identification_rates
from maps.atlas.reader import Atlas
from maps.atlas.schema import description_row
from maps.data import predefined_relations
from maps.describers.offline.describer import OFFLINE_MODEL, OfflineDescriber
from maps.types import Answer, Description, HeadId, Mapping

SEED_ATLAS = Path(__file__).parents[1] / "space" / "seed" / "smollm2"
UNTIED_PREFIX = "Whatever the input"  # how sentences begin that say nothing of the source
HALF_PREFIX = "In about half"

Heads = dict[HeadId, list[Mapping]]
DrawMappings = Callable[[Heads, HeadId, random.Random], list[Mapping]]


def describe_all(describer: OfflineDescriber, lists: Sequence[Sequence[Mapping]]) -> list[Description]:
    return [asyncio.run(describer.describe(mappings, 0)).description for mappings in lists]


def clear_patterns(found: Sequence[Description]) -> list[str]:
    """The observed patterns, without those that are "Unclear"."""
    return [description.observed_pattern for description in found if description.pattern]


def replace_targets(sources: Sequence[Mapping], others: Sequence[Mapping]) -> list[Mapping]:
    return [
        dataclasses.replace(source, target_ids=other.target_ids, targets=other.targets, scores=other.scores)
        for source, other in zip(sources, others, strict=True)
    ]


def with_targets_of_one_head(heads: Heads, head: HeadId, draw: random.Random) -> list[Mapping]:
    """The sources of a head before the mappings of another, in any order."""
    other = draw.choice([name for name in heads if name != head])
    return replace_targets(heads[head], draw.sample(heads[other], len(heads[other])))


def with_targets_of_many_heads(heads: Heads, head: HeadId, draw: random.Random) -> list[Mapping]:
    """The sources of a head, each before a mapping of a head drawn anew."""
    names = list(heads)
    return replace_targets(heads[head], [draw.choice(heads[draw.choice(names)]) for _ in heads[head]])


def count_false_patterns(
    describer: OfflineDescriber, heads: Heads, draw_mappings: DrawMappings, rounds: int, *, tied: bool
) -> tuple[int, int]:
    """How many of the dealt lists get a pattern, or with `tied` one that ties targets to sources, and of how many."""
    draw = random.Random(0)
    lists = [draw_mappings(heads, head, draw) for _ in range(rounds) for head in heads]
    found = clear_patterns(describe_all(describer, lists))
    return sum(not (tied and pattern.startswith(UNTIED_PREFIX)) for pattern in found), len(lists)


def layer_table(heads: Heads, found: Sequence[Description]) -> str:
    current = [
        description_row(head, OfflineDescriber.name, Answer(description, OFFLINE_MODEL), {"description_id": str(head)})
        for head, description in zip(heads, found, strict=True)
    ]
    rows = [
        f"| {row['layer']} | {row['patterns']} of {row['described']} | {row['rate']:.0%} |"
        for row in identification_rates(heads.keys(), current, ()).to_pylist()
        if row["layer"] is not None
    ]
    return "\n".join(["| layer | heads with a pattern | rate |", "|---|---|---|", *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "atlas", type=Path, nargs="?", default=SEED_ATLAS, help="the atlas's folder (the one that ships)"
    )
    parser.add_argument("--rounds", type=int, default=4, help="how often the null is drawn for each head (4)")
    arguments = parser.parse_args()
    atlas = Atlas.open(arguments.atlas)
    heads = atlas.mappings_by_head()
    wall, processor = time.perf_counter(), time.process_time()
    describer = OfflineDescriber(predefined_relations(), atlas.reading)
    found = describe_all(describer, list(heads.values()))
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    seen = clear_patterns(found)
    half = sum(pattern.startswith(HALF_PREFIX) for pattern in seen)
    untied = sum(pattern.startswith(UNTIED_PREFIX) for pattern in seen)
    print(layer_table(heads, found))
    print(
        f"{len(seen)} of {len(heads)} heads get a pattern ({len(seen) / len(heads):.1%}): {len(seen) - untied} one that"
    )
    print(f"ties targets to sources, {half} of these in about half of the mappings; {untied} one of the targets alone.")
    print(f"{wall:.1f} s, {processor:.1f} s of one processor, the word lists read.")
    for name, deal, tied in (
        ("one other head", with_targets_of_one_head, True),
        ("thirty heads", with_targets_of_many_heads, False),
    ):
        false, count = count_false_patterns(describer, heads, deal, arguments.rounds, tied=tied)
        print(f"Null, targets of {name}: {false} of {count} lists get a false pattern ({false / count:.2%}).")


if __name__ == "__main__":
    main()
