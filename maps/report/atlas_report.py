"""The report of an atlas: its tables, its numbers in words, and both as Markdown and as a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pyarrow as pa

from maps.analysis import breadth, classification, identification
from maps.analysis.value_groups import BETWEEN, GROUPS_SCHEMA, SETS, WITHIN, value_group_similarity
from maps.atlas.reader import Atlas
from maps.atlas.readings import basis_phrase, reading_phrase, targets_phrase
from maps.errors import MapsError
from maps.text import escape_controls, escape_invisible, pluralize, relation_label, three_decimals

REPORT_TABLES = {
    "categories": classification.CATEGORIES_SCHEMA,
    "heads_per_relation": classification.HEADS_PER_RELATION_SCHEMA,
    "summary": classification.SUMMARY_SCHEMA,
    "groups": GROUPS_SCHEMA,
    "breadth": breadth.BREADTH_SCHEMA,
    "identification": identification.IDENTIFICATION_SCHEMA,
}
SIMILARITY_NAMES = dict(zip(SETS, ("salient sources", "mappings", "relations"), strict=True))
PAGE_STYLE = (
    "body{font:16px/1.6 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1b2430}"
    "img{max-width:100%;height:auto}a{color:#0b5cad}"
)


@dataclass(frozen=True)
class AtlasFindings:
    """The tables of a report, the classified heads, the atlas's reading, and the settings of the classification."""

    model: str
    reading: str
    tau: float
    min_pairs: int
    classified_heads: classification.RelationsByHead
    tables: dict[str, pa.Table]
    references: breadth.OutputSpaceReferences


@dataclass(frozen=True)
class ReportSection:
    """A section of the report: a heading, sentences, and the names of its table and figure."""

    heading: str
    sentences: tuple[str, ...]
    table: str | None = None
    figure: str | None = None


def compute_findings(atlas: Atlas, tau: float | None = None, min_pairs: int | None = None) -> AtlasFindings:
    """The report's tables, by default with the atlas's τ and `min_pairs`; `identification` if a head is described.

    Raises MapsError where the atlas has no relation scores.
    """
    relations, heads = atlas.table("relations"), atlas.table("heads")
    if not len(relations):
        raise MapsError(f"{atlas.folder} contains no relation scores; map the model again with relations.")
    settings = atlas.info["settings"]
    tau = settings["tau"] if tau is None else tau
    min_pairs = settings["min_pairs"] if min_pairs is None else min_pairs
    classified = classification.classify(relations, tau, min_pairs)
    per_relation = classification.heads_per_relation(relations, tau, min_pairs)
    mappings = atlas.table("mappings", ["layer", "head", "source_id", "target_ids"])
    tables = {
        "categories": classification.categories_table(atlas.head_ids, classified),
        "heads_per_relation": per_relation,
        "summary": classification.classification_summary(atlas.head_ids, classified, per_relation),
        "groups": value_group_similarity(heads, mappings, classified),
        "breadth": breadth.layer_breadth(heads),
    }
    if descriptions := atlas.descriptions():
        stale = atlas.stale_description_ids()
        tables["identification"] = identification.identification_rates(atlas.head_ids, descriptions, stale)
    references = breadth.OutputSpaceReferences.from_info(atlas.info)
    return AtlasFindings(atlas.model, atlas.reading, tau, min_pairs, classified, tables, references)


def build_sections(findings: AtlasFindings, has_output_space: bool) -> list[ReportSection]:
    """The report in words; `has_output_space` says whether there is a figure of the output space."""
    relations = tuple(relation_sentences(findings))
    skewness = "There is no figure of the output space; map the model with --output-space to compute it."
    if has_output_space:
        skewness = "Each head's input skewness against the share of the vocabulary that it promotes."
    sections = [
        ReportSection("Categories", tuple(category_sentences(findings)), "categories", "categories"),
        ReportSection("Heads per relation", relations, "heads_per_relation", "heads_per_relation"),
        ReportSection("Heads that share a value head", tuple(group_sentences(findings)), "groups", "groups"),
        ReportSection("Skewness and output space", (skewness,), None, "output_space" if has_output_space else None),
    ]
    if "identification" in findings.tables:
        sentences = tuple(identification_sentences(findings))
        sections.append(ReportSection("Heads with a described pattern", sentences, "identification", "identification"))
    sentences = tuple(breadth.breadth_sentences(findings.tables["breadth"], findings.references))
    return [*sections, ReportSection("Global and specific heads", sentences, "breadth", "breadth")]


def category_sentences(findings: AtlasFindings) -> list[str]:
    """How many heads are classified, by category, and how many belong to several categories or suppress a relation."""
    rows = {row["measure"]: row for row in findings.tables["summary"].to_pylist()}
    classified = rows["classified"]
    first = list(rows).index("classified") + 1
    named = list(rows)[first : list(rows).index("own_relations_only")]
    categories = ", ".join(f"{escape_invisible(name)} {rows[name]['count']:,}" for name in named)
    heads = count_and_share(classified, f" of {classified['of']:,} heads")
    reading = findings.reading
    sentences = [
        f"In {escape_invisible(findings.model)}, {heads} implement or suppress a relation (score beyond copying "
        f"{findings.tau:g} or more, at least {findings.min_pairs} usable pairs): {categories}; a head may count in "
        "several.",
        f"Heads are read from {basis_phrase(reading)}, in {escape_invisible(reading_phrase(reading))}: targets are "
        f"{targets_phrase(reading)}.",
        "A score beyond copying counts the pairs that copying alone does not hit; for copying itself all pairs count.",
    ]
    own_only = rows["own_relations_only"]["count"]
    if own_only:
        sentences.append(f"{own_only:,} of them implement or suppress only your own relations, which have no category.")
    if classified["count"]:
        several, suppressing = count_and_share(rows["several_categories"]), count_and_share(rows["suppression"])
        sentences.append(
            f"Of these {classified['count']:,}, {several} belong to several categories and {suppressing} suppress at "
            "least one relation."
        )
    return sentences


