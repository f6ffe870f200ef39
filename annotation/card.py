"""The dataset card: what the judgments are, how they were made, how far they agree."""

from __future__ import annotations

from collections.abc import Sequence

from annotation.form import FORM_VERSION, GUIDELINES, GUIDELINES_VERSION, QUESTIONS
from annotation.summary import Report
from annotation.words import paragraphs

HEADING = """\
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

{rows} rows, one a judgment, in the order of storing (while there are none, load with
`streaming=True`). Rows are only ever added: a changed answer is a new row that
names the old one in `supersedes`. `annotator` is a pseudonym; names are not published. An absent value is null, times
are UTC. Where a `judgments.csv` stands beside this card, its cells that begin with `=`, `+`, `-`, `@`, a tab or a
carriage return carry a leading apostrophe, so that no spreadsheet takes them for formulas; the Parquet files hold the
text as it was given.

## The questions (form {form})
"""


def _features(features: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"  - name: {name}\n    dtype: {kind}" for name, kind in features)


def card(rows: int, report: Report, features: Sequence[tuple[str, str]]) -> str:
    """README.md of a `datasets` folder; `features` are the columns with their types as `datasets` names them."""
    parts = [HEADING.format(features=_features(features), rows=f"{rows:,}", form=FORM_VERSION)]
    for question in QUESTIONS:
        choices = "\n".join(f"- `{choice.code}`: {choice.label}" for choice in question.choices)
        parts.append(f"**`{question.field}`**: {question.text}\n\n{choices}\n")
    parts.append(
        "`precision` is asked after `present_described`, `category` after `present_described` and `present_missed`.\n"
    )
    parts.append(f"## The guidelines (version {GUIDELINES_VERSION})\n\n{GUIDELINES}")
    parts.append("## Agreement\n")
    parts += ["\n".join(f"- {sentence}" for sentence in paragraph) + "\n" for paragraph in paragraphs(report)]
    parts.append("## Licence\n\nThe judgments are under CC BY 4.0.\n")
    return "\n".join(parts)
