"""The parts of the report on correlations of static and dynamic scores, for single tokens and longer sources."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from maps.experiments.report import cells
from maps.experiments.report.html import ReportPart, ReportTable
from maps.experiments.results import Result
from maps.figures.experiments import correlation_points
from maps.figures.style import Rows, vega_spec
from maps.text import pluralize, relation_label

SIMILAR_DROP = 0.05  # a correlation of longer sources is similar when it is at most this much lower (section 4.4)
STRONG_CORRELATION = 0.7
SIDES = {  # of each table: what is correlated, the columns without and with context, and the highest static score
    "correlation": ("scores", "without_context", "with_context", "max_score"),
    "suppression": ("suppression", "suppression_without_context", "suppression_with_context", "max_suppression"),
}
CONTEXT_LABELS = {"without_context": "without context", "with_context": "with context"}


def correlation_part(result: Result) -> ReportPart:
    sentences = [*correlation_sentences(result), *threshold_sentences(result), prompts_sentence(result)]
    return build_part("Static and dynamic scores", result, sentences, correlation_tables(result), CONTEXT_LABELS)


def multi_token_part(result: Result) -> ReportPart:
    sentences = [*correlation_sentences(result), prompts_sentence(result), multi_token_sentence(result.rows)]
    tables = [*correlation_tables(result), single_token_table(result)]
    kinds = {f"single_{kind}": f"one token, {label}" for kind, label in CONTEXT_LABELS.items()}
    kinds |= {kind: f"several tokens, {label}" for kind, label in CONTEXT_LABELS.items()}
    return build_part("Sources of several tokens", result, sentences, tables, kinds)


def build_part(
    heading: str, result: Result, sentences: list[str], tables: list[ReportTable], kinds: dict[str, str]
) -> ReportPart:
    """A part with the figure of some kinds of correlation, which are columns with their names in words."""
    name, relations = result.experiment, [row["relation"] for row in result.rows]
    published = {
        kind: {relation: list(cells.relation_figures(name, relation, kind).values()) for relation in relations}
        for kind in CONTEXT_LABELS
    }
    figures = {}
    if result.rows:
        points = correlation_points(result.rows, kinds, published, str(result.settings["model"]))
        figures = {name: vega_spec(points)}
    tables = [*tables, *cells.left_out_tables(result)]
    return ReportPart(heading, sentences, tables, figures, cells.settings_text(result.settings))


def correlation_tables(result: Result) -> list[ReportTable]:
    """A table of scores and one of suppression, with the published values if there are any."""
    name, model = result.experiment, str(result.settings["model"])
    has_published = any(cells.figures_by_model(name).values())
    tables = []
    for side, (values, without, with_context, highest) in SIDES.items():
        header = ["Relation", "Pairs", "Without context", "p", "With context", "p", "Highest score"]
        columns = [
            column
            for column in (without, with_context)
            if any(cells.relation_figures(name, row["relation"], column) for row in result.rows)
        ]
        if has_published:
            header += [f"Published, {CONTEXT_LABELS[column.removeprefix('suppression_')]}" for column in columns]
        rows = [
            (
                relation_label(row["relation"]),
                f"{row['pairs']:,}",
                cells.number(row[without]),
                cells.p_value(row[f"{without}_p"]),
                cells.number(row[with_context]),
                cells.p_value(row[f"{with_context}_p"]),
                cells.number(row[highest]),
                *(cells.published_value(name, row["relation"], column, model) for column in columns),
            )
            for row in result.rows
        ]
        tables.append(ReportTable(f"{name}_{side}", f"Correlation of static and dynamic {values}", tuple(header), rows))
    return tables


def correlation_sentences(result: Result) -> list[str]:
    """How strong the correlations are on average, without and with context."""
    sentences = []
    for kind, context in CONTEXT_LABELS.items():
        values = [row[kind] for row in result.rows if row[kind] is not None]
        if values:
            strong = sum(value >= STRONG_CORRELATION for value in values)
            sentences.append(
                f"{context.capitalize()}, the correlation of static and dynamic scores over all heads is "
                f"{fmean(values):.2f} on average over {pluralize(len(values), 'relation')}, from {min(values):.2f} to "
                f"{max(values):.2f}; it is {STRONG_CORRELATION} or more for {strong} of them."
            )
    return sentences


def prompts_sentence(result: Result) -> str:
    prompts = result.settings.get("prompts", [])
    if len(prompts) > 1:
        return f"The scores of {len(prompts)} prompts are pooled, as in the published figures."
    return "One prompt is used, as in the paper's own table."


def threshold_sentences(result: Result) -> list[str]:
    """How many of the static scores that reach τ have a dynamic score that does too, on average over the prompts."""
    tau, sentences = float(result.settings["tau"]), []
    details = [result.detail(row["relation"]) for row in result.rows]
    for column, prefix in (("score", ""), ("suppression", "suppression_")):
        scores = [each for detail in details for each in dynamic_scores_above_tau(detail, column, prefix, tau)]
        if scores:
            alone = sum(without_context >= tau for without_context, _ in scores)
            attending = sum(with_context >= tau for _, with_context in scores)
            sentences.append(
                f"{pluralize(len(scores), f'static {column}')} of τ = {tau:g} or more: the dynamic {column} reaches τ "
                f"too in {alone:,} of these cases without context, and in {attending:,} with context."
            )
    return sentences


def dynamic_scores_above_tau(detail: dict[str, Any], column: str, prefix: str, tau: float) -> list[tuple[float, float]]:
    """The dynamic scores, without and with context, of the heads whose static score is τ or more."""
    without_context, with_context = detail[f"{prefix}without_context"], detail[f"{prefix}with_context"]  # by prompt
    return [
        (fmean(prompt[head] for prompt in without_context), fmean(prompt[head] for prompt in with_context))
        for head, score in enumerate(detail[column])
        if score >= tau
    ]


def multi_token_sentence(rows: Rows) -> str:
    """In how many cases the correlation is about as high for longer sources."""
    pairs = [(row[kind], row[f"single_{kind}"]) for row in rows for kind in CONTEXT_LABELS]
    known = [(several, one) for several, one in pairs if several is not None and one is not None]
    close = sum(several >= one - SIMILAR_DROP for several, one in known)
    return (
        f"In {close} of {len(known)} cases (a relation, without or with context) the correlation is at most "
        f"{SIMILAR_DROP} lower than for single tokens."
    )


def single_token_table(result: Result) -> ReportTable:
    """The correlations of longer sources next to those of single tokens."""
    rows = [
        (
            relation_label(row["relation"]),
            f"{row['single_pairs']:,}",
            *(cells.number(row[f"{prefix}{kind}"]) for kind in CONTEXT_LABELS for prefix in ("single_", "")),
        )
        for row in result.rows
    ]
    columns = [f"{number}, {label}" for label in CONTEXT_LABELS.values() for number in ("One", "Several")]
    caption = "Correlation for sources of one token and of several tokens"
    return ReportTable("multi_token_beside_single", caption, ("Relation", "Single-token pairs", *columns), rows)
