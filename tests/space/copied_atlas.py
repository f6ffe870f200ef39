"""An atlas in which copying explains what some heads do."""

from __future__ import annotations

import shutil
from pathlib import Path

from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import Row, make_table
from space.atlases.names import PREBUILT_FOLDER

EXPLAINED, EXHAUSTED = "noun_to_pronoun", "country_to_capital"


def make_copied_atlas(folder: Path) -> Atlas:
    """A copy of the prebuilt atlas with another control.

    Of EXPLAINED, copying hits all but 43 pairs, of which L26H2 does 0.6 and no other head any. Of EXHAUSTED, copying
    leaves 4 pairs.
    """
    shutil.copytree(PREBUILT_FOLDER / "smollm2", folder)
    rows = [row | control(row) for row in Atlas.open(folder).table("relations").to_pylist()]
    write_table(folder, "relations", make_table("relations", rows))
    return Atlas.open(folder)


def control(row: Row) -> Row:
    """The columns of the control for one row; none where the row keeps its own."""
    beyond: list[float | None] = [0.6 if (row["layer"], row["head"]) == (26, 2) else 0.0, 0.0]
    if row["relation"] not in (EXPLAINED, EXHAUSTED):
        return {}
    identity, pairs = 0.25, 43
    if row["relation"] == EXHAUSTED:
        identity, pairs, beyond = 0.9, 4, [None, None]
    columns = dict(zip(("beyond_copying", "suppression_beyond_copying"), beyond, strict=True))
    return {"identity": identity, **columns, "beyond_copying_pairs": pairs}
