"""The copying control of a relation score in words: what copying alone gives, and why a head is not classified."""

from __future__ import annotations

from maps.types import RelationScore


def control_phrase(score: RelationScore) -> str:
    """`copying alone gives 0.10; score 0.60, suppression 0.00 on the 43 other pairs`.

    Only the first part if copying hits no pair. If too few other pairs are left, it says that no head is classified by
    the relation. Empty for copying relations, and for scores without a control.
    """
    if score.is_copying or score.identity is None:
        return ""
    alone = f"copying alone gives {score.identity:.2f}"
    if score.beyond_copying_pairs == score.pairs and score.beyond_copying is not None:
        return alone
    if score.beyond_copying is None or score.suppression_beyond_copying is None:
        return f"{alone}; {too_few_pairs_phrase(score.beyond_copying_pairs)}"
    values = f"score {score.beyond_copying:.2f}, suppression {score.suppression_beyond_copying:.2f}"
    return f"{alone}; {values} on the {other_pairs(score.beyond_copying_pairs)}"


def too_few_pairs_phrase(pairs: int) -> str:
    """Why the control classifies no head: too few of a relation's pairs are left."""
    return f"that leaves {other_pairs(pairs)}, too few to classify heads by"


def other_pairs(count: int) -> str:
    """`43 other pairs`: those that copying alone does not hit."""
    return f"{count:,} other pair{'' if count == 1 else 's'}"


def stronger_value(score: float | None, suppression: float | None) -> float:
    """The higher of a score and a suppression; an undefined one counts as 0."""
    return max(score or 0.0, suppression or 0.0)


def classified_value(score: RelationScore) -> float:
    """The higher of what τ is compared with for implementing and for suppressing a relation."""
    return stronger_value(score.classified_score, score.classified_suppression)
