"""What the first page says at once: three findings of the model in words, and a question with its answer."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.compute as pc

from maps.analysis.classification import SCORE, SUPPRESSION, HeadRelation
from maps.atlas.reader import Atlas
from maps.atlas.readings import reading_phrase
from maps.atlas.schema import Row
from maps.report.headline import relation_phrase
from maps.text import pluralize, relation_label
from maps.types import HeadId
from space.atlases import cache
from space.components.links import link_to_head
from space.components.markup import Html, anchor, head_link, join_html, token_chip
from space.services import Services
from space.studies.headlines import head_headlines

MAX_FINDINGS = 3
PAIRS_SHOWN = 3
FIRST_CATEGORIES = ("knowledge", "linguistic", "translation", "algorithmic")  # what says most to a newcomer first
HEADS_NAMED = 4
SUPPRESSES = Html('<span title="makes less likely">↛</span>')
PAIRS_HINT = (
    "For a known relation, the head that answers most of its pairs: given the first word, the head makes the second "
    "one of the most likely tokens (→), or of the least likely (↛)."
)
COMMON_SHARE = 0.6  # of the most heads that promote one pair


class Finding(NamedTuple):
    """One head, and the relation of which it is the best head."""

    head: HeadId
    relation: HeadRelation


class AnsweredPair(NamedTuple):
    """A pair of a relation, and the heads for which its target is among the `k` highest tokens for its source."""

    source: str
    target: str
    relation: str
    k: int
    heads: tuple[HeadId, ...]


def best_findings(atlas: Atlas, tau: float) -> list[Finding]:
    """The best head of the clearest relation of each category, then a head that suppresses; each head once."""
    ranked = sorted(
        (Finding(head, each) for head, relations in cache.classified_heads(atlas, tau).items() for each in relations),
        key=lambda finding: -finding.relation.value,
    )
    promoting = [finding for finding in ranked if finding.relation.side == SCORE]
    found: list[Finding] = []
    for category in FIRST_CATEGORIES[: MAX_FINDINGS - 1]:
        found += [finding for finding in promoting if finding.relation.category == category][:1]
    found += [finding for finding in ranked if finding.relation.side == SUPPRESSION][:1]
    for finding in ranked:
        if len(found) < MAX_FINDINGS and finding.head not in {each.head for each in found}:
            found.append(finding)
    return found


def findings_section(services: Services, atlas: Atlas, tau: float) -> Html:
    """The findings as links to their heads; nothing where no head matches a relation."""
    headlines = head_headlines(services, atlas)
    items = []
    for head, relation in best_findings(atlas, tau):
        rows = atlas.pairs(relation.relation, head).to_pylist()
        column = "hit" if relation.side == SCORE else "suppressed"
        pairs = sorted((row for row in rows if row[column]), key=frequency_order)[:PAIRS_SHOWN]
        chips = Html(", ").join(
            Html("{} {} {}").format(
                token_chip(row["source"], linked=False),
                "→" if relation.side == SCORE else SUPPRESSES,
                token_chip(row["target"], linked=False),
            )
            for row in pairs
        )
        several = headlines[head].operations_phrase
        phrase = relation_phrase(relation)
        items.append(
            Html('<li><a href="{}"><b>{}</b> <span>{}</span></a><p>{}{}</p></li>').format(
                link_to_head(atlas.model, head),
                head,
                phrase[:1].upper() + phrase[1:],
                chips,
                Html(" <small>{}</small>").format(several) if several else "",
            )
        )
    if not items:
        return Html("")
    return Html(
        '<section class="findings"><h2>Found in this model</h2><p class="hint">{}</p><ul>{}</ul></section>'
    ).format(PAIRS_HINT, join_html(items))


@cache.cache_results("hits", "pairs", "relations")
def most_answered_pair(atlas: Atlas, tau: float) -> AnsweredPair | None:
    """A common pair that many heads promote, of the clearest knowledge relation (of any, if none is implemented)."""
    summary = [row for row in cache.relation_summary(atlas, tau).to_pylist() if row["heads"]]
    order = {name: number for number, name in enumerate(FIRST_CATEGORIES)}
    summary.sort(key=lambda row: (order.get(row["category"], len(order)), -row["best_score"]))
    if not summary:
        return None
    name, k = summary[0]["relation"], summary[0]["k"]
    rows = atlas.table("hits")
    hits = rows.filter(pc.equal(rows["relation"], pa.scalar(name)))
    by_pair: dict[int, list[HeadId]] = {}
    for row in hits.to_pylist():
        for pair in row["hits"]:
            by_pair.setdefault(pair, []).append(HeadId(row["layer"], row["head"]))
    least = COMMON_SHARE * max(map(len, by_pair.values()), default=0)
    common = [row for row in atlas.pairs(name).to_pylist() if len(by_pair.get(row["pair"], ())) >= least > 0]
    if not common:
        return None
    row = min(common, key=frequency_order)
    return AnsweredPair(row["source"], row["target"], name, k, tuple(by_pair[row["pair"]]))


def frequency_order(row: Row) -> int:
    """Sorts pairs by how common their sources are, roughly: tokenizers give frequent strings low ids."""
    return int(row["source_id"])


def try_section(services: Services, atlas: Atlas, tau: float) -> Html:
    """A form that asks the weights, with a question that the atlas answers already; nothing without such a question."""
    pair = most_answered_pair(atlas, tau)
    if pair is None:
        return Html("")
    form = Html("")
    if services.live_model.is_of(atlas):
        form = Html(
            '<form class="controls" action="try"><label>Given <input name="source" value="{}" required {limit}></label>'
            '<label>which heads write <input name="target" value="{}" {limit}></label><button>Ask all heads</button>'
            "</form>"
        ).format(pair.source.strip(), pair.target.strip(), limit=Html('size="8" autocomplete="off" spellcheck="false"'))
    other = Html("")
    if form and services.live_model.reading.name != atlas.reading:
        words = f"All heads are asked in {reading_phrase(services.live_model.reading.name)}, where numbers differ."
        other = Html('<p class="hint">{}</p>').format(words)
    return Html('<section class="try-first"><h2>Try it</h2>{}{}{}{}</section>').format(
        form, answer_sentence(atlas, pair), other, more_questions(services, atlas, pair)
    )


def answer_sentence(atlas: Atlas, pair: AnsweredPair) -> Html:
    """`Given Spain, 9 of 270 heads rank Madrid first of 49,152 tokens: L21H3, L23H4, …`."""
    place = "first" if pair.k == 1 else f"among the first {pair.k}"
    verb = "ranks" if len(pair.heads) == 1 else "rank"
    named = Html(", ").join(head_link(atlas.model, head) for head in pair.heads[:HEADS_NAMED])
    rest = len(pair.heads) - HEADS_NAMED
    return Html("<p>Given {}, {} of {:,} {} {} {} of {:,} tokens: {}{}.</p>").format(
        token_chip(pair.source, linked=False),
        pluralize(len(pair.heads), "head"),
        len(atlas.head_ids),
        verb,
        token_chip(pair.target, linked=False),
        place,
        atlas.info["vocabulary"],
        named,
        f" and {rest} more" if rest > 0 else "",
    )


def more_questions(services: Services, atlas: Atlas, pair: AnsweredPair) -> Html:
    """Where to go from the example."""
    links = [
        anchor(
            "relation?" + urlencode({"name": pair.relation, "model": atlas.model}),
            f"All pairs of {relation_label(pair.relation)}",
        )
    ]
    if services.live_model.is_of(atlas):
        links.insert(0, anchor("try", "Ask about one word, or your own list of pairs"))
    return Html('<p class="ways">{}</p>').format(Html(" ").join(links))
