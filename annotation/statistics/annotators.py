"""How often each annotator agrees with the majority of the others."""

from __future__ import annotations

from dataclasses import dataclass

from annotation.statistics import agreement
from annotation.statistics.bootstrap import BootstrapEstimate, estimate_statistic
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
    categories = len(ratings.question.codes)
    comparisons = []
    for number, annotator in enumerate(ratings.annotators):
        own = ratings.answers[:, number]
        answered = own >= 0
        answered_by_others = ratings.counts.sum(1) > answered
        items, alone = int(answered.sum()), int((answered & ~answered_by_others).sum())
        joint = agreement.joint_answers(own, majority_codes_of_others(ratings, number), categories, seed)
        n = agreement.count_common_items(joint)
        share = estimate_statistic(agreement.same_answer_share, joint, n, NO_MAJORITY)
        kappa = agreement.estimate_cohen_kappa(joint) if n else share
        comparisons.append(MajorityComparison(annotator, items, alone, items - alone - n, share, kappa))
    return comparisons
