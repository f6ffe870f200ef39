"""The command `probe`: what all heads do with a token or a pair."""

from __future__ import annotations

import argparse
from functools import partial

import maps
from maps.command_line import Subparsers, positive_int, print_text
from maps.commands.arguments import (
    add_model_argument,
    add_reading_options,
    model_from,
    progress_bar,
    reading_from,
)
from maps.mapping.probe_results import Probe
from maps.text import visible_token


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "probe",
        help="show what all heads do with a token or a pair",
        description="Show what every head of a model does with a token (which targets it promotes for it, from which "
        "source it promotes it), or with a pair (the target's rank in the source's row). · is a space; ranks count "
        "from 1.",
        epilog="example: python -m maps probe smollm2 France Paris",
    )
    add_model_argument(p)
    p.add_argument("source", help="a word that is one token, such as France; without a target, it is probed as both")
    p.add_argument("target", nargs="?", help="a word that is one token, such as Paris")
    p.add_argument("--top", type=positive_int, default=20, help="heads shown in each list (default 20)")
    add_reading_options(p)
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Prints the heads, best first."""
    model = maps.load(
        model_from(arguments),
        device=arguments.device,
        dtype=arguments.dtype,
        reading=str(reading_from(arguments)),
        calibration=arguments.calibration,
    )
    bar = partial(progress_bar, doing="reading")
    probe = maps.probe(model, arguments.source, arguments.target, progress=bar)
    heads = len(probe.pair or probe.as_source)
    lines = token_lines(probe, arguments.top) if probe.target is None else pair_lines(probe, arguments.top)
    print_text("\n".join([f"{probe.model}: {heads:,} heads, {probe.vocabulary:,} tokens", *lines]))


def pair_lines(probe: Probe, top: int) -> list[str]:
    """The heads that promote a pair most, and those that suppress it most."""
    assert probe.target is not None
    source, target = visible_token(probe.source.string), visible_token(probe.target.string)
    lines = ["", f"{target} in the row of {source}, promoted most:"]
    lines += [f"{each.head!s:>7}  rank {each.rank:>7,}  score {each.score:>10.2f}" for each in probe.pair[:top]]
    lines += ["", "suppressed most:"]
    for each in probe.pair_by_suppression()[:top]:
        lines.append(f"{each.head!s:>7}  rank {each.from_lowest:>7,} from the lowest  score {each.score:>10.2f}")
    return lines


def token_lines(probe: Probe, top: int) -> list[str]:
    """The heads that act most on a token as a source, and those that promote it most as a target."""
    token = visible_token(probe.source.string)
    lines = ["", f"{token} as a source: saliency, ratio to the head's mean saliency, highest targets:"]
    for each in probe.as_source[:top]:
        ratio = "none" if each.ratio is None else f"{each.ratio:.2f}×"
        targets = "  ".join(visible_token(target.string) for target in each.targets)
        lines.append(f"{each.head!s:>7}  {each.saliency:>8.3f}  {ratio:>6}  {targets}")
    lines += ["", f"{token} as a target: its rank in the row of the source with the highest score for it:"]
    for best in probe.as_target[:top]:
        lines.append(f"{best.head!s:>7}  rank {best.rank:>7,}  {visible_token(best.source.string)}")
    return lines
