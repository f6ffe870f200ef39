"""A study as a value: its settings, its items in everybody's order, and the content of each item."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from datetime import datetime
from functools import cached_property

from annotation.form import GUIDELINES_VERSION
from annotation.study.next_item import study_order
from annotation.study.panel import NO_PANEL, PANEL_FIELDS, PanelSettings
from annotation.types import COUNTED_KINDS, ItemKind, Judgment, StudyItem, adjudication_item
from maps.errors import MapsError
from maps.types import HeadId
from maps.types import Mapping as TokenMapping

# By head: the mapping hash and the id of its current description, or of those of each operation.
CurrentVersions = Mapping[HeadId, Collection[tuple[str, str]]]
DEFAULT_STUDY = "default"
DEFAULT_STUDY_SEED = 0
NESTED_SETTINGS = ("notice", "panel")


@dataclass(frozen=True)
class StudyNotice:
    """What people are told before they take part, in the organiser's words; each text may be empty.

    `organiser`: who asks. `ethics`: the committee and number of an approval, or why none is needed. `next_steps`: what
    happens after somebody's last item.
    """

    title: str = ""
    organiser: str = ""
    purpose: str = ""
    contact: str = ""
    ethics: str = ""
    payment: str = ""
    next_steps: str = ""


NOTICE_FIELDS = tuple(field.name for field in fields(StudyNotice))
MAX_NOTICE_LENGTH = 1000  # characters of each text


def check_notice(notice: StudyNotice) -> StudyNotice:
    """The notice with its texts stripped; raises MapsError for a text that is too long or cannot be shown."""
    texts = {name: getattr(notice, name).strip() for name in NOTICE_FIELDS}
    for name, text in texts.items():
        if len(text) > MAX_NOTICE_LENGTH:
            raise MapsError(
                f"The text {name.replace('_', ' ')} has {len(text):,} characters; shorten it to {MAX_NOTICE_LENGTH:,}."
            )
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
            raise MapsError(f"The text {name.replace('_', ' ')} has characters that cannot be stored; remove them.")
    return StudyNotice(**texts)


@dataclass(frozen=True)
class StudyPlan:
    """The choices of the person who creates a study; for the fields see `StudySettings`."""

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
    annotators: int | None = None
    hides_descriptions: bool = False
    per_operation: bool = False
    notice: StudyNotice = StudyNotice()
    invited_only: bool = False
    practice_pass: int = 0
    panel: PanelSettings = NO_PANEL


@dataclass(frozen=True)
class StudySettings:
    """The settings of a study, which never change after it is created.

    `layers` is the model's number of layers, `heads` the number of sampled heads. Everybody judges `overlap` of them;
    each of the other items needs `per_item` judgments (None: no limit). `swapped` and `shuffled` are the numbers of
    controls. One person judges at most `per_annotator` items (None: no limit).
    `annotators` people are invited (None: unknown): a study with overlap is done when so many have judged all of it.
    `hides_descriptions`: until the study is over, the explorer does not show the descriptions of its heads.
    `per_operation`: each operation of a sampled head is an item of its own. `notice`: what people are told.
    `invited_only`: only people with an invitation judge. `practice_pass`: whoever answers fewer practice items right is
    not given any item. `panel`: where people come from, and the codes for the end.
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
    annotators: int | None = None
    hides_descriptions: bool = False
    per_operation: bool = False
    notice: StudyNotice = StudyNotice()
    invited_only: bool = False
    practice_pass: int = 0
    panel: PanelSettings = NO_PANEL

    def shown_values(self) -> dict[str, object]:
        """The settings by name, for organisers: without empty texts of the notice and of the panel."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in NESTED_SETTINGS}
        values |= {name: text for name in NOTICE_FIELDS if (text := getattr(self.notice, name))}
        return values | {f"panel_{name}": text for name in PANEL_FIELDS if (text := getattr(self.panel, name))}


@dataclass(frozen=True)
class Candidate:
    """A head, or one of its operations, that can be judged: mappings (possibly read at each use) and a description."""

    head: HeadId
    mappings: Sequence[TokenMapping]
    mapping_hash: str
    description_id: str
    input_strings: str
    observed_pattern: str


@dataclass(frozen=True)
class ItemContent:
    """What an annotator sees of an item."""

    mappings: Sequence[TokenMapping]
    input_strings: str
    observed_pattern: str


@dataclass(frozen=True)
class ItemOrigin:
    """The origin of an item's content: the hash of the head's own mappings, and the head that the description is of."""

    mapping_hash: str
    described_head: HeadId


@dataclass(frozen=True)
class Study:
    """Settings, items (with the controls) in everybody's order, and each item's content and origin by its key."""

    settings: StudySettings
    order: tuple[StudyItem, ...]
    contents: dict[str, ItemContent]
    origins: dict[str, ItemOrigin]

    def __hash__(self) -> int:
        return hash(self.settings)  # so that what is computed from a study can be cached by it

    @property
    def name(self) -> str:
        return self.settings.name

    @cached_property
    def item_by_key(self) -> dict[str, StudyItem]:
        return {item.key: item for item in self.order}

    @cached_property
    def position_by_item(self) -> dict[StudyItem, int]:
        return {item: n for n, item in enumerate(self.order)}

    @cached_property
    def key_by_columns(self) -> dict[tuple[object, ...], str]:
        """The items' keys by their columns: a lookup is faster than computing the key of each row."""
        return {astuple(item): item.key for item in self.order}

    @cached_property
    def items_by_head(self) -> dict[HeadId, list[StudyItem]]:
        """The items of each sampled head, without the controls: one, or one for each operation."""
        items: dict[HeadId, list[StudyItem]] = {}
        for item in self.true_items:
            items.setdefault(HeadId(item.layer, item.head), []).append(item)
        return items

    @cached_property
    def true_items(self) -> tuple[StudyItem, ...]:
        """The items without the controls."""
        return tuple(item for item in self.order if item.item_kind in COUNTED_KINDS)

    @cached_property
    def overlap_items(self) -> int:
        """How many items everybody judges: `overlap` heads, or all operations of so many heads."""
        return sum(item.item_kind == "overlap" for item in self.order)

    @cached_property
    def heads_to_hide(self) -> frozenset[HeadId]:
        """The heads whose mappings or description the study shows, controls included; none if it hides nothing."""
        if not self.settings.hides_descriptions:
            return frozenset()
        shown = {HeadId(item.layer, item.head) for item in self.order}
        return frozenset(shown | {origin.described_head for origin in self.origins.values()})

    def without_heads(self, heads: Collection[HeadId]) -> Study:
        """The same study without the items of some heads."""
        return replace(self, order=tuple(item for item in self.order if HeadId(item.layer, item.head) not in heads))

    def fresh_items(self, stale_keys: Collection[str]) -> list[StudyItem]:
        return [item for item in self.order if item.key not in stale_keys]


