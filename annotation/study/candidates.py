"""The heads of an atlas that may be judged: with their present mappings and a description of just these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, overload

from annotation.form import GUIDELINES_VERSION
from annotation.study.sampling import freeze_study
from annotation.study.store import check_study_name
from annotation.study.study import (
    Candidate,
    Study,
    StudyPlan,
    StudySettings,
    build_default_study,
    stale_item_keys,
    stale_judgment_ids,
)
from annotation.types import Judgment, StudyItem
from maps.atlas.reader import Atlas
from maps.describers.describer import OFFLINE
from maps.errors import MapsError
from maps.hashes import mapping_hash
from maps.types import HeadId, Mapping

__all__ = [
    "create_study",
    "current_versions",
    "load_candidates",
    "load_default_study",
    "load_fresh_items",
    "main_describer",
    "mapping_hash",
    "stale_judgment_ids_in_atlas",
]


def main_describer(atlas: Atlas) -> str:
    """The describer that described most heads, the offline one last; an empty name where nobody described any."""
    counts = Counter(row["describer"] for row in atlas.descriptions())
    return max(counts, key=lambda name: (name != OFFLINE, counts[name], name), default="")


@dataclass(frozen=True)
class AtlasMappings(Sequence[Mapping]):
    """The mappings of a head as they lie in its atlas, read whenever they are asked for.

    Those of all heads of a large model would fill the memory. Raises MapsError where they are no longer those of
    `mapping_hash`.
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
            raise MapsError(f"The mappings of {self.head} have changed since they were read; start again.")
        return rows


def load_candidates(atlas: Atlas, describer: str) -> list[Candidate]:
    """A candidate a head that this describer described, in the order of heads.

    Heads whose current description is of other mappings than the present ones are none. Raises MapsError for a
    describer that the atlas does not know.
    """
    rows = atlas.descriptions()
    if describer and (known := sorted({row["describer"] for row in rows})) and describer not in known:
        raise MapsError(f"No head of {atlas.folder} is described by {describer!r}; there is {', '.join(known)}.")
    return candidates_from_descriptions(atlas, describer, rows)


def candidates_from_descriptions(atlas: Atlas, describer: str, rows: Iterable[dict[str, Any]]) -> list[Candidate]:
    """The candidates among the current descriptions of an atlas; none of a describer that it does not know."""
    hashes = atlas.mapping_hashes()
    found = []
    for row in rows:
        head = HeadId(row["layer"], row["head"])
        if row["describer"] == describer and row["mapping_hash"] == hashes.get(head):
            texts = row["description_id"], row["input_strings"], row["observed_pattern"]
            found.append(Candidate(head, AtlasMappings(atlas, head, hashes[head]), hashes[head], *texts))
    return found


def create_study(atlas: Atlas, describer: str, name: str, plan: StudyPlan) -> Study:
    """The study of this plan, as of now, not kept yet. Raises MapsError, one sentence, where the plan makes none."""
    settings = StudySettings(
        name=check_study_name(name),
        model=atlas.model,
        revision=atlas.info["revision"],
        layers=atlas.info["layers"],
        describer=describer,
        guidelines_version=GUIDELINES_VERSION,
        created_at=datetime.now(UTC),
        **asdict(plan),
    )
    mapped = atlas.mappings_by_head()  # at once, which is quicker than head by head
    eager = (replace(one, mappings=tuple(mapped[one.head])) for one in load_candidates(atlas, describer))
    return freeze_study(settings, eager, mapping_hash)


def load_default_study(atlas: Atlas) -> Study:
    """Every head that the atlas's foremost describer described with its present mappings."""
    describer, info = main_describer(atlas), atlas.info
    created_at = datetime.fromisoformat(info["created_at"])
    everything = load_candidates(atlas, describer)
    return build_default_study(atlas.model, info["revision"], info["layers"], describer, everything, created_at)


def current_versions(atlas: Atlas, describer: str) -> dict[HeadId, tuple[str, str]]:
    """What `study.stale` compares with: mapping hash and description of each candidate's head.

    Of a describer that the atlas does not know, nothing.
    """
    found = candidates_from_descriptions(atlas, describer, atlas.descriptions())
    return {one.head: (one.mapping_hash, one.description_id) for one in found}


def load_fresh_items(study: Study | None, atlas: Atlas) -> list[StudyItem]:
    """The items of a created study that are not stale; without one, those of the open study of the atlas.

    Raises MapsError where the study is of another model.
    """
    if study is None:
        return list(load_default_study(atlas).order)
    if study.settings.model != atlas.model:
        raise MapsError(
            f"{atlas.folder} maps {atlas.model}, but the study {study.name} is of {study.settings.model}; name its "
            "atlas."
        )
    return study.fresh_items(stale_item_keys(study, current_versions(atlas, study.settings.describer)))


def stale_judgment_ids_in_atlas(folder: Path, study: Study | None, judgments: Iterable[Judgment]) -> frozenset[str]:
    """The ids of a study's judgments that are stale by the atlas in a folder; raises MapsError as `load_fresh_items`."""
    atlas = Atlas.open(folder)
    return stale_judgment_ids(load_fresh_items(study, atlas), atlas.model, judgments)
