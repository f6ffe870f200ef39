"""The files of a public release: what was judged, the answers, one label for each item, and the card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa

from annotation.errors import DawidSkeneError
from annotation.export.files import arrow_table, frame_to_arrow, judgments_card, parquet_bytes
from annotation.form import QUESTIONS
from annotation.judges.store import Row, judges_of, newest_answers
from annotation.statistics.dawid_skene import estimate_labels
from annotation.statistics.judgments_table import CountedJudgments, judgments_to_frame, select_counted_judgments
from annotation.statistics.labels import compute_labels
from annotation.study.study import Study
from annotation.types import ITEM_COLUMNS, Judgment, StudyItem
from maps.text import pluralize

INTEGERS, TEXTS = pa.list_(pa.int32()), pa.list_(pa.string())
MAPPING = pa.struct(
    [
        *(("rank", pa.int32()), ("source_id", pa.int32()), ("source", pa.string()), ("saliency", pa.float64())),
        *(("target_ids", INTEGERS), ("targets", TEXTS), ("scores", pa.list_(pa.float64()))),
    ]
)
MAPPING_COLUMNS = [field.name for field in MAPPING]
ITEMS_SCHEMA = pa.schema(
    [
        *((name, pa.int32() if name in ("layer", "head") else pa.string()) for name in ITEM_COLUMNS),
        *(("position", pa.int32()), ("describer", pa.string())),
        *(("input_strings", pa.string()), ("observed_pattern", pa.string())),
        *(("own_mapping_hash", pa.string()), ("described_layer", pa.int32()), ("described_head", pa.int32())),
        ("mappings", pa.list_(MAPPING)),
    ]
)
JUDGES_SCHEMA = pa.schema(
    [
        ("judge", pa.string()),
        *((name, pa.int32() if name in ("layer", "head") else pa.string()) for name in ITEM_COLUMNS),
        *((question.field, pa.string()) for question in QUESTIONS),
        *((name, pa.string()) for name in ("comment", "reply_model", "prompt_hash", "created_at")),
    ]
)
REASONS = {  # why a row is in the release and not counted
    "superseded": "changed later by the same person",
    "stale": "of items that have changed since",
    "control": "of control items",
    "adjudication": "by organisers, who decide on disagreements",
}


@dataclass(frozen=True)
class Release:
    """The files of a release by path, its labels, and a sentence for each kind of row left out or not counted."""

    files: dict[str, bytes]
    labels: pa.Table
    left_out: list[str]

    @property
    def card(self) -> str:
        return self.files["README.md"].decode()


def make_release(
    rows: Sequence[Judgment],
    study: Study | None,
    repo: str,
    stale: Collection[str] | None = None,
    judge_rows: Sequence[Row] = (),
) -> Release:
    """The release of a study's judgments: `data/items.parquet`, `data/judgments.parquet`, `data/labels.parquet`, card.

    If language models have judged the study, too (`judge_rows`), their answers are in `data/judges.parquet`.
    Practice rows are left out. Without the `study`, items have their ids and hashes only. `stale`: the ids of stale
    judgments; None if nobody checked. Where Dawid and Skene's model gives no labels, `left_out` says why.
    """
    settings = study.settings if study is not None else None
    released = [row for row in rows if row.item_kind != "practice"]
    judgments = judgments_to_frame(released, stale)
    counted = select_counted_judgments(judgments)
    labels, problem = labels_table(counted)
    judges = judges_of(judge_rows)
    files = {
        "README.md": judgments_card(released, counted, settings, release=repo, judges=judges).encode(),
        "data/items.parquet": parquet_bytes(items_table(released, study)),
        "data/judgments.parquet": parquet_bytes(arrow_table(judgments)),
        "data/labels.parquet": parquet_bytes(labels),
    }
    if judges:
        files["data/judges.parquet"] = parquet_bytes(judges_table(judge_rows))
    return Release(files, labels, [*left_out_sentences(rows, counted), *problem])


def items_table(rows: Sequence[Judgment], study: Study | None) -> pa.Table:
    """The items of a study in its order, or those that were judged if the study is not known."""
    if study is not None:
        values = [item_row(study, item, position) for position, item in enumerate(study.order)]
    else:
        items = dict.fromkeys(row.item for row in rows if row.item_kind != "adjudication")
        values = [{name: getattr(item, name) for name in ITEM_COLUMNS} for item in items]
    return pa.Table.from_pylist(values, schema=ITEMS_SCHEMA)


def item_row(study: Study, item: StudyItem, position: int) -> dict[str, object]:
    """An item with its content as annotators saw it, and where that is from."""
    content, origin = study.contents[item.key], study.origins[item.key]
    return {
        **{name: getattr(item, name) for name in ITEM_COLUMNS},
        "position": position,
        "describer": study.settings.describer,
        "input_strings": content.input_strings,
        "observed_pattern": content.observed_pattern,
        "own_mapping_hash": origin.mapping_hash,
        "described_layer": origin.described_head.layer,
        "described_head": origin.described_head.head,
        "mappings": [{name: getattr(mapping, name) for name in MAPPING_COLUMNS} for mapping in content.mappings],
    }


def judges_table(rows: Sequence[Row]) -> pa.Table:
    """The newest answer of each language model to each item."""
    answers = [row for judge in judges_of(rows) for row in newest_answers(rows, judge).values()]
    cells = [row | {"comment": row["comment"] or None} for row in answers]
    return pa.Table.from_pylist(cells, schema=JUDGES_SCHEMA)


def labels_table(counted: CountedJudgments) -> tuple[pa.Table, list[str]]:
    """One row for each item and question, and a sentence if Dawid and Skene's labels are not among its columns."""
    try:
        return frame_to_arrow(compute_labels(counted, estimate_labels(counted))), []
    except DawidSkeneError as error:
        return frame_to_arrow(compute_labels(counted)), [f"Left out: the labels of Dawid and Skene's model. {error}"]


def left_out_sentences(rows: Sequence[Judgment], counted: CountedJudgments) -> list[str]:
    """Which rows are not in the release, and which are in it and not counted, with the reasons."""
    practice = Counter(row.item_kind for row in rows)["practice"]
    sentences = [f"Left out: {pluralize(practice, 'judgment')} of practice items."] if practice else []
    sentences += [
        f"In the release, but not counted: {pluralize(count, 'judgment')} {REASONS[reason]}."
        for reason, count in counted.excluded_counts.items()
        if count and reason in REASONS
    ]
    return sentences
