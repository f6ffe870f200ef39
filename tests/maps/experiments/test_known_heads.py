"""Known heads: the lists that ship, own lists, and their classification on models of these shapes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from maps.__main__ import main
from maps.analysis.classification import classifying_column
from maps.errors import MapsError
from maps.experiments import known_heads as known
from maps.experiments.known_heads import SCHEMAS, compare_known_heads, evaluate_known_heads
from maps.experiments.layer_runs import ExperimentTables
from maps.experiments.results import ExperimentRun
from maps.mapping.mapper import map_model
from maps.mapping.settings import MappingSettings
from maps.types import HeadId, Relation
from tests.small_models import VOCABULARY_SIZE, WORDS, byte_level_tokenizer

NAMES = Relation("name_copying", "", tuple((word, word) for word in WORDS))
NEXT = Relation("next", "", tuple(zip(WORDS, [*WORDS[1:], WORDS[0]], strict=True)))
SETTINGS = MappingSettings((NAMES, NEXT), k=40, min_pairs=5)
HEAD_NAMES = "L9H6 L9H9 L10H0 L10H7 L11H10 L9H0 L9H7 L10H1 L10H2 L10H6 L10H10 L11H2 L11H9"
HEADS_OF_SMALL = HEAD_NAMES.split()


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random GPT-2 with the layers and heads of the small one, and narrow."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY_SIZE, n_embd=24, n_layer=12, n_head=12, n_positions=16, initializer_range=0.3
    )
    folder = tmp_path_factory.mktemp("models") / "gpt2"
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    byte_level_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def result(gpt2: Path, tmp_path_factory: pytest.TempPathFactory) -> ExperimentTables:
    return evaluate_known_heads(ExperimentRun(str(gpt2), tmp_path_factory.mktemp("runs") / "known", SETTINGS))


def test_the_lists_that_ship_are_of_heads_that_their_models_have() -> None:
    for layers, heads, sizes in ((12, 12, [3, 2, 8]), (24, 16, [5, 1])):
        _, groups = known.shipped_groups("a model", "gpt2", layers, heads)
        assert [len(group.heads) for group in groups] == sizes
        assert {group.relation for group in groups} == {"name_copying"}
        assert all("arXiv:" in group.source for group in groups)
        assert all(layer < layers and head < heads for group in groups for layer, head in group.heads)
        assert all(group.published is None or group.published <= len(group.heads) for group in groups)
    _, (movers, negative, _) = known.shipped_groups("a model", "gpt2", 12, 12)
    assert [str(head) for head in movers.heads] == ["L9H6", "L9H9", "L10H0"]
    assert (negative.side, [str(head) for head in negative.heads]) == ("suppression", ["L10H7", "L11H10"])


@pytest.mark.slow
def classifying(row: dict[str, Any], side: str) -> float:
    """What τ is compared with."""
    value = row[classifying_column(side, row["relation"], row["category"])]
    return 0.0 if value is None else float(value)


@pytest.mark.slow
def test_known_heads_have_the_scores_of_the_atlas(gpt2: Path, result: ExperimentTables, tmp_path: Path) -> None:
    atlas = map_model(str(gpt2), tmp_path, SETTINGS)
    scores = {(HeadId(row["layer"], row["head"]), row["relation"]): row for row in atlas.table("relations").to_pylist()}
    rows = result.tables["known_heads"]
    assert [f"L{row['layer']}H{row['head']}" for row in rows] == HEADS_OF_SMALL
    for row in rows:
        both = {name: scores[HeadId(row["layer"], row["head"]), name] for name in ("name_copying", "next")}
        own = both["name_copying"]
        assert all(row[name] == own[name] for name in ("score", "suppression", "pairs", "k"))
        assert row["likewise"] == (classifying(own, "suppression" if "negative" in row["group"] else "score") >= 0.15)
        assert row["implements"] == [name for name, each in both.items() if classifying(each, "score") >= 0.15]
        assert row["suppresses"] == [name for name, each in both.items() if classifying(each, "suppression") >= 0.15]
    up = {head for head in atlas.head_ids if classifying(scores[head, "name_copying"], "score") >= 0.15}
    down = {head for head in atlas.head_ids if classifying(scores[head, "name_copying"], "suppression") >= 0.15}
    movers, negative = (
        set(map(HeadId.parse, HEADS_OF_SMALL[:3] + HEADS_OF_SMALL[5:])),
        set(map(HeadId.parse, HEADS_OF_SMALL[3:5])),
    )
    first, second, third = result.tables["known_groups"]
    assert first["likewise"] == len(up & set(map(HeadId.parse, HEADS_OF_SMALL[:3])))
    assert third["likewise"] == len(up & set(map(HeadId.parse, HEADS_OF_SMALL[5:])))
    assert first["further_heads"] == third["further_heads"] == [str(head) for head in sorted(up - movers)]
    assert (second["likewise"], second["further"]) == (len(down & negative), len(down - negative))
    assert [row["published"] for row in result.tables["known_groups"]] == [3, 2, 6]


def test_tables_have_their_columns(result: ExperimentTables) -> None:
    for name, schema in SCHEMAS.items():
        with (result.folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        assert header == schema.names
        assert len(rows) == len(result.tables[name])
        assert all(row.keys() == set(schema.names) for row in result.tables[name])


def test_a_relation_with_too_few_pairs_decides_nothing() -> None:
    group = known.KnownGroup("movers", "r", "score", (HeadId(0, 1),), None, "")
    row = {"layer": 0, "relation": "r", "k": 1, "pairs": 4, "score": 1.0, "suppression": 0.0}
    made = compare_known_heads([group], [{**row, "head": head} for head in (0, 1)], MappingSettings((), min_pairs=5))
    assert (made["known_heads"][0]["likewise"], made["known_heads"][0]["implements"]) == (None, [])
    assert (made["known_groups"][0]["likewise"], made["known_groups"][0]["further"]) == (None, 0)


def test_a_model_of_another_shape_is_refused_and_own_lists_fit_any(
    small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tmp_path / "names.json"
    names.write_text(json.dumps(NAMES.pairs))
    command = ["evaluate", "known-heads", str(small_model), "--out", str(tmp_path / "out"), "--min-pairs", "5"]
    command += ["--relation", f"name_copying={names}", "--k", "40"]
    assert main(command) == 2
    assert capsys.readouterr().err == (
        "Known heads are available for GPT-2 small (12 layers of 12 heads) and GPT-2 medium (24 layers of 16 heads), "
        "but small is llama with 2 layers of 4 heads. Give your own list with --known FILE.json.\n"
    )
    own = tmp_path / "own.json"
    own.write_text(json.dumps([{"group": "mo\x1bvers", "relation": "name_copying", "heads": ["L1H3", "L0H0"]}]))
    assert main([*command, "--known", str(own)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("mo\\u001Bvers: ")
    assert " of 2 pass τ = 0.15 on name_copying (score); " in printed
    tables = f"{tmp_path / 'out'}/known_heads.csv and known_groups.csv\n"
    assert printed.endswith(f"{tables}The report is in {tmp_path / 'out'}/report.html.\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "is not JSON in UTF-8: "),
        ("[]", 'must be a list such as [{"group"'),
        ('{"group": 1}', 'must be a list such as [{"group"'),
        ('["movers"]', 'must be a list such as [{"group"'),
        ('[{"group": "m", "relation": "name_copying", "heads": []}]', 'must be a list such as [{"group"'),
        ('[{"group": "m", "relation": "name_copying", "heads": [3]}]', 'must be a list such as [{"group"'),
        ('[{"group": "m", "relation": "name_copying", "heads": ["L0H0"], "side": "up"}]', "must be a list such as"),
        ('[{"group": "m", "relation": "name_copying", "heads": ["9.9"]}]', "'9.9' is not a head"),
        ('[{"group": "m", "relation": "name_copying", "heads": ["L9H9"]}]', "has no head L9H9"),
        ('[{"group": "m", "relation": "capital", "heads": ["L0H0"]}]', "compared by capital, which is not among"),
    ],
)
def test_an_invalid_list_is_refused_in_one_sentence(
    content: str, message: str, small_model: Path, tmp_path: Path
) -> None:
    file = tmp_path / "known.json"
    file.write_text(content)
    with pytest.raises(MapsError) as caught:
        evaluate_known_heads(ExperimentRun(str(small_model), tmp_path / "out", SETTINGS), file)
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()
