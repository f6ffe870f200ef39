"""The parts of the report on known heads, and on what goes beyond the paper."""

from __future__ import annotations

from statistics import median
from typing import Any

from maps.atlas.schema import head_of
from maps.experiments.attention import KEYS_PER_QUERY, SELF_ATTENTION_SHARE
from maps.experiments.directions import MIN_OPERATION_TOKENS
from maps.experiments.layer_runs import ExperimentTables
from maps.experiments.readings import CONTROL_PREFIX, CONTROLLED, MEASURES, means_by_third, recommend
from maps.experiments.report import cells
from maps.experiments.report.html import ReportPart, ReportTable
from maps.figures.experiments import heads_by_layer, reading_curves
from maps.figures.style import Rows, vega_spec
from maps.text import pluralize, relation_label, visible_token

MAX_TABLE_HEADS = 20
SHOWN_READINGS = ("mlp", CONTROLLED, f"{CONTROLLED}+target-map", f"{CONTROL_PREFIX}mean stream")


def known_heads_part(result: ExperimentTables) -> ReportPart:
    groups = result.tables["known_groups"]
    rows = [
        (
            row["group"],
            relation_label(row["relation"]) + (" (suppression)" if row["side"] == "suppression" else ""),
            f"{row['heads']}",
            *("–" if row[name] is None else f"{row[name]}" for name in ("likewise", "published", "further")),
        )
        for row in groups
    ]
    columns = ("Group", "Relation", "Heads", "Classified alike here", "Classified alike in the paper", "Further heads")
    alike, heads = sum(row["likewise"] or 0 for row in groups), sum(row["heads"] for row in groups)
    sentence = f"MAPS classifies {alike} of {heads} heads as the earlier work that names them does."
    table = ReportTable("known_groups", "Heads that earlier work found", columns, rows)
    return ReportPart("Heads that earlier work found", [sentence], [table], {}, cells.settings_text(result.settings))


def directions_part(result: ExperimentTables) -> ReportPart:
    heads, ends = result.tables["direction_heads"], result.tables["directions"]
    several = [row for row in heads if row["operations"] > 1]
    sentences = [
        f"The median head needs {median(row['directions_90'] for row in heads):g} directions for 90 % of the squared "
        f"singular values of its OV map. {len(several)} of {pluralize(len(heads), 'head')} have several operations: "
        f"two or more ends of directions with {MIN_OPERATION_TOKENS} or more of their salient tokens.",
        "Each direction has two ends: the sources that lie furthest along it on either side, and the targets that they "
        "promote.",
    ]
    shown = sorted(several, key=lambda row: (-row["second"], row["layer"], row["head"]))[:MAX_TABLE_HEADS]
    rows = []
    for head in shown:
        for end in sorted(rows_of_head(ends, head), key=lambda end: -end["salient"])[:2]:
            name, share = f"{end['direction']} {end['end']}", cells.percent(end["share"])
            sources, targets = tokens_text(end["sources"]), tokens_text(end["targets"])
            rows.append((head_name(end), name, f"{end['salient']}", share, sources, targets))
    columns = ("Head", "Direction", "Salient tokens", "Share", "Sources", "Targets")
    caption = table_caption("The two ends with the most salient tokens", shown, several)
    table = ReportTable("directions_several", caption, columns, rows)
    title, model = "Directions for 90 % of a head's OV map", str(result.settings["model"])
    figures = {"directions": vega_spec(heads_by_layer(heads, "directions_90", title, model))}
    heading = "Beyond the paper: the directions of a head's OV map"
    return ReportPart(heading, sentences, [table], figures, cells.settings_text(result.settings))


