"""`map` of every family, compared with all of M in float64: from the formula, and from the model itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from maps.atlas.reader import Atlas
from maps.atlas.schema import LAYER_TABLES
from maps.heads import output_space, rank_tests, relation_scores, source_rows, top_entries, top_targets
from maps.mapping.mapper import map_model
from maps.mapping.reading import Reading
from maps.mapping.settings import MappingSettings
from maps.types import HeadId, Relation
from maps.weights.open import open_checkpoint
from tests.calibrations import save_random_calibration
from tests.families import FAMILY_MODELS, RUN_MODELS, BuiltOnce
from tests.maps.mapping.test_mapper import check_head
from tests.oracle import (
    Oracle,
    build_model_with_ties,
    oracle_by_formula,
    oracle_by_own_modules,
    read_plainly,
    target_map,
)
from tests.sampling import with_canary
from tests.small_models import VOCABULARY_SIZE, WORDS, approximate_rows

pytestmark = pytest.mark.transformers

PAIRS = tuple(zip(WORDS, [*WORDS[1:], WORDS[0]], strict=True))
RELATIONS = (
    Relation("copying", "algorithmic", tuple((word, word) for word in WORDS)),
    Relation("next", "", (*PAIRS, ("xylophone", "amber"))),
)
WHOLE = MappingSettings(RELATIONS, k=60, suppressive=True, output_space=True, top_scoring=True)
LATER = replace(WHOLE, layers=(1, 1))
OPTIONS = {
    "without the first MLP": replace(WHOLE, reading=Reading("embedding")),
    "with the final gain": replace(WHOLE, reading=Reading(final_norm=True), k=25),
    "in bfloat16": replace(WHOLE, dtype="bfloat16"),
    "all at once": replace(WHOLE, reading=Reading("embedding", final_norm=True), dtype="bfloat16", k=None),
    "other sizes": replace(WHOLE, salient=7, heldout=0, targets=40, k=20),
}


READINGS = (
    "mlp+input-norm",
    "embedding+input-norm+final-norm",
    "residual",
    "residual+input-norm+final-norm",
    "mlp+target-map",
    "calibrated",
    "calibrated+input-norm+final-norm+target-map",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Path]]:
    """Every family's model with its folder."""
    folder = tmp_path_factory.mktemp("oracle")
    return BuiltOnce(lambda family: (build_model_with_ties(family, folder / family), folder / family))


def check(atlas: Atlas, where: HeadId, oracle: Oracle, settings: MappingSettings) -> None:
    check_head(atlas, where, oracle, settings)
    row = atlas.table("heads", head=where).to_pylist()[0]
    assert row["output_space"] == oracle.output_space()
    assert row["top_scoring_jaccard"] == oracle.top_scoring_jaccard(settings)
    lowest = atlas.mappings(where, "suppressive")
    assert [m.source_id for m in lowest] == oracle.salient_tokens(settings.salient)
    for mapping in lowest:
        ids, scores = oracle.lowest_targets(mapping.source_id)[: settings.targets], oracle.matrix[mapping.source_id]
        assert list(mapping.target_ids) == ids
        near = 1e-4 * float(scores.abs().max())
        assert list(mapping.scores) == pytest.approx(scores[ids].tolist(), rel=1e-4, abs=near)


def check_relations(atlas: Atlas, where: HeadId, oracle: Oracle, settings: MappingSettings) -> int:
    """Checks the shares of pairs; returns how many are neither 0 nor 1."""
    ids = dict(zip(WORDS, open_checkpoint(atlas.info["asked_for"]).vocabulary.single_token_ids(WORDS), strict=True))
    pairs = [[(ids[s] or 0, ids[t] or 0) for s, t in relation.pairs if s in ids] for relation in RELATIONS]
    ks = (settings.k or 1, settings.k or 10)
    wanted = [(k, 15, *oracle.relation_score(each, k)) for each, k in zip(pairs, ks, strict=True)]
    assert [(s.k, s.pairs, s.score, s.suppression) for s in atlas.relation_scores(where)] == wanted
    return sum(0 < share < 1 for _, _, *shares in wanted for share in shares)


