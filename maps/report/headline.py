"""The headline of a head: what is known about it in one or two sentences, and where that comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from maps.analysis.classification import SUPPRESSION, HeadRelation
from maps.atlas.schema import Row
from maps.describers.names import trust_order
from maps.text import QUOTED_TOKEN, pluralize, relation_title
from maps.types import is_pattern

MAX_RELATIONS_NAMED = 2
NO_PATTERN = "No clear pattern."


@dataclass(frozen=True)
class Headline:
    """The relations that a head implements or suppresses, and its best description.

    `relations`: `Country → capital: 30 of 48 pairs`; empty without any. `pattern`: the words of the description; empty
    if it sees no pattern. `description_id` is empty without a description. `operations`: how many the head has; 0 if
    they are unknown, or if it has one.
    """

    relations: str = ""
    pattern: str = ""
    description_id: str = ""
    operations: int = 0

    @property
    def text(self) -> str:
        """The relations, then the pattern, then how many operations; empty if nothing is known."""
        relations = f"{self.relations}." if self.relations else ""
        operations = f"{self.operations_phrase}." if self.operations else ""
        return " ".join(filter(None, (relations, self.words, operations)))

    @property
    def words(self) -> str:
        """The pattern; that there is none is said only where no relation is known."""
        return self.pattern or (NO_PATTERN if self.description_id and not self.relations else "")

    @property
    def operations_phrase(self) -> str:
        """`2 operations`; empty if there is one, or none is known."""
        return pluralize(self.operations, "operation") if self.operations else ""

    @property
    def plain_text(self) -> str:
        """The text for places that have no chips: `"Paris"` for `" Paris"`."""
        return QUOTED_TOKEN.sub(lambda match: f'"{match[1].strip(" ") or match[1]}"', self.text)


def make_headline(
    relations: Sequence[HeadRelation],
    descriptions: Iterable[Row],
    verdicts: Mapping[str, bool],
    operations: int = 0,
    first: str = "",
) -> Headline:
    """The headline from a head's classified relations, strongest first, and its current rows of `descriptions`.

    `verdicts`: whether people judged a description right, by its id. `operations`: how many the head has, if several.
    `first`: a describer that comes before the others.
    """
    best = min(descriptions, key=lambda row: sort_key(row, verdicts, first), default=None)
    phrase = relations_phrase(relations)
    if best is None:
        return Headline(phrase, operations=operations)
    pattern = best["observed_pattern"] if is_pattern(best["observed_pattern"]) else ""
    return Headline(phrase, pattern, best["description_id"], operations)


def sort_key(row: Row, verdicts: Mapping[str, bool], first: str = "") -> tuple[int, int, float]:
    """Sorts the best description of a head first.

    The reference and what people judged right come first, then a language model's, then the rules', and last what
    people judged wrong. Of equals the newest comes first.
    """
    trust, verdict = trust_order(row["describer"], first), verdicts.get(row["description_id"])
    group = trust if verdict is None else (0 if verdict else 3)
    return group, trust, -row["created_at"].timestamp()


def relations_phrase(relations: Sequence[HeadRelation]) -> str:
    """`Country → capital: 30 of 48 pairs; suppresses noun → pronoun: 14 of 20 pairs; 3 more relations`."""
    parts = [relation_phrase(relation) for relation in relations[:MAX_RELATIONS_NAMED]]
    more = len(relations) - len(parts)
    phrase = "; ".join([*parts, pluralize(more, "more relation")] if more else parts)
    return phrase[:1].upper() + phrase[1:]


def relation_phrase(relation: HeadRelation) -> str:
    """`country → capital: 30 of 48 pairs`."""
    verb = "suppresses " if relation.side == SUPPRESSION else ""
    hits = round(relation.value * relation.pairs)
    return f"{verb}{relation_title(relation.relation)}: {hits:,} of {pluralize(relation.pairs, 'pair')}"
