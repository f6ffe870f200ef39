"""Studies of invented heads: a few mappings each, described in sentences of known lengths."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from annotation.study.sampling import freeze_study
from annotation.study.study import Candidate, Study, StudySettings
from maps.types import HeadId, Mapping

CREATED = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
BASE_SETTINGS = StudySettings(
    name="pilot",
    model="m",
    revision=None,
    layers=8,
    describer="offline",
    heads=12,
    sample="uniform",
    per_item=2,
    overlap=2,
    swapped=3,
    shuffled=3,
    practice=True,
    per_annotator=None,
    deadline=None,
    seed=0,
    guidelines_version="1",
    created_at=CREATED,
)


def hash_of_mappings(mappings: Sequence[Mapping]) -> str:
    """Like the atlas's: of the ids alone."""
    return hashlib.sha256(repr([(m.source_id, m.target_ids) for m in mappings]).encode()).hexdigest()


def invented_mapping(rank: int, base: int) -> Mapping:
    """A mapping with ids that no other of its head has."""
    ids = tuple(range(base + 10 * rank, base + 10 * rank + 2))
    return Mapping(rank, base + rank, f" s{rank}", 1 / rank, ids, tuple(f" <t{n}>" for n in ids), (0.5, 0.1 + rank))


def invented_candidate(layer: int, head: int, words: str | None = None, rows: int = 5) -> Candidate:
    """A head with `rows` mappings and a description that differs from head to head in length."""
    base = 1000 * (10 * layer + head)
    mappings = tuple(invented_mapping(rank, base) for rank in range(1, rows + 1))
    said = "word " * (head + 1) if words is None else words
    return Candidate(HeadId(layer, head), mappings, hash_of_mappings(mappings), f"d-{layer}-{head}", "Words.", said)


CANDIDATES = [invented_candidate(layer, head) for layer in range(8) for head in range(4)]


def freeze_invented_study(candidates: Iterable[Candidate] = CANDIDATES, **changes: object) -> Study:
    """A frozen study like PLAIN but for what is named."""
    return freeze_study(replace(BASE_SETTINGS, **changes), candidates, hash_of_mappings)  # type: ignore[arg-type]
