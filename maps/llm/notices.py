"""Tells the person at the terminal what a run changed by itself."""

from __future__ import annotations

import sys

from maps.text import escape_invisible


def print_above_bar(sentence: str) -> None:
    """Prints a sentence to standard error, above a progress bar if there is one."""
    from tqdm import tqdm

    tqdm.write(escape_invisible(sentence), file=sys.stderr)
