"""A study as a value: its frozen settings, the items in everybody's order, and what each of them shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from functools import cached_property

from annotation.form import GUIDELINES_VERSION
from annotation.study.next_item import study_order
from annotation.types import COUNTED_KINDS, Item, ItemKind, Judgment, adjudicated
from maps.types import HeadId
from maps.types import Mapping as TokenMapping

DEFAULT = "default"
OPEN_SEED = 0


@dataclass(frozen=True)
class Plan:
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
class Settings:
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
class Shown:
    """What the annotator sees of an item."""

    mappings: Sequence[TokenMapping]
    input_strings: str
    observed_pattern: str


@dataclass(frozen=True)
class Origin:
    """Where what an item shows came from: the hash of the head's own mappings, and the head that was described."""

    mapping_hash: str
    described: HeadId


@dataclass(frozen=True)
class Study:
    """The settings, the items (controls among them) in everybody's order, and by key what each shows and whence."""

    settings: Settings
    order: tuple[Item, ...]
    shown: dict[str, Shown]
    origins: dict[str, Origin]

    @property
    def name(self) -> str:
        """The study's name, which its judgments carry."""
        return self.settings.name

    @cached_property
    def by_key(self) -> dict[str, Item]:
        """The items by their key."""
        return {item.key: item for item in self.order}

    @cached_property
    def keys(self) -> dict[tuple[object, ...], str]:
        """The items' keys by their columns, which is quicker than making a key of each row."""
        return {astuple(item): item.key for item in self.order}

    @cached_property
    def by_head(self) -> dict[HeadId, Item]:
        """The true item of each sampled head; controls are not among them."""
        return {HeadId(item.layer, item.head): item for item in self.order if item.item_kind in COUNTED_KINDS}

    def fresh(self, stale: Collection[str]) -> list[Item]:
        """The items in their order without the stale ones, of which the keys are given."""
        return [item for item in self.order if item.key not in stale]

    def over(self, now: datetime) -> bool:
        """Whether the deadline has passed: no further item is given."""
        return self.settings.deadline is not None and now >= self.settings.deadline


def own_item(study: str, model: str, candidate: Candidate, overlap: bool = False) -> Item:
    """The item that shows a head as it is."""
    kind: ItemKind = "overlap" if overlap else "head"
    return Item(study, model, *candidate.head, kind, candidate.mapping_hash, candidate.description_id)


def seen(candidate: Candidate) -> Shown:
    """What such an item shows."""
    return Shown(tuple(candidate.mappings), candidate.input_strings, candidate.observed_pattern)


def quarter(layer: int, layers: int) -> int:
    """The quarter of the model that a layer lies in, 0 to 3."""
    return 4 * layer // layers


def layers_of(settings: Settings | None) -> dict[str, int]:
    """The number of layers of a study's model, by its name."""
    return {settings.model: settings.layers} if settings else {}


def open_study(
    model: str, revision: str | None, layers: int, describer: str, candidates: Iterable[Candidate], created_at: datetime
) -> Study:
    """The study where none was created: all described heads, judged by anyone as often as they come.

    What its items show is read when it is asked for, where the candidates' mappings are.
    """
    by_item = {own_item(DEFAULT, model, candidate): candidate for candidate in candidates}
    settings = Settings(
        name=DEFAULT,
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
        seed=OPEN_SEED,
        guidelines_version=GUIDELINES_VERSION,
        created_at=created_at,
    )
    return Study(
        settings,
        tuple(study_order(by_item, OPEN_SEED)),
        {i.key: Shown(one.mappings, one.input_strings, one.observed_pattern) for i, one in by_item.items()},
        {item.key: Origin(candidate.mapping_hash, candidate.head) for item, candidate in by_item.items()},
    )


def stale(study: Study, present: Mapping[HeadId, tuple[str, str]]) -> set[str]:
    """The keys of the items whose head has other mappings now, or whose description is no longer the current one.

    `present` holds the mapping hash and the describer's current description of each head that is described; of a
    swapped item it is the other head's description that counts.
    """
    nothing = ("", "")
    found = set()
    for item in study.order:
        origin = study.origins[item.key]
        mappings = present.get(HeadId(item.layer, item.head), nothing)[0]
        description = present.get(origin.described, nothing)[1]
        if (mappings, description) != (origin.mapping_hash, item.description_id):
            found.add(item.key)
    return found


def stale_judgments(fresh: Collection[Item], model: str, rows: Iterable[Judgment]) -> frozenset[str]:
    """The ids of the judgments of a model, adjudications among them, whose item is none of the `fresh` ones.

    Worked examples never change.
    """
    items = {*fresh, *map(adjudicated, fresh)}
    own = (row for row in rows if row.model == model and row.item_kind != "practice")
    return frozenset(row.judgment_id for row in own if row.item not in items)
