"""The dataset card: what the judgments are, how they were made, and how far they agree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from annotation.form import FORM_VERSION, GUIDELINES, GUIDELINES_VERSION, QUESTIONS, FormQuestion
from annotation.report.paper import Paper
from annotation.report.sentences import report_paragraphs
from annotation.statistics.summary import AgreementReport
from annotation.study.study import StudySettings
from annotation.types import Judgment
from maps.text import join_words, pluralize, size_category

FRONT_MATTER = """\
---
license: cc-by-4.0
language:
- en
pretty_name: Judgments of attention head descriptions
annotations_creators:
- expert-generated
language_creators:
- machine-generated
size_categories:
- {size}
task_categories:
- text-classification
tags:
- interpretability
- attention-heads
- human-evaluation
{configs}
---
"""
ONE_CONFIG = """\
configs:
- config_name: default
  data_files:
  - split: train
    path: data/*.parquet
dataset_info:
  config_name: default
  features:
{features}"""
RELEASE_CONFIGS = """\
configs:
- config_name: judgments
  default: true
  data_files:
  - split: train
    path: data/judgments.parquet
- config_name: items
  data_files:
  - split: train
    path: data/items.parquet
- config_name: labels
  data_files:
  - split: train
    path: data/labels.parquet
{judges}dataset_info:
- config_name: judgments
  features:
{features}"""
JUDGES_CONFIG = """\
- config_name: judges
  data_files:
  - split: train
    path: data/judges.parquet
"""
JUDGES_SECTION = """\
## Language models as judges

The config `judges` has the answers of language models to the same items: {judges}. They were shown what people were
shown. No figure on this card contains them, and they are not people's judgments.
"""
RELEASE_SECTION = """\
## Use

Three configs, each with the split `train`: `items` (what was judged: the mappings as annotators saw them, the
description, its describer, the kind of item, and of a control where its content is from), `judgments` (the answers)
and `labels` (one label for each item and question: the majority, the organiser's decision, and Dawid and Skene's
where it was computed).

```python
from datasets import load_dataset
items = load_dataset({repo!r}, "items", split="train").to_pandas()
judgments = load_dataset({repo!r}, "judgments", split="train").to_pandas()
columns = ["study", "model", "layer", "head", "item_kind", "mapping_hash", "description_id"]
judged = judgments.merge(items, on=columns)
```

`python -m annotation agreement data/judgments.parquet` computes every figure below from the answers.
"""
CARD_HEADING = """\
# Judgments of attention head descriptions

People looked at 30 mappings of an attention head and at a description of them, and answered up to three questions. A
mapping is a token with the five tokens that the head promotes most after it. The method is MAPS (Elhelo and Geva,
"Inferring Functionality of Attention Heads from their Parameters", <https://arxiv.org/abs/2412.11965>).

## What it contains

{rows} rows, one for each judgment, in the order in which they were stored (an empty dataset loads with
`streaming=True`). Rows are never changed: a changed answer is a new row, whose `supersedes` is the `judgment_id` of the
old one. `annotator` is a pseudonym; names are not published. A missing value is null; times are in UTC. `stale` is true
if the head's mappings or description have changed since, and the results below leave such judgments out; it is null
if nobody checked. If there is a `judgments.csv` next to this card: its cells that begin with `=`, `+`, `-`, `@`, a tab
or a line break, after any apostrophes, have one extra leading apostrophe, so that no spreadsheet reads them as
formulas. The Parquet files contain the original text.
"""

WITHDRAWALS_SECTION = """\
## Withdrawals

Annotators may withdraw. Every later release leaves their answers out, and the history of the dataset from which
releases are made is squashed, so that it no longer contains them. Copies of earlier releases cannot be recalled: please
use the newest one.
"""
ITEM_KIND_WORDS = {
    "head": "heads",
    "overlap": "heads that everybody judges",
    "swapped": "controls with another head's description",
    "shuffled": "controls with shuffled mappings",
    "practice": "practice items",
    "adjudication": "items decided by adjudication",
}
MARKUP_CHARACTERS = re.compile(r"([\\`*_\[\]<>|#])")  # characters with a meaning in Markdown or HTML


def _joined_names(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))


def settings_sentences(settings: StudySettings) -> list[str]:
    per_item = "no limit of judgments" if settings.per_item is None else pluralize(settings.per_item, "judgment")
    parts = [f"{per_item} for each item"]
    if settings.per_annotator is not None:
        parts.append(f"at most {pluralize(settings.per_annotator, 'item')} for each annotator")
    if settings.annotators is not None:
        parts.append(f"{pluralize(settings.annotators, 'annotator')} invited")
    parts.append("no deadline" if settings.deadline is None else f"deadline {settings.deadline:%Y-%m-%d %H:%M} (UTC)")
    subject = "operation" if settings.per_operation else "head"
    operations = "the operations, each by itself, of " if settings.per_operation else ""
    return [
        f"Frozen on {settings.created_at:%Y-%m-%d}, before anybody judged: {operations}{settings.heads:,} heads "
        f"described by {settings.describer} ({settings.sample} sample, seed {settings.seed}); {', '.join(parts)}.",
        f"Every annotator judges {settings.overlap:,} of these heads. Blind controls: {settings.swapped:,} with "
        f"another {subject}'s description, {settings.shuffled:,} with shuffled mappings. Practice items before the "
        f"first item: {'yes' if settings.practice else 'no'}.",
        "Until the study is over, the app's explorer "
        + (
            "hides the descriptions of these heads and of the controls."
            if settings.hides_descriptions
            else "shows the descriptions of these heads, so annotators who look a head up can tell controls."
        ),
    ]


def design_sentences(judgments: Sequence[Judgment], settings: StudySettings | None = None) -> list[str]:
    """How the judgments were made: the frozen design if known, then what the rows show."""
    frozen = settings_sentences(settings) if settings else []
    if not judgments:
        return [*frozen, "Nothing has been judged yet."]
    kinds = []
    for kind, words in ITEM_KIND_WORDS.items():
        items = {row.item for row in judgments if row.item_kind == kind}
        if items:
            kinds.append(f"{words}: {len(items):,}")
    models = _joined_names(row.model for row in judgments if row.item_kind != "practice")
    annotators = {row.annotator for row in judgments if row.item_kind != "adjudication"}
    organisers = {row.annotator for row in judgments if row.item_kind == "adjudication"}
    times = [row.submitted_at for row in judgments]
    days = f"from {min(times):%Y-%m-%d} to {max(times):%Y-%m-%d}"
    decided_by = f"; disagreements decided by {pluralize(len(organisers), 'organiser')}" if organisers else ""
    studies = _joined_names(row.study for row in judgments)
    guidelines = _joined_names(row.guidelines_version for row in judgments)
    return [
        *frozen,
        f"Study: {studies}; model: {models or 'none yet, only practice items'}.",
        f"Items judged: {'; '.join(kinds)}.",
        f"Judged by {pluralize(len(annotators), 'annotator')} {days} (UTC){decided_by}.",
        f"Guidelines version: {guidelines}; form version: {_joined_names(row.form_version for row in judgments)}.",
        "Annotators see the mappings and the description. They do not see who wrote it, which items are controls, or "
        "what others answered before them.",
    ]


def _bullet_list(sentences: Iterable[str]) -> str:
    """A list in Markdown; names of people and models are escaped, so that they cannot become links or markup."""
    return "\n".join("- " + MARKUP_CHARACTERS.sub(r"\\\1", sentence) for sentence in sentences) + "\n"


def _question_section(question: FormQuestion) -> str:
    choices = "\n".join(f"- `{choice.code}`: {choice.label}" for choice in question.choices)
    asked_when = ""
    if question.asked_when is not None:
        codes = " or ".join(f"`{code}`" for code in question.asked_when.codes)
        asked_when = f" Asked if `{question.asked_when.field}` is {codes}."
    return f"**`{question.field}`**: {question.text}{asked_when}\n\n{choices}\n"


def dataset_card(
    judgments: Sequence[Judgment],
    report: AgreementReport,
    features: Sequence[tuple[str, str]],
    paper: Paper,
    settings: StudySettings | None = None,
    release: str | None = None,
    judges: Sequence[str] = (),
) -> str:
    """README.md of a `datasets` folder; `features` are the columns with their types as `datasets` names them.

    `release`: the dataset's name on the Hub, for a release with its configs. `judges`: the language models whose
    answers are in the release, too.
    """
    feature_lines = "\n".join(f"  - name: {name}\n    dtype: {dtype}" for name, dtype in features)
    configs = ONE_CONFIG if release is None else RELEASE_CONFIGS
    judges_config = JUDGES_CONFIG if judges else ""
    models = join_words([MARKUP_CHARACTERS.sub(r"\\\1", judge) for judge in judges])
    parts = [
        FRONT_MATTER.format(
            size=size_category(len(judgments)), configs=configs.format(features=feature_lines, judges=judges_config)
        ),
        CARD_HEADING.format(rows=f"{len(judgments):,}"),
        *([] if release is None else [RELEASE_SECTION.format(repo=release)]),
        *([JUDGES_SECTION.format(judges=models)] if judges else []),
        f"## How it was made\n\n{_bullet_list(design_sentences(judgments, settings))}",
        f"## The questions (form {FORM_VERSION})\n",
        *map(_question_section, QUESTIONS),
        f"## The guidelines (version {GUIDELINES_VERSION})\n\n{GUIDELINES}",
        "## Agreement and results\n",
        *map(_bullet_list, report_paragraphs(report, paper)),
        f"The paper's numbers: {paper.source}\n",
        WITHDRAWALS_SECTION,
        "## Licence\n\nThe judgments are under CC BY 4.0.\n",
    ]
    return "\n".join(parts)
