"""Operations of a head: groups of its mappings with targets in common, found again in samples, each described."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from maps.__main__ import main
from maps.atlas.choice import named_heads
from maps.atlas.patterns import count_operations, current_patterns, operation_mappings
from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import make_table, mapping_row
from maps.describers.describe_operations import describe_operations, plan_operations
from maps.describers.operations import find_operations
from maps.errors import DescriberError, ReplyError
from maps.report.head_text import head_text
from maps.types import Answer, Description, HeadId, Mapping
from tests import chat_server
from tests.invented_heads import WORDS, build_mappings, noise_targets, rows_from_templates
from tests.scripted import ScriptedDescriber

HEAD = HeadId(1, 0)
CHOICE = named_heads([HEAD])
Capture = pytest.CaptureFixture[str]


def two_groups(first: int = 18, second: int = 12, noise: int = 0) -> list[Mapping]:
    """Mappings to four of five pronouns or of five colours, by rank in turn; then noise."""
    kinds = ("he", " him", "his", "He ", "himself"), ("red", " blue", "green", "Grey", "brown")
    wanted, rows = [first, second], []
    for number, word in enumerate(WORDS.split()[: first + second + noise]):
        kind = number % 2 if wanted[number % 2] else 1 - number % 2
        if not any(wanted):
            rows.append((f" {word}", noise_targets(number)))
            continue
        wanted[kind] -= 1
        targets = tuple(kinds[kind][(number + step) % 5] for step in range(4))
        rows.append((f" {word}", (*targets, noise_targets(number)[0])))
    return build_mappings(rows)


def test_two_groups_are_found_and_the_larger_is_the_first() -> None:
    one, other = find_operations(two_groups())
    assert [(each.number, len(each.mappings)) for each in (one, other)] == [(1, 18), (2, 12)]
    assert all({"he", "him", "his", "himself"} & {t.strip() for t in m.targets} for m in one.mappings)
    assert all({"red", "blue", "green", "Grey", "brown"} & {t.strip() for t in m.targets} for m in other.mappings)
    assert all([m.rank for m in each.mappings] == sorted(m.rank for m in each.mappings) for each in (one, other))
    assert min(one.stability, other.stability) > 0.9


def test_a_mapping_without_targets_belongs_to_no_group() -> None:
    mappings = two_groups()
    bare = replace(mappings[0], target_ids=(), targets=(), scores=())
    sizes = [len(each.mappings) for each in find_operations([bare, *mappings[1:]])]
    assert sizes in ([17, 12], [18, 11])


def test_it_is_the_same_every_time_and_whatever_the_spelling() -> None:
    mappings = two_groups()
    shouted = [replace(m, targets=tuple(target.upper() for target in m.targets)) for m in mappings]
    ranks = [[m.rank for m in each.mappings] for each in find_operations(mappings)]
    assert ranks == [[m.rank for m in each.mappings] for each in find_operations(mappings)]
    assert ranks == [[m.rank for m in each.mappings] for each in find_operations(shouted)]


@pytest.mark.parametrize(
    "mappings",
    [
        [],
        two_groups()[:1],
        two_groups(30, 0),
        two_groups(20, 4, 6),
        [replace(mapping, target_ids=(), targets=(), scores=()) for mapping in two_groups()],
        build_mappings(rows_from_templates(" {word}", " {other}")),
        build_mappings([(f" {word}", noise_targets(n)) for n, word in enumerate(WORDS.split())]),
    ],
    ids=["nothing", "one mapping", "one group", "a group of four", "no targets", "a function", "noise"],
)
def test_a_head_without_two_groups_has_none(mappings: list[Mapping]) -> None:
    assert find_operations(mappings) == []


def test_groups_that_hang_on_single_mappings_are_not_stable() -> None:
    """A chain: each mapping shares one target with the next, so a sample falls apart elsewhere."""
    words = [f"w{number}" for number in range(60)]
    draw = random.Random(0)
    rows = [(f" {n}", (words[n], words[n + 1], *(f"n{draw.random()}" for _ in range(3)))) for n in range(30)]
    assert find_operations(build_mappings(rows)) == []


@pytest.fixture
def atlas(atlas_folder: Path) -> Atlas:
    """Eight heads, one of which has two operations."""
    opened = Atlas.open(atlas_folder)
    rows = [row for row in opened.table("mappings").to_pylist() if (row["layer"], row["head"]) != HEAD]
    rows += [mapping_row(HEAD, replace(mapping, target_ids=mapping.target_ids[:5])) for mapping in two_groups()]
    write_table(atlas_folder, "mappings", make_table("mappings", rows))
    return Atlas.open(atlas_folder)


def answer(pattern: str) -> Answer:
    return Answer(Description("Words.", pattern, "Seen."), "scripted v1", cost_usd=0.001)


def test_each_operation_is_described_once_and_bound_to_its_mappings(atlas: Atlas) -> None:
    describer = ScriptedDescriber([answer("Pronouns."), answer("Unclear")])
    work, summary = describe_operations(atlas.folder, describer, choice=CHOICE)
    assert ({each.head for each in work.operations}, summary.described, summary.patterns) == ({HEAD}, 2, 1)
    one, other = current_patterns(atlas)
    assert [(row["operation"], row["observed_pattern"], row["pattern"]) for row in (one, other)] == [
        (1, "Pronouns.", True),
        (2, "Unclear", False),
    ]
    assert [len(row["source_ids"]) for row in (one, other)] == [18, 12]
    assert one["description_id"] != other["description_id"]
    assert operation_mappings(one, atlas.mappings(HEAD)) == list(work.operations[0].operation.mappings)
    assert describe_operations(atlas.folder, ScriptedDescriber([]), choice=CHOICE)[1].described == 0
    assert count_operations(current_patterns(atlas, HEAD)) == {HEAD: 2}
    assert current_patterns(atlas, HeadId(0, 0)) == []
    newer = ScriptedDescriber([answer("New."), answer("Newer.")])
    redone = describe_operations(atlas.folder, newer, choice=CHOICE, redo=True)
    assert [row["observed_pattern"] for row in current_patterns(atlas)] == ["New.", "Newer."]
    assert (redone[1].described, atlas.table("patterns").num_rows) == (2, 4)


def test_a_stopped_run_goes_on_and_a_failure_is_stored(atlas: Atlas) -> None:
    script: list[Answer | Exception] = [answer("Pronouns."), DescriberError("The key is gone.")]
    with pytest.raises(DescriberError, match="key is gone"):
        describe_operations(atlas.folder, ScriptedDescriber(script), choice=CHOICE)
    assert [row["operation"] for row in current_patterns(atlas)] == [1]
    _, summary = describe_operations(atlas.folder, ScriptedDescriber([ReplyError("Nothing.")] * 3), choice=CHOICE)
    assert (summary.described, summary.failed) == (0, 1)
    assert [row["reason"] for row in atlas.table("failures").to_pylist()] == ["Operation 2: Nothing."]
    text = head_text(atlas, HEAD)
    assert "operation 1 by scripted (18 mappings): Pronouns." in text
    assert "Nothing." not in text  # it is no failure of the whole head
    asked = ScriptedDescriber([answer("Colours.")])
    describe_operations(atlas.folder, asked, choice=CHOICE)
    assert [len(sources) for sources, _ in asked.questions] == [12]


def test_an_interrupted_run_neither_asks_again_nor_gives_other_ids(atlas: Atlas, tmp_path: Path) -> None:
    answers = [answer("Pronouns."), answer("Colours.")]
    whole = tmp_path / "whole"
    shutil.copytree(atlas.folder, whole)
    describe_operations(whole, ScriptedDescriber(answers), choice=CHOICE)
    rows = Atlas.open(whole).table("patterns").to_pylist()
    row = {**rows[0], "created_at": rows[0]["created_at"].isoformat()}
    (atlas.folder / "patterns.pending.jsonl").write_text(json.dumps(row) + "\n")  # as a killed run leaves it
    assert [each.operation.number for each, _ in plan_operations(atlas, "scripted", CHOICE).todo] == [2]
    _, summary = describe_operations(atlas.folder, ScriptedDescriber(answers[1:]), choice=CHOICE)
    assert summary.described == 1
    again = Atlas.open(atlas.folder).table("patterns").to_pylist()
    assert [row["description_id"] for row in again] == [row["description_id"] for row in rows]


def test_a_head_of_which_one_operation_is_described_counts_as_none(atlas: Atlas) -> None:
    with pytest.raises(DescriberError):
        describe_operations(atlas.folder, ScriptedDescriber([answer("Pronouns.")]), choice=CHOICE)
    assert len(current_patterns(atlas)) == 1
    assert count_operations(current_patterns(atlas)) == {}


def test_other_mappings_make_descriptions_of_operations_out_of_date(atlas: Atlas) -> None:
    describer = ScriptedDescriber([answer("Pronouns."), answer("Colours.")])
    describe_operations(atlas.folder, describer, choice=CHOICE)
    rows = atlas.table("mappings").to_pylist()
    rows = [row for row in rows if (row["layer"], row["head"], row["rank"]) != (*HEAD, 1)]
    write_table(atlas.folder, "mappings", make_table("mappings", rows))
    assert [row["operation"] for row in current_patterns(Atlas.open(atlas.folder))] == [2]


@pytest.mark.slow
def test_the_rules_and_a_server_describe_operations_by_the_command(atlas: Atlas, capsys: Capture) -> None:
    command = ["describe", str(atlas.folder), "--operations", "--layers", "1", "--heads", str(HEAD)]
    assert main([*command, "--describer", "offline"]) == 0
    printed = capsys.readouterr().out
    assert "Heads with several operations: 1, with 2 operations in all.\n" in printed
    assert f"offline described 2 operations now; it sees a pattern in 2 of them: {atlas.folder}/patterns.pa" in printed
    assert [row["observed_pattern"].startswith("The outputs are mostly ") for row in current_patterns(atlas)] == [
        True
    ] * 2
    with chat_server.serve_chat(chat_server.good_reply) as server:
        asked = [*command, "--describer", "m", "--base-url", server.url]
        assert main([*asked, "--dry-run"]) == 0
        assert capsys.readouterr().out.startswith("2 operations for m to describe. Tokens: about ")
        assert not server.request_bodies
        assert main(asked) == 0
        assert len(server.request_bodies) == 2
    assert len(current_patterns(atlas)) == 4


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--describer", "reference"], "The reference describes whole heads only; name another describer."),
        (["--describer", "offline", "--dry-run"], "The offline describer uses no server: leave out --dry-run."),
        (["--describer", "m", "--batch"], "--batch is for whole heads: leave out --operations."),
        (["--to", "questions.csv"], "--to is for whole heads: leave out --operations."),
        (["--from", "answers.csv"], "--from is for whole heads: leave out --operations."),
    ],
)
def test_what_operations_do_not_go_with_is_said(
    atlas_folder: Path, options: list[str], sentence: str, capsys: Capture
) -> None:
    assert main(["describe", str(atlas_folder), "--operations", *options]) == 2
    assert capsys.readouterr().err.strip() == sentence
