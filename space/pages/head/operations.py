"""The operations of a head that has several: groups of its mappings with targets in common, each described."""

from __future__ import annotations

from maps.atlas.patterns import operation_mappings
from maps.atlas.schema import Row
from maps.describers.names import trust_order
from maps.report.headline import NO_PATTERN
from maps.text import pluralize
from space.atlases.head_rows import HeadRows
from space.components.markup import Html, author_words, foldable_description, join_html, mapping_list
from space.pages.head.descriptions import inputs_line

EXPLANATION = (
    "Its examples fall into groups with targets in common. Random samples of the examples show the same groups. Each "
    "group is described by itself."
)


def operations_section(rows: HeadRows) -> Html:
    """The section with its heading; nothing for a head of which not several operations are described."""
    best: dict[int, Row] = {}
    for row in sorted(rows.operations, key=lambda row: -trust_order(row["describer"])):
        best[row["operation"]] = row
    if len(best) < 2:
        return Html("")
    sections = join_html(operation_item(row, rows) for _, row in sorted(best.items()))
    return Html('<h2>{}</h2><p class="hint">{}</p><div class="side-by-side">{}</div>').format(
        pluralize(len(best), "operation"), EXPLANATION, sections
    )


def operation_item(row: Row, rows: HeadRows) -> Html:
    mappings = operation_mappings(row, rows.mappings)
    support = "" if row["support"] is None else f" Supported by {row['support']} of these {len(mappings)}."
    return Html(
        '<section><h3>Operation {}</h3><div>{}</div>{}<p class="hint">Written by {}.{}</p>'
        "<details><summary>{} of the {} examples</summary>{}</details></section>"
    ).format(
        row["operation"],
        foldable_description(row["observed_pattern"] if row["pattern"] else NO_PATTERN),
        inputs_line(row),
        author_words(row["describer"]),
        support,
        len(mappings),
        len(rows.mappings),
        mapping_list(mappings, None),
    )