def check_model(model: Any, folder: Path, out: Path, settings: MappingSettings, heads: tuple[int, ...]) -> None:
    atlas = map_model(str(folder), out, settings)
    checkpoint = open_checkpoint(str(folder))
    assert checkpoint.vocabulary.size == VOCABULARY_SIZE
    telling = 0
    for where in (each for each in atlas.head_ids if each.head in heads):
        for form in (partial(oracle_by_formula, checkpoint), partial(oracle_by_own_modules, model, checkpoint)):
            oracle = form(where.layer, where.head, settings)
            check(atlas, where, oracle, settings)
            telling += check_relations(atlas, where, oracle, settings)
    assert telling > 0
    assert len(atlas.head_ids) == len(checkpoint.shape.layers_with_heads) * 4


@pytest.mark.parametrize("family", with_canary(FAMILY_MODELS, "llama"))
def test_an_atlas_equals_values_from_all_of_m(family: str, made: dict[str, tuple[Any, Path]], tmp_path: Path) -> None:
    model, folder = made[family]
    check_model(model, folder, tmp_path / "atlas", WHOLE, (0, 1, 2, 3))


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("family", ["gpt2", "gemma2", "qwen2"])
def test_an_atlas_with_options_equals_values_from_all_of_m(
    family: str, option: str, made: dict[str, tuple[Any, Path]], tmp_path: Path
) -> None:
    model, folder = made[family]
    check_model(model, folder, tmp_path / "atlas", OPTIONS[option], (1, 2))


# Families whose rows are made in a way of their own; in the others, the reading with everything stands for all.
IN_EVERY_READING = ["gpt2", "gpt_neox", "phi", "llama", "gemma2", "olmo2", "granite", "apertus", "olmo", "bloom", "opt"]
IN_ONE_READING = [family for family in RUN_MODELS if family not in IN_EVERY_READING]
NOT_RUN = [family for family in FAMILY_MODELS if family not in RUN_MODELS]  # nor calibrated

CASES = [
    *product(IN_EVERY_READING, READINGS),
    *product(IN_ONE_READING, READINGS[-1:]),
    *product(NOT_RUN, ["residual+input-norm+final-norm"]),
]


@pytest.mark.parametrize(
    ("family", "reading"),
    [pytest.param(*case, marks=pytest.mark.canary) if case[0] == "llama" else case for case in CASES],
)
def test_an_atlas_in_any_reading_equals_values_from_all_of_m(
    family: str, reading: str, made: dict[str, tuple[Any, Path]], tmp_path: Path
) -> None:
    model, folder = made[family]
    parsed, calibration = Reading.parse(reading), None
    if parsed.needs_calibration:
        calibration = save_random_calibration(tmp_path / "calibration.safetensors", open_checkpoint(str(folder)))
    settings = replace(WHOLE, reading=parsed, calibration=calibration, k=40)
    check_model(model, folder, tmp_path / "atlas", settings, (1, 2))


