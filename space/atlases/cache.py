"""What pages need of an atlas as a whole, read by columns and kept until its files change.

What is kept is small (counts, a few numbers a head): memory stays flat whatever the number of visitors.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from maps.analysis import similar_heads
from maps.analysis.classification import RelationsByHead, classify, heads_per_relation
from maps.analysis.identification import identification_rates
from maps.analysis.similar_heads import MappingIndex
from maps.atlas.reader import Atlas
from maps.types import HeadId

Value = TypeVar("Value")
MAX_CACHED = 64  # results at most; the oldest go first
_cache: OrderedDict[Hashable, tuple[tuple[int, ...], Any]] = OrderedDict()
_lock = Lock()


def table_times(atlas: Atlas, tables: Sequence[str]) -> tuple[int, ...]:
    """When the files of some tables were last written; 0 for one that is not there."""
    paths = (atlas.folder / f"{name}.parquet" for name in tables)
    return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)


def get_cached(atlas: Atlas, tables: Sequence[str], name: Hashable, compute: Callable[[], Value]) -> Value:
    """The value of `compute`, which reads these tables of an atlas; made anew only after one of them has changed."""
    key, now = (atlas.folder, name), table_times(atlas, tables)
    with _lock:
        found = _cache.get(key)
        if found is not None and found[0] == now:
            _cache.move_to_end(key)
            return found[1]
    value = compute()
    with _lock:
        _cache[key] = now, value
        while len(_cache) > MAX_CACHED:
            _cache.popitem(last=False)
    return value


def classified_heads(atlas: Atlas, tau: float) -> RelationsByHead:
    """What each head implements or suppresses at a threshold."""
    least = atlas.info["settings"]["min_pairs"]
    return get_cached(atlas, ["relations"], ("classified", tau), lambda: classify(atlas.table("relations"), tau, least))


def relation_summary(atlas: Atlas, tau: float) -> pa.Table:
    """How many heads implement or suppress each relation at a threshold, and its best heads."""
    least = atlas.info["settings"]["min_pairs"]
    return get_cached(
        atlas, ["relations"], ("per relation", tau), lambda: heads_per_relation(atlas.table("relations"), tau, least)
    )


def relation_names(atlas: Atlas) -> tuple[str, ...]:
    """The names of the relations that were scored, in their order."""
    return get_cached(
        atlas,
        ["relations"],
        "relations",
        lambda: tuple(dict.fromkeys(atlas.table("relations", ["relation"])["relation"].to_pylist())),
    )


def head_column(atlas: Atlas, table: str, name: str) -> list[Any]:
    """One value a head from a table with one row a head, in the order of `atlas.ids`; null where it has none."""

    def read() -> list[Any]:
        rows = atlas.table(table, ["layer", "head", name])
        by_head = dict(
            zip(
                zip(*(rows[each].to_pylist() for each in ("layer", "head")), strict=True),
                rows[name].to_pylist(),
                strict=True,
            )
        )
        return [by_head.get((head.layer, head.head)) for head in atlas.head_ids]

    return get_cached(atlas, [table], ("column", table, name), read)


def relation_values(atlas: Atlas, relation: str, side: str) -> list[float | None]:
    """Each head's score on one relation, or its suppression, in the order of `atlas.ids`."""

    def read() -> list[float | None]:
        rows = atlas.table("relations", ["layer", "head", "relation", side])
        mine = rows.filter(pc.equal(rows["relation"], relation))
        by_head = {
            HeadId(layer, head): value
            for layer, head, value in zip(*(mine[name].to_pylist() for name in ("layer", "head", side)), strict=True)
        }
        return [by_head.get(head) for head in atlas.head_ids]

    return get_cached(atlas, ["relations"], ("relation", relation, side), read)


def mapping_index(atlas: Atlas) -> MappingIndex:
    """The mappings of all heads as numbers, for what is like what."""
    return get_cached(
        atlas,
        ["mappings"],
        "mapped",
        lambda: MappingIndex.from_table(atlas.table("mappings", similar_heads.MAPPING_COLUMNS)),
    )


def head_descriptions(atlas: Atlas) -> list[str]:
    """The current description of each head by its first describer that is no floor, in the order of `atlas.ids`."""

    def read() -> list[str]:
        rows = atlas.table("descriptions", ["layer", "head", "describer", "observed_pattern", "created_at"])
        found: dict[tuple[int, int], str] = {}
        for row in sorted(rows.to_pylist(), key=lambda row: (row["describer"] != "offline", row["created_at"])):
            found[row["layer"], row["head"]] = row["observed_pattern"]
        return [found.get((head.layer, head.head), "") for head in atlas.head_ids]

    return get_cached(atlas, ["descriptions"], "sentences", read)


def detection_scores(atlas: Atlas) -> list[float | None]:
    """The detection score of each head's current description, in the order of `atlas.ids`; the newest scorer's."""

    def read() -> list[float | None]:
        current = set(atlas.description_table(["description_id"])["description_id"].to_pylist())
        rows = atlas.table("scores", ["layer", "head", "description_id", "detection"]).to_pylist()
        found = {(row["layer"], row["head"]): row["detection"] for row in rows if row["description_id"] in current}
        return [found.get((head.layer, head.head)) for head in atlas.head_ids]

    return get_cached(atlas, ["scores", "descriptions"], "detections", read)


def pattern_rates(atlas: Atlas) -> pa.Table:
    """How often describers see a pattern, by layer and over all."""
    return get_cached(
        atlas,
        ["mappings", "descriptions"],
        "identified",
        lambda: identification_rates(
            atlas.head_ids,
            atlas.description_table(["description_id", "pattern", "pattern_paper"]).to_pylist(),
            atlas.stale_description_ids(),
        ),
    )


def descriptions_by_describer(atlas: Atlas) -> dict[str, dict[HeadId, tuple[bool, str]]]:
    """By describer, whether it sees a pattern in each head that it described, and what it says of it."""

    def read() -> dict[str, dict[HeadId, tuple[bool, str]]]:
        found: dict[str, dict[HeadId, tuple[bool, str]]] = {}
        for row in atlas.description_table(["pattern", "observed_pattern"]).to_pylist():
            head = HeadId(row["layer"], row["head"])
            found.setdefault(row["describer"], {})[head] = row["pattern"], row["observed_pattern"]
        return found

    return get_cached(atlas, ["descriptions"], "patterns", read)


def group_mates(atlas: Atlas, head: HeadId) -> list[HeadId]:
    """The other heads that read through the same value head, under grouped-query attention."""
    shared = head_column(atlas, "heads", "kv_head")
    mine = shared[atlas.head_ids.index(head)]
    return [
        other
        for other, group in zip(atlas.head_ids, shared, strict=True)
        if other.layer == head.layer and group == mine and other != head
    ]
