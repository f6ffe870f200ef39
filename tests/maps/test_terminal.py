"""Tokens and heads in a terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from maps.atlas import Atlas, write_table
from maps.tables import relation_row, table
from maps.terminal import head_text, mapping_text, said, visible
from maps.types import HeadId, Mapping, MapsError, RelationScore


@pytest.mark.parametrize(
    ("token", "seen"),
    [
        (" word", "·word"),
        ("\n\t ", "⏎⇥·"),
        ("·", r"\u00B7"),
        ("⏎⇥", r"\u23CE\u21E5"),
        (r" \xE2", r"·\xE2"),
        ("a\u200fb", r"a\u200Fb"),
        ("\x1b[31m", r"\u001B[31m"),
        ("\u00a0\u3000", r"\u00A0\u3000"),
        ("\U000e0041", r"\U000E0041"),
        ("\u0301", r"\u0301"),
        ("e\u0301", "e\u0301"),
        ("❤\ufe0f", r"❤\uFE0F"),
        ("Zoë", "Zoë"),
        ("", ""),
    ],
)
def test_nothing_of_a_token_is_hidden(token: str, seen: str) -> None:
    assert visible(token) == seen


def test_a_describers_words_cannot_act_on_the_screen() -> None:
    assert said("Words · and é: \x1b[2J\n\u202eend") == r"Words · and é: \u001B[2J\u000A\u202Eend"


def test_a_mapping_is_a_line() -> None:
    line = mapping_text(Mapping(3, 1, " fire", 1.25, (2, 3), (" f", "\n"), (0.5, 0.25)))
    assert line == "  3    1.250                 ·fire  →  ·f  ⏎"


def test_a_head_is_shown_with_its_relations_and_mappings(atlas_folder: Path) -> None:
    scores = [
        RelationScore("copying", "algorithmic", 1, 40, 0.5, 0.0),
        RelationScore("suppressed", "", 10, 5, 0.0, 0.25),
        RelationScore("weak", "", 10, 40, 0.1, 0.1),
        RelationScore("none", "", 10, 0, None, None),
    ]
    head = HeadId(1, 2)
    write_table(atlas_folder, "relations", table("relations", [relation_row(head, score) for score in scores]))
    for tau in (0.15, 0):
        info = json.loads((atlas_folder / "atlas.json").read_text())
        info["settings"] |= {"tau": tau, "min_pairs": 30}
        (atlas_folder / "atlas.json").write_text(json.dumps(info))
        atlas = Atlas.open(atlas_folder)
        assert head_text(atlas, head).split("\n") == [
            "L1H2 of small",
            "",
            "copying: 0.50, suppression 0.00, 40 pairs",
            "suppressed: 0.00, suppression 0.25, 5 pairs (too few pairs to classify by)",
            *(["weak: 0.10, suppression 0.10, 40 pairs"] if tau == 0 else []),
            "",
            *(mapping_text(mapping) for mapping in atlas.mappings(head)),
        ]


def test_a_head_that_was_not_mapped_is_refused(mapped_once: Path) -> None:
    said = "small has no mapped head L2H0: layers 0 to 1, heads 0 to 3."
    with pytest.raises(MapsError, match=f"^{re.escape(said)}$"):
        head_text(Atlas.open(mapped_once), HeadId(2, 0))
