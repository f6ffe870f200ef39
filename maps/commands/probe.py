"""`probe`: all heads of a model asked about a token or a pair."""

from __future__ import annotations

import argparse
from functools import partial

import maps
from maps.command_line import Subparsers, positive_int
from maps.commands.arguments import progress_bar
from maps.commands.model import add_reading_options
from maps.mapping.probe_results import Probe, VocabularyToken


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """`probe`."""
    p = commands.add_parser(
        "probe",
        help="ask all heads about a token or a pair",
        description="Ask every head of a model about a token (what it makes of it, what makes it promote it) or about "
        "a pair (where the target ranks in the source's row). · is a space; ranks count from 1.",
        epilog="example: python -m maps probe smollm2 France Paris",
    )
    p.add_argument("model", help="a Hub id, a model folder, a .gguf file, or smollm2 (the bundled model)")
    p.add_argument("source", help="a word that is one token, such as France; alone, it is asked about from both sides")
    p.add_argument("target", nargs="?", help="a word that is one token, such as Paris")
    p.add_argument("--top", type=positive_int, default=20, help="heads shown of each list (default 20)")
    add_reading_options(p)
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Prints what the heads do, the best first."""
    model = maps.load(
        arguments.model,
        device=arguments.device,
        dtype=arguments.dtype,
        first_mlp=not arguments.no_first_mlp,
        final_norm=arguments.final_norm,
    )
    bar = partial(progress_bar, doing="reading")
    found = maps.probe(model, arguments.source, arguments.target, progress=bar)
    print("\n".join(probe_lines(found, len(found.pair or found.as_source), arguments.top)))


def probe_lines(probe: Probe, heads: int, top: int) -> list[str]:
    """What was found, as lines for a terminal."""
    from maps.text import escape_for_terminal

    of = f"{escape_for_terminal(probe.model)}: {heads:,} heads, {probe.vocabulary:,} tokens"
    source = visible_token(probe.source)
    if probe.target is not None:
        target = visible_token(probe.target)
        high = [f"{each.head!s:>7}  rank {each.rank:>7,}  score {each.score:>10.2f}" for each in probe.pair[:top]]
        low = [
            f"{each.head!s:>7}  rank {each.from_lowest:>7,} from the lowest  score {each.score:>10.2f}"
            for each in probe.pair_by_suppression()[:top]
        ]
        return [
            of,
            "",
            f"{target} in the row of {source}, promoted most:",
            *high,
            "",
            "suppressed most:",
            *low,
        ]
    made = [
        f"{each.head!s:>7}  {each.saliency:>8.3f}  {ratio_text(each.ratio):>6}  {'  '.join(map(visible_token, each.targets))}"
        for each in probe.as_source[:top]
    ]
    by = [f"{each.head!s:>7}  rank {each.rank:>7,}  {visible_token(each.source)}" for each in probe.as_target[:top]]
    return [
        of,
        "",
        f"{source} as a source: its saliency, that beside the head's mean, its highest targets:",
        *made,
        "",
        f"{source} as a target: its rank in the row of the source with the highest score for it:",
        *by,
    ]


def ratio_text(ratio: float | None) -> str:
    """How often a mean: `1.62×`."""
    return "none" if ratio is None else f"{ratio:.2f}×"


def visible_token(token: VocabularyToken) -> str:
    """A token with nothing hidden."""
    from maps.text import visible_token

    return visible_token(token.string)
