"""The values that commands take, and the bar that shows how far long work is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

from maps import types
from maps.errors import MapsError

TodoItem = TypeVar("TodoItem")
Subparsers = argparse._SubParsersAction  # the type that add_subparsers returns has no public name


def positive_int(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def whole_number(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def small_seed(text: str) -> int:
    """A seed that attempts, layers and heads can be added to."""
    try:
        return types.check_seed(whole_number(text))
    except MapsError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to 999,999,999") from None


def seconds(text: str) -> float:
    """A time over 0."""
    return parse_over_zero(text, "time in seconds such as 2.5")


def model_name(text: str) -> str:
    """The name of a model."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty name is no model's")
    return text


def dollars(text: str) -> float:
    """An amount over 0."""
    return parse_over_zero(text, "amount of dollars such as 2.50")


def parse_over_zero(text: str, expected: str) -> float:
    """A number over 0; `expected` it is no, otherwise."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no {expected}")
    return value


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return value


def layer_range(text: str) -> tuple[int, int]:
    """`0-3` or `7`."""
    first, _, last = text.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no range of layers such as 0-3")
    return int(first), int(last or first)


def progress_bar(
    todo: Sequence[TodoItem], done: int, doing: str = "mapping", unit: str = "layer"
) -> Iterable[TodoItem]:
    """A progress bar over what is to be done, with the time that is left."""
    from tqdm import tqdm

    return tqdm(todo, initial=done, total=done + len(todo), unit=unit, desc=doing, dynamic_ncols=True)


def print_above_bar(sentence: str) -> None:
    """Prints a sentence above the bar."""
    from tqdm import tqdm

    from maps.text import escape_for_terminal

    tqdm.write(escape_for_terminal(sentence), file=sys.stderr)
