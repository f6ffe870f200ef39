"""What the report of an atlas says: its tables as CSV, its numbers in words, and both as Markdown and as a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pyarrow as pa

from maps.analysis.breadth import BREADTH_SCHEMA, layer_breadth
from maps.analysis.classification import (
    CATEGORIES_SCHEMA,
    HEADS_PER_RELATION_SCHEMA,
    SUMMARY_SCHEMA,
    RelationsByHead,
    categories_table,
    classification_summary,
    classify,
    heads_per_relation,
)
from maps.analysis.identification import IDENTIFICATION_SCHEMA
from maps.analysis.value_groups import BETWEEN, GROUPS_SCHEMA, SETS, WITHIN, value_group_similarity
from maps.text import escape_invisible, relation_label, three_decimals
from maps.types import HeadId

REPORT_TABLES = {
    "categories": CATEGORIES_SCHEMA,
    "heads_per_relation": HEADS_PER_RELATION_SCHEMA,
    "summary": SUMMARY_SCHEMA,
    "groups": GROUPS_SCHEMA,
    "breadth": BREADTH_SCHEMA,
    "identification": IDENTIFICATION_SCHEMA,
}
SIMILARITY_NAMES = dict(zip(SETS, ("salient sources", "mappings", "relations"), strict=True))
PAGE_STYLE = (
    "body{font:16px/1.6 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1b2430}"
    "img{max-width:100%;height:auto}a{color:#0b5cad}"
)


@dataclass(frozen=True)
class AtlasFindings:
    """The tables of a report, the heads that are classified, and what it was made with."""

    model: str
    tau: float
    min_pairs: int
    classified_heads: RelationsByHead
    tables: dict[str, pa.Table]


@dataclass(frozen=True)
class ReportSection:
    """A part of the report: a heading, sentences, and the names of the table and of the figure that show more."""

    heading: str
    sentences: tuple[str, ...]
    table: str | None = None
    figure: str | None = None


def compute_findings(
    model: str,
    heads: pa.Table,
    mappings: pa.Table,
    relations: pa.Table,
    tau: float,
    min_pairs: int,
    identification_table: pa.Table | None = None,
) -> AtlasFindings:
    """The report's tables from those of an atlas; `identification_table` is that of `identification`, of a described atlas."""
    ids = [HeadId(row["layer"], row["head"]) for row in heads.select(["layer", "head"]).to_pylist()]
    classified = classify(relations, tau, min_pairs)
    per_relation = heads_per_relation(relations, tau, min_pairs)
    tables = {
        "categories": categories_table(ids, classified),
        "heads_per_relation": per_relation,
        "summary": classification_summary(ids, classified, per_relation),
        "groups": value_group_similarity(heads, mappings, classified),
        "breadth": layer_breadth(heads),
    }
    if identification_table is not None:
        tables["identification"] = identification_table
    return AtlasFindings(model, tau, min_pairs, classified, tables)


def build_sections(findings: AtlasFindings, has_output_space: bool) -> list[ReportSection]:
    """The report in words; `has_output_space` says whether the figure of the output space could be drawn."""
    skewness = (
        "Each head's input skewness against the share of the vocabulary that it promotes."
        if has_output_space
        else "The output space was not computed for this atlas, so it has no figure; an option of map computes it."
    )
    parts = [
        ReportSection("Categories", tuple(category_sentences(findings)), "categories", "categories"),
        ReportSection(
            "Heads per relation", tuple(relation_sentences(findings)), "heads_per_relation", "heads_per_relation"
        ),
        ReportSection("Heads that share a value head", tuple(group_sentences(findings)), "groups", "groups"),
        ReportSection("Skewness and output space", (skewness,), None, "output_space" if has_output_space else None),
    ]
    if "identification" in findings.tables:
        said = tuple(identification_sentences(findings))
        parts.append(ReportSection("Heads with a described pattern", said, "identification", "identification"))
    return parts


def category_sentences(findings: AtlasFindings) -> list[str]:
    """How many heads are classified, by category, and how many do several things."""
    rows = {row["measure"]: row for row in findings.tables["summary"].to_pylist()}
    classified = rows["classified"]
    first = list(rows).index("classified") + 1
    named = list(rows)[first : list(rows).index("own_relations_only")]
    each = ", ".join(f"{escape_invisible(name)} {rows[name]['count']:,}" for name in named)
    whole = f" of {classified['of']:,} heads"
    said = [
        f"In {escape_invisible(findings.model)}, {count_and_share(classified, whole)} implement or suppress a relation "
        f"(score {findings.tau:g} or more, at least {findings.min_pairs} usable pairs): {each}; a head may count in several."
    ]
    if rows["own_relations_only"]["count"]:
        said.append(f"{rows['own_relations_only']['count']:,} of them do own relations only, which have no category.")
    if classified["count"]:
        several, suppressing = (count_and_share(rows[name]) for name in ("several_categories", "suppression"))
        said.append(
            f"Of these {classified['count']:,}, {several} belong to several categories and {suppressing} suppress at "
            "least one relation."
        )
    return said


