"""Results over all heads of an atlas that pages need, read column by column and cached until the atlas's files change.

Cached results are small (counts, a few numbers per head), so memory stays flat however many visitors there are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import partial, wraps
from threading import Lock
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import pyarrow as pa
import pyarrow.compute as pc

from maps.analysis import similar_heads
from maps.analysis.classification import RelationsByHead, classify, classifying_column, heads_per_relation
from maps.analysis.identification import identification_rates
from maps.analysis.similar_heads import MappingIndex
from maps.atlas.patterns import count_operations, current_patterns
from maps.atlas.reader import Atlas
from maps.atlas.schema import Row, add_hit_columns, head_of
from maps.report.headline import Headline, make_headline
from maps.types import HeadId, is_copying_relation

P = ParamSpec("P")
Value = TypeVar("Value")
MAX_CACHED = 64  # results; the one that was used least recently goes first
_cache: OrderedDict[Hashable, tuple[tuple[int, ...], Any]] = OrderedDict()
_lock = Lock()


def table_times(atlas: Atlas, tables: Sequence[str]) -> tuple[int, ...]:
    """When the files of some tables were last written, in nanoseconds; 0 for a missing file."""
    paths = [atlas.folder / f"{name}.parquet" for name in tables]
    return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)


def cache_results(
    *tables: str,
) -> Callable[[Callable[Concatenate[Atlas, P], Value]], Callable[Concatenate[Atlas, P], Value]]:
    """For functions of an atlas that read these tables: they compute again only after one of the tables changed."""
    return partial(_remember, tables)


def _remember(
    tables: Sequence[str], compute: Callable[Concatenate[Atlas, P], Value]
) -> Callable[Concatenate[Atlas, P], Value]:
    @wraps(compute)
    def result(atlas: Atlas, /, *args: P.args, **kwargs: P.kwargs) -> Value:
        key, times = (atlas.folder, compute.__name__, *args, *kwargs.items()), table_times(atlas, tables)
        with _lock:
            if (known := _cache.get(key)) is not None and known[0] == times:
                _cache.move_to_end(key)
                return cast(Value, known[1])
        value = compute(atlas, *args, **kwargs)
        with _lock:
            _cache[key] = times, value
            while len(_cache) > MAX_CACHED:
                _cache.popitem(last=False)
        return value

    return result


@cache_results("relations")
def classified_heads(atlas: Atlas, tau: float) -> RelationsByHead:
    return classify(atlas.table("relations"), tau, atlas.info["settings"]["min_pairs"])


@cache_results("relations")
def relation_summary(atlas: Atlas, tau: float) -> pa.Table:
    """How many heads implement or suppress each relation at a threshold, and its best heads."""
    return heads_per_relation(atlas.table("relations"), tau, atlas.info["settings"]["min_pairs"])


@cache_results("relations", "pairs", "hits")
def example_pairs(atlas: Atlas) -> dict[str, tuple[str, str]]:
    """For each relation with usable pairs one of them: the first that the best head hits, or else the first."""
    pairs = atlas.table("pairs", ["relation", "pair", "source", "target"])
    rows, examples = relation_summary(atlas, float(atlas.info["settings"]["tau"])).to_pylist(), {}
    hits_by_head = {name: atlas.hits(HeadId.parse(name)) for name in {row["best_head"] for row in rows} if name}
    for row in rows:
        of_relation = pairs.filter(pc.equal(pairs["relation"], row["relation"]))
        if row["best_head"] is not None:
            hits = hits_by_head[row["best_head"]]
            marked = add_hit_columns(of_relation, hits.filter(pc.equal(hits["relation"], row["relation"])))
            of_relation = marked.sort_by([("hit", "descending"), ("pair", "ascending")])
        if len(of_relation):
            examples[row["relation"]] = of_relation["source"][0].as_py(), of_relation["target"][0].as_py()
    return examples


@cache_results("relations")
def relation_names(atlas: Atlas) -> tuple[str, ...]:
    """The names of the relations that were scored, in the order of the table."""
    return tuple(dict.fromkeys(atlas.table("relations", ["relation"])["relation"].to_pylist()))


@cache_results("heads")
def head_column(atlas: Atlas, name: str) -> list[Any]:
    """A column of the table `heads`, in the order of `atlas.head_ids`; None for heads without a row."""
    return values_by_head(atlas, atlas.table("heads", ["layer", "head", name]), name)


@cache_results("relations")
def relation_values(atlas: Atlas, relation: str, column: str) -> list[Any]:
    """Each head's score on one relation, or another column of the table, in the order of `atlas.head_ids`."""
    rows = atlas.table("relations", ["layer", "head", "relation", column])
    return values_by_head(atlas, rows.filter(pc.equal(rows["relation"], relation)), column)


