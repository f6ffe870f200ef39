"""Everything that an atlas holds of one head, each table read once."""

from __future__ import annotations

from dataclasses import dataclass

from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.hashes import mapping_hash
from maps.report.head_text import current_measurements
from maps.types import HeadId, Mapping, RelationScore


@dataclass(frozen=True)
class HeadRows:
    """The rows of one head: `stale_description_ids` holds the ids of descriptions of other mappings than the present ones.

    `checks` and `concentration` are of the present mappings; `has_outdated_evidence` says whether others were left out.
    """

    mappings: list[Mapping]
    relations: list[RelationScore]
    descriptions: list[Row]
    stale_description_ids: set[str]
    scores: list[Row]
    checks: list[Row]
    concentration: list[Row]
    has_outdated_evidence: bool
    statistics: Row

    @classmethod
    def read(cls, atlas: Atlas, head: HeadId) -> HeadRows:
        """Reads them."""
        mappings, described = atlas.mappings(head), atlas.descriptions(head)
        present = mapping_hash(mappings)
        (checks, concentration), outdated = current_measurements(atlas, head, present)
        return cls(
            mappings,
            atlas.relation_scores(head),
            described,
            {row["description_id"] for row in described if row["mapping_hash"] != present},
            atlas.table("scores", head=head).to_pylist(),
            checks,
            concentration,
            outdated,
            atlas.table("heads", head=head).to_pylist()[0],
        )

    def detection_scores(self, description: Row) -> list[Row]:
        """The detection scores of a description."""
        return [score for score in self.scores if score["description_id"] == description["description_id"]]