@pytest.mark.parametrize("reading", ["mlp", "mlp+target-map", *READINGS[:2], READINGS[-1]])
def test_what_copying_gives_is_that_of_each_layer(
    reading: str, made: dict[str, tuple[Any, Path]], tmp_path: Path
) -> None:
    """The identity matrix in a head's place, by the formula from the weights."""
    checkpoint, parsed = open_checkpoint(str(made["llama"][1])), Reading.parse(reading)
    calibration = save_random_calibration(tmp_path / "maps", checkpoint) if parsed.needs_calibration else None
    settings = replace(WHOLE, reading=parsed, calibration=calibration, k=40, output_space=False, top_scoring=False)
    atlas = map_model(str(made["llama"][1]), tmp_path / "atlas", settings)
    embedding = checkpoint.embedding()
    unembedding = checkpoint.unembedding(embedding).double()
    unembedding = unembedding * checkpoint.final_norm_gain() if parsed.final_norm else unembedding
    pairs = {
        name: list(zip(*(atlas.pairs(name)[c].to_pylist() for c in ("source_id", "target_id")), strict=True))
        for name in ("copying", "next")
    }
    found = set()
    for layer in range(checkpoint.shape.layers):
        rows = read_plainly(embedding.double(), checkpoint, layer, settings)
        scores = rows @ target_map(settings, layer, checkpoint.shape) @ unembedding.T
        for score in atlas.relation_scores(HeadId(layer, 1)):
            copied = [int((scores[s] > scores[s, t] + 1e-9).sum()) < 40 for s, t in pairs[score.relation]]
            assert score.identity == sum(copied) / len(copied)
            assert score.beyond_copying_pairs == copied.count(False)
            found.add((score.relation, score.identity))
    assert len(found) > 2


def tables(atlas: Atlas) -> dict[str, list[dict[str, Any]]]:
    return {name: atlas.table(name).to_pylist() for name in (*LAYER_TABLES, "suppressive")}


@pytest.fixture(params=[(5, 3, 17, 1), (200, 100, 101, 2), (64, 345, 1000, 1), (5000, 400, 5000, 2)], ids=str)
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Odd sizes of all blocks (columns, rows, searches through M), and the number of threads."""
    columns, rows, square, threads = request.param
    for module, name, size in (
        (rank_tests, "BLOCK", columns),
        (top_targets, "BLOCK_COLUMNS", columns),
        (rank_tests, "ROWS", rows),
        (top_targets, "ROWS", rows),
        (source_rows, "ROWS", rows),
        (rank_tests, "SIEVE_COLUMNS", 3 * columns),
        (rank_tests, "FIRST_SIEVE_COLUMNS", 2 * columns),
        (rank_tests, "GROUP_COLUMNS", 4),
        (top_targets, "GROUP_COLUMNS", columns),
        (rank_tests, "CACHE_BYTES", 8 * 32 * rows),
        (top_targets, "CACHE_BYTES", 8 * 32 * rows),
        (relation_scores, "POOLED_ROWS", rows),
        (source_rows, "EXACT_CACHE_BYTES", 8 * 32 * rows),
        (output_space, "TARGET_BYTES", rows),
        (output_space, "BLOCK", square),
        (output_space, "SAMPLE_SOURCES", rows),
        (top_entries, "BLOCK", square),
    ):
        monkeypatch.setattr(module, name, size)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def before(made: dict[str, tuple[Any, Path]], tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    """A model mapped with the default blocks, on one thread."""
    return map_model(str(made["qwen3"][1]), tmp_path_factory.mktemp("before") / "atlas", LATER)


@pytest.mark.usefixtures("blocks")
def test_neither_blocks_nor_threads_change_an_atlas(
    before: Atlas, made: dict[str, tuple[Any, Path]], tmp_path: Path
) -> None:
    found = map_model(str(made["qwen3"][1]), tmp_path / "atlas", LATER)
    for name, rows in tables(before).items():
        assert tables(found)[name] == approximate_rows(rows, 1e-5)
    exact = ["layer", "head", "output_space", "top_scoring_jaccard"]
    assert found.table("heads", exact).to_pylist() == before.table("heads", exact).to_pylist()


@pytest.mark.parametrize("eight_bits", [True, False])
def test_the_screen_changes_no_output_space(
    eight_bits: bool, before: Atlas, made: dict[str, tuple[Any, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_space, "has_fast_int8", lambda _device: eight_bits)
    found = map_model(str(made["qwen3"][1]), tmp_path / "atlas", LATER)
    spaces = [atlas.table("heads", ["output_space"]).to_pylist() for atlas in (found, before)]
    assert spaces[0] == spaces[1]