def classifying_values(atlas: Atlas, relation: str, side: str) -> list[float | None]:
    """Each head's score or suppression that τ is compared with: beyond copying, unless the relation is copying."""
    return relation_values(atlas, relation, classifying_column(side, relation, relation_category(atlas, relation)))


@cache_results("relations")
def relation_category(atlas: Atlas, relation: str) -> str | None:
    """A relation's category; None for a user's own."""
    rows = atlas.table("relations", ["relation", "category"])
    categories = rows.filter(pc.equal(rows["relation"], relation))["category"]
    return categories[0].as_py() if len(categories) else None


def is_controlled_for_copying(atlas: Atlas, relation: str) -> bool:
    """Whether heads are classified by this relation on the pairs that copying alone does not hit."""
    return not is_copying_relation(relation, relation_category(atlas, relation))


def values_by_head(atlas: Atlas, rows: pa.Table, column: str) -> list[Any]:
    """A column of rows with a layer and a head, in the order of `atlas.head_ids`; None for heads without a row."""
    layers, heads, values = rows["layer"].to_pylist(), rows["head"].to_pylist(), rows[column].to_pylist()
    by_head = {HeadId(layer, head): value for layer, head, value in zip(layers, heads, values, strict=True)}
    return [by_head.get(head) for head in atlas.head_ids]


@cache_results("mappings")
def mapping_index(atlas: Atlas) -> MappingIndex:
    """The mappings of all heads as numbers, in which similar heads are searched."""
    return MappingIndex.from_table(atlas.table("mappings", similar_heads.MAPPING_COLUMNS))


@cache_results("relations", "descriptions", "patterns", "mappings")
def headlines(atlas: Atlas, verdicts: frozenset[tuple[str, bool]], first: str = "") -> list[Headline]:
    """What is known about each head, in the order of `atlas.head_ids`.

    `verdicts`: ids of descriptions with whether people judged them right. `first`: a describer before all others.
    """
    relations, judged = classified_heads(atlas, float(atlas.info["settings"]["tau"])), dict(verdicts)
    rows: dict[HeadId, list[Row]] = {}
    for row in atlas.description_table(["description_id", "observed_pattern"]).to_pylist():
        rows.setdefault(head_of(row), []).append(row)
    operations = count_operations(current_patterns(atlas))
    return [
        make_headline(relations.get(head, ()), rows.get(head, ()), judged, operations.get(head, 0), first)
        for head in atlas.head_ids
    ]


@cache_results("scores", "descriptions")
def detection_scores(atlas: Atlas) -> list[float | None]:
    """The table's last detection score of each head's current descriptions, in the order of `atlas.head_ids`."""
    current = atlas.description_table(["description_id"])["description_id"]
    rows = atlas.table("scores", ["layer", "head", "description_id", "detection"])
    known = rows.filter(pc.and_(pc.is_in(rows["description_id"], current), pc.is_valid(rows["detection"])))
    return values_by_head(atlas, known, "detection")


@cache_results("mappings", "descriptions")
def pattern_rates(atlas: Atlas) -> pa.Table:
    """How often describers see a pattern, by layer and over all layers."""
    rows = atlas.description_table(["description_id", "pattern", "pattern_paper"]).to_pylist()
    return identification_rates(atlas.head_ids, rows, atlas.stale_description_ids())


@cache_results("descriptions")
def descriptions_by_describer(atlas: Atlas) -> dict[str, dict[HeadId, tuple[bool, str]]]:
    """By describer and head: whether the describer sees a pattern, and its description."""
    by_describer: dict[str, dict[HeadId, tuple[bool, str]]] = {}
    for row in atlas.description_table(["pattern", "observed_pattern"]).to_pylist():
        head = head_of(row)
        by_describer.setdefault(row["describer"], {})[head] = row["pattern"], row["observed_pattern"]
    return by_describer


def group_mates(atlas: Atlas, head: HeadId) -> list[HeadId]:
    """The other heads that share this head's value head (grouped-query attention)."""
    value_heads = dict(zip(atlas.head_ids, head_column(atlas, "kv_head"), strict=True))
    return [
        other
        for other, value_head in value_heads.items()
        if other.layer == head.layer and value_head == value_heads[head] and other != head
    ]
