"""The bars of long work. A program that follows a run replaces them: see `use_bars`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

_bar_class: type[tqdm[Any]] | None = None


def bar_class() -> type[tqdm[Any]]:
    """The class of progress bars: tqdm, which draws on the terminal, or the one that `use_bars` was given."""
    from tqdm import tqdm

    return _bar_class or tqdm


def use_bars(replacement: type[tqdm[Any]] | None) -> None:
    """Makes every later bar of this process one of `replacement`, a subclass of tqdm; with None, tqdm's again."""
    global _bar_class
    _bar_class = replacement


def open_bar(total: int, doing: str, unit: str, done: int = 0) -> tqdm[Any]:
    """A bar that is moved by `update`, and closed when its block ends."""
    return bar_class()(total=total, initial=done, unit=unit, desc=doing, dynamic_ncols=True)
