"""Answers to live questions as HTML: tables of heads with their ranks, the grid of own pairs, and the same command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from maps.analysis.classification import SCORE
from maps.atlas.reader import CALIBRATION_FILE, Atlas
from maps.atlas.readings import PAPER_READING, is_calibrated
from maps.mapping.probe_results import HeadBestSource, HeadPairRank, HeadTargets, OwnPairsResult, Probe
from maps.report.headline import Headline
from maps.text import pluralize
from maps.types import HeadId
from maps.weights.bundled import BUNDLED_MODEL
from space.components.grid import grid_html, own_pairs_grid
from space.components.markup import Html, escape_html, head_link, headline_html, notice, table, token_chip
from space.services import Services
from space.studies.headlines import head_headlines

MAX_HEADS_SHOWN = 20  # heads of each list
NEAR_RANKS = 10  # ranks that the sentences count
MAX_UNUSABLE_PAIRS_SHOWN = 20


class HeadLinks:
    """Heads as links into an atlas, and their headlines; a head that the atlas does not have is plain text."""

    def __init__(self, services: Services, atlas: Atlas) -> None:
        self.atlas = atlas
        self.headlines = head_headlines(services, atlas)

    def link(self, head: HeadId) -> Html:
        if head not in self.headlines:
            return escape_html(head)
        return head_link(self.atlas.model, head)

    def headline(self, head: HeadId) -> Html:
        return headline_html(self.headlines.get(head, Headline()))


def pair_answer(probe: Probe, links: HeadLinks) -> Html:
    """The heads under which the target ranks highest, and those under which it ranks lowest."""
    highest = [(row, row.rank) for row in probe.pair[:MAX_HEADS_SHOWN]]
    lowest = [(row, row.from_lowest) for row in probe.pair_by_suppression()[:MAX_HEADS_SHOWN]]
    size = f"{probe.vocabulary:,}"
    promoting = rank_table(links, highest, f"Rank of {size}", "The heads that rank the target highest")
    suppressing = rank_table(links, lowest, f"Rank from the lowest of {size}", "The heads that rank the target lowest")
    return pair_sentence(probe) + promoting + suppressing


def pair_sentence(probe: Probe) -> Html:
    """How many heads rank the target first, or else its best rank; and how many rank it near the top or the bottom."""
    assert probe.target is not None
    best, first = probe.pair[0], sum(row.rank == 1 for row in probe.pair)
    high = sum(row.rank <= NEAR_RANKS for row in probe.pair)
    low = sum(row.from_lowest <= NEAR_RANKS for row in probe.pair)
    source, target, tokens = token_chip(probe.source.string), token_chip(probe.target.string), f"{probe.vocabulary:,}"
    if first:
        verb = "ranks" if first == 1 else "rank"
        start = Html("Given {}, {} {} {} first of {} tokens.").format(
            source, pluralize(first, "head"), verb, target, tokens
        )
    else:
        start = Html("Given {}, the best rank of {} is {:,} of {} tokens, under {}.").format(
            source, target, best.rank, tokens, best.head
        )
    return Html("<p>{} {:,} of {} put it among their {} highest tokens, {:,} among their {} lowest.</p>").format(
        start, high, pluralize(len(probe.pair), "head"), NEAR_RANKS, low, NEAR_RANKS
    )


def rank_table(links: HeadLinks, ranked: Sequence[tuple[HeadPairRank, int]], rank_heading: str, caption: str) -> Html:
    lines = [(links.link(row.head), f"{rank:,}", f"{row.score:.2f}", links.headline(row.head)) for row, rank in ranked]
    return table(("Head", rank_heading, "Score", "What it does"), lines, f"{caption} (first {len(lines)})")


def token_answer(probe: Probe, links: HeadLinks) -> Html:
    """The heads that promote a token, and the heads that act on it."""
    first = sum(row.rank == 1 for row in probe.as_target)
    sentence = Html(
        "<p>For each head, we looked for the source with the highest score for {}. For {:,} of {}, the token "
        "is the highest target of that source.</p>"
    ).format(token_chip(probe.source.string), first, pluralize(len(probe.as_target), "head"))
    return sentence + promoting_heads_table(links, probe.as_target) + acting_heads_table(links, probe.as_source)


def promoting_heads_table(links: HeadLinks, best_sources: Sequence[HeadBestSource]) -> Html:
    lines = [
        (links.link(row.head), f"{row.rank:,}", token_chip(row.source.string), links.headline(row.head))
        for row in best_sources[:MAX_HEADS_SHOWN]
    ]
    caption = f"The {len(lines)} heads that promote the token most"
    return table(("Head", "Rank", "When attending to", "What it does"), lines, caption)


def acting_heads_table(links: HeadLinks, head_targets: Sequence[HeadTargets]) -> Html:
    lines = [
        (
            links.link(row.head),
            f"{row.saliency:.3f}",
            "undefined" if row.ratio is None else f"{row.ratio:.2f} ×",
            Html(" ").join(token_chip(target.string) for target in row.targets),
        )
        for row in head_targets[:MAX_HEADS_SHOWN]
    ]
    caption = f"The {len(lines)} heads that act on the token most, relative to each head's mean saliency"
    return table(("Head", "Saliency", "Relative to its mean", "Highest targets"), lines, caption)


def relation_answer(result: OwnPairsResult, links: HeadLinks, side: str, tau: float) -> Html:
    """Own pairs: which can be used, the grid of all heads, and the best ones."""
    atlas, unusable = links.atlas, notice(unusable_sentence(result)) if result.unusable else Html("")
    if not result.pairs:
        return unusable or notice("None of the pairs can be used.")
    scores = {row.head: getattr(row, side) for row in result.heads}
    values = [scores.get(head) for head in atlas.head_ids]
    min_pairs = int(atlas.info["settings"]["min_pairs"])
    few = ""
    if result.pairs < min_pairs:
        few = f" Fewer than {min_pairs} usable pairs: too few to classify heads by."
    grid = grid_html(own_pairs_grid(values, side, tau, result.pairs, few), atlas)
    end = "highest" if side == SCORE else "lowest"
    rule = Html("<p>A pair counts if its target is among the {} {} tokens.</p>").format(result.k, end)
    return unusable + grid + rule + best_heads_table(result, links, side)


def unusable_sentence(result: OwnPairsResult) -> str:
    total = result.pairs + len(result.unusable)
    named = "; ".join(f"{source} → {target}" for source, target in result.unusable[:MAX_UNUSABLE_PAIRS_SHOWN])
    hidden = len(result.unusable) - MAX_UNUSABLE_PAIRS_SHOWN
    if hidden > 0:
        named += f"; and {hidden} more"
    return (
        f"{result.pairs} of {pluralize(total, 'pair')} can be used. In the others, a word is not a single token of "
        f"{result.model}: {named}."
    )


def best_heads_table(result: OwnPairsResult, links: HeadLinks, side: str) -> Html:
    with_hits = [row for row in result.heads if getattr(row, side)]
    ranked = sorted(with_hits, key=lambda row: (-getattr(row, side), row.head))
    lines = [
        (links.link(row.head), f"{row.score or 0:.2f}", f"{row.suppression or 0:.2f}", links.headline(row.head))
        for row in ranked[:MAX_HEADS_SHOWN]
    ]
    name = "score" if side == SCORE else "suppression"
    caption = f"The best {len(lines)} of {pluralize(len(ranked), 'head')} with a {name} above 0"
    return table(("Head", "Score", "Suppression", "What it does"), lines, caption)


def probe_command(source: str, target: str, reading: str = PAPER_READING) -> str:
    """The command that asks the same in a reading, quoted for a shell."""
    words = [word for word in (source, target) if word]
    guard = ["--"] if any(word.startswith("-") for word in words) else []
    return shlex.join(["python", "-m", "maps", "probe", BUNDLED_MODEL, *reading_options(reading), *guard, *words])


def reading_options(reading: str) -> list[str]:
    """The options of a command that name a reading; none for the paper's."""
    calibration = ["--calibration", CALIBRATION_FILE] if is_calibrated(reading) else []
    return [] if reading == PAPER_READING else ["--reading", reading, *calibration]


def calibrate_commands(reading: str) -> list[str]:
    """The command that makes the calibration that a reading needs, if it needs one."""
    command = shlex.join(["python", "-m", "maps", "calibrate", BUNDLED_MODEL, "--out", CALIBRATION_FILE])
    return [command] if is_calibrated(reading) else []


def command_html(commands: Sequence[str]) -> Html:
    start = "this command computes" if len(commands) == 1 else "these commands compute"
    return Html(
        '<p>For programmers: {} the same on your own machine.</p><pre class="scroll"><code>{}</code></pre>'
    ).format(start, "\n".join(commands))


def relation_command_html(pairs: Sequence[tuple[str, str]], reading: str) -> Html:
    """The command that scores own pairs in a reading, with the file that it reads."""
    options = ["--out", "data/atlases/own", "--relation", "own=own.json", *reading_options(reading)]
    command = shlex.join(["python", "-m", "maps", "map", BUNDLED_MODEL, *options])
    file = json.dumps([list(pair) for pair in pairs], ensure_ascii=False)
    return command_html([*calibrate_commands(reading), command]) + Html(
        '<details><summary>The file own.json</summary><pre class="scroll"><code>{}</code></pre></details>'
    ).format(file)
