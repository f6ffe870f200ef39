"""The dataset card: what the judgments are, how they were made, how far they agree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from annotation.form import FORM_VERSION, GUIDELINES, GUIDELINES_VERSION, QUESTIONS
from annotation.report.paper import Paper
from annotation.report.phrases import count_with_noun
from annotation.report.sentences import report_paragraphs
from annotation.statistics.summary import AgreementReport
from annotation.study.study import StudySettings
from annotation.types import Judgment

CARD_HEADING = """\
---
license: cc-by-4.0
language:
- en
pretty_name: Judgments of attention head descriptions
configs:
- config_name: default
  data_files:
  - split: train
    path: data/*.parquet
dataset_info:
  config_name: default
  features:
{features}
---

# Judgments of attention head descriptions

People looked at 30 mappings of an attention head, each a token with the five tokens that the head promotes most
after it, and at a description of them, and answered up to three questions. The method is MAPS (Elhelo and Geva,
"Inferring Functionality of Attention Heads from their Parameters").

## What is in it

{rows} rows, one a judgment, in the order of storing (while there are none, load with `streaming=True`). Rows are only
ever added: a changed answer is a new row that names the old one in `supersedes`. `annotator` is a pseudonym; names
are not published. An absent value is null, times are UTC. `stale` is true where the head has other mappings by now or
another description, so that the judgment counts in no figure below, and null where nobody looked. Where a
`judgments.csv` stands beside this card, its cells that begin with `=`, `+`, `-`, `@`, a tab or the end of a line,
after any apostrophes, carry one more leading apostrophe, so that no spreadsheet takes them for formulas; the Parquet
files hold the text as it was given.
"""

WITHDRAWALS_SECTION = """\
## Withdrawals

Annotators may withdraw. What they answered is then left out of every release made after it, and the history of the
dataset from which releases are made is squashed, so that it holds their answers no longer. Copies of earlier releases
cannot be called back: use the newest.
"""
ITEM_KIND_WORDS = {
    "head": "heads",
    "overlap": "heads that everybody judges",
    "swapped": "controls with another head's description",
    "shuffled": "controls with shuffled mappings",
    "practice": "practice items",
    "adjudication": "items decided by adjudication",
}
MARKUP_CHARACTERS = re.compile(r"([\\`*_\[\]<>|#])")  # what Markdown and HTML would take for their own


def _feature_lines(features: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"  - name: {name}\n    dtype: {kind}" for name, kind in features)


def _joined_names(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))


def settings_sentences(settings: StudySettings) -> list[str]:
    """What was frozen before anybody judged."""
    wanted = "no limit of judgments" if settings.per_item is None else f"{settings.per_item:,} judgments wanted"
    most = "" if settings.per_annotator is None else f", {settings.per_annotator:,} items at most for one person"
    end = "no deadline" if settings.deadline is None else f"deadline {settings.deadline:%Y-%m-%d %H:%M} (UTC)"
    return [
        f"Frozen on {settings.created_at:%Y-%m-%d}: {settings.heads:,} heads described by {settings.describer}, "
        f"{settings.sample} sample, seed {settings.seed}; {wanted} of each item{most}; {end}.",
        f"Of these heads {settings.overlap:,} are judged by everybody. Blind controls: {settings.swapped:,} with "
        f"another head's description, {settings.shuffled:,} with shuffled mappings. Worked examples first: "
        f"{'yes' if settings.practice else 'no'}.",
    ]


def design_sentences(judgments: Sequence[Judgment], settings: StudySettings | None = None) -> list[str]:
    """What was put before whom: the frozen settings, and what the rows tell; only kinds of items that were judged."""
    frozen = settings_sentences(settings) if settings else []
    if not judgments:
        return [*frozen, "Nothing has been judged yet."]
    kinds = "; ".join(
        f"{words}: {len({row.item for row in judgments if row.item_kind == kind}):,}"
        for kind, words in ITEM_KIND_WORDS.items()
        if any(row.item_kind == kind for row in judgments)
    )
    first, last = (pick(row.submitted_at for row in judgments) for pick in (min, max))
    organisers = len({row.annotator for row in judgments if row.item_kind == "adjudication"})
    models = (row.model for row in judgments if row.item_kind != "practice")
    people = len({row.annotator for row in judgments if row.item_kind != "adjudication"})
    return [
        *frozen,
        f"Study: {_joined_names(row.study for row in judgments)}; model: {_joined_names(models) or 'none yet, only worked examples'}.",
        f"Items judged: {kinds}.",
        f"Judged by {count_with_noun(people, 'annotator')} from {first:%Y-%m-%d} to {last:%Y-%m-%d} (UTC)"
        + (f"; disagreements decided by {count_with_noun(organisers, 'organiser')}." if organisers else "."),
        f"Guidelines version: {_joined_names(row.guidelines_version for row in judgments)}; form version: "
        f"{_joined_names(row.form_version for row in judgments)}.",
        "Annotators see the mappings and the description, not who wrote it, which items are controls, or what others "
        "answered before them.",
    ]


def _bullet_list(sentences: Iterable[str]) -> str:
    """A list; names of people and models cannot turn into marks or links."""
    return "\n".join("- " + MARKUP_CHARACTERS.sub(r"\\\1", sentence) for sentence in sentences) + "\n"


def dataset_card(
    judgments: Sequence[Judgment],
    report: AgreementReport,
    features: Sequence[tuple[str, str]],
    paper: Paper,
    settings: StudySettings | None = None,
) -> str:
    """README.md of a `datasets` folder; `features` are the columns with their types as `datasets` names them."""
    parts = [CARD_HEADING.format(features=_feature_lines(features), rows=f"{len(judgments):,}")]
    parts.append(f"## How it was made\n\n{_bullet_list(design_sentences(judgments, settings))}")
    parts.append(f"## The questions (form {FORM_VERSION})\n")
    for question in QUESTIONS:
        choices = "\n".join(f"- `{choice.code}`: {choice.label}" for choice in question.choices)
        parts.append(f"**`{question.field}`**: {question.text}\n\n{choices}\n")
    parts.append(
        "`precision` is asked after `present_described`, `category` after `present_described` and `present_missed`.\n"
    )
    parts.append(f"## The guidelines (version {GUIDELINES_VERSION})\n\n{GUIDELINES}")
    parts.append("## Agreement and results\n")
    parts += [_bullet_list(paragraph) for paragraph in report_paragraphs(report, paper)]
    parts.append(f"The paper's numbers: {paper.source}\n")
    parts.append(WITHDRAWALS_SECTION)
    parts.append("## Licence\n\nThe judgments are under CC BY 4.0.\n")
    return "\n".join(parts)
