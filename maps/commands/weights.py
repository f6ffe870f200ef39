"""The experiments of `evaluate` that look at the weights alone, beyond the paper's."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from maps.commands.arguments import with_bar
from maps.commands.model import settings_of
from maps.types import HeadId

if TYPE_CHECKING:
    from maps.tables import Row


def head_list(text: str) -> tuple[HeadId, ...]:
    """`L26H2,L23H4`."""
    from maps.types import MapsError

    try:
        return tuple(dict.fromkeys(HeadId.parse(each) for each in text.split(",")))
    except MapsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def directions(arguments: argparse.Namespace) -> str:
    """Splits heads into their singular directions."""
    from maps.experiments.directions import SEVERAL, directions

    bar = partial(with_bar, doing="splitting")
    settings, wanted = settings_of(arguments), arguments.directions
    found = directions(arguments.model, arguments.out, settings, arguments.heads, wanted, arguments.device, bar)
    rows: list[Row] = found.tables["direction_heads"]
    several = sum(row["operations"] > 1 for row in rows)
    return (
        f"Of {len(rows):,} heads {several:,} have {SEVERAL} or more of their salient mappings at each of two ends of "
        f"directions: {arguments.out}/directions.csv and direction_heads.csv"
    )
