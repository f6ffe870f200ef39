"""The parts of the report on what needs no running model: known heads, and what goes beyond the paper."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from maps.experiments.layer_runs import ExperimentTables
from maps.experiments.report.format import SHOWN_SETTINGS, format_number
from maps.experiments.report.html import ReportPart, ReportTable
from maps.figures.experiments import heads_by_layer
from maps.figures.style import vega_spec
from maps.text import pluralize, relation_label, visible_token
from maps.types import HeadId

Rows = list[dict[str, Any]]
MAX_TABLE_HEADS = 20  # heads of a table
SAME_TOKEN_SHARE = 0.1  # share of queries among their own keys from which on a head is counted


def tables_settings_text(finished_tables: ExperimentTables) -> dict[str, str]:
    """What the run was asked for, in words."""
    asked = finished_tables.settings
    return {
        name: str(asked[name]) for name in (*SHOWN_SETTINGS, "heads", "directions") if asked.get(name) not in (None, [])
    }


def head_name(row: dict[str, Any]) -> str:
    """A head's name."""
    return str(HeadId(row["layer"], row["head"]))


def tokens_text(strings: list[str], limit: int = 5) -> str:
    """Tokens on one line, white space as symbols."""
    return "  ".join(visible_token(each) for each in strings[:limit])


def table_caption(title: str, shown_rows: Rows, all_rows: Rows) -> str:
    """What a table shows, and of how many."""
    return f"{title}: {len(shown_rows)} of {pluralize(len(all_rows), 'head')}"


def directions_part(folder: Path) -> ReportPart | None:
    """The part of `evaluate directions`."""
    found = ExperimentTables.find(folder, "directions")
    if found is None:
        return None
    heads, ends = found.tables["direction_heads"], found.tables["directions"]
    model = str(found.settings["model"])
    several = [row for row in heads if row["operations"] > 1]
    sentences = [
        f"Half of the heads need {median(row['directions_90'] for row in heads):g} directions or more for 90 % of the "
        f"squared singular values of their OV map; {len(several)} of {len(heads)} have two or more ends of directions "
        "to which five or more of their salient tokens belong: several operations in one head.",
        "Each direction has two ends: the sources that read furthest to it, and the targets that they then promote.",
    ]
    some = sorted(several, key=lambda row: (-row["second"], row["layer"], row["head"]))[:MAX_TABLE_HEADS]
    rows = [
        (head_name(end), f"{end['direction']} {end['end']}", f"{end['salient']}", f"{100 * end['share']:.0f} %", *said)
        for head in some
        for end in sorted(rows_of_head(ends, head), key=lambda end: -end["salient"])[:2]
        for said in [(tokens_text(end["sources"]), tokens_text(end["targets"]))]
    ]
    columns = ("Head", "Direction", "Salient tokens", "Share", "Sources", "Targets")
    table = ReportTable(
        "directions_several", table_caption("The two ends with most salient tokens", some, several), columns, rows
    )
    figure = heads_by_layer(heads, "directions_90", "Directions for 90 % of a head's OV map", model)
    heading = "Beyond the paper: the directions of a head's OV map"
    return ReportPart(heading, sentences, [table], {"directions": vega_spec(figure)}, tables_settings_text(found))


def rows_of_head(rows: Rows, head: dict[str, Any]) -> Rows:
    """The rows of one head."""
    return [row for row in rows if (row["layer"], row["head"]) == (head["layer"], head["head"])]


