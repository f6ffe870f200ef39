"""How often each annotator agrees with the majority of the others."""

from __future__ import annotations

from dataclasses import dataclass

from annotation.statistics.agreement import compare_raters
from annotation.statistics.bootstrap import BootstrapEstimate
from annotation.statistics.ratings import Ratings, majority_codes_of_others

NO_MAJORITY = "the others have no majority on any of this annotator's items"


@dataclass(frozen=True)
class MajorityComparison:
    """One annotator's answers to a question, compared with the majority of the others' answers.

    `items` counts the annotator's answers, `alone` the items that nobody else answered, `tied` the items on which the
    others tie. On the remaining items `share` is the share of equal answers (0 to 1) and `kappa` is Cohen's kappa.
    """

    annotator: str
    items: int
    alone: int
    tied: int
    share: BootstrapEstimate
    kappa: BootstrapEstimate


def compare_with_majority(ratings: Ratings, seed: int) -> list[MajorityComparison]:
    """One comparison for each annotator, in the order of `ratings.annotators`."""
    majority = majority_codes_of_others(ratings)
    answered_by_others = ratings.counts.sum(1)[ratings.item_numbers] > 1  # (answers,)
    comparisons = []
    for annotator, answers in zip(ratings.annotators, ratings.answers_by_annotator(), strict=True):
        codes, own = len(ratings.question.codes), ratings.codes[answers]
        n, share, kappa = compare_raters(own, majority[answers], codes, len(ratings.items), seed, NO_MAJORITY)
        alone = int((~answered_by_others[answers]).sum())
        comparisons.append(MajorityComparison(annotator, len(answers), alone, len(answers) - alone - n, share, kappa))
    return comparisons
