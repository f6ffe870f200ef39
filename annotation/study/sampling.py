"""Settings and described heads → a frozen study: the sample, the overlap and the controls, all decided by the seed.

Every draw is the beginning of an order by a hash of seed, purpose and head, so it is the same on every machine.
"""

from __future__ import annotations

import hashlib
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
MAX_LENGTH_RATIO = 2  # of the lengths of two descriptions that count as similar

MappingHashFunction = Callable[[Sequence[TokenMapping]], str]


@dataclass(frozen=True)
class _ItemDraft:
    item: StudyItem
    content: ItemContent
    origin: ItemOrigin


def freeze_study(settings: StudySettings, candidates: Iterable[Candidate], mapping_hash: MappingHashFunction) -> Study:
    """The study of these settings, from all heads that are described with their present mappings.

    A swapped control shows a head's own mappings with the description of another head: of those of the layer that are
    described in other words, the one nearest in length. A shuffled one shows the head's own description, and each
    source with the targets of another. Controls are of heads outside the sample while there are such, never of the
    overlap, and each of another head.
    Raises MapsError where the candidates do not suffice.
    """
    heads = {candidate.head: candidate for candidate in candidates}
    _check_settings(settings, len(heads))
    sample = set(_sample_heads(settings, heads))
    overlap = set(_random_order(settings, "overlap", sample)[: settings.overlap])
    own = [
        _ItemDraft(
            head_item(settings.name, settings.model, one, one.head in overlap),
            candidate_content(one),
            ItemOrigin(one.mapping_hash, one.head),
        )
        for one in (heads[head] for head in sample)
    ]
    pieces = own + _draw_controls(settings, heads, sample, overlap, mapping_hash)
    by_key = {piece.item.key: piece for piece in pieces}
    order = study_order((piece.item for piece in pieces), settings.seed)
    return Study(
        settings,
        tuple(order),
        {item.key: by_key[item.key].content for item in order},
        {item.key: by_key[item.key].origin for item in order},
    )


def shuffle_targets(mappings: Sequence[TokenMapping], seed: int) -> tuple[TokenMapping, ...]:
    """Each source with the targets (and scores) of another: one cycle through all, in an order drawn by the seed."""
    ring = sorted(range(len(mappings)), key=lambda n: _digest(seed, "shuffle", mappings[n].source_id, n))
    taken = {at: mappings[after] for at, after in zip(ring, ring[1:] + ring[:1], strict=True)}
    return tuple(
        replace(mapping, target_ids=taken[n].target_ids, targets=taken[n].targets, scores=taken[n].scores)
        for n, mapping in enumerate(mappings)
    )


def _digest(*parts: object) -> bytes:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).digest()


def _random_order(settings: StudySettings, purpose: str, heads: Iterable[HeadId]) -> list[HeadId]:
    return sorted(heads, key=lambda head: _digest(settings.seed, purpose, settings.model, *head))


def _check_settings(settings: StudySettings, described_heads: int) -> None:
    if settings.sample not in SAMPLE_METHODS:
        raise MapsError(f"{settings.sample!r} is no way to sample; choose one of {', '.join(SAMPLE_METHODS)}.")
    if not 1 <= settings.heads <= described_heads:
        raise MapsError(
            f"A study of {settings.heads:,} heads cannot be drawn: {settings.describer!r} has described {described_heads:,} "
            "heads with their present mappings; describe the others first, or ask for fewer."
        )
    if not 0 <= settings.overlap <= settings.heads:
        raise MapsError(
            f"An overlap of {settings.overlap:,} items needs as many heads; the study has {settings.heads:,}: "
            "choose a smaller overlap, or more heads."
        )
    if settings.per_annotator is not None and settings.per_annotator < settings.overlap:
        raise MapsError(
            f"Everybody judges the overlap of {settings.overlap:,} items, so one person cannot be asked for "
            f"{settings.per_annotator:,} at most; raise the one or lower the other."
        )


