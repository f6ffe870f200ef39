"""What pages compute of an atlas once: the detection score of each head."""

from __future__ import annotations

import shutil
from pathlib import Path

from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import make_table
from space.atlases.cache import detection_scores
from space.atlases.names import PREBUILT_FOLDER


def test_a_generation_test_hides_no_detection_score(tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    shutil.copytree(PREBUILT_FOLDER / "smollm2", folder)
    names = ("layer", "head", "describer", "description_id")
    rows = [{name: row[name] for name in names} | {"seed": 0} for row in Atlas.open(folder).descriptions()]
    tested = [row | {"scorer": "m", "detection": 0.75, "n": 20} for row in rows]
    predicted = [row | {"scorer": "w", "generation": 0.9, "generation_n": 9, "generation_others": 0} for row in rows]
    write_table(folder, "scores", make_table("scores", [*tested, *predicted]))
    assert detection_scores(Atlas.open(folder)) == [0.75] * len(rows)
