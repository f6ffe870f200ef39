"""Answers of live questions as HTML: tables of heads with their ranks, the grid of own pairs, and the same command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from maps.analysis.classification import SCORE
from maps.atlas.reader import Atlas
from maps.mapping.probe_results import HeadBestSource, HeadPairRank, HeadTargets, OwnPairsResult, Probe
from maps.text import pluralize
from maps.types import HeadId
from maps.weights.bundled import BUNDLED_MODEL
from space.atlases import cache
from space.components import grid
from space.components.links import link_to_head
from space.components.markup import anchor, description_preview, escape_html, notice, table, token_chip

MAX_HEADS_SHOWN = 20  # heads of each list
NEAR_RANKS = 10  # ranks that the sentences count
MAX_UNUSABLE_PAIRS_SHOWN = 20  # unusable pairs that are written out

Pairs = Sequence[tuple[str, str]]


class HeadLinks:
    """Heads as links into an atlas, where it holds them, with what is said of them."""

    def __init__(self, atlas: Atlas) -> None:
        self.atlas = atlas
        self.descriptions = dict(zip(atlas.head_ids, cache.head_descriptions(atlas), strict=True))

    def link(self, head: HeadId) -> str:
        """The head's name, leading to its page."""
        known = head in self.descriptions
        return anchor(link_to_head(self.atlas.model, head), str(head)) if known else escape_html(head)

    def description_html(self, head: HeadId) -> str:
        """Its description."""
        return description_preview(self.descriptions.get(head) or "not described")


def pair_answer(probe: Probe, atlas: Atlas) -> str:
    """Where the target ranks under the heads."""
    linked = HeadLinks(atlas)
    high, low = probe.pair[:MAX_HEADS_SHOWN], probe.pair_by_suppression()[:MAX_HEADS_SHOWN]
    end = f"of {probe.vocabulary:,}"
    return (
        f"<p>{pair_sentence(probe)}</p>"
        + rank_table(linked, high, [each.rank for each in high], f"Rank {end}", "The heads that promote the pair most")
        + rank_table(
            linked,
            low,
            [each.from_lowest for each in low],
            f"Rank from the lowest {end}",
            "The heads that suppress the pair most",
        )
    )


def pair_sentence(probe: Probe) -> str:
    """The best rank, and how many heads have the target near an end."""
    assert probe.target is not None
    best = probe.pair[0]
    near = sum(each.rank <= NEAR_RANKS for each in probe.pair)
    down = sum(each.from_lowest <= NEAR_RANKS for each in probe.pair)
    return (
        f"In the row of {token_chip(probe.source.string)}, {token_chip(probe.target.string)} ranks best under {best.head}: "
        f"{best.rank:,} of {probe.vocabulary:,} tokens. It is among the {NEAR_RANKS} highest targets under "
        f"{pluralize(near, 'head')} of {len(probe.pair):,}, and among the {NEAR_RANKS} lowest under {pluralize(down, 'head')}."
    )


def rank_table(
    head_links: HeadLinks, rows: Sequence[HeadPairRank], shown_ranks: Sequence[int], rank_heading: str, caption: str
) -> str:
    """A table of heads with a rank."""
    lines = [
        (head_links.link(each.head), f"{place:,}", f"{each.score:.2f}", head_links.description_html(each.head))
        for each, place in zip(rows, shown_ranks, strict=True)
    ]
    return table(("Head", rank_heading, "Score", "Description"), lines, f"{caption} ({len(lines)} of them)")


def token_answer(probe: Probe, atlas: Atlas) -> str:
    """What heads make of a token, and what makes them promote it."""
    linked = HeadLinks(atlas)
    first = sum(each.rank == 1 for each in probe.as_target)
    sentence = (
        f"{token_chip(probe.source.string)} is the highest target of some source under {first:,} of "
        f"{pluralize(len(probe.as_target), 'head')}, if each head may choose its source by the highest score for the token."
    )
    return (
        f"<p>{sentence}</p>"
        + promoting_heads_table(linked, probe.as_target)
        + acting_heads_table(linked, probe.as_source)
    )


