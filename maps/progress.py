"""The bars of long work. A program that follows a run replaces them: see `use_bars`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tqdm import tqdm


class Bar(tqdm):  # type: ignore[misc]
    """A bar on the terminal. Where the `work` of each part to do is known, the time that is left follows it."""

    work: Sequence[float] = ()

    @property
    def format_dict(self) -> dict[str, Any]:
        values: dict[str, Any] = super().format_dict
        parts = self.n - self.initial
        done, left = sum(self.work[:parts]), sum(self.work[parts:])
        if done and left:
            seconds_left = values["elapsed"] * left / done
            values["rate"] = (values["total"] - values["n"]) / seconds_left
        return values


_bar_class: type[Bar] | None = None


def bar_class() -> type[Bar]:
    """The class of progress bars: those on the terminal, or the one that `use_bars` was given."""
    return _bar_class or Bar


def use_bars(replacement: type[Bar] | None) -> None:
    """Makes every later bar of this process one of `replacement`; with None, one on the terminal again."""
    global _bar_class
    _bar_class = replacement


def open_bar(total: int, doing: str, unit: str, done: int = 0) -> Bar:
    """A bar that is moved by `update`, and closed when its block ends."""
    return bar_class()(total=total, initial=done, unit=unit, desc=doing, dynamic_ncols=True)
