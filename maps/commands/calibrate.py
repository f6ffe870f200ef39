"""The command `calibrate`: fits the linear maps that calibrated readings need."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from maps.command_line import Subparsers, positive_int, print_text
from maps.commands.arguments import add_model_argument, model_from, progress_bar


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "calibrate",
        help="fit the linear maps that calibrated readings need",
        description="Run a model on a few thousand tokens, each behind a neutral prompt, and fit two linear maps for "
        "every layer: from a token to the residual stream in front of the layer, and from the stream behind it to the "
        "last one. Readings with calibrated or +target-map use them (docs/readings.md). The same command again "
        "continues a run that was stopped.",
        epilog="example: python -m maps calibrate smollm2 --out data/smollm2.calibration.safetensors",
    )
    add_model_argument(p)
    p.add_argument("--out", required=True, type=Path, metavar="FILE", help="the file for the maps")
    p.add_argument("--tokens", type=positive_int, help="tokens that the model is run on (default 12,000)")
    p.add_argument("--device", default="cpu", help="a torch device (default cpu)")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Fits the maps; returns at once where they are finished."""
    import maps

    model = maps.load(model_from(arguments), device=arguments.device)
    path = maps.calibrate(model, arguments.out, tokens=arguments.tokens, progress=calibration_bar)
    print_text(f"Calibrated {model.name}: the maps are in {path} ({path.stat().st_size / 1e6:,.0f} MB).")


def calibration_bar(todo: Sequence[Any], done: int) -> Iterable[Any]:
    """The bar over passes of the model, then over layers."""
    is_fitting = isinstance(todo, Sequence) and bool(todo) and isinstance(todo[0], int)
    return progress_bar(todo, done, "fitting", "layer") if is_fitting else progress_bar(todo, done, "running", "pass")
