"""The experiments on small models, compared with the plain formula and whole passes; their files and runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from maps.__main__ import main
from maps.data import predefined_relations
from maps.errors import MapsError
from maps.experiments import causal as causal_module
from maps.experiments.causal import (
    RelationTask,
    accuracy_curves,
    causal_row,
    evaluate_causal,
    is_control,
    plan_removals,
    removal_limit,
)
from maps.experiments.correlation import evaluate_correlation, evaluate_multi_token
from maps.experiments.hooked_model import HookedModel
from maps.experiments.pearson import two_sided_p_value
from maps.experiments.prompts import PromptPair
from maps.experiments.results import CORRELATION_KINDS, RESULT_SCHEMAS, ExperimentRun, LeftOutRelation, Result
from maps.experiments.static_scores import StaticScores
from maps.experiments.task_prompts import FURTHER_PROMPTS, PAPER_PROMPT, PROMPT_SETS, SUBJECT_MARKER, TASK_PROMPTS
from maps.heads.relation_scores import UsableRelation
from maps.mapping.mapper import map_model
from maps.mapping.model import Model
from maps.mapping.settings import MappingSettings
from maps.types import HeadId, Relation
from tests.small_models import WORDS, SmallModel, random_weights, save_model_folder

pytestmark = pytest.mark.transformers

NEXT = Relation("copying", "algorithmic", tuple(zip(WORDS, [*WORDS[1:], WORDS[0]], strict=True)))
LONGER = Relation(
    "name_copying",
    "algorithmic",
    (*((f"{word}x", word) for word in WORDS), *zip(WORDS, WORDS[::-1], strict=True), (WORDS[0], "zz")),
)
FEW = Relation("word_to_antonym", "linguistic", NEXT.pairs[:3])
SETTINGS = MappingSettings((NEXT, LONGER, FEW), k=60, min_pairs=5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small model of three layers."""
    small = SmallModel(layers=3)
    return save_model_folder(tmp_path_factory.mktemp("models") / "small", small, random_weights(small))