def count_and_share(row: dict[str, Any], whole: str = "") -> str:
    """A row of the summary in words: `8 (40.0 %)`, or `8 of 20 heads (40.0 %)`."""
    return f"{row['count']:,}{whole}" + ("" if row["share"] is None else f" ({100 * row['share']:.1f} %)")


def relation_sentences(findings: AtlasFindings) -> list[str]:
    """How many relations have a head, which has the most, and which relations were left out."""
    rows = findings.tables["heads_per_relation"].to_pylist()
    with_heads = [row for row in rows if row["either"]]
    sentences = [f"{len(with_heads)} of {len(rows)} relations have a head that implements or suppresses them."]
    if with_heads:
        top = max(with_heads, key=lambda row: row["either"])
        sentences.append(
            f"The relation with the most heads is {relation_label(top['relation'])}: {top['heads']:,} implement it and "
            f"{top['suppression_heads']:,} suppress it."
        )
    few = [relation_label(row["relation"]) for row in rows if not row["counted"]]
    if few:
        sentences.append(f"Left out for fewer than {findings.min_pairs} usable pairs: {', '.join(few)}.")
    return sentences


def group_sentences(findings: AtlasFindings) -> list[str]:
    """How similar heads are that share a value head, and heads that do not, over all layers."""
    rows = {(row["sets"], row["heads"]): row for row in findings.tables["groups"].to_pylist() if row["layer"] is None}
    sentences = ["Mean Jaccard similarity of two heads of the same layer, over all layers."]
    for name in SETS:
        within, between = similarity_and_pairs(rows[name, WITHIN]), similarity_and_pairs(rows[name, BETWEEN])
        label = SIMILARITY_NAMES[name].capitalize()
        sentences.append(f"{label}: {within} if they share a value head, {between} if they do not.")
    return sentences


def identification_sentences(findings: AtlasFindings) -> list[str]:
    """How often each describer sees a pattern, by both rules, and how many descriptions are stale."""
    sentences = []
    for row in findings.tables["identification"].to_pylist():
        if row["layer"] is not None:
            continue
        name, described = escape_invisible(row["describer"]), row["described"]
        if described:
            whole = f" of {described:,} described heads"
            exact = count_and_share({"count": row["patterns"], "share": row["rate"]}, whole)
            paper = count_and_share({"count": row["patterns_paper"], "share": row["rate_paper"]})
            sentences.append(f"{name} describes a pattern in {exact}, by the paper's rule in {paper}.")
        if row["stale"]:
            sentences.append(
                f"Not counted: {pluralize(row['stale'], 'description')} by {name}, because the mappings changed; "
                "describe these heads again."
            )
    return sentences


def similarity_and_pairs(row: dict[str, Any]) -> str:
    """A similarity with its number of pairs, or the reason why it is undefined."""
    if row["similarity"] is None:
        return f"undefined ({row['reason']})"
    return f"{three_decimals(row['similarity'])} ({row['pairs']:,} pairs)"


def render_markdown(findings: AtlasFindings, sections: Sequence[ReportSection], has_pictures: bool) -> str:
    """The report as Markdown; `has_pictures` says whether figures are drawn or only stored as Vega-Lite."""
    lines = [f"# What the heads of {escape_markdown(escape_invisible(findings.model))} do", ""]
    for section in sections:
        lines += [f"## {section.heading}", "", escape_markdown(" ".join(section.sentences)), ""]
        if section.figure and has_pictures:
            lines += [f"[![{section.heading}]({section.figure}.svg)]({section.figure}.html)", ""]
        links = ", ".join(f"[{name}]({name})" for name in linked_files(section, has_pictures))
        lines += [links, ""] if links else []
    return escape_controls("\n".join([*lines, "All counts: [summary.csv](summary.csv)", ""]))


def escape_markdown(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|!~&$])", r"\\\1", text)


def linked_files(section: ReportSection, has_pictures: bool) -> list[str]:
    figure = [f"{section.figure}.html", f"{section.figure}.svg"] if has_pictures else [f"{section.figure}.vl.json"]
    return ([f"{section.table}.csv"] if section.table else []) + (figure if section.figure else [])


def render_page(findings: AtlasFindings, sections: Sequence[ReportSection], has_pictures: bool) -> str:
    title = f"What the heads of {escape_invisible(findings.model)} do"
    body = [f"<h1>{escape(title)}</h1>"]
    for section in sections:
        body += [f"<h2>{section.heading}</h2>", f"<p>{escape(' '.join(section.sentences))}</p>"]
        if section.figure and has_pictures:
            picture = f'<img src="{section.figure}.svg" alt="Figure: {section.heading}">'
            body.append(f'<p><a href="{section.figure}.html">{picture}</a></p>')
        links = ", ".join(f'<a href="{name}">{name}</a>' for name in linked_files(section, has_pictures))
        body += [f"<p>{links}</p>"] if links else []
    return page_html(title, PAGE_STYLE, [*body, '<p>All counts: <a href="summary.csv">summary.csv</a></p>'])


def page_html(title: str, style: str, body: Sequence[str]) -> str:
    """A self-contained page: its title as text, its style sheet, and the lines of its body as HTML."""
    head = (
        f'<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n<title>{escape(title)}</title>\n'
        f"<style>{style}</style>"
    )
    lines = "\n".join(body)
    page = f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{lines}\n</body>\n</html>\n'
    return escape_controls(page)
