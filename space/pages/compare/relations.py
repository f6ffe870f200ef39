"""Two models of any kind side by side: heads by category and relation, best heads, and described patterns by depth."""

from __future__ import annotations

from maps.analysis.classification import CATEGORIES, categories_of
from maps.analysis.side_by_side import BestHead, DepthRate, rates_by_depth
from maps.atlas.reader import Atlas
from maps.text import join_words, relation_label
from space.atlases import cache
from space.atlases.comparison import best_head_of_relations
from space.components import markup
from space.components.links import link_to_relation
from space.components.markup import Html


def relations_view(first: Atlas, second: Atlas) -> Html:
    return category_table(first, second) + relation_table(first, second) + depth_section(first, second)


def category_table(first: Atlas, second: Atlas) -> Html:
    """How many heads belong to each category, for each model at its own threshold."""
    shares, others = category_shares(first), category_shares(second)
    rows = [(name, shares[name], others[name]) for name in ("any relation", *CATEGORIES)]
    return markup.table(("Category", first.model, second.model), rows, "Heads by category")


def category_shares(atlas: Atlas) -> dict[str, str]:
    relations_by_head = cache.classified_heads(atlas, float(atlas.info["settings"]["tau"]))
    counts = {"any relation": len(relations_by_head)}
    for name in CATEGORIES:
        counts[name] = sum(name in categories_of(relations) for relations in relations_by_head.values())
    return {name: share_text(count, len(atlas.head_ids)) for name, count in counts.items()}


def share_text(count: int, total: int) -> str:
    return f"{count:,} ({100 * count / total:.1f} %)"


def relation_table(first: Atlas, second: Atlas) -> Html:
    """Of each relation the heads that implement or suppress it, and the best head with its score."""
    atlases = (first, second)
    counts = [relation_counts(atlas) for atlas in atlases]
    bests = [best_head_of_relations(atlas) for atlas in atlases]
    rows = []
    for name in dict.fromkeys((*cache.relation_names(first), *cache.relation_names(second))):
        cells = []
        for atlas, count, best in zip(atlases, counts, bests, strict=True):
            cells += [count.get(name, "not scored"), best_cell(atlas, best.get(name))]
        rows.append((markup.anchor(link_to_relation(name), relation_label(name)), *cells))
    header = ["Relation"]
    for atlas in atlases:
        header += [f"{atlas.model}: heads", "Best head"]
    caption = "Heads that implement or suppress each relation, and the best head with its score beyond copying"
    return markup.table(header, rows, caption)


def relation_counts(atlas: Atlas) -> dict[str, str]:
    rows = cache.relation_summary(atlas, float(atlas.info["settings"]["tau"])).to_pylist()
    total = len(atlas.head_ids)
    return {row["relation"]: share_text(row["either"], total) if row["counted"] else "too few pairs" for row in rows}


def best_cell(atlas: Atlas, best: BestHead | None) -> Html:
    if best is None:
        return Html("none")
    return Html("{} {:.2f}").format(markup.head_link(atlas.model, best.head), best.value)


def depth_section(first: Atlas, second: Atlas) -> Html:
    """How many heads have a described pattern by relative depth, for each describer that described both models."""
    rates = [cache.pattern_rates(atlas) for atlas in (first, second)]
    named = [sorted(set(table["describer"].to_pylist())) for table in rates]
    shared = [name for name in named[0] if name in named[1]]
    heading = Html("<h2>Described patterns by depth</h2>")
    if not shared:
        return heading + markup.notice(no_describer_sentence(first, second, named))
    tables = []
    for describer in shared:
        parts = [
            rates_by_depth(table, describer, atlas.info["layers"])
            for atlas, table in zip((first, second), rates, strict=True)
        ]
        rows = [
            (f"{100 * one.start:.0f} to {100 * one.end:.0f} %", rate_text(one), rate_text(other))
            for one, other in zip(*parts, strict=True)
        ]
        caption = f"Heads in which a pattern was described by {markup.author_words(describer)}, by depth in the model"
        tables.append(markup.table(("Depth", first.model, second.model), rows, caption))
    return heading + markup.join_html(tables)


def rate_text(part: DepthRate) -> str:
    if part.rate is None:
        return "none described"
    return f"{100 * part.rate:.0f} % ({part.patterns:,} of {part.described:,})"


def no_describer_sentence(first: Atlas, second: Atlas, named: list[list[str]]) -> str:
    phrases = [
        f"{atlas.model} by {join_words([markup.author_words(name) for name in names]) if names else 'nobody'}"
        for atlas, names in zip((first, second), named, strict=True)
    ]
    return f"No describer has described both models, so their rates cannot be compared: {'; '.join(phrases)}."
