"""Answers of live questions as HTML: tables of heads with their ranks, the grid of own pairs, and the same command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from maps.analysis.classification import SCORE
from maps.atlas.reader import Atlas
from maps.mapping.probe_results import OwnRelation, Probe, Promoted, Promoter, Ranked
from maps.text import many
from maps.types import HeadId
from maps.weights.bundled import BUNDLED
from space.atlases import cache
from space.components import grid
from space.components.links import link_to_head
from space.components.markup import anchor, brief, chip, notice, table, text

SHOWN = 20  # heads of each list
NEAR = 10  # ranks that the sentences count
NAMED = 20  # unusable pairs that are written out

Pairs = Sequence[tuple[str, str]]


class Linked:
    """Heads as links into an atlas, where it holds them, with what is said of them."""

    def __init__(self, atlas: Atlas) -> None:
        self.atlas = atlas
        self.said = dict(zip(atlas.ids, cache.sentences(atlas), strict=True))

    def link(self, head: HeadId) -> str:
        """The head's name, leading to its page."""
        known = head in self.said
        return anchor(link_to_head(self.atlas.model, head), str(head)) if known else text(head)

    def sentence(self, head: HeadId) -> str:
        """Its description."""
        return brief(self.said.get(head) or "not described")


def of_pair(found: Probe, atlas: Atlas) -> str:
    """Where the target ranks under the heads."""
    linked = Linked(atlas)
    high, low = found.pair[:SHOWN], found.suppressing()[:SHOWN]
    end = f"of {found.vocabulary:,}"
    return (
        f"<p>{pair_sentence(found)}</p>"
        + ranks(linked, high, [each.rank for each in high], f"Rank {end}", "The heads that promote the pair most")
        + ranks(
            linked,
            low,
            [each.from_lowest for each in low],
            f"Rank from the lowest {end}",
            "The heads that suppress the pair most",
        )
    )


def pair_sentence(found: Probe) -> str:
    """The best rank, and how many heads have the target near an end."""
    assert found.target is not None
    best = found.pair[0]
    near = sum(each.rank <= NEAR for each in found.pair)
    down = sum(each.from_lowest <= NEAR for each in found.pair)
    return (
        f"In the row of {chip(found.source.string)}, {chip(found.target.string)} ranks best under {best.head}: "
        f"{best.rank:,} of {found.vocabulary:,} tokens. It is among the {NEAR} highest targets under "
        f"{many(near, 'head')} of {len(found.pair):,}, and among the {NEAR} lowest under {many(down, 'head')}."
    )


def ranks(linked: Linked, rows: Sequence[Ranked], places: Sequence[int], name: str, caption: str) -> str:
    """A table of heads with a rank."""
    lines = [
        (linked.link(each.head), f"{place:,}", f"{each.score:.2f}", linked.sentence(each.head))
        for each, place in zip(rows, places, strict=True)
    ]
    return table(("Head", name, "Score", "Description"), lines, f"{caption} ({len(lines)} of them)")


def of_token(found: Probe, atlas: Atlas) -> str:
    """What heads make of a token, and what makes them promote it."""
    linked = Linked(atlas)
    first = sum(each.rank == 1 for each in found.as_target)
    sentence = (
        f"{chip(found.source.string)} is the highest target of some source under {first:,} of "
        f"{many(len(found.as_target), 'head')}, if each head may choose its source by the highest score for the token."
    )
    return f"<p>{sentence}</p>" + as_target(linked, found.as_target) + as_source(linked, found.as_source)


def as_target(linked: Linked, found: Sequence[Promoter]) -> str:
    """The heads that promote the token."""
    lines = [
        (linked.link(each.head), f"{each.rank:,}", chip(each.source.string), linked.sentence(each.head))
        for each in found[:SHOWN]
    ]
    caption = f"The {len(lines)} heads that promote the token most"
    return table(("Head", "Rank", "In the row of", "Description"), lines, caption)


def as_source(linked: Linked, found: Sequence[Promoted]) -> str:
    """The heads that act most strongly on the token."""
    lines = [
        (
            linked.link(each.head),
            f"{each.saliency:.3f}",
            "undefined" if each.ratio is None else f"{each.ratio:.2f} ×",
            " ".join(chip(target.string) for target in each.targets),
        )
        for each in found[:SHOWN]
    ]
    caption = f"The {len(lines)} heads that act on the token most, beside their mean"
    return table(("Head", "Saliency", "Of its mean", "Highest targets"), lines, caption)


def of_relation(found: OwnRelation, atlas: Atlas, side: str, tau: float) -> str:
    """Own pairs: which can be used, the grid of all heads, and the best ones."""
    told = notice(unusable_sentence(found), "note") if found.unusable else ""
    if not found.pairs:
        return told or notice("No pair can be used.")
    scores = {each.head: each for each in found.heads}
    values = [None if h not in scores else getattr(scores[h], side) for h in atlas.ids]
    least = int(atlas.info["settings"]["min_pairs"])
    few = f" Fewer than {least} usable pairs: no head would be classified by them." if found.pairs < least else ""
    drawn = grid.drawn(grid.scored(values, "your pairs", side, tau, found.pairs, few), atlas)
    counted = f"<p>A pair counts where its target is among the {found.k} highest targets (lowest, for suppression).</p>"
    return told + drawn + counted + best_heads(found, Linked(atlas), side)


def unusable_sentence(found: OwnRelation) -> str:
    """How many pairs are left out, and which."""
    total = found.pairs + len(found.unusable)
    named = "; ".join(f"{source} → {target}" for source, target in found.unusable[:NAMED])
    more = f"; and {len(found.unusable) - NAMED} more" if len(found.unusable) > NAMED else ""
    return (
        f"{found.pairs} of {many(total, 'pair')} can be used; of the others a word is no single token of "
        f"{found.model}: {named}{more}."
    )


def best_heads(found: OwnRelation, linked: Linked, side: str) -> str:
    """The heads with the highest values on one side."""
    some = [each for each in found.heads if getattr(each, side)]
    some.sort(key=lambda each: (-getattr(each, side), each.head))
    lines = [
        (linked.link(each.head), f"{each.score or 0:.2f}", f"{each.suppression or 0:.2f}", linked.sentence(each.head))
        for each in some[:SHOWN]
    ]
    word = "score" if side == SCORE else "suppression"
    caption = f"The best {len(lines)} of {many(len(some), 'head')} with a {word} over 0"
    return table(("Head", "Score", "Suppression", "Description"), lines, caption)


def probe_command(source: str, target: str) -> str:
    """The command that asks the same, ready for a shell."""
    words = [word for word in (source, target) if word]
    guard = ["--"] if any(word.startswith("-") for word in words) else []
    return shlex.join(["python", "-m", "maps", "probe", BUNDLED, *guard, *words])


def command_shown(command: str) -> str:
    """A command to copy."""
    return f'<p>The same on your own machine:</p><pre class="scroll"><code>{text(command)}</code></pre>'


def relation_command(pairs: Pairs) -> str:
    """The command that scores own pairs, with the file that it reads."""
    command = shlex.join(
        ["python", "-m", "maps", "map", BUNDLED, "--out", "data/atlases/own", "--relation", "own=own.json"]
    )
    file = json.dumps([list(pair) for pair in pairs], ensure_ascii=False)
    return (
        f"{command_shown(command)}<details><summary>The file own.json</summary>"
        f'<pre class="scroll"><code>{text(file)}</code></pre></details>'
    )
