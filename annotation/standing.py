"""Each annotator beside the majority of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotation import agreement
from annotation.bootstrap import Estimate, Floats, estimated, quotient
from annotation.ratings import Ratings, others_majority

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


def _share(agreeing: Floats, base: Floats, times: Floats) -> Estimate:
    return estimated(lambda drawn: quotient(drawn @ agreeing, drawn @ base), times, int(base.sum()), NO_MAJORITY)


def standings(found: Ratings, times: Floats) -> list[Standing]:
    """One entry an annotator, in their order."""
    size = len(found.question.codes)
    entries = []
    for number, annotator in enumerate(found.annotators):
        own = found.answers[:, number]
        given = own >= 0
        answered = found.counts.sum(1) > given
        rest = others_majority(found, number)
        compared = rest >= 0
        n = int(compared.sum())
        share = _share((compared & (rest == own)).astype(np.float64), compared.astype(np.float64), times)
        kappa = agreement.kappa(own, rest, times, size) if n else share
        alone = int((given & ~answered).sum())
        entries.append(Standing(annotator, int(given.sum()), alone, int(given.sum()) - alone - n, share, kappa))
    return entries
