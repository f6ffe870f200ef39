"""The heads of an atlas that can be judged: those with a description of their current mappings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, overload

from annotation.form import GUIDELINES_VERSION
from annotation.study.practice import check_pass_mark
from annotation.study.sampling import freeze_study
from annotation.study.store import check_study_name
from annotation.study.study import (
    Candidate,
    CurrentVersions,
    Study,
    StudyPlan,
    StudySettings,
    build_default_study,
    stale_item_keys,
    stale_judgment_ids,
)
from annotation.types import Judgment, StudyItem
from maps.atlas.patterns import current_patterns, operation_mappings
from maps.atlas.reader import Atlas
from maps.atlas.schema import head_of
from maps.describers.names import OFFLINE, RESERVED_NAMES
from maps.errors import MapsError
from maps.hashes import mapping_hash
from maps.types import HeadId, Mapping


def main_describer(atlas: Atlas, per_operation: bool = False) -> str:
    """The describer with the most descriptions (of operations); an empty name if nothing is described.

    Language models come first, then the rules; the reference comes last, since other descriptions are compared with it.
    """
    counts = Counter(row["describer"] for row in (current_patterns(atlas) if per_operation else atlas.descriptions()))
    return max(counts, key=lambda name: (name not in RESERVED_NAMES, name == OFFLINE, counts[name], name), default="")


@dataclass(frozen=True)
class AtlasMappings(Sequence[Mapping]):
    """The mappings of a head, read from the atlas at each use, because those of all heads may not fit into memory.

    Raises MapsError if the mappings no longer have the hash `mapping_hash`.
    """

    atlas: Atlas
    head: HeadId
    mapping_hash: str

    def __iter__(self) -> Iterator[Mapping]:
        return iter(self._read_mappings())

    def __len__(self) -> int:
        return len(self._read_mappings())

    @overload
    def __getitem__(self, place: int) -> Mapping: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Mapping]: ...

    def __getitem__(self, place: int | slice) -> Mapping | Sequence[Mapping]:
        return self._read_mappings()[place]

    def _read_mappings(self) -> tuple[Mapping, ...]:
        rows = tuple(self.atlas.mappings(self.head))
        if mapping_hash(rows) != self.mapping_hash:
            raise MapsError(f"The mappings of {self.head} changed while the atlas was in use; start again.")
        return rows


def load_candidates(atlas: Atlas, describer: str) -> list[Candidate]:
    """One candidate for each head that this describer described, in the order of heads.

    A head is left out if its description is of earlier mappings. Raises MapsError for an unknown describer.
    """
    rows = atlas.descriptions()
    if describer and (known := sorted({row["describer"] for row in rows})) and describer not in known:
        raise MapsError(
            f"{describer!r} described no head of {atlas.folder}; choose one of its describers: {', '.join(known)}."
        )
    return candidates_from_descriptions(atlas, describer, rows)


def candidates_from_descriptions(atlas: Atlas, describer: str, rows: Iterable[dict[str, Any]]) -> list[Candidate]:
    """The candidates among an atlas's descriptions; none for an unknown describer."""
    hashes = atlas.mapping_hashes()
    candidates = []
    for row in rows:
        head = head_of(row)
        if row["describer"] == describer and row["mapping_hash"] == hashes.get(head):
            texts = row["description_id"], row["input_strings"], row["observed_pattern"]
            candidates.append(Candidate(head, AtlasMappings(atlas, head, hashes[head]), hashes[head], *texts))
    return candidates


def load_operation_candidates(atlas: Atlas, describer: str) -> list[Candidate]:
    """One candidate for each operation that this describer described, of heads with two or more of them.

    Raises MapsError for an unknown describer, and if it described no operation.
    """
    rows = current_patterns(atlas)
    if not (own := [row for row in rows if row["describer"] == describer]):
        known = ", ".join(sorted({row["describer"] for row in rows})) or "none yet"
        raise MapsError(
            f"{describer!r} described no operation of {atlas.folder} (`python -m maps describe {atlas.folder} "
            f"--operations`); describers of operations: {known}."
        )
    counts, mappings = Counter(head_of(row) for row in own), atlas.mappings_by_head()
    return [
        Candidate(
            head_of(row),
            tuple(operation_mappings(row, mappings[head_of(row)])),
            row["mapping_hash"],
            *(row["description_id"], row["input_strings"], row["observed_pattern"]),
        )
        for row in own
        if counts[head_of(row)] > 1
    ]


def create_study(atlas: Atlas, describer: str, name: str, plan: StudyPlan) -> Study:
    """Creates the study of a plan, without saving it. Raises MapsError if the plan cannot be carried out."""
    check_pass_mark(plan.practice_pass, plan.practice)
    settings = StudySettings(
        name=check_study_name(name),
        model=atlas.model,
        revision=atlas.info["revision"],
        layers=atlas.info["layers"],
        describer=describer,
        guidelines_version=GUIDELINES_VERSION,
        created_at=datetime.now(UTC),
        **{field.name: getattr(plan, field.name) for field in fields(plan)},
    )
    if plan.per_operation:
        return freeze_study(settings, load_operation_candidates(atlas, describer), mapping_hash)
    mappings = atlas.mappings_by_head()  # all at once: faster than head by head
    candidates = [replace(one, mappings=tuple(mappings[one.head])) for one in load_candidates(atlas, describer)]
    return freeze_study(settings, candidates, mapping_hash)


def load_default_study(atlas: Atlas) -> Study:
    """The study of every head that the atlas's main describer described with its current mappings."""
    describer, info = main_describer(atlas), atlas.info
    created_at = datetime.fromisoformat(info["created_at"])
    candidates = load_candidates(atlas, describer)
    return build_default_study(atlas.model, info["revision"], info["layers"], describer, candidates, created_at)


def current_versions(atlas: Atlas, describer: str, per_operation: bool = False) -> CurrentVersions:
    """The current mapping hash and description id of each candidate, by head, for `stale_item_keys`.

    Empty for an unknown describer.
    """
    if not per_operation:
        candidates = candidates_from_descriptions(atlas, describer, atlas.descriptions())
        return {one.head: [(one.mapping_hash, one.description_id)] for one in candidates}
    versions: dict[HeadId, list[tuple[str, str]]] = {}
    for row in current_patterns(atlas):
        if row["describer"] == describer:
            versions.setdefault(head_of(row), []).append((row["mapping_hash"], row["description_id"]))
    return versions


def load_fresh_items(study: Study | None, atlas: Atlas) -> list[StudyItem]:
    """The items of a study that are not stale; without a study, those of the atlas's default study.

    Raises MapsError if the study is of another model.
    """
    if study is None:
        return list(load_default_study(atlas).order)
    if study.settings.model != atlas.model:
        raise MapsError(
            f"{atlas.folder} is an atlas of {atlas.model}, but the study {study.name} is of {study.settings.model}; "
            "name the atlas of that model."
        )
    versions = current_versions(atlas, study.settings.describer, study.settings.per_operation)
    return study.fresh_items(stale_item_keys(study, versions))


def stale_judgment_ids_in_atlas(folder: Path, study: Study | None, judgments: Iterable[Judgment]) -> frozenset[str]:
    atlas = Atlas.open(folder).named_by_reading()
    return stale_judgment_ids(load_fresh_items(study, atlas), atlas.model, judgments)
