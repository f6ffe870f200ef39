"""Reference descriptions of the bundled model's heads, which language models wrote by the maintainers' rules.

They are known by the hash of the mappings, so every atlas with the same mappings gets them.
docs/reference_descriptions.md says how they were written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from maps.atlas.choice import EVERY_HEAD, HeadChoice
from maps.atlas.reader import Atlas
from maps.describers.names import REFERENCE
from maps.errors import MapsError, ReplyError
from maps.hashes import mapping_hash
from maps.types import Answer, Description, Mapping

REFERENCE_FILES = ("smollm2-calibrated.jsonl",)  # in maps/data/reference
AUTHORS = "language models, for the project's maintainers"


@cache
def reference_entries() -> dict[str, dict[str, Any]]:
    """What was written about each head, by the hash of its mappings."""
    folder = files("maps.data").joinpath("reference")
    texts = [folder.joinpath(name).read_text(encoding="utf-8") for name in REFERENCE_FILES]
    entries: list[dict[str, Any]] = [json.loads(line) for text in texts for line in text.splitlines()]
    return {entry["mapping_hash"]: entry for entry in entries}


class ReferenceDescriber:
    """Gives the reference description of a head."""

    name = REFERENCE

    async def describe(self, mappings: Sequence[Mapping], _seed: int) -> Answer:
        entry = reference_entries().get(mapping_hash(mappings))
        if entry is None:
            raise ReplyError("There is no reference description of these mappings.")
        description = Description(entry["input_strings"], entry["observed_pattern"], entry["reasoning"])
        return Answer(description, AUTHORS, support=len(entry["fits"]) if description.pattern else None)


def known_heads(atlas: Atlas, choice: HeadChoice = EVERY_HEAD) -> HeadChoice:
    """The chosen heads with a reference description; raises MapsError if there is none."""
    mappings = atlas.mappings_by_head()
    heads = [head for head in choice.select(atlas.head_ids) if mapping_hash(mappings[head]) in reference_entries()]
    if not heads:
        raise MapsError(
            "There are reference descriptions of the bundled model only, in the reading that `--reading auto` gives, "
            "and none of them fits this atlas; describe it with another describer."
        )
    return HeadChoice(tuple(heads))