def _sample_heads(settings: StudySettings, heads: Mapping[HeadId, Candidate]) -> list[HeadId]:
    drawn = _random_order(settings, "sample", heads)
    if settings.sample == "uniform":
        return drawn[: settings.heads]
    quarters = [
        [head for head in drawn if layer_quarter(head.layer, settings.layers) == n] for n in range(QUARTER_COUNT)
    ]
    return [
        head
        for part, n in zip(quarters, split_proportionally([len(q) for q in quarters], settings.heads), strict=True)
        for head in part[:n]
    ]


def split_proportionally(sizes: Sequence[int], total_wanted: int) -> list[int]:
    """`total_wanted` split in proportion to `sizes` into whole numbers; the largest remainders are rounded up."""
    total = sum(sizes)
    found = [size * total_wanted // total for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda n: (-(sizes[n] * total_wanted % total), n))
    for n in by_remainder[: total_wanted - sum(found)]:
        found[n] += 1
    return found


def _draw_controls(
    settings: StudySettings,
    heads: Mapping[HeadId, Candidate],
    sample: set[HeadId],
    overlap: set[HeadId],
    mapping_hash: MappingHashFunction,
) -> list[_ItemDraft]:
    pool = [heads[head] for head in _random_order(settings, "control", heads.keys() - overlap)]
    partners = {one.head: _swap_partner(one, heads.values()) for one in pool}
    swappable = [(one, other) for one in pool if (other := partners[one.head]) is not None]
    swappable.sort(key=lambda pair: (pair[0].head in sample, not _is_similar_in_length(*pair)))
    swapped = [_swapped_control(settings, one, other) for one, other in swappable[: settings.swapped]]
    used = {HeadId(piece.item.layer, piece.item.head) for piece in swapped}
    rest = sorted((one for one in pool if one.head not in used), key=lambda one: one.head in sample)
    found = [piece for one in rest if (piece := _shuffled_control(settings, one, mapping_hash)) is not None]
    for kind, wanted, there in (("swapped", settings.swapped, swapped), ("shuffled", settings.shuffled, found)):
        if len(there) < wanted:
            raise MapsError(
                f"The study asks for {wanted:,} {kind} controls, but only {len(there):,} heads outside the overlap "
                "can be one; ask for fewer, or describe more heads."
            )
    return swapped + found[: settings.shuffled]


def _description_texts(candidate: Candidate) -> tuple[str, str]:
    return candidate.input_strings, candidate.observed_pattern


def _description_length(candidate: Candidate) -> int:
    return sum(map(len, _description_texts(candidate)))


def _is_similar_in_length(one: Candidate, other: Candidate) -> bool:
    shorter, longer = sorted((_description_length(one), _description_length(other)))
    return longer <= MAX_LENGTH_RATIO * shorter


def _swap_partner(one: Candidate, others: Iterable[Candidate]) -> Candidate | None:
    """The head of the same layer whose description differs and is nearest in length; of several the lowest."""
    fitting = [
        other
        for other in others
        if other.head.layer == one.head.layer and _description_texts(other) != _description_texts(one)
    ]
    return min(
        fitting,
        key=lambda other: (abs(_description_length(other) - _description_length(one)), other.head),
        default=None,
    )


def _swapped_control(settings: StudySettings, one: Candidate, other: Candidate) -> _ItemDraft:
    item = StudyItem(settings.name, settings.model, *one.head, "swapped", one.mapping_hash, other.description_id)
    return _ItemDraft(
        item, ItemContent(tuple(one.mappings), *_description_texts(other)), ItemOrigin(one.mapping_hash, other.head)
    )


def _shuffled_control(settings: StudySettings, one: Candidate, mapping_hash: MappingHashFunction) -> _ItemDraft | None:
    """The control, or None where shuffling changes nothing (all sources have the same targets)."""
    mappings = shuffle_targets(tuple(one.mappings), settings.seed)
    found = mapping_hash(mappings)
    if found == one.mapping_hash:
        return None
    item = StudyItem(settings.name, settings.model, *one.head, "shuffled", found, one.description_id)
    return _ItemDraft(item, ItemContent(mappings, *_description_texts(one)), ItemOrigin(one.mapping_hash, one.head))