def promoting_heads_table(head_links: HeadLinks, best_sources: Sequence[HeadBestSource]) -> str:
    """The heads that promote the token."""
    lines = [
        (
            head_links.link(each.head),
            f"{each.rank:,}",
            token_chip(each.source.string),
            head_links.description_html(each.head),
        )
        for each in best_sources[:MAX_HEADS_SHOWN]
    ]
    caption = f"The {len(lines)} heads that promote the token most"
    return table(("Head", "Rank", "In the row of", "Description"), lines, caption)


def acting_heads_table(head_links: HeadLinks, head_targets: Sequence[HeadTargets]) -> str:
    """The heads that act most strongly on the token."""
    lines = [
        (
            head_links.link(each.head),
            f"{each.saliency:.3f}",
            "undefined" if each.ratio is None else f"{each.ratio:.2f} ×",
            " ".join(token_chip(target.string) for target in each.targets),
        )
        for each in head_targets[:MAX_HEADS_SHOWN]
    ]
    caption = f"The {len(lines)} heads that act on the token most, beside their mean"
    return table(("Head", "Saliency", "Of its mean", "Highest targets"), lines, caption)


def relation_answer(result: OwnPairsResult, atlas: Atlas, side: str, tau: float) -> str:
    """Own pairs: which can be used, the grid of all heads, and the best ones."""
    told = notice(unusable_sentence(result), "note") if result.unusable else ""
    if not result.pairs:
        return told or notice("No pair can be used.")
    scores = {each.head: each for each in result.heads}
    values = [None if h not in scores else getattr(scores[h], side) for h in atlas.head_ids]
    least = int(atlas.info["settings"]["min_pairs"])
    few = f" Fewer than {least} usable pairs: no head would be classified by them." if result.pairs < least else ""
    drawn = grid.grid_html(grid.score_grid(values, "your pairs", side, tau, result.pairs, few), atlas)
    counted = (
        f"<p>A pair counts where its target is among the {result.k} highest targets (lowest, for suppression).</p>"
    )
    return told + drawn + counted + best_heads_table(result, HeadLinks(atlas), side)


def unusable_sentence(result: OwnPairsResult) -> str:
    """How many pairs are left out, and which."""
    total = result.pairs + len(result.unusable)
    named = "; ".join(f"{source} → {target}" for source, target in result.unusable[:MAX_UNUSABLE_PAIRS_SHOWN])
    more = (
        f"; and {len(result.unusable) - MAX_UNUSABLE_PAIRS_SHOWN} more"
        if len(result.unusable) > MAX_UNUSABLE_PAIRS_SHOWN
        else ""
    )
    return (
        f"{result.pairs} of {pluralize(total, 'pair')} can be used; of the others a word is no single token of "
        f"{result.model}: {named}{more}."
    )


def best_heads_table(result: OwnPairsResult, head_links: HeadLinks, side: str) -> str:
    """The heads with the highest values on one side."""
    some = [each for each in result.heads if getattr(each, side)]
    some.sort(key=lambda each: (-getattr(each, side), each.head))
    lines = [
        (
            head_links.link(each.head),
            f"{each.score or 0:.2f}",
            f"{each.suppression or 0:.2f}",
            head_links.description_html(each.head),
        )
        for each in some[:MAX_HEADS_SHOWN]
    ]
    word = "score" if side == SCORE else "suppression"
    caption = f"The best {len(lines)} of {pluralize(len(some), 'head')} with a {word} over 0"
    return table(("Head", "Score", "Suppression", "Description"), lines, caption)


def probe_command(source: str, target: str) -> str:
    """The command that asks the same, ready for a shell."""
    words = [word for word in (source, target) if word]
    guard = ["--"] if any(word.startswith("-") for word in words) else []
    return shlex.join(["python", "-m", "maps", "probe", BUNDLED_MODEL, *guard, *words])


def command_html(command: str) -> str:
    """A command to copy."""
    return f'<p>The same on your own machine:</p><pre class="scroll"><code>{escape_html(command)}</code></pre>'


def relation_command_html(pairs: Pairs) -> str:
    """The command that scores own pairs, with the file that it reads."""
    command = shlex.join(
        ["python", "-m", "maps", "map", BUNDLED_MODEL, "--out", "data/atlases/own", "--relation", "own=own.json"]
    )
    file = json.dumps([list(pair) for pair in pairs], ensure_ascii=False)
    return (
        f"{command_html(command)}<details><summary>The file own.json</summary>"
        f'<pre class="scroll"><code>{escape_html(file)}</code></pre></details>'
    )
