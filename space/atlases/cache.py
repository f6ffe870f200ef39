"""Results over all heads of an atlas that pages need, read column by column and cached until the atlas's files change.

Cached results are small (counts, a few numbers per head), so memory stays flat however many visitors there are.
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
from maps.describers.describer import OFFLINE
from maps.types import HeadId

Value = TypeVar("Value")
MAX_CACHED = 64  # results; the one that was used least recently goes first
_cache: OrderedDict[Hashable, tuple[tuple[int, ...], Any]] = OrderedDict()
_lock = Lock()


def table_times(atlas: Atlas, tables: Sequence[str]) -> tuple[int, ...]:
    """When the files of some tables were last written, in nanoseconds; 0 for a missing file."""
    paths = [atlas.folder / f"{name}.parquet" for name in tables]
    return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)


def get_cached(atlas: Atlas, tables: Sequence[str], name: Hashable, compute: Callable[[], Value]) -> Value:
    """The result of `compute`, which reads these tables of an atlas; computed again only after one of them changed."""
    key, times = (atlas.folder, name), table_times(atlas, tables)
    with _lock:
        cached = _cache.get(key)
        if cached is not None and cached[0] == times:
            _cache.move_to_end(key)
            return cached[1]
    value = compute()
    with _lock:
        _cache[key] = times, value
        while len(_cache) > MAX_CACHED:
            _cache.popitem(last=False)
    return value


def classified_heads(atlas: Atlas, tau: float) -> RelationsByHead:
    min_pairs = atlas.info["settings"]["min_pairs"]
    return get_cached(
        atlas, ["relations"], ("classified", tau), lambda: classify(atlas.table("relations"), tau, min_pairs)
    )


def relation_summary(atlas: Atlas, tau: float) -> pa.Table:
    """How many heads implement or suppress each relation at a threshold, and its best heads."""
    min_pairs = atlas.info["settings"]["min_pairs"]
    return get_cached(
        atlas,
        ["relations"],
        ("per relation", tau),
        lambda: heads_per_relation(atlas.table("relations"), tau, min_pairs),
    )


def relation_names(atlas: Atlas) -> tuple[str, ...]:
    """The names of the relations that were scored, in the order of the table."""
    return get_cached(
        atlas,
        ["relations"],
        "relations",
        lambda: tuple(dict.fromkeys(atlas.table("relations", ["relation"])["relation"].to_pylist())),
    )


def head_column(atlas: Atlas, table: str, name: str) -> list[Any]:
    """A column of a table with one row per head, in the order of `atlas.head_ids`; None for heads without a row."""

    def read() -> list[Any]:
        return values_by_head(atlas, atlas.table(table, ["layer", "head", name]), name)

    return get_cached(atlas, [table], ("column", table, name), read)


def relation_values(atlas: Atlas, relation: str, side: str) -> list[float | None]:
    """Each head's score on one relation, or its suppression, in the order of `atlas.head_ids`."""

    def read() -> list[float | None]:
        rows = atlas.table("relations", ["layer", "head", "relation", side])
        return values_by_head(atlas, rows.filter(pc.equal(rows["relation"], relation)), side)

    return get_cached(atlas, ["relations"], ("relation", relation, side), read)


def values_by_head(atlas: Atlas, rows: pa.Table, column: str) -> list[Any]:
    """A column of rows with a layer and a head, in the order of `atlas.head_ids`; None for heads without a row."""
    layers, heads, values = rows["layer"].to_pylist(), rows["head"].to_pylist(), rows[column].to_pylist()
    by_head = {HeadId(layer, head): value for layer, head, value in zip(layers, heads, values, strict=True)}
    return [by_head.get(head) for head in atlas.head_ids]


def mapping_index(atlas: Atlas) -> MappingIndex:
    """The mappings of all heads as numbers, in which similar heads are searched."""
    return get_cached(
        atlas,
        ["mappings"],
        "mapped",
        lambda: MappingIndex.from_table(atlas.table("mappings", similar_heads.MAPPING_COLUMNS)),
    )


def head_descriptions(atlas: Atlas) -> list[str]:
    """The current description of each head, in the order of `atlas.head_ids`; empty for heads without one.

    The newest description by a language model; the rule-based one if there is no other.
    """

    def read() -> list[str]:
        rows = atlas.table("descriptions", ["layer", "head", "describer", "observed_pattern", "created_at"]).to_pylist()
        by_head: dict[HeadId, str] = {}
        for row in sorted(rows, key=lambda row: (row["describer"] != OFFLINE, row["created_at"])):  # the last one wins
            by_head[HeadId(row["layer"], row["head"])] = row["observed_pattern"]
        return [by_head.get(head, "") for head in atlas.head_ids]

    return get_cached(atlas, ["descriptions"], "sentences", read)


def detection_scores(atlas: Atlas) -> list[float | None]:
    """The detection score of each head's current description by the newest scorer, in the order of `atlas.head_ids`."""

    def read() -> list[float | None]:
        current = set(atlas.description_table(["description_id"])["description_id"].to_pylist())
        rows = atlas.table("scores", ["layer", "head", "description_id", "detection"]).to_pylist()
        by_head = {
            HeadId(row["layer"], row["head"]): row["detection"] for row in rows if row["description_id"] in current
        }
        return [by_head.get(head) for head in atlas.head_ids]

    return get_cached(atlas, ["scores", "descriptions"], "detections", read)


def pattern_rates(atlas: Atlas) -> pa.Table:
    """How often describers see a pattern, by layer and over all layers."""
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
    """By describer and head: whether the describer sees a pattern, and its description."""

    def read() -> dict[str, dict[HeadId, tuple[bool, str]]]:
        by_describer: dict[str, dict[HeadId, tuple[bool, str]]] = {}
        for row in atlas.description_table(["pattern", "observed_pattern"]).to_pylist():
            head = HeadId(row["layer"], row["head"])
            by_describer.setdefault(row["describer"], {})[head] = row["pattern"], row["observed_pattern"]
        return by_describer

    return get_cached(atlas, ["descriptions"], "patterns", read)


def group_mates(atlas: Atlas, head: HeadId) -> list[HeadId]:
    """The other heads that share this head's value head (grouped-query attention)."""
    value_heads = dict(zip(atlas.head_ids, head_column(atlas, "heads", "kv_head"), strict=True))
    return [
        other
        for other, value_head in value_heads.items()
        if other.layer == head.layer and value_head == value_heads[head] and other != head
    ]
