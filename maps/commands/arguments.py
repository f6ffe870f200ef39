"""Argument types of the commands, and the progress bar."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

from maps.text import escape_invisible

MISSING_PICTURES_HINT = (
    "Pictures need vl-convert: `python -m pip install vl-convert-python`, then run this command again."
)
TodoItem = TypeVar("TodoItem")


def seconds(text: str) -> float:
    """An argument such as 2.5."""
    return parse_positive_number(text, "a time in seconds such as 2.5")


def dollars(text: str) -> float:
    """An argument such as 2.50."""
    return parse_positive_number(text, "an amount of dollars such as 2.50")


def parse_positive_number(text: str, expected: str) -> float:
    """A number above 0; `expected` describes it in the error message."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
    return value


def model_name(text: str) -> str:
    """The name of a model; not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name of the model is empty")
    return text


def layer_range(text: str) -> tuple[int, int]:
    """`0-3` or `7` as the first and the last layer."""
    first, _, last = text.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a range of layers such as 0-3")
    return int(first), int(last or first)


def progress_bar(
    todo: Sequence[TodoItem], done: int, doing: str = "mapping", unit: str = "layer"
) -> Iterable[TodoItem]:
    """A progress bar over `todo`, with the remaining time. `done`: how many were done before."""
    from tqdm import tqdm

    return tqdm(todo, initial=done, total=done + len(todo), unit=unit, desc=doing, dynamic_ncols=True)


def print_above_bar(sentence: str) -> None:
    from tqdm import tqdm

    tqdm.write(escape_invisible(sentence), file=sys.stderr)
