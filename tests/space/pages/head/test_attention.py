"""What a head looks at on its page: shown where the atlas has it, with where each number comes from."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import Row, make_table
from maps.types import HeadId
from space.atlases.names import PREBUILT_FOLDER
from space.pages.head.attention import attention_section

HEAD = HeadId(3, 1)
HOSTILE = "<script>\u202e"


def atlas_with(folder: Path, queries: list[Row], scores: list[Row]) -> Atlas:
    """A copy of the prebuilt atlas with these rows of the head."""
    copied = Path(shutil.copytree(PREBUILT_FOLDER / "smollm2", folder / "atlas"))
    for name, rows in (("attention", queries), ("attention_scores", scores)):
        (copied / f"{name}.parquet").unlink(missing_ok=True)
        write_table(copied, name, make_table(name, [{**HEAD._asdict(), **row} for row in rows]))
    return Atlas.open(copied)


def query(rank: int, text: str, *keys: str) -> Row:
    ids = list(range(len(keys)))
    return {
        **{"rank": rank, "query_id": 7, "query": text, "saliency": 2.0, "key_ids": ids, "keys": list(keys)},
        "key_scores": [-1.5] * len(keys),
    }


def score(measure: str, value: float, origin: str) -> Row:
    return {"measure": measure, "value": value, "origin": origin}


def test_queries_and_scores_are_shown_with_their_origin(tmp_path: Path) -> None:
    scores = [score("same_token", 0.25, "weights"), score("previous_token", 0.875, "run"), score("new", 1.0, "run")]
    atlas = atlas_with(tmp_path, [query(2, " b", " c"), query(1, " a", " x", " y")], scores)
    html = attention_section(atlas, HEAD)
    assert html.startswith("<h2>What it looks at</h2>")
    assert re.findall(r"<b>(\d+ %)</b>.*?<span>(.*?) <small>\((.*?)\)</small>", html) == [
        ("88 %", "of its attention is on the token before", "from a run"),
        ("25 %", "of tokens have themselves among the five that they attend to most", "from the weights"),
    ]
    assert re.findall(r'<li value="(\d+)">', html) == ["1", "2"]
    assert html.index("</i>a") < html.index("</i>x") < html.index("</i>b") < html.index("</i>c")
    assert attention_section(atlas, HeadId(0, 0)) == ""


def test_an_atlas_without_the_tables_shows_nothing(tmp_path: Path) -> None:
    copied = Path(shutil.copytree(PREBUILT_FOLDER / "smollm2", tmp_path / "atlas"))
    for name in ("attention", "attention_scores"):
        (copied / f"{name}.parquet").unlink(missing_ok=True)
    assert attention_section(Atlas.open(copied), HEAD) == ""


def test_scores_alone_are_shown_without_a_list(tmp_path: Path) -> None:
    html = attention_section(atlas_with(tmp_path, [], [score("same_token", 0.0, "weights")]), HEAD)
    assert "<b>0 %</b>" in html
    assert "On the left" not in html


def test_no_hostile_string_is_markup(tmp_path: Path) -> None:
    rows = [score("same_token", 1.0, HOSTILE), score(HOSTILE, 1.0, "run")]
    html = attention_section(atlas_with(tmp_path, [query(1, HOSTILE, HOSTILE)], rows), HEAD)
    assert "<script" not in html
    assert "\u202e" not in html
