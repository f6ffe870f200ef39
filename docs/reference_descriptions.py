"""Writes docs/reference_descriptions.md: how the maintainers described the bundled model's heads.

`python -m docs.reference_descriptions`, from what was written and the two readings in docs/experiments/reference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from annotation.statistics.judgments_table import select_counted_judgments
from annotation.statistics.summary import QuestionReport, summarise_judgments
from docs.performance import markdown_table
from maps.atlas.reader import Atlas
from maps.describers.names import OFFLINE
from maps.describers.reference import reference_entries
from maps.types import HeadId

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference_descriptions.md"
MATCHING = ROOT / "docs" / "experiments" / "reference" / "matching.csv"
READINGS = ROOT / "docs" / "experiments" / "reference" / "readings.csv"
ATLAS = ROOT / "space" / "seed" / "smollm2-calibrated"
PAGE_TEXT = """# Reference descriptions

The {heads} heads of SmolLM2-135M-Instruct, in the reading that the app shows first, were described by the project's
maintainers from each head's thirty mappings, one head at a time, without the relation scores, the held-out mappings
or any other description at hand. They are what other describers are compared with. **The readers were language
models that followed the rules below; no human study has judged these descriptions yet**, and [one
can](tutorials/organiser.md).

1. **Two readings.** Every head was read twice, in another order and by another reader. A pattern had to show in 20
   or more of the 30 mappings, gone through line by line, as the [guidelines of the form](contract.md) ask: a
   function from a source to its targets, or targets that are closely related. A mapping shows it if two of its five
   targets do, or for a function one of the first three. "The same few strings again and again" is a pattern if the
   strings can be named.
2. **A third reading** of every head in which somebody saw a pattern. It saw both descriptions in random order,
   looked at the mappings again, decided, and counted the mappings that fit the final sentence.

`maps describe ATLAS --describer reference` stores them in any atlas with the same mappings. Atlases that were made on
other machines differ by rounding, mostly in the order of two targets, so 27 of the 30 mappings have to be the same up
to the order of their targets. They are in `maps/data/reference/smollm2-calibrated.jsonl`, with the mappings that they
were written for, the numbers of those that fit, and how the readings compared; both readings are in
`docs/experiments/reference/readings.csv`.

## Agreement of the two readings

{readings}
`python -m annotation agreement docs/experiments/reference/readings.csv` gives the coefficients: both readings agree
whether there is a pattern in {agreement:.1%} of the heads. Corrected for chance: Cohen's kappa {cohen:.2f}
({cohen_low:.2f} to {cohen_high:.2f}), Krippendorff's alpha {alpha:.2f}, Gwet's AC1 {ac1:.2f}.

**Do they mean the same?** The third reader found no two patterns with different meanings, so this was tested more
strictly: every quoted string in the {matched} pairs of patterns was replaced by "…", and a further reader was shown one
pattern and five of the other reading: that of the same head and of four heads at most three layers away. It picked
the right one for {matches} ({match_share:.0%}; 20 % by chance); most of the others say only that the same few strings
recur (`docs/experiments/reference/matching.csv`).

## What was found

{patterns} of {heads} heads have a pattern: {thirds}.

Of {recurring} heads the reference says only that the same few strings recur. That is true and a pattern by the
guidelines, but in this reading random heads show it too ([describers](describers.md)); these entries are marked in the
file (`recurrence`).

## The rules beside the reference

Whether the [offline describer](offline.md) sees a pattern, compared with the reference, without the heads of which the
reference says only that strings recur: the rules call that no pattern in this reading. The rules may be improved by
looking at the heads with odd numbers (9 × layer + head); the even ones only measure.

{rules}"""


def percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%} ({part} of {whole})" if whole else "–"


def is_even(head: HeadId) -> bool:
    return (9 * head.layer + head.head) % 2 == 0


def coefficients(presence: QuestionReport) -> dict[str, float | None]:
    """How far the readings agree whether there is a pattern."""
    [pair] = presence.cohen_kappa
    names = {"agreement": "percent", "alpha": "krippendorff_alpha", "ac1": "gwet_ac1"}
    values = {key: presence.coefficients[name].value for key, name in names.items()}
    return {**values, "cohen": pair.value, "cohen_low": pair.low, "cohen_high": pair.high}


def rules_row(
    name: str, heads: Iterable[HeadId], truth: dict[HeadId, bool], rules: dict[HeadId, bool]
) -> tuple[str, ...]:
    """Presence precision and recall of the rules on some heads."""
    counts = Counter((truth[head], rules[head]) for head in heads)
    hits = counts[True, True]
    return name, percent(hits, hits + counts[False, True]), percent(hits, hits + counts[True, False])


def reference_page() -> str:
    entries = {HeadId.parse(entry["head"]): entry for entry in reference_entries()}
    truth = {head: entry["observed_pattern"] != "Unclear" for head, entry in entries.items()}
    specific = [head for head, entry in entries.items() if not entry.get("recurrence")]
    how = Counter(entry["readings"] for entry in entries.values())
    table = pd.read_csv(READINGS)
    report = summarise_judgments(select_counted_judgments(table), 0)
    presence = report.questions["presence"]
    rows = [row for row in Atlas.open(ATLAS).descriptions() if row["describer"] == OFFLINE]
    rules = {HeadId(row["layer"], row["head"]): row["pattern"] for row in rows}
    parts = {"the first ten layers": range(10), "the middle ten": range(10, 20), "the last ten": range(20, 30)}
    found = {name: sum(truth[head] for head in truth if head.layer in layers) for name, layers in parts.items()}
    groups = {"odd heads": [h for h in specific if not is_even(h)], "even heads": [h for h in specific if is_even(h)]}
    matching = pd.read_csv(MATCHING)
    matches = int((matching["head"] == matching["chosen"]).sum())
    return PAGE_TEXT.format(
        matched=len(matching),
        matches=matches,
        match_share=matches / len(matching),
        heads=len(entries),
        readings=markdown_table(("of the two readings", "heads"), how.most_common()),
        patterns=sum(truth.values()),
        recurring=len(entries) - len(specific),
        thirds=", ".join(f"{count} in {name}" for name, count in found.items()),
        rules=markdown_table(
            ("heads", "precision", "recall"), [rules_row(name, heads, truth, rules) for name, heads in groups.items()]
        ),
        **coefficients(presence),
    )


if __name__ == "__main__":
    PAGE.write_text(reference_page(), encoding="utf-8")
