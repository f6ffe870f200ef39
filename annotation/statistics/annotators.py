"""Each annotator beside the majority of the others."""

from __future__ import annotations

from dataclasses import dataclass

from annotation.statistics import agreement
from annotation.statistics.bootstrap import BootstrapEstimate, estimate_statistic
from annotation.statistics.ratings import Ratings, majority_codes_of_others

NO_MAJORITY = "the others have a majority on no item of this annotator"


@dataclass(frozen=True)
class MajorityComparison:
    """How one annotator's answers to a question relate to the majority of the others'.

    `items` counts the annotator's answers, `alone` those to items that nobody else answered, `tied` those where the
    others' first place is shared; on the rest stand the share that agrees and Cohen's kappa.
    """

    annotator: str
    items: int
    alone: int
    tied: int
    share: BootstrapEstimate
    kappa: BootstrapEstimate


def compare_with_majority(ratings: Ratings, seed: int) -> list[MajorityComparison]:
    """One entry an annotator, in their order."""
    size = len(ratings.question.codes)
    entries = []
    for number, annotator in enumerate(ratings.annotators):
        own = ratings.answers[:, number]
        given = own >= 0
        answered = ratings.counts.sum(1) > given
        rest = majority_codes_of_others(ratings, number)
        joint = agreement.joint_answers(own, rest, size, seed)
        n = agreement.count_common_items(joint)
        share = estimate_statistic(agreement.same_answer_share, joint, n, NO_MAJORITY)
        kappa = agreement.estimate_cohen_kappa(joint) if n else share
        alone = int((given & ~answered).sum())
        entries.append(
            MajorityComparison(annotator, int(given.sum()), alone, int(given.sum()) - alone - n, share, kappa)
        )
    return entries
