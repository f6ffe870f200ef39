"""What a load on the running app was to come to, and whether it did: every row against every receipt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from annotation.types import Judgment


@dataclass(frozen=True)
class Load:
    """So many annotators, each submitting so often; heads and controls that each want `per_item` judgments.

    All places are taken at the end: people × each = (heads + controls) × per_item.
    """

    people: int
    each: int
    heads: int
    controls: int
    per_item: int

    def __post_init__(self) -> None:
        """Checks that it comes out even."""
        if self.people * self.each != self.items * self.per_item:
            raise ValueError("the annotators' answers must be as many as the places")

    @property
    def items(self) -> int:
        return self.heads + self.controls


@dataclass(frozen=True)
class SubmitReceipt:
    """A receipt as the annotator's browser has it: what was sent, and the seconds until the answer.

    `stored_before`: the journal had it already, from a try whose answer was lost.
    """

    judgment_id: str
    comment: str
    seconds: float
    stored_before: bool


@dataclass(frozen=True)
class LoadResult:
    """What a run came to: its receipts, the rows in the journal afterwards, and its numbers."""

    receipts: Sequence[SubmitReceipt]
    rows: Sequence[Judgment]
    refusals: Sequence[str]
    kills: int
    retry_count: int
    seconds: float

    def problems(self, load: Load) -> list[str]:
        """Everything that is not as promised, one sentence each; empty where all is."""
        said = [*self.refusals]
        rows = Counter(row.judgment_id for row in self.rows)
        comments = {row.judgment_id: row.comment for row in self.rows}
        told = Counter(receipt.judgment_id for receipt in self.receipts)
        said += [f"{each} was acknowledged and is there {rows[each]} times." for each in told if rows[each] != 1]
        said += [f"{each} is there and nobody was told." for each in rows if each not in told]
        said += [f"{each} was acknowledged {count} times." for each, count in told.items() if count != 1]
        said += [
            f"{receipt.judgment_id} holds something else than what was sent."
            for receipt in self.receipts
            if comments.get(receipt.judgment_id, receipt.comment) != receipt.comment
        ]
        twice = Counter((row.annotator, row.layer, row.head) for row in self.rows)
        said += [f"{each} was judged {count} times by one person." for each, count in twice.items() if count != 1]
        items = Counter(row.item.key for row in self.rows)
        said += [f"{key} has {count} judgments." for key, count in items.items() if count != load.per_item]
        missing = load.items - len(items)
        return said + ([f"{missing} items have no judgment."] if missing else [])

    def measurements(self) -> dict[str, float]:
        """Counts and times; times of an answer are of the try that was answered, in milliseconds."""
        times = sorted(receipt.seconds * 1000 for receipt in self.receipts)
        return {
            "submits": len(times),
            "kills": self.kills,
            "sent_again": self.retry_count,
            "stored_before_the_answer_was_lost": sum(receipt.stored_before for receipt in self.receipts),
            "seconds": round(self.seconds, 1),
            "submits_a_second": round(len(times) / self.seconds, 1),
            "p50_ms": round(times[len(times) // 2]),
            "p95_ms": round(times[int(len(times) * 0.95)]),
            "longest_ms": round(times[-1]),
        }
