"""The parts of the report on correlations: of static with dynamic scores, of single tokens and of longer sources."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

from maps.experiments.report.format import (
    format_number,
    format_p_value,
    format_published,
    left_out_table,
    result_settings_text,
)
from maps.experiments.report.html import ReportPart, ReportTable
from maps.experiments.report.paper_figures import figures_by_model, relation_figures
from maps.experiments.results import Result
from maps.figures.experiments import correlation_points
from maps.figures.style import vega_spec
from maps.text import pluralize, relation_label

Rows = list[dict[str, Any]]
SIMILAR_DROP = 0.05  # how much lower a correlation of longer sources may be and still be similar (paper, section 4.4)
STRONG_CORRELATION = 0.7  # correlations from which on they are counted as strong
SIDE_COLUMNS = {  # the columns of a correlation's two tables: without and with context, and the highest score
    "correlation": ("without_context", "with_context", "max_score"),
    "suppression": ("suppression_without_context", "suppression_with_context", "max_suppression"),
}
CONTEXT_LABELS = {"without_context": "without context", "with_context": "with context"}


def correlation_tables(result: Result) -> list[ReportTable]:
    """The scores' table and that of their suppression, with the published figures where there are any."""
    name, model = result.experiment, str(result.settings["model"])
    some = any(figures_by_model(name).values())
    tables = []
    for kind, (without, with_context, highest) in SIDE_COLUMNS.items():
        head = ["Relation", "Pairs", "Without context", "p", "With context", "p", "Highest score"]
        columns = [
            c for c in (without, with_context) if any(relation_figures(name, r["relation"], c) for r in result.rows)
        ]
        head += [f"Published, {CONTEXT_LABELS[c.removeprefix('suppression_')]}" for c in columns] if some else []
        rows = [
            (
                relation_label(row["relation"]),
                f"{row['pairs']:,}",
                format_number(row[without]),
                format_p_value(row[f"{without}_p"]),
                format_number(row[with_context]),
                format_p_value(row[f"{with_context}_p"]),
                format_number(row[highest]),
                *(format_published(name, row["relation"], column, model) for column in columns),
            )
            for row in result.rows
        ]
        said = "Correlation of static and dynamic scores" if kind == "correlation" else "The same of suppression"
        tables.append(ReportTable(f"{name}_{kind}", said, tuple(head), rows))
    return tables


def correlation_sentences(result: Result) -> list[str]:
    """How strong the correlations are, on the whole."""
    said = []
    for kind, context in CONTEXT_LABELS.items():
        values = [row[kind] for row in result.rows if row[kind] is not None]
        if values:
            strong = sum(value >= STRONG_CORRELATION for value in values)
            said.append(
                f"{context.capitalize()} the correlation of a relation's static and dynamic scores over all heads is "
                f"{fmean(values):.2f} in the mean of {pluralize(len(values), 'relation')}, from {min(values):.2f} to "
                f"{max(values):.2f}; {strong} are {STRONG_CORRELATION} or more."
            )
    said += threshold_sentences(result) if result.experiment == "correlation" else []
    prompts = result.settings.get("prompts", [])
    pooled = "pooled, as the published figures are" if len(prompts) > 1 else "as in the paper's own table"
    return [*said, f"{pluralize(len(prompts), 'prompt')}, {pooled}."]


def threshold_sentences(result: Result) -> list[str]:
    """How many of the scores that classify heads are as high while the model runs, in the mean of the prompts."""
    tau, said = float(result.settings["tau"]), []
    for what, side in (("score", ""), ("suppression", "suppression_")):
        details = [result.detail(row["relation"]) for row in result.rows]
        found = [scores for detail in details for scores in dynamic_scores_above_tau(detail, what, side, tau)]
        alone, attending = (sum(scores[place] >= tau for scores in found) for place in range(2))
        if found:
            said.append(
                f"Of {pluralize(len(found), what)} of τ = {tau:g} or more, {alone:,} are so without context too, "
                f"{attending:,} with context."
            )
    return said


def dynamic_scores_above_tau(detail: dict[str, Any], column: str, prefix: str, tau: float) -> list[tuple[float, float]]:
    """The dynamic scores, without and with context, of the heads whose static score is τ or more."""
    heads = [place for place, score in enumerate(detail[column]) if score >= tau]
    kinds = [detail[f"{prefix}{kind}"] for kind in CONTEXT_LABELS]
    alone, attending = ([fmean(prompt[head] for prompt in prompts) for head in heads] for prompts in kinds)
    return list(zip(alone, attending, strict=True))


def correlation_part(folder: Path, name: str = "correlation") -> ReportPart | None:
    """The part of `evaluate correlation`, and of `evaluate multi-token`."""
    result = Result.find(folder, name)
    if result is None:
        return None
    model, heading = str(result.settings["model"]), "What heads' weights say, and what they do"
    sentences, kinds = correlation_sentences(result), dict(CONTEXT_LABELS)
    if name == "multi_token":
        heading = "The same for sources of several tokens"
        kinds = {f"single_{kind}": f"one token, {said}" for kind, said in CONTEXT_LABELS.items()}
        kinds |= {kind: f"several tokens, {said}" for kind, said in CONTEXT_LABELS.items()}
        sentences.append(multi_token_sentence(result.rows))
    published = {
        kind: {r["relation"]: list(relation_figures(name, r["relation"], kind).values()) for r in result.rows}
        for kind in CONTEXT_LABELS
    }
    tables = [*correlation_tables(result), *([single_token_table(result)] if name == "multi_token" else [])]
    tables += [left] if (left := left_out_table(result)) else []
    figures = {name: vega_spec(correlation_points(result.rows, kinds, published, model))} if result.rows else {}
    return ReportPart(heading, sentences, tables, figures, result_settings_text(result))


def multi_token_sentence(rows: Rows) -> str:
    """Of how many relations and settings the correlation holds up for longer sources."""
    pairs = [(row[kind], row[f"single_{kind}"]) for row in rows for kind in CONTEXT_LABELS]
    known = [(several, one) for several, one in pairs if several is not None and one is not None]
    close = sum(several >= one - SIMILAR_DROP for several, one in known)
    return f"In {close} of {len(known)} cases it is as for single tokens, or at most {SIMILAR_DROP} lower."


def single_token_table(result: Result) -> ReportTable:
    """Longer sources beside single tokens."""
    rows = [
        (
            relation_label(row["relation"]),
            f"{row['single_pairs']:,}",
            *(format_number(row[f"{prefix}{kind}"]) for kind in CONTEXT_LABELS for prefix in ("single_", "")),
        )
        for row in result.rows
    ]
    head = (
        "Relation",
        "Single-token pairs",
        *(f"{n}, {said}" for said in CONTEXT_LABELS.values() for n in ("One", "Several")),
    )
    return ReportTable("multi_token_beside_single", "Sources of several tokens beside those of one", head, rows)
