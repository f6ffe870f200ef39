"""Everything that an atlas contains about one head; each table is read once."""

from __future__ import annotations

from dataclasses import dataclass

from maps.atlas.patterns import current_patterns
from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.hashes import mapping_hash
from maps.report.head_text import current_measurements
from maps.scoring.plan import LAYER
from maps.scoring.score_table import is_detection
from maps.types import HeadId, Mapping, RelationScore


@dataclass(frozen=True)
class HeadRows:
    """The rows of one head. `stale_description_ids` are descriptions that were written for earlier mappings.

    `checks` and `concentration` were measured on the current mappings; `has_outdated_evidence`: others were left out.
    """

    mappings: list[Mapping]
    relations: list[RelationScore]
    descriptions: list[Row]
    stale_description_ids: set[str]
    scores: list[Row]
    detections: list[Row]
    checks: list[Row]
    concentration: list[Row]
    operations: list[Row]  # rows of `patterns`
    has_outdated_evidence: bool
    statistics: Row

    @classmethod
    def read(cls, atlas: Atlas, head: HeadId) -> HeadRows:
        mappings, descriptions = atlas.mappings(head), atlas.descriptions(head)
        current_hash = mapping_hash(mappings)
        (checks, concentration), has_outdated_evidence = current_measurements(atlas, head, current_hash)
        return cls(
            mappings,
            atlas.relation_scores(head),
            descriptions,
            {row["description_id"] for row in descriptions if row["mapping_hash"] != current_hash},
            atlas.table("scores", head=head).to_pylist(),
            atlas.table("detections", head=head).to_pylist(),
            checks,
            concentration,
            current_patterns(atlas, head, mappings),
            has_outdated_evidence,
            atlas.table("heads", head=head).to_pylist()[0],
        )

    def detection_scores(self, description: Row) -> list[Row]:
        return [row for row in self.scores_of(description) if is_detection(row)]

    def newest_detection(self, description: Row) -> Row | None:
        """The newest usable answer of a scorer that was shown the description with items of its layer."""
        shown = [
            row
            for row in self.detections
            if row["description_id"] == row["shown_id"] == description["description_id"]
            and row["decoys"] == LAYER
            and row["own_named"] is not None
        ]
        return max(shown, key=lambda row: row["created_at"], default=None)

    def scores_of(self, description: Row) -> list[Row]:
        return [score for score in self.scores if score["description_id"] == description["description_id"]]

    def generation_score(self, description: Row) -> Row | None:
        """How well mappings that were predicted from the description rank: the last such score of the table."""
        return next((row for row in reversed(self.scores_of(description)) if row["generation"] is not None), None)
