"""What commands print at the end of a run that asked a server, also of one that stops early."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from maps.atlas.reader import Atlas
from maps.command_line import print_text
from maps.describers.failure_reasons import reason_lines, reasons_since
from maps.errors import MapsError
from maps.llm.budget import Budget


def print_cost_and_reasons(budget: Budget, folder: Path, table: str, start: datetime, **values: object) -> None:
    """Prints what the run cost, and why questions failed since `start` that are rows of a table with these values."""
    if budget.answer_count or budget.lost_count:
        print_text(budget.cost_summary())
    with suppress(MapsError):  # a damaged table is reported by what ended the run
        if lines := reason_lines(reasons_since(Atlas.open(folder), table, start, **values)):
            print_text("\n".join(lines))