@pytest.fixture(scope="module")
def correlated(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A finished run with all prompts."""
    return evaluate_correlation(ExperimentRun(str(model), tmp_path_factory.mktemp("runs") / "all", SETTINGS), "all")


@pytest.fixture(scope="module")
def removed(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A finished causal run in which every task counts, however badly the model does it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(causal_module, "MIN_BASE_ACCURACY", 0.0)
        return evaluate_causal(ExperimentRun(str(model), tmp_path_factory.mktemp("runs") / "causal", SETTINGS), 3)


def plain_scores(model: Path, template: str, pairs: Sequence[tuple[str, str]], k: int) -> dict[str, list[float]]:
    """Dynamic scores from one whole pass per pair, with every head's output projected to the whole vocabulary."""
    hooked_model = HookedModel.open(Model.open(str(model)))
    known, shape = hooked_model.model.vocabulary, hooked_model.model.shape
    unembedding = hooked_model.network.get_output_embeddings().weight.detach().double()[: known.size]
    hits = torch.zeros(len(CORRELATION_KINDS), shape.layers, shape.heads)
    for source, target in pairs:
        up_to, _, after = template.partition(SUBJECT_MARKER)
        start = known.tokenizer.encode(up_to + source, add_special_tokens=False).ids
        ids = torch.tensor([known.tokenizer.encode(up_to + source + after, add_special_tokens=False).ids])
        with hooked_model.record_head_inputs() as inputs:
            cache = hooked_model.compute_shared_prefix(ids, 0)[1]
            hooked_model.run(ids, cache)
        for layer in range(shape.layers):
            context = inputs[layer][0].view(shape.heads, -1)
            alone = cache.layers[layer].values[0, :, len(start) - 1].repeat_interleave(2, 0)
            for side, read in ((1, context), (0, alone)):
                scores = torch.einsum("hi,hid->hd", read.double(), hooked_model.output_weights(layer)) @ unembedding.T
                own = scores[:, known.single_token_ids([target])[0], None]
                hits[side, layer] += (scores > own).sum(1) < k
                hits[2 + side, layer] += (scores < own).sum(1) < k
    return dict(zip(CORRELATION_KINDS, (hits / len(pairs)).flatten(1).tolist(), strict=True))


@pytest.mark.transformers
def test_dynamic_scores_are_those_of_whole_passes_projected_to_the_whole_vocabulary(
    model: Path, correlated: Result
) -> None:
    detail = correlated.detail("copying")
    for number, template in enumerate(PROMPT_SETS["all"]):
        expected = plain_scores(model, template, NEXT.pairs, 60)
        assert {kind: detail[kind][number] for kind in CORRELATION_KINDS} == {
            kind: pytest.approx(scores, abs=1e-6) for kind, scores in expected.items()
        }


def test_static_scores_are_the_atlass_and_correlations_those_of_all_points(
    model: Path, correlated: Result, tmp_path: Path
) -> None:
    atlas = map_model(str(model), tmp_path / "atlas", SETTINGS)
    detail, [row, _] = correlated.detail("copying"), correlated.rows
    stored = [next(s for s in atlas.relation_scores(HeadId(*x)) if s.relation == "copying") for x in detail["heads"]]
    assert [HeadId(*x) for x in detail["heads"]] == list(atlas.head_ids)
    assert detail["score"] == [each.score for each in stored]
    assert detail["suppression"] == [each.suppression for each in stored]
    assert (row["max_score"], row["max_suppression"]) == (max(detail["score"]), max(detail["suppression"]))
    for kind in CORRELATION_KINDS:
        own = detail["suppression" if kind.startswith("suppression") else "score"] * 4
        points = torch.tensor([own, [score for each in detail[kind] for score in each]], dtype=torch.float64)
        assert row[kind] == pytest.approx(float(torch.corrcoef(points)[0, 1]), rel=1e-9)
        assert row[f"{kind}_p"] == two_sided_p_value(row[kind], 48)


def test_the_file_has_the_contracts_columns_and_reads_back(correlated: Result) -> None:
    table = pd.read_csv(correlated.folder / "correlation.csv")
    assert list(table) == RESULT_SCHEMAS["correlation"].names
    assert table["relation"].tolist() == ["copying", "name_copying"]
    assert table["pairs"].tolist() == [15, 15]
    assert table["with_context"].tolist() == pytest.approx([row["with_context"] for row in correlated.rows])
    assert Result.read(correlated.folder, "correlation") == correlated
    assert correlated.left_out_relations == [LeftOutRelation("word_to_antonym", 3, "3 usable pairs, fewer than 5")]
    assert correlated.settings["prompts"] == [PAPER_PROMPT, *FURTHER_PROMPTS]


@pytest.mark.transformers
def test_a_correlation_of_what_does_not_vary_is_an_empty_cell_with_its_reason(model: Path, tmp_path: Path) -> None:
    result = evaluate_correlation(
        ExperimentRun(str(model), tmp_path, replace(SETTINGS, relations=(NEXT,), k=400))
    )  # every token is a hit
    assert [result.rows[0][kind] for kind in CORRELATION_KINDS] == [None] * 4
    assert set(result.detail("copying")["undefined"]) == set(CORRELATION_KINDS)
    assert (tmp_path / "correlation.csv").read_text().splitlines()[1] == "copying,15,400,,,,,1.0,1.0,,,,"


def test_a_stopped_run_continues_and_ends_the_same(model: Path, correlated: Result, tmp_path: Path) -> None:
    seen: list[tuple[list[str], int]] = []

    def stopped(todo: Sequence[str], done: int) -> Iterator[str]:
        seen.append((list(todo), done))
        yield todo[0]
        raise KeyboardInterrupt

    def watched(todo: Sequence[str], done: int) -> Sequence[str]:
        seen.append((list(todo), done))
        return todo

    with pytest.raises(KeyboardInterrupt):
        evaluate_correlation(ExperimentRun(str(model), tmp_path, SETTINGS, progress=stopped), "all")
    assert not (tmp_path / "correlation.csv").exists()
    for _ in range(2):
        evaluate_correlation(ExperimentRun(str(model), tmp_path, SETTINGS, progress=watched), "all")
    assert seen == [(["copying", "name_copying"], 0), (["name_copying"], 1)]
    assert (tmp_path / "correlation.csv").read_bytes() == (correlated.folder / "correlation.csv").read_bytes()


@pytest.mark.transformers
def test_other_settings_another_prompt_or_another_atlas_are_refused(
    model: Path, correlated: Result, tmp_path: Path
) -> None:
    start = rf"^{re.escape(str(correlated.folder))} holds a run with other settings \("
    with pytest.raises(MapsError, match=rf"{start}k was 60, now 3\); choose another --out\.$"):
        evaluate_correlation(ExperimentRun(str(model), correlated.folder, replace(SETTINGS, k=3)), "all")
    with pytest.raises(MapsError, match=rf"{start}.*prompts.*choose another --out\.$"):
        evaluate_correlation(ExperimentRun(str(model), correlated.folder, SETTINGS))
    with pytest.raises(MapsError, match="There are no prompts own; the choices are paper and all"):
        evaluate_correlation(ExperimentRun(str(model), tmp_path, SETTINGS), "own")
    map_model(str(model), tmp_path, SETTINGS)
    with pytest.raises(MapsError, match="holds an atlas made with other settings"):
        evaluate_correlation(ExperimentRun(str(model), tmp_path, replace(SETTINGS, tau=0.4)))
    assert sorted(path.name for path in tmp_path.glob("*.parts")) == []


def test_longer_sources_are_compared_with_single_ones(model: Path, tmp_path: Path) -> None:
    result = evaluate_multi_token(ExperimentRun(str(model), tmp_path / "multi", SETTINGS))
    single = evaluate_correlation(ExperimentRun(str(model), tmp_path / "single", SETTINGS))
    [row] = result.rows
    own = next(each for each in single.rows if each["relation"] == "name_copying")
    assert (row["relation"], row["pairs"], row["single_pairs"]) == ("name_copying", 15, 15)
    assert {kind: row[f"single_{kind}"] for kind in CORRELATION_KINDS} == {
        kind: own[kind] for kind in CORRELATION_KINDS
    }
    assert (row["max_score"], row["k"]) == (own["max_score"], own["k"])
    expected = plain_scores(model, PAPER_PROMPT, LONGER.pairs[:15], 60)
    detail = result.detail("name_copying")
    assert {kind: detail[kind] for kind in CORRELATION_KINDS} == {
        kind: [pytest.approx(x, abs=1e-6)] for kind, x in expected.items()
    }
    assert result.left_out_relations == [
        LeftOutRelation("word_to_antonym", 3, "single-token sources: 3 usable pairs, fewer than 5"),
        LeftOutRelation("copying", 0, "longer sources: 0 usable pairs, fewer than 5"),
    ]
    assert list(pd.read_csv(tmp_path / "multi" / "multi_token.csv")) == RESULT_SCHEMAS["multi_token"].names


@pytest.mark.parametrize(
    ("heads", "most"), [(299, 30), (300, 50), (500, 100), (999, 100), (1000, 150), (1499, 150), (1500, 250)]
)
def test_the_models_size_says_how_many_heads_are_removed(heads: int, most: int) -> None:
    assert removal_limit(heads) == most


def task(name: str, heads: Sequence[tuple[int, int]]) -> RelationTask:
    static = StaticScores(UsableRelation(Relation(name, "algorithmic", ()), 1, (), ()), (), ())
    return RelationTask(static, [PromptPair("a", 1)], [HeadId(*head) for head in heads], [0.5] * len(heads))


def test_a_control_shares_few_heads_and_has_a_similar_accuracy() -> None:
    target = task("copying", [(0, head) for head in range(8)])
    one, two = ([(0, 0), *((1, head) for head in range(7))], [(0, 0), (0, 1), *((1, head) for head in range(6))])
    bases = {"copying": 0.5, "one": 0.7, "two": 0.5, "easy": 0.71, "late": 0.3}
    assert is_control(target, task("one", one), bases)  # 1 of 8 is 12.5 %
    assert not is_control(target, task("two", two), bases)  # 25 %
    assert not is_control(target, task("easy", one), bases)
    assert is_control(target, task("late", [*((1, head) for head in range(8)), (0, 0), (0, 1)]), bases)  # after the 8th


def test_draws_and_controls_are_seeded_and_draws_are_of_other_heads() -> None:
    tasks = {name: task(name, [(i, 0), (i, 1)]) for i, name in enumerate(("a", "b", "c", "d", "e", "f", "g"))}
    tasks["none"], bases = task("none", []), dict.fromkeys((*tasks, "none"), 0.6) | {"g": 0.09}
    every = [HeadId(layer, head) for layer in range(8) for head in range(4)]
    plan = plan_removals(tasks, bases, every, 3)
    assert plan == plan_removals(tasks, bases, every, 3)
    assert plan.random_draws != plan_removals(tasks, bases, every, 4).random_draws
    assert list(plan.random_draws) == ["a", "b", "c", "d", "e", "f"]
    for name, draws in plan.random_draws.items():
        assert len(draws) == 5
        assert all(len(set(draw)) == 2 and not set(draw) & set(tasks[name].heads) for draw in draws)
        assert len(plan.control_tasks[name]) == 5
        assert name not in plan.control_tasks[name]
    assert {len(draws[0]) for draws in plan_removals(tasks, bases, every[:3], 3).random_draws.values()} == {1, 2}


def test_a_row_is_taken_at_the_first_zero_or_at_the_end() -> None:
    part: dict[str, Any] = {"relation": "r", "pairs": 10, "relation_heads": [0.5, 0.1, 0.0, 0.2]}
    part["random_heads"] = [[0.5, 0.5, 0.4, 0.0], [0.5, 0.5, 0.6, 0.0], [0.5, 0.5]]
    row = causal_row(part, {"c": [0.6, 0.6, 0.3, 0.1], "d": [0.4, 0.4, 0.5, 0.1]})
    assert list(row) == RESULT_SCHEMAS["causal"].names
    assert row == {
        **{"relation": "r", "heads_removed": 2, "base": 0.5, "relation_heads_removed": 0.0},
        **{"random_heads_removed": 0.5, "random_sd": pytest.approx(0.1), "control_tasks": 2},
        **{"control_base": 0.5, "control_relation_heads_removed": 0.4},
        **{"control_base_sd": pytest.approx(0.1), "control_sd": pytest.approx(0.1), "pairs": 10},
    }
    row = causal_row(part | {"relation_heads": [0.5, 0.1, 0.1, 0.2], "random_heads": [[0.5]]}, {})
    assert (row["heads_removed"], row["relation_heads_removed"], row["control_tasks"]) == (3, 0.2, 0)
    assert [row[name] for name in ("random_heads_removed", "random_sd", "control_base", "control_sd")] == [None] * 4


def test_the_curves_are_kept_with_what_was_removed(model: Path, removed: Result) -> None:
    detail, row = removed.detail("copying"), removed.rows[0]
    heads, scores = [HeadId.parse(name) for name in detail["heads"]], detail["scores"]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0
    assert len(detail["relation_heads"]) == len(heads) + 1
    assert [len(curve) for curve in detail["random_heads"]] == [1 + min(len(heads), 12 - len(heads))] * 5
    assert detail["prompt"] == TASK_PROMPTS["copying"]
    assert (detail["relation_heads"][0], row["base"]) == (detail["base"], detail["base"])
    hooked_model = HookedModel.open(Model.open(str(model)))
    pairs_as_text = [
        PromptPair(source, hooked_model.model.vocabulary.single_token_ids([target])[0] or 0)
        for source, target in NEXT.pairs
    ]
    static = StaticScores(UsableRelation(NEXT, 60, (), ()), (), ())
    again = accuracy_curves(hooked_model, RelationTask(static, pairs_as_text, heads, scores), [heads])
    assert again == [detail["relation_heads"]]
    assert Result.read(removed.folder, "causal") == removed
    assert list(pd.read_csv(removed.folder / "causal.csv")) == RESULT_SCHEMAS["causal"].names


def test_tasks_that_the_model_cannot_do_are_left_out_with_the_reason(model: Path, tmp_path: Path) -> None:
    own = replace(NEXT, name="mine", category="")
    result = evaluate_causal(ExperimentRun(str(model), tmp_path, replace(SETTINGS, relations=(NEXT, own, FEW))))
    assert result.rows == []
    assert result.left_out_relations[:2] == [
        LeftOutRelation("word_to_antonym", 3, "3 usable pairs, fewer than 5"),
        LeftOutRelation("mine", 15, "no task prompt"),
    ]
    assert re.fullmatch(r"base accuracy 0\.0\d, under 0\.1", result.left_out_relations[2].reason)
    assert (tmp_path / "causal.csv").read_text().splitlines() == [",".join(RESULT_SCHEMAS["causal"].names)]


def test_every_task_has_a_place_for_its_subject_and_no_source_of_the_relation_as_example() -> None:
    examples = {
        "object_to_superclass": ["puffin", "yew"],
        "product_by_company": ["Vespa", "Twizy"],
        "verb_to_past_tense": ["sneeze"],
        **{name: ["lemon", "otter"] for name in ("word_to_first_letter", "word_to_last_letter", "copying")},
        "year_to_following": ["1203", "1341"],
        "name_copying": ["Zelda", "Ulrich"],
        "noun_to_pronoun": ["aviator", "brunette", "pebble", "hikers"],
        "english_to_spanish": ["lemon", "spoon"],
    }
    sources = {relation.name: {source for source, _ in relation.pairs} for relation in predefined_relations()}
    assert len(TASK_PROMPTS) == 13
    assert all(template.count(SUBJECT_MARKER) == 1 for template in (*TASK_PROMPTS.values(), *PROMPT_SETS["all"]))
    assert all(
        word in TASK_PROMPTS[name] and word not in sources[name] for name, words in examples.items() for word in words
    )


@pytest.mark.transformers
def test_the_commands_run_the_experiments_and_print_where_the_results_are(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = tmp_path / "pairs.json"
    pairs.write_text(json.dumps([*NEXT.pairs, *((f"{word}x", word) for word in WORDS)]))
    options = ["--relation", f"mine={pairs}", "--k", "60", "--min-pairs", "5", "--layers", "1-2"]
    for name in ("correlation", "multi-token", "causal"):
        out = tmp_path / name
        command = ["evaluate", name, str(model), "--out", str(out), *options]
        assert main(command) == 0
        first = capsys.readouterr()
        assert main(command) == 0
        assert capsys.readouterr() == (first.out, "")
        rows, left = ("0 relations", "Left out: mine (no task prompt).\n") if name == "causal" else ("1 relation", "")
        table = f"{left}{rows} in {out}/{name.replace('-', '_')}.csv\n"
        assert first.out == f"{table}The report is in {out}/report.html.\n"
    detail = Result.read(tmp_path / "correlation", "correlation").detail("mine")
    assert detail["heads"] == [[layer, head] for layer in (1, 2) for head in range(4)]
    assert main(["evaluate", "causal", str(model), "--out", str(tmp_path / "x"), "--prompts", "all"]) == 2
    assert capsys.readouterr().err == "evaluate causal does not use --prompts; leave it out.\n"


def test_a_damaged_or_missing_result_is_reported_in_one_sentence(correlated: Result, tmp_path: Path) -> None:
    with pytest.raises(MapsError, match=r"holds no causal\.json; run `python -m maps evaluate` first\.$"):
        Result.read(tmp_path, "causal")
    (tmp_path / "causal.json").write_text('{"rows": [{}], "left_out": [], "settings": {}}')
    with pytest.raises(MapsError, match=r"causal\.json is damaged \('relation'\); delete it and run the same command"):
        Result.read(tmp_path, "causal")
    with pytest.raises(MapsError, match="is missing; delete "):
        correlated.detail("word_to_antonym")
