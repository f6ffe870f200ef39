"""The parts of the report as a self-contained page, and its tables as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from maps.report.atlas_report import page_html
from maps.text import escape_controls

STYLE = (
    "body{font:16px/1.6 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b2430}"
    "svg{max-width:100%;height:auto}a{color:#0b5cad}.scroll{overflow-x:auto}table{border-collapse:collapse}"
    "caption{text-align:left;font-weight:600;padding:1.2em 0 .4em}"
    "th,td{padding:.2em .7em;text-align:left;vertical-align:top;border-bottom:1px solid #d5dbe3}td{white-space:nowrap}"
    ".number{text-align:right}dt{color:#55606e}dd{margin:0 0 .4em}"
)
NUMBER_CELL = re.compile(r"[<−–-]? ?\d|–$")  # a cell that starts with a number, or a dash for no value
LATEX_ESCAPES = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "–": "--",
        "τ": r"$\tau$",
        "φ": r"$\phi$",
        "→": r"$\to$",
    }
)


@dataclass(frozen=True)
class ReportTable:
    """A table of text; `name` is the name of its LaTeX file."""

    name: str
    caption: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class ReportPart:
    """The results of one experiment: sentences, tables, figures in Vega-Lite by name, and the settings of the run."""

    heading: str
    sentences: list[str]
    tables: list[ReportTable]
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


def report_html(title: str, parts: Sequence[ReportPart], pictures: dict[str, str]) -> str:
    """The report as a self-contained page; `pictures` contains the figures that could be drawn, as SVG."""
    body = [f"<h1>{escape(title)}</h1>"]
    for part in parts:
        body.append(f"<h2>{escape(part.heading)}</h2>")
        body += [f"<p>{escape(sentence)}</p>" for sentence in part.sentences]
        for name, spec in part.figures.items():
            if name in pictures:
                label = escape(str(spec.get("description", part.heading)))
                body.append(f'<figure role="img" aria-label="{label}">{pictures[name]}</figure>')
            else:
                missing = "to show it here, install vl-convert-python and write the report again"
                body.append(f"<p>The figure is in {escape(name)}.vl.json; {missing}.</p>")
        body += [html_table(table) for table in part.tables]
        settings = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in part.settings.items())
        body += [f"<details><summary>Settings</summary><dl>{settings}</dl></details>"] if settings else []
    return page_html(title, STYLE, body)


def html_table(table: ReportTable) -> str:
    kinds = [' class="number"' if number else "" for number in numeric_columns(table)]
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in zip(table.header, kinds, strict=True))
    cells = [[f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)] for row in table.rows]
    rows = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.caption)}"><table>'
        f"<caption>{escape(table.caption)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def numeric_columns(table: ReportTable) -> list[bool]:
    """For each column, whether all its cells are numbers; these are aligned to the right."""
    return [all(NUMBER_CELL.match(row[column]) for row in table.rows) for column in range(len(table.header))]


def latex_table(table: ReportTable) -> str:
    """The table in LaTeX, with the package booktabs."""
    lines = [" & ".join(map(latex_text, row)) + r" \\" for row in (table.header, *table.rows)]
    alignment = "".join("r" if number else "l" for number in numeric_columns(table))
    start = [r"\begin{table}", rf"\caption{{{latex_text(table.caption)}}}", rf"\begin{{tabular}}{{{alignment}}}"]
    end = [r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    return "\n".join([*start, r"\toprule", lines[0], r"\midrule", *lines[1:], *end])


def latex_text(text: str) -> str:
    return escape_controls(text).translate(LATEX_ESCAPES)
