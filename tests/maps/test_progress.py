"""The bars of long work, which a program that follows a run may replace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tqdm import tqdm

from maps.commands.arguments import progress_bar
from maps.progress import Bar, open_bar, use_bars
from maps.types import UnevenParts


class QuietBar(Bar):
    """A bar that notes its last state."""

    last: dict[str, object]

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:  # noqa: ARG002 - as in tqdm
        QuietBar.last = {name: self.format_dict[name] for name in ("prefix", "n", "total", "unit")}
        return True


@pytest.fixture
def quiet_bars() -> Iterator[None]:
    use_bars(QuietBar)
    yield
    use_bars(None)


@pytest.mark.usefixtures("quiet_bars")
def test_every_bar_is_of_the_class_that_was_set() -> None:
    with open_bar(4, "describing", "head", done=1) as bar:
        bar.update(2)
    assert QuietBar.last == {"prefix": "describing", "n": 3, "total": 4, "unit": "head"}
    assert list(progress_bar([7, 8], 1)) == [7, 8]
    assert QuietBar.last == {"prefix": "mapping", "n": 3, "total": 3, "unit": "layer"}


def test_by_default_bars_are_drawn_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with open_bar(2, "describing", "head") as bar:
        bar.update(2)
    assert isinstance(bar, tqdm)
    assert "describing: 100%" in capsys.readouterr().err


def test_the_time_left_follows_the_work_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first layer of 10 seconds and nine of one: after it, nine seconds are left, not ninety."""
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    layers = UnevenParts(range(10), [10.0, *[1.0] * 9])
    with Bar(layers, total=10, initial=0, mininterval=0, miniters=1) as bar:
        bar.work = layers.work
        for layer in bar:
            values = bar.format_dict
            if layer == 1:
                assert (values["total"] - values["n"]) / values["rate"] == pytest.approx(9)
            now[0] += layers.work[layer]
    assert bar.format_dict["n"] == 10