def attention_part(folder: Path) -> ReportPart | None:
    """The part of `evaluate attention`."""
    found = ExperimentTables.find(folder, "attention")
    if found is None:
        return None
    heads, queries = found.tables["attention_heads"], found.tables["attention"]
    same = [row for row in heads if row["own_share"] >= SAME_TOKEN_SHARE]
    sentences = [
        "W_QK is read as W_VO is: the tokens on which a head's queries act most, and the tokens that they attend to "
        "most, before any position.",
        f"In {len(same)} of {len(heads)} heads at least {100 * SAME_TOKEN_SHARE:.0f} % of tokens are among the five keys that they "
        "attend to most: these heads look for the same token.",
    ]
    tables = []
    for what, said, field, sign in (
        ("attention_same", "Heads that attend to the same token", "own_share", -1),
        ("attention_few", "Heads with the fewest different keys", "distinct_keys", 1),
    ):
        some = sorted(heads, key=lambda row: (sign * row[field], row["layer"], row["head"]))[:MAX_TABLE_HEADS]
        rows = [
            (head_name(row), f"{100 * row['own_share']:.0f} %", f"{row['distinct_keys']}", *first_queries(queries, row))
            for row in some
        ]
        columns = ("Head", "Same token", "Different keys", "Query", "Keys", "Query", "Keys")
        tables.append(ReportTable(what, table_caption(said, some, heads), columns, rows))
    figure = heads_by_layer(
        heads, "own_share", "Share of tokens among their own five keys", str(found.settings["model"])
    )
    heading = "Beyond the paper: which tokens attend to which"
    return ReportPart(heading, sentences, tables, {"attention": vega_spec(figure)}, tables_settings_text(found))


def first_queries(queries: Rows, head: dict[str, Any]) -> tuple[str, ...]:
    """The two most salient queries of a head with their keys."""
    some = sorted(rows_of_head(queries, head), key=lambda row: row["rank"])[:2]
    return tuple(cell for row in some for cell in (visible_token(row["query"]), tokens_text(row["keys"], 3)))


def biases_part(folder: Path) -> ReportPart | None:
    """The part of `evaluate biases`."""
    found = ExperimentTables.find(folder, "biases")
    if found is None:
        return None
    heads = [row for row in found.tables["biases"] if row["head"] is not None]
    changed = [row for row in heads if row["gained"] or row["lost"]]
    sentences = [
        f"With the value bias added to every row, {pluralize(len(changed), 'head')} of {len(heads):,} gain or lose a "
        f"relation; {sum(row['hits_changed'] or 0 for row in heads):,} hits change."
    ]
    some = sorted(heads, key=lambda row: -row["length"] / (row["written"] or 1))[:MAX_TABLE_HEADS]
    rows = [
        (
            head_name(row),
            format_number(row["length"]),
            format_number(row["written"]),
            f"{row['hits_changed'] or 0:,}",
            ", ".join(map(relation_label, row["gained"] or [])) or "–",
            ", ".join(map(relation_label, row["lost"] or [])) or "–",
            tokens_text(row["targets"]),
        )
        for row in some
    ]
    columns = ("Head", "Length of the bias", "Written without", "Hits changed", "Gained", "Lost", "Targets")
    table = ReportTable("biases_strongest", table_caption("The strongest value biases", some, heads), columns, rows)
    return ReportPart("Beyond the paper: the biases", sentences, [table], {}, tables_settings_text(found))


def known_heads_part(folder: Path) -> ReportPart | None:
    """The part of `evaluate known-heads`."""
    found = ExperimentTables.find(folder, "known_heads")
    if found is None:
        return None
    groups = found.tables["known_groups"]
    rows = [
        (
            row["group"],
            relation_label(row["relation"]) + (" (suppression)" if row["side"] == "suppression" else ""),
            f"{row['heads']}",
            "–" if row["likewise"] is None else f"{row['likewise']}",
            "–" if row["published"] is None else f"{row['published']}",
            "–" if row["further"] is None else f"{row['further']}",
        )
        for row in groups
    ]
    columns = ("Group", "Relation", "Heads", "Likewise here", "Likewise in the paper", "Further heads")
    likewise, heads = (sum(row[name] or 0 for row in groups) for name in ("likewise", "heads"))
    sentences = [f"{likewise} of {heads} heads that earlier work names are classified likewise."]
    table = ReportTable("known_groups", "Heads that earlier work found", columns, rows)
    return ReportPart("Heads that earlier work found", sentences, [table], {}, tables_settings_text(found))
