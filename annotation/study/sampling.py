"""Draws a study from its settings and the described heads: sample, overlap and controls, all decided by the seed.

Each draw takes the first heads in an order by a hash of seed, purpose and head, so it is the same on every machine.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from annotation.study.next_item import study_order
from annotation.study.study import (
    Candidate,
    ItemContent,
    ItemOrigin,
    Study,
    StudySettings,
    candidate_content,
    head_item,
    layer_quarter,
)
from annotation.types import StudyItem
from maps.errors import MapsError
from maps.types import HeadId
from maps.types import Mapping as TokenMapping

SAMPLE_METHODS = ("uniform", "stratified")
QUARTER_COUNT = 4
MAX_SEED = 2**53 - 1  # the largest whole number that a browser keeps exactly
MAX_LENGTH_RATIO = 2  # descriptions count as similar in length up to this ratio

MappingHashFunction = Callable[[Sequence[TokenMapping]], str]


@dataclass(frozen=True)
class _ItemDraft:
    item: StudyItem
    content: ItemContent
    origin: ItemOrigin


def freeze_study(settings: StudySettings, candidates: Iterable[Candidate], mapping_hash: MappingHashFunction) -> Study:
    """Creates the study of these settings from all heads that are described with their current mappings.

    Each candidate of a sampled head is an item: one, or one for each operation of the head.
    A swapped control shows a head's own mappings with the description of another head of its layer (of operations: with
    that of another operation of the layer): of those described in other words, the one whose description is nearest in
    length. A shuffled control shows the head's own
    description, but each source with the targets of another source. Controls are of heads outside the sample as long
    as there are any, never of overlap heads, and each is of a different head. Raises MapsError if there are too few
    candidates.
    """
    heads: dict[HeadId, list[Candidate]] = {}
    for candidate in candidates:
        heads.setdefault(candidate.head, []).append(candidate)
    _check_settings(settings, len(heads))
    sample = set(_sample_heads(settings, heads))
    overlap = set(_random_order(settings, "overlap", sample)[: settings.overlap])
    drafts = [_own_item(settings, one, head in overlap) for head in sample for one in heads[head]]
    _check_overlap(settings, sum(len(heads[head]) for head in overlap))
    drafts += _draw_controls(settings, heads, sample, overlap, mapping_hash)
    draft_by_key = {draft.item.key: draft for draft in drafts}
    order = study_order((draft.item for draft in drafts), settings.seed)
    return Study(
        settings,
        tuple(order),
        {item.key: draft_by_key[item.key].content for item in order},
        {item.key: draft_by_key[item.key].origin for item in order},
    )


def draw_seed() -> int:
    """A seed that nobody can guess: whoever knows atlas, settings and seed can compute which items are controls."""
    return secrets.randbelow(MAX_SEED + 1)


def shuffle_targets(mappings: Sequence[TokenMapping], seed: int) -> tuple[TokenMapping, ...]:
    """Gives each source the targets (and scores) of another: one cycle through all sources, in an order by the seed."""
    cycle = sorted(range(len(mappings)), key=lambda n: _digest(seed, "shuffle", mappings[n].source_id, n))
    shuffled = list(mappings)
    for position, n in enumerate(cycle):
        donor = mappings[cycle[(position + 1) % len(cycle)]]
        shuffled[n] = replace(mappings[n], target_ids=donor.target_ids, targets=donor.targets, scores=donor.scores)
    return tuple(shuffled)


def _digest(*parts: object) -> bytes:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).digest()


def _random_order(settings: StudySettings, purpose: str, heads: Iterable[HeadId]) -> list[HeadId]:
    return sorted(heads, key=lambda head: _digest(settings.seed, purpose, settings.model, *head))


def _check_settings(settings: StudySettings, described_heads: int) -> None:
    if settings.sample not in SAMPLE_METHODS:
        raise MapsError(f"{settings.sample!r} is not a sampling method; choose {' or '.join(SAMPLE_METHODS)}.")
    if not 1 <= settings.heads <= described_heads and settings.per_operation:
        raise MapsError(
            f"The study asks for {settings.heads:,} heads, but {settings.describer!r} described the operations of "
            f"{described_heads:,} heads that have several; ask for at least 1 and at most that many (--heads)."
        )
    if not 1 <= settings.heads <= described_heads:
        raise MapsError(
            f"The study asks for {settings.heads:,} heads, but {settings.describer!r} described {described_heads:,} "
            "heads with their current mappings; ask for at least 1 and at most that many, or describe more heads."
        )
    if not 0 <= settings.overlap <= settings.heads:
        raise MapsError(
            f"The overlap of {settings.overlap:,} items does not fit into {settings.heads:,} heads; choose a smaller "
            "overlap or more heads."
        )
    if settings.per_operation and settings.shuffled:
        raise MapsError(
            "An operation's mappings share their targets, so shuffled ones look like the others; ask for no shuffled "
            "controls, only swapped ones."
        )
    limited = settings.heads - settings.overlap + settings.swapped + settings.shuffled
    if settings.annotators is not None and limited and settings.annotators < (settings.per_item or 1):
        raise MapsError(
            f"The study asks for {settings.per_item} judgments of each item, but for only {settings.annotators} "
            "annotators, and nobody judges an item twice; invite more people or ask for fewer judgments."
        )


def _check_overlap(settings: StudySettings, overlap_items: int) -> None:
    if settings.per_annotator is not None and settings.per_annotator < overlap_items:
        raise MapsError(
            f"Everybody judges the {overlap_items:,} items of the overlap, but a person judges at most "
            f"{settings.per_annotator:,} items; raise that limit or lower the overlap."
        )


def _sample_heads(settings: StudySettings, heads: Iterable[HeadId]) -> list[HeadId]:
    """The sample: of all heads, or in proportion to the heads in each quarter of the layers (`stratified`)."""
    drawn = _random_order(settings, "sample", heads)
    if settings.sample == "uniform":
        return drawn[: settings.heads]
    quarters: list[list[HeadId]] = [[] for _ in range(QUARTER_COUNT)]
    for head in drawn:
        quarters[layer_quarter(head.layer, settings.layers)].append(head)
    counts = split_proportionally([len(quarter) for quarter in quarters], settings.heads)
    return [head for quarter, count in zip(quarters, counts, strict=True) for head in quarter[:count]]


def split_proportionally(sizes: Sequence[int], total_wanted: int) -> list[int]:
    """Splits `total_wanted` in proportion to `sizes` into whole numbers; the largest remainders are rounded up."""
    total = sum(sizes)
    parts = [size * total_wanted // total for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda n: (-(sizes[n] * total_wanted % total), n))
    for n in by_remainder[: total_wanted - sum(parts)]:
        parts[n] += 1
    return parts


def _draw_controls(
    settings: StudySettings,
    heads: Mapping[HeadId, Sequence[Candidate]],
    sample: set[HeadId],
    overlap: set[HeadId],
    mapping_hash: MappingHashFunction,
) -> list[_ItemDraft]:
    everybody = [one for of_head in heads.values() for one in of_head]
    pool = [heads[head][0] for head in _random_order(settings, "control", heads.keys() - overlap)]
    swaps = [(one, other) for one in pool if (other := _swap_partner(one, everybody)) is not None]
    swaps.sort(key=lambda pair: (pair[0].head in sample, not _is_similar_in_length(*pair)))
    swapped = [_swapped_control(settings, one, other) for one, other in swaps[: settings.swapped]]
    used = {HeadId(draft.item.layer, draft.item.head) for draft in swapped}
    rest = sorted((one for one in pool if one.head not in used), key=lambda one: one.head in sample)
    shuffled = [draft for one in rest if (draft := _shuffled_control(settings, one, mapping_hash)) is not None]
    for kind, wanted, drafts in (("swapped", settings.swapped, swapped), ("shuffled", settings.shuffled, shuffled)):
        if len(drafts) < wanted:
            raise MapsError(
                f"The study asks for {wanted:,} {kind} controls, but only {len(drafts):,} heads outside the overlap "
                "allow one; ask for fewer, or describe more heads."
            )
    return swapped + shuffled[: settings.shuffled]


def _description_texts(candidate: Candidate) -> tuple[str, str]:
    return candidate.input_strings, candidate.observed_pattern


def _description_length(candidate: Candidate) -> int:
    return sum(map(len, _description_texts(candidate)))


def _is_similar_in_length(one: Candidate, other: Candidate) -> bool:
    shorter, longer = sorted((_description_length(one), _description_length(other)))
    return longer <= MAX_LENGTH_RATIO * shorter


def _swap_partner(one: Candidate, others: Iterable[Candidate]) -> Candidate | None:
    """The head of the same layer with the different description nearest in length; the lowest of several."""
    texts, length = _description_texts(one), _description_length(one)
    partners = [other for other in others if other.head.layer == one.head.layer and _description_texts(other) != texts]
    return min(partners, key=lambda other: (abs(_description_length(other) - length), other.head), default=None)


def _own_item(settings: StudySettings, one: Candidate, is_overlap: bool) -> _ItemDraft:
    item = head_item(settings.name, settings.model, one, is_overlap)
    return _ItemDraft(item, candidate_content(one), ItemOrigin(one.mapping_hash, one.head))


def _swapped_control(settings: StudySettings, one: Candidate, other: Candidate) -> _ItemDraft:
    item = StudyItem(settings.name, settings.model, *one.head, "swapped", one.mapping_hash, other.description_id)
    content = ItemContent(tuple(one.mappings), *_description_texts(other))
    return _ItemDraft(item, content, ItemOrigin(one.mapping_hash, other.head))


def _shuffled_control(settings: StudySettings, one: Candidate, mapping_hash: MappingHashFunction) -> _ItemDraft | None:
    """The control, or None if shuffling changes nothing because all sources have the same targets."""
    mappings = shuffle_targets(tuple(one.mappings), settings.seed)
    shuffled_hash = mapping_hash(mappings)
    if shuffled_hash == one.mapping_hash:
        return None
    item = StudyItem(settings.name, settings.model, *one.head, "shuffled", shuffled_hash, one.description_id)
    content = ItemContent(mappings, *_description_texts(one))
    return _ItemDraft(item, content, ItemOrigin(one.mapping_hash, one.head))
