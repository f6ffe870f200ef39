"""Heads made by hand for the offline describer: thirty words, and mappings written as templates."""

from __future__ import annotations

from collections.abc import Sequence

from maps.types import Mapping

WORDS = (
    "amber basket candle desert engine falcon garden hammer island jacket kettle ladder magnet needle orange "
    "pencil quartz ribbon saddle timber umbrella velvet window yellow zipper anchor bottle copper dragon forest"
)
COUNTERPARTS = (
    "kuvo mizra telp bronk shiv quent dolfa wremp garst plineth zobu crall yint fump haxo nurb swelt ovik jarn "
    "tolg predda ubish lanx gwoft rimpa ekson dvoss chulp batz ithry"
)
WORD_PAIRS = tuple(zip(WORDS.split(), COUNTERPARTS.split(), strict=True))
MappingRow = tuple[str, tuple[str, ...]]


def build_mappings(rows: Sequence[MappingRow]) -> list[Mapping]:
    """Mappings of those strings, with ids and scores that play no part."""
    return [
        Mapping(rank, rank, source, 1.0, tuple(range(len(targets))), targets, (0.5,) * len(targets))
        for rank, (source, targets) in enumerate(rows, start=1)
    ]


def noise_targets(row: int) -> tuple[str, ...]:
    """Five strings that have nothing to do with each other or with WORDS, others in every row."""
    pieces = COUNTERPARTS.split()
    return tuple(f" {pieces[(row + 7 * n) % 30]}{pieces[(3 * row + n) % 30]}" for n in range(5))


def build_noisy_mappings(rows: Sequence[MappingRow], fitting: int) -> list[Mapping]:
    """The first `fitting` rows with their targets behind noise, the others with noise alone."""
    kept = [targets if row < fitting else () for row, (_, targets) in enumerate(rows)]
    return build_mappings([(rows[row][0], (noise_targets(row) + targets)[-5:]) for row, targets in enumerate(kept)])


def rows_from_templates(source: str, *targets: str) -> list[MappingRow]:
    """Thirty rows from templates that name the parts of a word and its counterpart."""
    rows = []
    for word, other in WORD_PAIRS:
        parts = {
            "word": word,
            "title": word.title(),
            "other": other,
            "stem": word.removesuffix("e"),
            "first": word[0],
            "last": word[-1],
            "start": word[:4],
            "head": word[:3],
            "tail": word[3:],
        }
        rows.append((source.format(**parts), tuple(target.format(**parts) for target in targets)))
    return rows