def count_and_share(row: dict[str, Any], whole: str = "") -> str:
    """A row of the summary in words: `8 (40.0 %)`, or `8 of 20 heads (40.0 %)`."""
    return f"{row['count']:,}{whole}" + ("" if row["share"] is None else f" ({100 * row['share']:.1f} %)")


def relation_sentences(findings: AtlasFindings) -> list[str]:
    """Which relations have heads, the strongest first, and which were left out."""
    rows = findings.tables["heads_per_relation"].to_pylist()
    some = sorted((row for row in rows if row["either"]), key=lambda row: -row["either"])
    said = [f"{len(some)} of {len(rows)} relations have a head that implements or suppresses them."]
    said += [
        f"Most often {relation_label(row['relation'])}: {row['heads']:,} implement it, {row['suppression_heads']:,} suppress it."
        for row in some[:1]
    ]
    few = [relation_label(row["relation"]) for row in rows if not row["counted"]]
    said += [f"Left out for fewer than {findings.min_pairs} usable pairs: {', '.join(few)}."] if few else []
    return said


def group_sentences(findings: AtlasFindings) -> list[str]:
    """How alike heads of a group are, and heads of different groups, over all layers."""
    rows = {(row["sets"], row["heads"]): row for row in findings.tables["groups"].to_pylist() if row["layer"] is None}
    said = ["Mean Jaccard similarity of two heads of the same layer, over all layers."]
    for name in SETS:
        within, between = (similarity_and_pairs(rows[name, side]) for side in (WITHIN, BETWEEN))
        said.append(
            f"Of their {SIMILARITY_NAMES[name]}: {within} where they share a value head, {between} where they do not."
        )
    return said


def identification_sentences(findings: AtlasFindings) -> list[str]:
    """How often each describer sees a pattern, in both readings, and how many descriptions are stale."""
    said = []
    for row in findings.tables["identification"].to_pylist():
        if row["layer"] is not None:
            continue
        name, described = escape_invisible(row["describer"]), row["described"]
        if described:
            exact = count_and_share(
                {"count": row["patterns"], "share": row["rate"]}, f" of {described:,} described heads"
            )
            paper = count_and_share({"count": row["patterns_paper"], "share": row["rate_paper"]})
            said.append(f"{name} describes a pattern in {exact}, by the paper's reading in {paper}.")
        if row["stale"]:
            said.append(
                f"{row['stale']:,} descriptions of {name} are stale, since the mappings changed after them, and are "
                "not counted; describe these heads again."
            )
    return said


def similarity_and_pairs(row: dict[str, Any]) -> str:
    """A similarity in words, with its number of pairs or why there is none."""
    if row["similarity"] is None:
        return f"undefined ({row['reason']})"
    return f"{three_decimals(row['similarity'])} ({row['pairs']:,} pairs)"


def render_markdown(findings: AtlasFindings, parts: Sequence[ReportSection], has_pictures: bool) -> str:
    """The report as Markdown; `has_pictures` says whether there are pictures or only their Vega-Lite."""
    lines = [f"# What the heads of {escape_markdown(escape_invisible(findings.model))} do", ""]
    for part in parts:
        lines += [f"## {part.heading}", "", escape_markdown(" ".join(part.sentences)), ""]
        if part.figure and has_pictures:
            lines += [f"[![{part.heading}]({part.figure}.svg)]({part.figure}.html)", ""]
        links = ", ".join(f"[{name}]({name})" for name in linked_files(part, has_pictures))
        lines += [links, ""] if links else []
    return "\n".join([*lines, "All counts: [summary.csv](summary.csv)", ""])


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~&$])", r"\\\1", text)


def linked_files(part: ReportSection, has_pictures: bool) -> list[str]:
    """The files that a section links."""
    figure = [f"{part.figure}.html", f"{part.figure}.svg"] if has_pictures else [f"{part.figure}.vl.json"]
    return ([f"{part.table}.csv"] if part.table else []) + (figure if part.figure else [])


def render_page(findings: AtlasFindings, parts: Sequence[ReportSection], has_pictures: bool) -> str:
    """The report as a page."""
    title = escape(f"What the heads of {escape_invisible(findings.model)} do")
    body = []
    for part in parts:
        body += [f"<h2>{part.heading}</h2>", f"<p>{escape(' '.join(part.sentences))}</p>"]
        if part.figure and has_pictures:
            picture = f'<img src="{part.figure}.svg" alt="{part.heading}: the figure of the numbers above">'
            body.append(f'<p><a href="{part.figure}.html">{picture}</a></p>')
        links = ", ".join(f'<a href="{name}">{name}</a>' for name in linked_files(part, has_pictures))
        body += [f"<p>{links}</p>"] if links else []
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" '
        f'content="width=device-width">\n<title>{title}</title>\n<style>{PAGE_STYLE}</style>\n</head>\n<body>\n'
        f"<h1>{title}</h1>\n"
        + "\n".join(body)
        + '\n<p>All counts: <a href="summary.csv">summary.csv</a></p>\n</body>\n</html>\n'
    )
