"""A study as a value: its frozen settings, the items in everybody's order, and what each of them shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from functools import cached_property

from annotation.form import GUIDELINES_VERSION
from annotation.study.next_item import study_order
from annotation.types import COUNTED_KINDS, ItemKind, Judgment, StudyItem, adjudication_item
from maps.types import HeadId
from maps.types import Mapping as TokenMapping

DEFAULT_STUDY = "default"
DEFAULT_STUDY_SEED = 0


@dataclass(frozen=True)
class StudyPlan:
    """What whoever creates a study chooses; the fields as in `Settings`."""

    heads: int
    sample: str
    per_item: int
    overlap: int
    swapped: int
    shuffled: int
    practice: bool
    per_annotator: int | None
    deadline: datetime | None
    seed: int


@dataclass(frozen=True)
class StudySettings:
    """What is decided when a study is created, and never afterwards.

    `layers` is the model's number of layers; `heads` the sampled heads, of which `overlap` are judged by everybody;
    `per_item` the judgments wanted of each of the other items, None without a limit; `swapped` and `shuffled` the
    controls; `per_annotator` the most items that one person is asked to judge.
    """

    name: str
    model: str
    revision: str | None
    layers: int
    describer: str
    heads: int
    sample: str
    per_item: int | None
    overlap: int
    swapped: int
    shuffled: int
    practice: bool
    per_annotator: int | None
    deadline: datetime | None
    seed: int
    guidelines_version: str
    created_at: datetime


@dataclass(frozen=True)
class Candidate:
    """A head that may be judged: its present mappings (which may be read late) and a description of these."""

    head: HeadId
    mappings: Sequence[TokenMapping]
    mapping_hash: str
    description_id: str
    input_strings: str
    observed_pattern: str


@dataclass(frozen=True)
class ItemContent:
    """What the annotator sees of an item."""

    mappings: Sequence[TokenMapping]
    input_strings: str
    observed_pattern: str


@dataclass(frozen=True)
class ItemOrigin:
    """Where what an item shows came from: the hash of the head's own mappings, and the head that was described."""

    mapping_hash: str
    described_head: HeadId


@dataclass(frozen=True)
class Study:
    """The settings, the items (controls among them) in everybody's order, and by key what each shows and whence."""

    settings: StudySettings
    order: tuple[StudyItem, ...]
    contents: dict[str, ItemContent]
    origins: dict[str, ItemOrigin]

    @property
    def name(self) -> str:
        """The study's name, which its judgments carry."""
        return self.settings.name

    @cached_property
    def item_by_key(self) -> dict[str, StudyItem]:
        """The items by their key."""
        return {item.key: item for item in self.order}

    @cached_property
    def key_by_columns(self) -> dict[tuple[object, ...], str]:
        """The items' keys by their columns, which is quicker than making a key of each row."""
        return {astuple(item): item.key for item in self.order}

    @cached_property
    def item_by_head(self) -> dict[HeadId, StudyItem]:
        """The true item of each sampled head; controls are not among them."""
        return {HeadId(item.layer, item.head): item for item in self.order if item.item_kind in COUNTED_KINDS}

    def fresh_items(self, stale_keys: Collection[str]) -> list[StudyItem]:
        """The items in their order without the stale ones, of which the keys are given."""
        return [item for item in self.order if item.key not in stale_keys]

    def is_over(self, now: datetime) -> bool:
        """Whether the deadline has passed: no further item is given."""
        return self.settings.deadline is not None and now >= self.settings.deadline


def head_item(study: str, model: str, candidate: Candidate, is_overlap: bool = False) -> StudyItem:
    """The item that shows a head as it is."""
    kind: ItemKind = "overlap" if is_overlap else "head"
    return StudyItem(study, model, *candidate.head, kind, candidate.mapping_hash, candidate.description_id)


def candidate_content(candidate: Candidate) -> ItemContent:
    """What such an item shows."""
    return ItemContent(tuple(candidate.mappings), candidate.input_strings, candidate.observed_pattern)


def layer_quarter(layer: int, layer_count: int) -> int:
    """The quarter of the model that a layer lies in, 0 to 3."""
    return 4 * layer // layer_count


def layers_by_model(settings: StudySettings | None) -> dict[str, int]:
    """The number of layers of a study's model, by its name."""
    return {settings.model: settings.layers} if settings else {}


def build_default_study(
    model: str, revision: str | None, layers: int, describer: str, candidates: Iterable[Candidate], created_at: datetime
) -> Study:
    """The study where none was created: all described heads, judged by anyone as often as they come.

    What its items show is read when it is asked for, where the candidates' mappings are.
    """
    by_item = {head_item(DEFAULT_STUDY, model, candidate): candidate for candidate in candidates}
    settings = StudySettings(
        name=DEFAULT_STUDY,
        model=model,
        revision=revision,
        layers=layers,
        describer=describer,
        heads=len(by_item),
        sample="uniform",
        per_item=None,
        overlap=0,
        swapped=0,
        shuffled=0,
        practice=False,
        per_annotator=None,
        deadline=None,
        seed=DEFAULT_STUDY_SEED,
        guidelines_version=GUIDELINES_VERSION,
        created_at=created_at,
    )
    return Study(
        settings,
        tuple(study_order(by_item, DEFAULT_STUDY_SEED)),
        {i.key: ItemContent(one.mappings, one.input_strings, one.observed_pattern) for i, one in by_item.items()},
        {item.key: ItemOrigin(candidate.mapping_hash, candidate.head) for item, candidate in by_item.items()},
    )


def stale_item_keys(study: Study, current_versions: Mapping[HeadId, tuple[str, str]]) -> set[str]:
    """The keys of the items whose head has other mappings now, or whose description is no longer the current one.

    `current_versions` holds the mapping hash and the describer's current description of each head that is described; of a
    swapped item it is the other head's description that counts.
    """
    nothing = ("", "")
    found = set()
    for item in study.order:
        origin = study.origins[item.key]
        mappings = current_versions.get(HeadId(item.layer, item.head), nothing)[0]
        description = current_versions.get(origin.described_head, nothing)[1]
        if (mappings, description) != (origin.mapping_hash, item.description_id):
            found.add(item.key)
    return found


def stale_judgment_ids(fresh_items: Collection[StudyItem], model: str, judgments: Iterable[Judgment]) -> frozenset[str]:
    """The ids of the judgments of a model, adjudications among them, whose item is none of the `fresh_items` ones.

    Worked examples never change.
    """
    items = {*fresh_items, *map(adjudication_item, fresh_items)}
    own = (row for row in judgments if row.model == model and row.item_kind != "practice")
    return frozenset(row.judgment_id for row in own if row.item not in items)