def has_all_judgments(study: Study, judged_by: Mapping[str, Collection[str]]) -> bool:
    """Whether every invited place is done; `judged_by` holds, by item key, who has judged the item.

    Each limited item needs `per_item` judgments, and `annotators` people need to have judged all items of the overlap.
    A study without a limit, or with overlap but without that number, is never done by itself. Stale items count: their
    places stay open, because a study must not end for good by a change of its atlas.
    """
    settings = study.settings
    overlap = [item.key for item in study.order if item.item_kind == "overlap"]
    if settings.per_item is None or (overlap and settings.annotators is None):
        return False
    limited = (item.key for item in study.order if item.item_kind != "overlap")
    if not all(len(judged_by.get(key, ())) >= settings.per_item for key in limited):
        return False
    if not overlap:
        return True
    finished_overlap = set.intersection(*(set(judged_by.get(key, ())) for key in overlap))
    return len(finished_overlap) >= (settings.annotators or 1)


def head_item(study: str, model: str, candidate: Candidate, is_overlap: bool = False) -> StudyItem:
    """The item that shows a head with its own mappings and description."""
    kind: ItemKind = "overlap" if is_overlap else "head"
    return StudyItem(study, model, *candidate.head, kind, candidate.mapping_hash, candidate.description_id)


def candidate_content(candidate: Candidate) -> ItemContent:
    return ItemContent(tuple(candidate.mappings), candidate.input_strings, candidate.observed_pattern)


def layer_quarter(layer: int, layer_count: int) -> int:
    """The quarter of the model that a layer is in, 0 to 3."""
    return 4 * layer // layer_count


def layers_by_model(settings: StudySettings | None) -> dict[str, int]:
    return {settings.model: settings.layers} if settings else {}


def build_default_study(
    model: str, revision: str | None, layers: int, describer: str, candidates: Iterable[Candidate], created_at: datetime
) -> Study:
    """The study that exists without being created: all described heads, with any number of judgments each.

    The items' content is read when it is needed, if the candidates' mappings are.
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


def stale_item_keys(study: Study, current_versions: CurrentVersions) -> set[str]:
    """The keys of the items whose head has other mappings now, or whose description was replaced.

    For a swapped item the description of the other head counts.
    """
    stale_keys = set()
    for item in study.order:
        origin = study.origins[item.key]
        mappings = {version[0] for version in current_versions.get(HeadId(item.layer, item.head), ())}
        descriptions = {version[1] for version in current_versions.get(origin.described_head, ())}
        if origin.mapping_hash not in mappings or item.description_id not in descriptions:
            stale_keys.add(item.key)
    return stale_keys


def stale_judgment_ids(fresh_items: Collection[StudyItem], model: str, judgments: Iterable[Judgment]) -> frozenset[str]:
    """The ids of a model's judgments, with adjudications, whose item is not among the `fresh_items`.

    Practice items are never stale.
    """
    items = {*fresh_items, *map(adjudication_item, fresh_items)}
    own = (row for row in judgments if row.model == model and row.item_kind != "practice")
    return frozenset(row.judgment_id for row in own if row.item not in items)
