"""The card of the ledger: what the private dataset holds, with the type of every column."""

from __future__ import annotations

from collections.abc import Collection

from annotation.ledger.rows import COLUMNS_BY_KIND, ROW_KINDS, is_time_column

COLUMN_DTYPES = {"layer": "int32", "head": "int32", "seconds": "float64"}
LEDGER_CARD_HEADING = """\
---
pretty_name: Ledger of judgments
{tables}---

# Ledger of judgments

The private copy of what annotators answered, written by the app and read by it when it starts. Do not make this
dataset public: `python -m annotation publish` makes the public release from it.

- `judgments/`, `consents/`, `withdrawals/`, `openings/` (of answers, by an organiser): a line a row, as JSON, in files
  by day. Rows are only ever added; the same row may stand in two files for a while and is told by `judgment_id`, by who
  agreed or withdrew, or by the study that was opened.
- `studies/`: the frozen studies.
- No name and no mail: `annotator` is a pseudonym, whose key stays on the server.
- Of somebody who withdrew only the withdrawal stays. Their other rows are taken out of the files, and the history is
  squashed into one commit, so that no earlier commit holds them.
"""


def column_dtype(name: str) -> str:
    """A column's type as `datasets` names it."""
    return "timestamp[us, tz=UTC]" if is_time_column(name) else COLUMN_DTYPES.get(name, "string")


def ledger_card(kinds: Collection[str]) -> str:
    """README.md of a ledger that holds files of these kinds; `datasets` loads no config without a file."""
    present = [kind for kind in ROW_KINDS if kind in kinds]
    configs = "".join(
        f"- config_name: {kind}\n  data_files:\n  - split: train\n    path: {kind}/**/*.jsonl\n" for kind in present
    )
    features = "".join(
        f"- config_name: {kind}\n  features:\n"
        + "".join(f"  - name: {name}\n    dtype: {column_dtype(name)}\n" for name in sorted(COLUMNS_BY_KIND[kind]))
        for kind in present
    )
    return LEDGER_CARD_HEADING.format(tables=f"configs:\n{configs}dataset_info:\n{features}" if present else "")
