"""Writes docs/describers.md: the describers of the bundled model beside each other, and beside chance.

`python -m docs.describers`, from the tables that `python -m maps report` wrote, in docs/experiments/describers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from docs.performance import markdown_table
from maps.describers.names import OFFLINE
from maps.describers.reference import reference_entries

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "describers.md"
TABLE = ROOT / "docs" / "experiments" / "describers" / "describers.csv"
PAPER_TABLE = TABLE.with_name("describers_paper.csv")  # the same of the atlas in the paper's reading
SMALL_MODEL = "qwen2.5-coder-1.5b-instruct"
PAGE_TEXT = """# Which descriptions can be believed

Every describer of the bundled model, in the reading that the app shows first, beside the reference and beside chance.
The measures are defined in [the contract](contract.md), section 4.

{table}
- **Presence**: of the heads in which the describer sees a pattern, how many have one in the
  [reference](reference_descriptions.md) (precision); of those with one in the reference, how many it sees (recall).
- **Detection**: shown only the description, a scorer picks the head's mappings among those of its layer (1 is
  perfect, 0.5 chance; in brackets with another head's description), and among those of the heads most like it.
- **Prediction**: from the description alone, ten new sources and their targets were predicted; the mean percentile of
  these targets in M (1 is the highest token, 0.5 chance; in brackets pairs predicted from other heads' descriptions).
- **By chance**: in how many heads without a pattern it still saw one, and the share of its patterns that is expected
  by chance at most.

{remarks}

## How this was made

```sh
{commands}
```

A paid describer can describe a sample of a null atlas, and the price is told first:
`python -m maps describe data/null/random --describer gpt-4o --sample 30 --dry-run`, then without `--dry-run`.
"""
COMMANDS = """\
python -m maps map smollm2 --reading auto --out data/atlases/smollm2
python -m maps describe data/atlases/smollm2 --describer offline
python -m maps describe data/atlases/smollm2 --describer reference
python -m maps score data/atlases/smollm2 --predict
python -m maps null data/atlases/smollm2 --out data/null/random
python -m maps null data/atlases/smollm2 --out data/null/shuffled --kind shuffled
python -m maps describe data/null/random --describer offline
python -m maps describe data/null/shuffled --describer offline
python -m maps describe data/atlases/smollm2 --describer offline --operations
python -m maps describe data/null/random --describer offline --operations
python -m maps describe data/null/shuffled --describer offline --operations
python -m maps describe space/seed/smollm2 --describer offline --operations --redo
python -m maps describe data/null/paper --describer offline --operations
python -m maps describe data/atlases/smollm2 --describer qwen2.5-coder-1.5b-instruct --sample 30 \\
    --base-url http://127.0.0.1:8123/v1 --concurrency 1 --timeout 600
python -m maps score data/atlases/smollm2 --describer qwen2.5-coder-1.5b-instruct \\
    --scorer qwen2.5-coder-1.5b-instruct --base-url http://127.0.0.1:8123/v1 --concurrency 1 --timeout 600 --no-random
python -m maps report data/atlases/smollm2 --out report --null data/null/random --null data/null/shuffled"""
REMARKS = """\
The reference's predictions were written by language models that saw its sentences only; the rules' are drawn by the
rules.

**A real small model.** Qwen2.5-Coder-1.5B-Instruct (4 bits, on two processor cores with llama.cpp's server) described
30 heads, drawn at random, with 62 seconds and 1,200 tokens for each, and then scored its own sentences. It never says
that it sees no pattern, so its presence is what saying "yes" to every head would give: {small_present} of these 30
heads have a pattern in the reference. Its detection is chance, with its own descriptions as with those of other heads;
so nothing here tells whether the model cannot describe or cannot score. Read next to the reference, two of the thirty
sentences name something that the head has (food and drink for L4H2, marks that end a sentence for L27H7). It shows that
the commands work with such a server, not that such a model is of use.

**"The same few strings" is no finding in this reading.** Random heads too have the same few targets whatever they
read, probably because all sources of a layer share the mean of the residual stream, of which a head makes the same each
time. Before the rules knew that, they saw a pattern in 175 of the 270 random heads; now they call recurring strings,
and other kinds of targets that random heads show, no pattern in this reading ([the rules](offline.md)). In the paper's
reading, without that mean, they see one in {paper_null} random heads
(`python -m maps null space/seed/smollm2 --out data/null/paper`).
The reference has {recurring} sentences that say no more than that the same strings recur. They are true, they predict
the mappings, and they say nothing of what the head was trained for; recall without them is in brackets.

**Several operations.** In 33 of the 270 heads the mappings fall into two or three stable groups with targets in common
([how](contract.md)), and each group is described by itself: male names give "his", "him", female ones "her", "she";
words of speed, words of size. The same grouping finds several operations in 7 of 270 random heads and in none with
exchanged targets; in the paper's reading in 29 heads and in no random one. The commands print these numbers."""


def describers_page() -> str:
    rows = [{str(name): value for name, value in row.items()} for row in pd.read_csv(TABLE).to_dict("records")]
    header = ("describer", "heads", "with a pattern", "presence", "detection", "prediction", "by chance", "cost a head")
    table = markdown_table(header, map(table_row, rows))
    paper = pd.read_csv(PAPER_TABLE).set_index("describer").loc[OFFLINE]
    small = next(row for row in rows if row["describer"] == SMALL_MODEL)
    remarks = REMARKS.format(
        paper_null=f"{paper['null_random_patterns']:.0f} of {paper['null_random']:.0f}",
        small_present=round(small["precision"] * small["compared"]),
        recurring=sum("recurrence" in entry for entry in reference_entries()),
    )
    return PAGE_TEXT.format(table=table, remarks=remarks, commands=COMMANDS)


def table_row(row: dict[str, Any]) -> tuple[object, ...]:
    return (
        row["describer"],
        row["heads"],
        row["patterns"],
        presence_cell(row),
        detection_cell(row),
        with_control(row, "generation", "generation_swapped", "predicted"),
        "; ".join(filter(None, (chance_cell(row, kind) for kind in ("random", "shuffled")))) or "–",
        "–" if pd.isna(row["cost_usd"]) else f"${row['cost_usd']:.4f}",
    )


def presence_cell(row: dict[str, Any]) -> str:
    if pd.isna(row["precision"]):
        return "–"
    specific = f" (without recurring strings {row['recall_specific']:.0%} of {row['compared_specific']:.0f})"
    return f"{row['precision']:.0%} and {row['recall']:.0%} of {row['compared']}{specific}"


def detection_cell(row: dict[str, Any]) -> str:
    own = with_control(row, "detection", "detection_swapped", "scored")
    return own if pd.isna(row["lookalike"]) else f"{own}; among look-alikes {row['lookalike']:.2f}"


def with_control(row: dict[str, Any], name: str, control: str, heads: str) -> str:
    if pd.isna(row[name]):
        return "–"
    beside = "" if pd.isna(row[control]) else f" ({row[control]:.2f})"
    return f"{row[name]:.2f}{beside}, {row[heads]:.0f} heads"


def chance_cell(row: dict[str, Any], kind: str) -> str:
    heads = row[f"null_{kind}"]
    if pd.isna(heads):
        return ""
    return f"{row[f'null_{kind}_patterns']:.0f} of {heads:.0f} {kind}, at most {row[f'false_{kind}']:.1%}"


if __name__ == "__main__":
    PAGE.write_text(describers_page(), encoding="utf-8")
