"""Whole mappings of small models, compared with the plain formula."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from maps.atlas.reader import Atlas
from maps.atlas.schema import LAYER_TABLES
from maps.errors import MapsError
from maps.heads import rank_tests, relation_scores, source_rows, top_targets
from maps.mapping.mapper import map_model
from maps.mapping.reading import Reading
from maps.mapping.settings import MappingSettings
from maps.types import HeadId, Mapping, Relation
from maps.weights.open import open_checkpoint
from tests.sampling import sampled
from tests.small_models import (
    VOCABULARY_SIZE,
    WORDS,
    PlainMatrix,
    SmallModel,
    approximate_rows,
    plain_matrix,
    random_weights,
    save_gguf,
    save_model_folder,
)

ROOT = Path(__file__).parents[3]
PAIRS = tuple(zip(WORDS, [*WORDS[1:], WORDS[0]], strict=True))
RELATIONS = (
    Relation("copying", "algorithmic", tuple((word, word) for word in WORDS)),
    Relation("next", "", (*PAIRS, ("xylophone", "amber"))),
    Relation("unknown", "knowledge", (("xylophone", "zebra"),)),
)
PLAIN = MappingSettings(RELATIONS)
MODELS = {
    "grouped": (SmallModel(), PLAIN),
    "tied": (SmallModel(tied_embeddings=True), replace(PLAIN, k=60)),
    "padded": (
        SmallModel(padding_rows=7, kv_heads=1, layers=3),
        replace(PLAIN, k=100, salient=12, heldout=3, targets=9),
    ),
    "padded and tied": (
        SmallModel(padding_rows=3, tied_embeddings=True, heads=3, kv_heads=3, head_width=20),
        replace(PLAIN, k=340),
    ),
    "without the first MLP": (SmallModel(heads=6), replace(PLAIN, k=60, reading=Reading("embedding"))),
    "more asked than there is": (
        SmallModel(layers=1, heads=1, kv_heads=1),
        replace(PLAIN, k=400, salient=400, targets=400),
    ),
}


def own_k(settings: MappingSettings, relation: str) -> int:
    return settings.k or {"copying": 1, "next": 10, "unknown": 10}[relation]


def check_mappings(found: list[Mapping], oracle: PlainMatrix, first: int, last: int, settings: MappingSettings) -> None:
    ids = oracle.salient_tokens(last)[first:]
    assert [m.source_id for m in found] == ids
    assert [m.rank for m in found] == list(range(first + 1, first + 1 + len(ids)))
    assert [m.saliency for m in found] == pytest.approx(oracle.sigma[ids].tolist(), rel=1e-4)
    for mapping in found:
        top_targets = oracle.ordered_targets(mapping.source_id)[: settings.targets]
        assert list(mapping.target_ids) == top_targets
        row = oracle.matrix[mapping.source_id]
        assert list(mapping.scores) == pytest.approx(
            row[top_targets].tolist(), rel=1e-4, abs=1e-4 * float(row.abs().max())
        )


def check_head(atlas: Atlas, where: HeadId, oracle: PlainMatrix, settings: MappingSettings) -> None:
    salient = oracle.salient_tokens(settings.salient)
    check_mappings(atlas.mappings(where), oracle, 0, settings.salient, settings)
    check_mappings(
        atlas.mappings(where, "heldout"), oracle, settings.salient, settings.salient + settings.heldout, settings
    )
    x = oracle.sigma - oracle.sigma.mean()
    rows = oracle.matrix[salient] - oracle.matrix[salient].mean(1, keepdim=True)
    row = atlas.table("heads", head=where).to_pylist()[0]
    assert row["saliency_mean"] == pytest.approx(float(oracle.sigma.mean()), rel=1e-4)
    assert row["saliency_max"] == pytest.approx(float(oracle.sigma.max()), rel=1e-4)
    assert row["input_skewness"] == pytest.approx(float(x.pow(3).mean() / x.square().mean() ** 1.5), rel=1e-4, abs=1e-5)
    assert row["target_kurtosis"] == pytest.approx(
        float((rows.pow(4).mean(1) / rows.square().mean(1) ** 2).mean()), rel=1e-4
    )


@pytest.mark.parametrize("name", sampled(MODELS, MODELS.keys() - {"more asked than there is"}))
def test_an_atlas_equals_the_plain_formula(name: str, tmp_path: Path) -> None:
    small, settings = MODELS[name]
    made = random_weights(small)
    folder = save_model_folder(tmp_path / "model", small, made)
    atlas = map_model(str(folder), tmp_path / "atlas", settings)
    vocabulary = open_checkpoint(str(folder)).vocabulary
    assert vocabulary.size == VOCABULARY_SIZE
    ids = dict(zip(WORDS, (i for i in vocabulary.single_token_ids(WORDS) if i is not None), strict=True))
    copied, following = ([(ids[s], ids[t]) for s, t in r.pairs if s in ids] for r in RELATIONS[:2])
    assert atlas.head_ids == tuple(HeadId(x, y) for x in range(small.layers) for y in range(small.heads))
    hits = 0.0
    for where in atlas.head_ids:
        oracle = plain_matrix(small, made, where.layer, where.head, settings.reading.source == "mlp")
        check_head(atlas, where, oracle, settings)
        scores = {s.relation: (s.k, s.pairs, s.score, s.suppression) for s in atlas.relation_scores(where)}
        k, wide = own_k(settings, "copying"), own_k(settings, "next")
        assert scores == {
            "copying": (k, 15, *oracle.relation_score(copied, k)),
            "next": (wide, 15, *oracle.relation_score(following, wide)),
            "unknown": (wide, 0, None, None),
        }
        hits += sum(oracle.relation_score(following, wide))
    assert hits > 0


def test_a_head_reads_the_value_head_of_its_group(mapped_once: Path) -> None:
    rows = Atlas.open(mapped_once).table("heads", ["layer", "head", "kv_head"]).to_pylist()
    assert [(row["layer"], row["head"], row["kv_head"]) for row in rows] == [
        (layer, head, head // 2) for layer in range(2) for head in range(4)
    ]


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tables(atlas: Atlas) -> dict[str, list[dict[str, object]]]:
    return {name: atlas.table(name).to_pylist() for name in LAYER_TABLES}


def same(found: Atlas, wanted: Atlas) -> None:
    """Ids, strings and hits exactly, values to rounding."""
    for name, rows in tables(wanted).items():
        assert tables(found)[name] == approximate_rows(rows, 1e-5)


def wider(tmp_path: Path, name: str, settings: MappingSettings) -> Atlas:
    small = SmallModel(width=48, layers=2, head_width=16)
    folder = tmp_path / "model"
    if not folder.exists():
        save_model_folder(folder, small, random_weights(small, seed=3))
    return map_model(str(folder), tmp_path / name, settings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("block", "rows", "tokens", "pairs"),
    [
        pytest.param(1, 1, 1, 1, marks=pytest.mark.long),
        pytest.param(37, 5, 100, 20, marks=pytest.mark.exhaustive),
        (4096, 64, 345, 64),
    ],
)
def test_block_sizes_change_nothing(
    block: int, rows: int, tokens: int, pairs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(PLAIN, k=50)
    before = wider(tmp_path, "before", settings)
    monkeypatch.setattr(rank_tests, "BLOCK", block)
    monkeypatch.setattr(rank_tests, "ROWS", rows)
    monkeypatch.setattr(source_rows, "ROWS", tokens)
    monkeypatch.setattr(relation_scores, "POOLED_ROWS", pairs)
    monkeypatch.setattr(top_targets, "BLOCK_COLUMNS", block)
    monkeypatch.setattr(top_targets, "GROUP_COLUMNS", block)
    same(wider(tmp_path, "after", settings), before)


def test_the_number_of_threads_changes_nothing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    settings = replace(PLAIN, k=50)
    torch.set_num_threads(2)
    before = wider(tmp_path, "before", settings)
    request.getfixturevalue("one_thread")
    same(wider(tmp_path, "after", settings), before)


@pytest.mark.parametrize("padding", [0, 6])
def test_a_gguf_file_and_a_folder_of_one_model_give_the_same_atlas(padding: int, tmp_path: Path) -> None:
    small = SmallModel(padding_rows=padding)
    made = random_weights(small)
    folder = save_model_folder(tmp_path / "small", small, made)
    file = save_gguf(tmp_path / "small.gguf", small, made)
    one, other = (map_model(str(m), tmp_path / m.name.replace(".", "-atlas"), PLAIN) for m in (folder, file))
    assert tables(one) == tables(other)
    differing = ("asked_for", "revision", "weights", "created_at")
    assert {k: v for k, v in one.info.items() if k not in differing} == {
        k: v for k, v in other.info.items() if k not in differing
    }


def test_a_head_that_writes_nothing_has_no_skewness_and_no_kurtosis(tmp_path: Path) -> None:
    small = SmallModel(layers=1)
    made = random_weights(small)
    made["model.layers.0.self_attn.o_proj.weight"][:, :8] = 0
    atlas = map_model(str(save_model_folder(tmp_path / "model", small, made)), tmp_path / "atlas", PLAIN)
    silent, speaking = atlas.table("heads").to_pylist()[:2]
    assert (silent["saliency_max"], silent["input_skewness"], silent["target_kurtosis"]) == (0.0, None, None)
    assert speaking["target_kurtosis"] > 1
    assert [m.target_ids for m in atlas.mappings(HeadId(0, 0))] == [(0, 1, 2, 3, 4)] * 30
    assert [m.source_id for m in atlas.mappings(HeadId(0, 0))] == list(range(30))


def test_layers_mapped_alone_equal_those_of_the_whole_atlas(
    tmp_path: Path, small_model: Path, mapped_once: Path
) -> None:
    whole = Atlas.open(mapped_once)
    settings = MappingSettings((RELATIONS[0],), min_pairs=5)
    for layer in (0, 1):
        some = map_model(str(small_model), tmp_path / str(layer), replace(settings, layers=(layer, layer)))
        assert some.head_ids == tuple(HeadId(layer, head) for head in range(4))
        assert all(some.mappings(head) == whole.mappings(head) for head in some.head_ids)
        assert all(some.relation_scores(head) == whole.relation_scores(head) for head in some.head_ids)


def test_layers_that_the_model_lacks_are_refused(tmp_path: Path, small_model: Path) -> None:
    with pytest.raises(MapsError, match=r"^--layers 1-2 is outside the model's layers 0-1\.$"):
        map_model(str(small_model), tmp_path / "atlas", replace(PLAIN, layers=(1, 2)))
    assert not (tmp_path / "atlas").exists()


@pytest.mark.parametrize("device", ["nonsense", "meta", "cuda:99", ""])
def test_a_missing_device_is_refused_in_one_sentence(device: str, tmp_path: Path, small_model: Path) -> None:
    sentence = f"The device {device} cannot be used here; leave out --device to compute on the CPU."
    with pytest.raises(MapsError, match=f"^{re.escape(sentence)}$"):
        map_model(str(small_model), tmp_path / "atlas", PLAIN, device)
