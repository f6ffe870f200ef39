"""Each annotator beside the majority of the others."""

from __future__ import annotations

from dataclasses import dataclass

from annotation.statistics import agreement
from annotation.statistics.bootstrap import Estimate, estimated
from annotation.statistics.ratings import Ratings, others_majority

NO_MAJORITY = "the others have a majority on no item of this annotator"


@dataclass(frozen=True)
class Standing:
    """How one annotator's answers to a question relate to the majority of the others'.

    `items` counts the annotator's answers, `alone` those to items that nobody else answered, `tied` those where the
    others' first place is shared; on the rest stand the share that agrees and Cohen's kappa.
    """

    annotator: str
    items: int
    alone: int
    tied: int
    share: Estimate
    kappa: Estimate


def standings(found: Ratings, seed: int) -> list[Standing]:
    """One entry an annotator, in their order."""
    size = len(found.question.codes)
    entries = []
    for number, annotator in enumerate(found.annotators):
        own = found.answers[:, number]
        given = own >= 0
        answered = found.counts.sum(1) > given
        rest = others_majority(found, number)
        joint = agreement.joint_answers(own, rest, size, seed)
        n = agreement.shared(joint)
        share = estimated(agreement.same_answer, joint, n, NO_MAJORITY)
        kappa = agreement.kappa(joint) if n else share
        alone = int((given & ~answered).sum())
        entries.append(Standing(annotator, int(given.sum()), alone, int(given.sum()) - alone - n, share, kappa))
    return entries
