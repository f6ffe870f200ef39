"""Tokens and heads in a terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import SCHEMAS, Row, make_table, relation_row
from maps.describers.describe_atlas import describe_atlas
from maps.errors import MapsError
from maps.hashes import mapping_hash
from maps.report.copying_control import control_phrase
from maps.report.head_text import head_text, mapping_text
from maps.text import escape_invisible, visible_token
from maps.types import Answer, Description, HeadId, Mapping, RelationScore
from tests.scripted import ScriptedDescriber


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
    assert visible_token(token) == seen


def test_a_describers_words_cannot_act_on_the_screen() -> None:
    assert escape_invisible("Words · and é: \x1b[2J\n\u202eend") == r"Words · and é: \u001B[2J\u000A\u202Eend"


def test_a_mapping_is_a_line() -> None:
    line = mapping_text(Mapping(3, 1, " fire", 1.25, (2, 3), (" f", "\n"), (0.5, 0.25)))
    assert line == "  3    1.250                 ·fire  →  ·f  ⏎"


def test_a_head_is_shown_with_its_relations_and_mappings(atlas_folder: Path) -> None:
    scores = [
        RelationScore("copying", "algorithmic", 1, 40, 0.5, 0.0),
        RelationScore("suppressed", "", 10, 5, 0.0, 0.25),
        RelationScore("weak", "", 10, 40, 0.1, 0.1),
        RelationScore("beyond", "linguistic", 10, 53, 0.63, 0.0, 0.1, 0.6, 0.02, 43),
        RelationScore("copied", "linguistic", 10, 40, 0.5, 0.0, 0.5, 0.1, 0.0, 20),
        RelationScore("exhausted", "linguistic", 10, 40, 0.8, 0.0, 0.9, None, None, 4),
        RelationScore("none", "", 10, 0, None, None),
    ]
    head = HeadId(1, 2)
    write_table(
        atlas_folder, "relations", make_table("relations", [relation_row(head, score, "mlp") for score in scores])
    )
    for tau in (0.15, 0):
        info = json.loads((atlas_folder / "atlas.json").read_text())
        info["settings"] |= {"tau": tau, "min_pairs": 30}
        (atlas_folder / "atlas.json").write_text(json.dumps(info))
        atlas = Atlas.open(atlas_folder)
        assert head_text(atlas, head).split("\n") == [
            "L1H2 of small",
            "the paper's reading (mlp): targets are the tokens that the head promotes directly",
            "",
            "copying: 0.50, suppression 0.00, 40 pairs",
            "suppressed: 0.00, suppression 0.25, 5 pairs (too few pairs to classify by)",
            *(["weak: 0.10, suppression 0.10, 40 pairs"] if tau == 0 else []),
            f"beyond: 0.63, suppression 0.00, 53 pairs; {control_phrase(scores[3])}",
            *([f"copied: 0.50, suppression 0.00, 40 pairs; {control_phrase(scores[4])}"] if tau == 0 else []),
            f"exhausted: 0.80, suppression 0.00, 40 pairs; {control_phrase(scores[5])}",
            "shares most mappings (Jaccard similarity) with L0H1 (0.01, sources 0.15), L1H3 (0.01, sources 0.40), "
            "L0H0 (0.00, sources 0.11)",
            "",
            *(mapping_text(mapping) for mapping in atlas.mappings(head)),
        ]


def scored(head: HeadId, of: str, scorer: str, detection: float | None, swapped: float | None, seed: int = 0) -> Row:
    low, high = (None, None) if detection is None else (0.5, 1.0)
    values = {"detection": detection, "detection_low": low, "detection_high": high, "detection_swapped": swapped}
    shared = {"layer": head.layer, "head": head.head, "description_id": of, "scorer": scorer, "seed": seed, "n": 20}
    return {**shared, **values, "describer": "secret", "reason": None if swapped else "The reply is empty.\x1b[2J"}


def test_evidence_is_shown_with_the_description_it_belongs_to(atlas_folder: Path) -> None:
    head, other = HeadId(1, 2), HeadId(1, 3)
    answers = [Answer(Description("Words.", f"Pattern {n}.", ""), "scripted") for n in range(8)]
    describe_atlas(atlas_folder, ScriptedDescriber(answers, "secret"))
    plain = head_text(Atlas.open(atlas_folder), head).split("\n")
    assert plain[3:5] == ["secret: Pattern 6.", "  inputs: Words."]
    names = {of: Atlas.open(atlas_folder).descriptions(of)[0]["description_id"] for of in (head, other)}
    scores = [
        scored(head, names[head], "gpt-4o", 0.85, 0.5),
        scored(head, names[head], "gpt\u202e", 0.75, None, seed=3),
        scored(head, names[head], "empty", None, None),
        scored(head, "an earlier description", "gpt-4o", 0.1, 0.1),
        scored(other, names[other], "gpt-4o", 0.2, 0.2),
    ]
    now, then = (mapping_hash(Atlas.open(atlas_folder).mappings(of)) for of in (head, other))
    checks = [("rhyme", 9, 2.25), ("pronouns", 30, None), ("copying", 21, 0.96), ("spelling", 4, 0.5)]
    rows = [dict(zip(SCHEMAS["checks"].names, (*head, *check, now), strict=True)) for check in checks]
    rows += [dict(zip(SCHEMAS["checks"].names, (*other, "colours", 30, None, "other"), strict=True))]
    measured = [(*head, 3.14159, 20, 0, 0.025, 0.9, now), (*other, 4.0, 0, None, None, None, then)]
    concentration = [dict(zip(SCHEMAS["concentration"].names, values, strict=True)) for values in measured]
    for name, content in {"scores": scores, "checks": rows, "concentration": concentration}.items():
        write_table(atlas_folder, name, make_table(name, content))
    atlas = Atlas.open(atlas_folder)
    detected = [
        "  detection by gpt-4o: 0.85 (95 % interval 0.50 to 1.00), 0.50 with another head's description; chance is 0.5",
        r"  detection by gpt\u202E, seed 3: 0.75 (95 % interval 0.50 to 1.00), no control; chance is 0.5",
        r"  detection by empty: none. The reply is empty.\u001B[2J",
    ]
    evidence = [
        "named check, supported by 30 of 30 mappings: pronouns",
        "named check, supported by 21 of 30 mappings, 1.0 by chance: copying",
        "named check, supported by 9 of 30 mappings, 2.2 by chance: rhyme",
        "entropy of the targets: 3.14 bits, lower in 2 % of 20 random heads",
    ]
    end = plain.index("", 3) - 1
    assert plain[end].startswith("shares most mappings")
    assert head_text(atlas, head).split("\n") == [*plain[:5], *detected, *plain[5:end], *evidence, *plain[end:]]
    left_out = "evidence from earlier mappings is left out; score the atlas again"
    assert f"\nentropy of the targets: 4.00 bits\n{left_out}\n" in head_text(atlas, other)
    assert "colours" not in head_text(atlas, other)


def test_the_words_of_a_strange_atlas_do_not_act_on_the_terminal(atlas_folder: Path) -> None:
    path = atlas_folder / "atlas.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model": "small\x1b[31m"}))
    relations = Atlas.open(atlas_folder).table("relations").to_pylist()
    strange = [
        {**row, "relation": "own\x1b[2J", "score": 1.0, "suppression": 0.0, "beyond_copying": 1.0} for row in relations
    ]
    write_table(atlas_folder, "relations", make_table("relations", strange))
    shown = head_text(Atlas.open(atlas_folder), HeadId(0, 0))
    assert shown.startswith("L0H0 of small\\u001B[31m\n")
    assert "\nown\\u001B[2J: 1.00" in shown
    with pytest.raises(MapsError) as caught:
        head_text(Atlas.open(atlas_folder), HeadId(9, 0))
    assert "\x1b" not in shown + str(caught.value)


def test_a_head_says_its_reading_and_what_its_targets_are(atlas_folder: Path) -> None:
    path = atlas_folder / "atlas.json"
    info = json.loads(path.read_text())
    info["settings"]["reading"] = "calibrated+target-map"
    path.write_text(json.dumps(info))
    assert head_text(Atlas.open(atlas_folder), HeadId(1, 2)).split("\n")[1] == (
        "the reading calibrated+target-map: targets are the tokens that the head raises in the end, after the layers "
        "behind it"
    )


def test_a_head_that_was_not_mapped_is_refused(mapped_once: Path) -> None:
    message = "small has no mapped head L2H0: layers 0 to 1, heads 0 to 3."
    with pytest.raises(MapsError, match=f"^{re.escape(message)}$"):
        head_text(Atlas.open(mapped_once), HeadId(2, 0))
