"""Reference descriptions of the bundled model's heads, which language models wrote by the maintainers' rules.

An atlas that was made on another machine may differ by rounding, so a reference is known by the mappings that it was
written for: 27 or more of the 30 have to be the same, up to the order of their targets.
docs/reference_descriptions.md says how the references were written.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from maps.atlas.choice import EVERY_HEAD, HeadChoice
from maps.atlas.reader import Atlas
from maps.describers.names import REFERENCE
from maps.errors import MapsError, ReplyError
from maps.hashes import mapping_ids_hash
from maps.types import Answer, Description, HeadId, Mapping

REFERENCE_FILES = ("smollm2-calibrated.jsonl",)  # in maps/data/reference
AUTHORS = "language models, for the project's maintainers"
SAME_SHARE = 0.9  # of the mappings that a reference was written for, the least share that an atlas must have
RECURRENCE_REMARK = "That the same strings recur is no more than random heads show in the calibrated reading."
FINGERPRINT_DIGITS = 12  # of the hash of one mapping


@cache
def reference_entries() -> list[dict[str, Any]]:
    """What was written about each head."""
    folder = files("maps.data").joinpath("reference")
    texts = [folder.joinpath(name).read_text(encoding="utf-8") for name in REFERENCE_FILES]
    return [json.loads(line) for text in texts for line in text.splitlines()]


@cache
def entries_by_fingerprint() -> dict[str, list[int]]:
    """The numbers of the entries that were written for a mapping, by its fingerprint."""
    numbers: dict[str, list[int]] = {}
    for number, entry in enumerate(reference_entries()):
        for name in entry["mappings"]:
            numbers.setdefault(name, []).append(number)
    return numbers


def mapping_fingerprint(mapping: Mapping) -> str:
    """A hash of a mapping's source and targets, whatever their order."""
    return mapping_ids_hash([(mapping.source_id, sorted(mapping.target_ids))])[:FINGERPRINT_DIGITS]


def find_reference(mappings: Sequence[Mapping]) -> dict[str, Any] | None:
    """The entry that was written for these mappings, or for almost the same; None if there is none."""
    known = entries_by_fingerprint()
    shared = Counter(number for mapping in mappings for number in known.get(mapping_fingerprint(mapping), ()))
    for number, count in shared.most_common(1):
        entry = reference_entries()[number]
        if count >= SAME_SHARE * max(len(mappings), len(entry["mappings"])):
            return entry
    return None


class ReferenceDescriber:
    """Gives the reference description of a head."""

    name = REFERENCE

    async def describe(self, mappings: Sequence[Mapping], _seed: int) -> Answer:
        entry = find_reference(mappings)
        if entry is None:
            raise ReplyError("There is no reference description of these mappings.")
        remark = f" {RECURRENCE_REMARK}" if entry.get("recurrence") else ""
        reasoning = f"{entry['reasoning']}{remark}"
        description = Description(entry["input_strings"], entry["observed_pattern"], reasoning)
        return Answer(description, AUTHORS, support=len(entry["fits"]) if description.pattern else None)


def heads_with_recurrence(atlas: Atlas) -> set[HeadId]:
    """The heads of whose targets the reference says only that the same few strings recur, as in random heads."""
    entries = {head: find_reference(mappings) for head, mappings in atlas.mappings_by_head().items()}
    return {head for head, entry in entries.items() if entry is not None and entry.get("recurrence")}


def known_heads(atlas: Atlas, choice: HeadChoice = EVERY_HEAD) -> HeadChoice:
    """The chosen heads with a reference description; raises MapsError if there is none."""
    mappings = atlas.mappings_by_head()
    heads = [head for head in choice.select(atlas.head_ids) if find_reference(mappings[head]) is not None]
    if not heads:
        raise MapsError(
            "There are reference descriptions of the bundled model only, in the reading that `--reading auto` gives, "
            "and none of them fits this atlas; describe it with another describer."
        )
    return HeadChoice(tuple(heads))