def attention_part(result: ExperimentTables) -> ReportPart:
    heads, queries = result.tables["attention_heads"], result.tables["attention"]
    same = [row for row in heads if row["own_share"] >= SELF_ATTENTION_SHARE]
    sentences = [
        "W_QK is read as W_VO is: the tables show the queries on which a head acts most, and the keys to which these "
        "attend most, without positions.",
        f"In {len(same)} of {pluralize(len(heads), 'head')}, at least {cells.percent(SELF_ATTENTION_SHARE)} of the "
        f"tokens are among the {KEYS_PER_QUERY} keys to which they attend most: these heads look for the same token.",
    ]
    tables = []
    for name, title, column, sign in (
        ("attention_same", "Heads that attend to the same token", "own_share", -1),
        ("attention_few", "Heads with the fewest different keys", "distinct_keys", 1),
    ):
        shown = sorted(heads, key=lambda row: (sign * row[column], row["layer"], row["head"]))[:MAX_TABLE_HEADS]
        rows = [
            (head_name(row), cells.percent(row["own_share"]), f"{row['distinct_keys']}", *first_queries(queries, row))
            for row in shown
        ]
        columns = ("Head", "Same token", "Different keys", "Query", "Keys", "Query", "Keys")
        tables.append(ReportTable(name, table_caption(title, shown, heads), columns, rows))
    title = f"Share of tokens among their own {KEYS_PER_QUERY} keys"
    figures = {"attention": vega_spec(heads_by_layer(heads, "own_share", title, str(result.settings["model"])))}
    heading = "Beyond the paper: which tokens attend to which"
    return ReportPart(heading, sentences, tables, figures, cells.settings_text(result.settings))


def biases_part(result: ExperimentTables) -> ReportPart:
    heads = [row for row in result.tables["biases"] if row["head"] is not None]
    changed = [row for row in heads if row["gained"] or row["lost"]]
    sentence = (
        f"With the value bias added, {len(changed):,} of {pluralize(len(heads), 'head')} gain or lose a relation; "
        f"{pluralize(sum(row['hits_changed'] or 0 for row in heads), 'hit')} change."
    )
    shown = sorted(heads, key=lambda row: -row["length"] / (row["written"] or 1))[:MAX_TABLE_HEADS]
    rows = [
        (
            head_name(row),
            cells.number(row["length"]),
            cells.number(row["written"]),
            f"{row['hits_changed'] or 0:,}",
            ", ".join(map(relation_label, row["gained"] or [])) or "–",
            ", ".join(map(relation_label, row["lost"] or [])) or "–",
            tokens_text(row["targets"]),
        )
        for row in shown
    ]
    columns = ("Head", "Length of the bias", "Mean length without it", "Hits changed", "Gained", "Lost", "Targets")
    table = ReportTable("biases_strongest", table_caption("The strongest value biases", shown, heads), columns, rows)
    return ReportPart("Beyond the paper: the biases", [sentence], [table], {}, cells.settings_text(result.settings))


def readings_part(result: ExperimentTables) -> ReportPart:
    rows, model = result.tables["readings"], str(result.settings["model"])
    recommended = recommend(rows)["recommended"]
    sentences = [
        f"The reading {recommended} predicts best, on average over the layers, how a head's write changes the logits.",
        "Overlap: the share of a head's ten real targets that are among the reading's ten. Specific: the correlation "
        "of real and predicted scores, after the mean over words is taken out. Raised and effect: the same share, and "
        "the correlation, with what changes in the logits when the write is added to the running model.",
    ]
    lines = [
        (name, *(", ".join(f"{mean:.2f}" for mean in means) for means in by_third.values()))
        for name, by_third in means_by_third(rows).items()
    ]
    caption = "Means over the early, middle and late third of the layers"
    table = ReportTable("readings", caption, ("Reading", *(name.capitalize() for name in MEASURES)), lines)
    measures = {"specific": "What is specific to a word (correlation)", "effect": "Changed logits (correlation)"}
    figures = {"readings": vega_spec(reading_curves(rows, measures, SHOWN_READINGS, model))}
    heading = "Beyond the paper: how well readings predict heads"
    return ReportPart(heading, sentences, [table], figures, cells.settings_text(result.settings))


def rows_of_head(rows: Rows, head: dict[str, Any]) -> Rows:
    return [row for row in rows if (row["layer"], row["head"]) == (head["layer"], head["head"])]


def first_queries(queries: Rows, head: dict[str, Any]) -> tuple[str, ...]:
    """The two most salient queries of a head, each followed by its keys."""
    first = sorted(rows_of_head(queries, head), key=lambda row: row["rank"])[:2]
    return tuple(cell for row in first for cell in (visible_token(row["query"]), tokens_text(row["keys"], 3)))


def head_name(row: dict[str, Any]) -> str:
    return str(head_of(row))


def tokens_text(strings: list[str], limit: int = 5) -> str:
    """The first tokens on one line, white space as symbols."""
    return "  ".join(visible_token(each) for each in strings[:limit])


def table_caption(title: str, shown_rows: Rows, all_rows: Rows) -> str:
    """The title with the number of rows: `The strongest value biases: 20 of 144 heads`."""
    return f"{title}: {len(shown_rows)} of {pluralize(len(all_rows), 'head')}"
