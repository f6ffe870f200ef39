"""The dataset card of the ledger: its content and the type of every column."""

from __future__ import annotations

from collections.abc import Collection

from annotation.ledger.rows import COLUMNS_BY_KIND, ROW_KINDS, is_time_column

COLUMN_DTYPES = {"layer": "int32", "head": "int32", "seconds": "float64"}
LEDGER_CARD_HEADING = """\
---
pretty_name: Ledger of judgments
{tables}---

# Ledger of judgments

The private copy of everything that annotators answered. The app writes it, and reads it when it starts. Do not make
this dataset public: `python -m annotation publish` makes a public release from it.

- `judgments/`, `consents/`, `withdrawals/`, `openings/` (an organiser opened the answers of a study), `endings/` (a
  study is over), `changes/` (an organiser paused a study, let it go on, or moved its deadline): one JSON object a line,
  in files by day. Rows are only added. A row may be in two files for a while; its `judgment_id` or `change_id`, the
  annotator who agreed or withdrew, or the study identifies it.
- `studies/`: the frozen studies.
- No names and no e-mail addresses: `annotator` is a pseudonym, whose key stays on the server.
- When somebody withdraws, only their withdrawal stays. Their other rows are removed from the files, and the history is
  squashed into one commit, so that no earlier commit contains them.
"""


def column_dtype(name: str) -> str:
    """The type of a column, by the name that `datasets` uses."""
    return "timestamp[us, tz=UTC]" if is_time_column(name) else COLUMN_DTYPES.get(name, "string")


def ledger_card(kinds: Collection[str]) -> str:
    """README.md of a ledger with files of these kinds; `datasets` cannot load a config without files."""
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
